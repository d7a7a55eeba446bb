//! The envelope in an object's user metadata.
//!
//! FLOE: one entry `waxseal-<field>` per field. One-shot: the single entry `x-amz-key`.

use crate::envelope::Envelope;
use crate::envelope::Format;
use crate::envelope::fields;
use crate::error::Error;
use crate::error::Result;
use crate::keyring::WrappedKey;

pub(super) fn encode(envelope: &Envelope) -> Result<Vec<(String, String)>> {
    if envelope.format() == Format::OneShot {
        let [wrapped] = envelope.wrapped_keys() else {
            return Err(Error::invalid_input("the one-shot layout stores exactly one wrapped key"));
        };
        let hex = base16ct::lower::encode_string(wrapped.ciphertext());
        return Ok(vec![(ONE_SHOT_KEY.to_owned(), hex)]);
    }
    let fields = fields::encode(envelope)?;
    Ok(fields.into_iter().map(|(n, v)| (format!("{PREFIX}{n}"), v.into_owned())).collect())
}

pub(super) fn decode<'a>(
    entries: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Option<Envelope>> {
    let mut fields = vec![];
    let mut one_shot = vec![];
    let mut foreign = false;
    for (name, value) in entries {
        let name = name.to_ascii_lowercase();
        // A header sent twice arrives joined with a comma, which no canonical envelope survives.
        if let Some(name) = name.strip_prefix(PREFIX) {
            fields.push((name.to_owned(), value));
        } else if name == ONE_SHOT_KEY {
            one_shot.push(value);
        } else {
            foreign |= FOREIGN.contains(&name.as_str());
        }
        if fields.len() + one_shot.len() > MAX_ENTRIES || value.len() > MAX_VALUE_LEN {
            return Err(fields::malformed());
        }
    }
    // Which of two envelopes to believe is a question that must not arise. `x-amz-key` stands for
    // the one-shot layout only where nothing else describes the object.
    match (fields.is_empty(), one_shot.as_slice(), foreign) {
        (true, [], _) => Ok(None),
        (false, [], false) => {
            fields.sort_by_key(|(name, _)| rank(name));
            let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), *v)).collect();
            fields::decode(&fields, true).map(Some)
        }
        (true, [hex], false) => {
            let ciphertext = base16ct::mixed::decode_vec(hex).map_err(|_| fields::malformed())?;
            let wrapped = WrappedKey::anonymous("", ciphertext).map_err(|_| fields::malformed())?;
            Ok(Some(Envelope::one_shot(wrapped)))
        }
        _ => Err(Error::format("the metadata describes more than one envelope")),
    }
}

/// Metadata has no order: this gives fields the one in which they are written. Unknown names come
/// last and are then refused.
fn rank(name: &str) -> usize {
    let order = ["version", "suite", "binding", "context"];
    let number = || name.strip_prefix("key-")?.parse::<usize>().ok();
    order
        .iter()
        .position(|known| *known == name)
        .or_else(|| number().filter(|n| *n < MAX_ENTRIES).map(|n| order.len() + n))
        .unwrap_or(match name {
            "signature" => 99,
            "header" => 100,
            _ => 101,
        })
}

/// Most bytes of user metadata that S3 stores with an object, names and values together.
pub const METADATA_LIMIT: usize = 2048;
const PREFIX: &str = "waxseal-";
const ONE_SHOT_KEY: &str = "x-amz-key";
/// Entries of the Amazon S3 Encryption Client's formats, none of which is read here.
const FOREIGN: [&str; 13] = [
    "x-amz-key-v2",
    "x-amz-iv",
    "x-amz-matdesc",
    "x-amz-wrap-alg",
    "x-amz-cek-alg",
    "x-amz-tag-len",
    "x-amz-c",
    "x-amz-d",
    "x-amz-i",
    "x-amz-m",
    "x-amz-t",
    "x-amz-w",
    "x-amz-3",
];
/// Bounds what is looked at; other stores than S3 may allow more metadata than 2 KiB.
const MAX_ENTRIES: usize = 32;
const MAX_VALUE_LEN: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::fields::tests::envelope;
    use crate::error::ErrorKind;

    fn pairs(entries: &[(String, String)]) -> Vec<(&str, &str)> {
        entries.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
    }

    #[test]
    fn what_is_written_is_read_in_any_order_and_case() {
        let envelope = envelope(true);
        let mut entries = encode(&envelope).unwrap();
        assert_eq!(decode(pairs(&entries)).unwrap().unwrap(), envelope);
        entries.reverse();
        entries[0].0.make_ascii_uppercase();
        entries.push(("title".into(), "a, b".into()));
        assert_eq!(decode(pairs(&entries)).unwrap().unwrap(), envelope);
    }

    #[test]
    fn metadata_of_others_is_no_envelope() {
        assert_eq!(decode([("title", "x"), ("waxsea-key", "y")]).unwrap(), None);
        assert_eq!(decode([("x-amz-key-v2", "x"), ("x-amz-iv", "y")]).unwrap(), None);
    }

    #[test]
    fn every_other_set_of_entries_is_refused() {
        let entries = encode(&envelope(true)).unwrap();
        let refused = |entries: &[(String, String)]| {
            let error = decode(pairs(entries)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Format, "{entries:?}");
        };
        for i in 0..entries.len() {
            let mut missing = entries.clone();
            let (name, value) = missing.remove(i);
            // Without one of these it is another envelope.
            let optional = ["waxseal-context", "waxseal-key-2", "waxseal-signature"];
            if !optional.contains(&&*name) {
                refused(&missing);
            }
            for other in
                [String::new(), format!("{value},{value}"), format!("{value} "), "x".into()]
            {
                let mut changed = entries.clone();
                changed[i].1 = other;
                refused(&changed);
            }
            let mut twice = entries.clone();
            twice.push((name, value));
            refused(&twice);
        }
        for (name, value) in
            [("waxseal-new", "1"), ("waxseal-key-9", "x"), ("x-amz-key", "00"), ("X-Amz-Iv", "00")]
        {
            let mut more = entries.clone();
            more.push((name.into(), value.into()));
            refused(&more);
        }
    }

    #[test]
    fn one_shot_is_one_entry_of_hex() {
        let envelope = Envelope::one_shot(WrappedKey::anonymous("", [0xab, 0x01]).unwrap());
        let entries = encode(&envelope).unwrap();
        assert_eq!(pairs(&entries), [("x-amz-key", "ab01")]);
        assert_eq!(decode(pairs(&entries)).unwrap().unwrap(), envelope);
        assert_eq!(decode([("X-Amz-Key", "AB01")]).unwrap().unwrap(), envelope);
        for bad in [
            vec![("x-amz-key", "")],
            vec![("x-amz-key", "ab0")],
            vec![("x-amz-key", "zz")],
            vec![("x-amz-key", "ab01"), ("x-amz-key", "ab01")],
            vec![("x-amz-key", "ab01"), ("x-amz-key-v2", "ab01")],
            vec![("x-amz-key", "ab01"), ("x-amz-iv", "ab01")],
        ] {
            assert_eq!(decode(bad.clone()).unwrap_err().kind(), ErrorKind::Format, "{bad:?}");
        }
    }
}
