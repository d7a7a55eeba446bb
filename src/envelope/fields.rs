//! An envelope as named fields in a fixed order: what both placements write and read.
//!
//! ```text
//! version    1
//! suite      floe-aes256gcm-hkdfsha384
//! binding    none | key | bucket-key | label
//! context    key=value&key=value          absent if there are no pairs
//! key-1      provider key-id base64url    key-2, ... key-16 for further wrapped keys
//! signature  provider key-id base64url    absent unless the object is signed
//! header     base64url                    in metadata only
//! ```

use std::borrow::Cow;
use std::sync::Arc;

use base64ct::Base64UrlUnpadded;
use base64ct::Encoding as _;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::percent_decode_str;
use percent_encoding::utf8_percent_encode;

use crate::context::EncryptionContext;
use crate::envelope::Content;
use crate::envelope::Envelope;
use crate::envelope::binding::Mode;
use crate::error::Error;
use crate::error::Result;
use crate::floe;
use crate::keyring::MAX_WRAPPED_KEYS;
use crate::keyring::WrappedKey;
use crate::signing::Signature;

pub(super) type Fields = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// The fields of a FLOE envelope.
///
/// # Errors
///
/// `InvalidInput` if the context or the number of wrapped keys is over its limit.
pub(super) fn encode(envelope: &Envelope) -> Result<Fields> {
    let Content::Floe { binding, context, signature, header } = &envelope.content else {
        return Err(Error::invalid_input("the one-shot layout has no such envelope"));
    };
    if !(1..=MAX_WRAPPED_KEYS).contains(&envelope.wrapped_keys.len()) {
        return Err(Error::invalid_input(format!(
            "an envelope holds 1 to {MAX_WRAPPED_KEYS} wrapped keys, not {}",
            envelope.wrapped_keys.len()
        )));
    }
    if envelope.wrapped_keys.iter().any(|wrapped| wrapped.key_id().is_none()) {
        return Err(Error::invalid_input("a wrapped key does not name its wrapping key"));
    }
    context.encode()?; // for its limits
    let mut fields = Vec::with_capacity(6 + envelope.wrapped_keys.len());
    fields.push(("version".into(), VERSION.into()));
    fields.push(("suite".into(), SUITE.into()));
    fields.push(("binding".into(), binding.name().into()));
    if !context.is_empty() {
        fields.push(("context".into(), encode_context(context).into()));
    }
    for (i, wrapped) in envelope.wrapped_keys.iter().enumerate() {
        fields.push((format!("key-{}", i + 1).into(), encode_wrapped(wrapped).into()));
    }
    if let Some(signature) = signature {
        let (provider, key_id) = (signature.provider(), signature.key_id());
        fields.push(("signature".into(), encode_named(provider, key_id, signature.bytes()).into()));
    }
    if let Some(header) = header {
        let header = Base64UrlUnpadded::encode_string(header.as_bytes());
        fields.push(("header".into(), header.into()));
    }
    Ok(fields)
}

/// Reads fields in their fixed order. `with_header`: the placement stores the header here.
///
/// # Errors
///
/// `Format` unless the fields are exactly what [`encode`] writes for some envelope.
pub(super) fn decode(fields: &[(&str, &str)], with_header: bool) -> Result<Envelope> {
    if let Some(&(_, version)) = fields.iter().find(|(name, _)| *name == "version")
        && version != VERSION
    {
        return Err(Error::format(format!("envelope version {version:?} is not known here")));
    }
    let envelope = decode_loosely(fields, with_header).ok_or_else(malformed)?;
    let canonical = encode(&envelope).map_err(|_| malformed())?;
    let same = canonical.len() == fields.len()
        && canonical.iter().zip(fields).all(|(a, b)| (&*a.0, &*a.1) == *b);
    if same { Ok(envelope) } else { Err(malformed()) }
}

pub(super) fn malformed() -> Error {
    Error::format("the envelope is malformed")
}

/// Whatever can be made of the fields; [`decode`] checks that nothing else was there.
fn decode_loosely(fields: &[(&str, &str)], with_header: bool) -> Option<Envelope> {
    let find = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|f| f.1);
    if find("suite")? != SUITE {
        return None;
    }
    let wrapped_keys = (1..=MAX_WRAPPED_KEYS)
        .map_while(|i| find(&format!("key-{i}")))
        .map(decode_wrapped)
        .collect::<Option<Arc<[_]>>>()?;
    let signature = match find("signature") {
        Some(text) => Some(decode_signature(text)?),
        None => None,
    };
    let header = match (find("header"), with_header) {
        (Some(text), true) => {
            let mut bytes = [0; floe::HEADER_LEN];
            let bytes = Base64UrlUnpadded::decode(text, &mut bytes).ok()?;
            Some(floe::Header::parse(bytes).ok()?)
        }
        (None, false) => None,
        _ => return None,
    };
    let binding = Mode::from_name(find("binding")?)?;
    let context = match find("context") {
        Some(text) => decode_context(text)?,
        None => EncryptionContext::new(),
    };
    Some(Envelope { content: Content::Floe { binding, context, signature, header }, wrapped_keys })
}

fn encode_context(context: &EncryptionContext) -> String {
    let mut text = String::new();
    for (key, value) in context.iter() {
        text.push_str(if text.is_empty() { "" } else { "&" });
        text.extend(utf8_percent_encode(key, ESCAPED));
        text.push('=');
        text.extend(utf8_percent_encode(value, ESCAPED));
    }
    text
}

fn decode_context(text: &str) -> Option<EncryptionContext> {
    let unescape = |text| percent_decode_str(text).decode_utf8().ok();
    text.split('&')
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((unescape(key)?, unescape(value)?))
        })
        .collect()
}

fn encode_wrapped(wrapped: &WrappedKey) -> String {
    let key_id = wrapped.key_id().unwrap_or_default();
    encode_named(wrapped.provider(), key_id, wrapped.ciphertext())
}

fn decode_wrapped(text: &str) -> Option<WrappedKey> {
    let (provider, key_id, ciphertext) = decode_named(text)?;
    WrappedKey::new(provider, key_id, ciphertext).ok()
}

fn decode_signature(text: &str) -> Option<Signature> {
    let (provider, key_id, bytes) = decode_named(text)?;
    Signature::new(provider, key_id, bytes).ok()
}

/// What a key made, behind the name of the key.
fn encode_named(provider: &str, key_id: &str, bytes: &[u8]) -> String {
    format!("{provider} {key_id} {}", Base64UrlUnpadded::encode_string(bytes))
}

fn decode_named(text: &str) -> Option<(&str, &str, Vec<u8>)> {
    let (provider, rest) = text.split_once(' ')?;
    let (key_id, bytes) = rest.split_once(' ')?;
    Some((provider, key_id, Base64UrlUnpadded::decode_vec(bytes).ok()?))
}

const VERSION: &str = "1";
const SUITE: &str = "floe-aes256gcm-hkdfsha384";
/// Everything but letters, digits and `-._~:/@`, which stand for themselves.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/')
    .remove(b'@');

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::envelope::Binding;
    use crate::secret::SecretKey;

    pub(in crate::envelope) fn envelope(with_header: bool) -> Envelope {
        let key = SecretKey::try_from(&[1; 32][..]).unwrap();
        let header = with_header.then(|| {
            let bytes = *floe::Encryptor::new(&key, b"", 64).unwrap().header();
            // The tag is random; all that matters here is that it stays the same.
            let mut fixed = bytes;
            fixed[10..].fill(7);
            floe::Header::parse(&fixed).unwrap()
        });
        let context = EncryptionContext::from([("tenant", "acme"), ("naïve key", "a=b&c %41/~")]);
        let wrapped = vec![
            WrappedKey::new("aws-kms", "arn:aws:kms:x:1:key/y", [9; 60]).unwrap(),
            WrappedKey::new("local", "k2", [8; 61]).unwrap(),
        ];
        let signature = Signature::new("aws-kms", "arn:aws:kms:x:1:key/z", [7; 103]).unwrap();
        Envelope::floe(&Binding::None, context, header, wrapped.into()).with_signature(signature)
    }

    fn reencode(change: impl Fn(&str, &str) -> String) -> Result<Envelope> {
        let fields = encode(&envelope(false)).unwrap();
        let changed: Vec<_> = fields.iter().map(|(n, v)| (n, change(n, v))).collect();
        let changed: Vec<_> = changed.iter().map(|(n, v)| (&***n, v.as_str())).collect();
        decode(&changed, false)
    }

    #[test]
    fn context_is_readable_and_escaped() {
        let fields = encode(&envelope(false)).unwrap();
        assert_eq!(fields[3].1, "na%C3%AFve%20key=a%3Db%26c%20%2541/~&tenant=acme");
        assert!(reencode(|_, v| v.to_owned()).is_ok());
    }

    #[test]
    fn other_spellings_of_the_same_envelope_are_refused() {
        for (from, to) in [
            ("%C3", "%c3"),
            ("acme", "ac%6De"),
            ("&tenant=acme", "&tenant=acme&tenant=acme"),
            ("&tenant=acme", "&tenant=acme&"),
            ("tenant=acme", "tenant"),
            ("%20key", "+key"),
            ("=acme", "=acme=x"),
            ("na%C3%AFve", "%FF"),
            ("tenant", "aws:tenant"),
            ("tenant=", "="),
            ("none", "None"),
            ("floe-", "gloe-"),
            ("CQkJ", "CQk="),
            (" k2 ", "  k2 "),
            (" k2 ", " "),
            (" arn:aws:kms:x:1:key/z ", "  "),
            ("Bw", "Bx"),
        ] {
            let refused = reencode(|_, v| v.replace(from, to));
            assert!(refused.is_err(), "{from} as {to}");
        }
    }

    #[test]
    fn sixty_bytes_of_nines_end_in_canonical_base64() {
        // 61 bytes leave trailing bits in the last character; only zeros are canonical.
        let text = encode(&envelope(false)).unwrap()[5].1.clone();
        let last = text.chars().last().unwrap();
        for other in ['A', 'B', 'C', 'I', 'J', 'h', '_'].into_iter().filter(|c| *c != last) {
            let altered = format!("{}{other}", &text[..text.len() - 1]);
            let result = decode_wrapped(&altered);
            let same = result.as_ref().map(encode_wrapped) == Some(altered.clone());
            assert!(result.is_none() || same, "{altered}");
        }
    }
}
