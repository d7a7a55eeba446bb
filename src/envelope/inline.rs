//! The envelope as text in front of a body.
//!
//! ```text
//! waxseal 1024          the length of this text in bytes
//! version 1
//! ...                   one line per field, without the header
//! .............         a line of dots fills it up
//! ```
//!
//! The length is a multiple of 1 KiB, at most 64 KiB, in decimal. The FLOE header follows.

use crate::envelope::Envelope;
use crate::envelope::fields;
use crate::error::Error;
use crate::error::Result;

/// What the first bytes of a stream say about its envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InlineLen {
    /// The whole envelope has this many bytes.
    Known(usize),
    /// The first line is not complete yet.
    NeedsMore,
}

pub(super) fn encode(envelope: &Envelope) -> Result<Vec<u8>> {
    let mut lines = String::with_capacity(UNIT);
    for (name, value) in fields::encode(envelope)? {
        lines.extend([&*name, " ", &*value, "\n"]);
    }
    // The first line grows with the length it states, by a digit at the most.
    let len = (FIRST_LINE_MAX + lines.len() + 1).next_multiple_of(UNIT);
    if len > MAX_LEN {
        return Err(Error::invalid_input(format!("the envelope is larger than {MAX_LEN} bytes")));
    }
    let mut text = Vec::with_capacity(len);
    text.extend_from_slice(format!("{MAGIC}{len}\n").as_bytes());
    text.extend_from_slice(lines.as_bytes());
    text.resize(len - 1, b'.');
    text.push(b'\n');
    Ok(text)
}

/// Reads the first line of a stream.
///
/// # Errors
///
/// `Format` as soon as the bytes cannot be the start of an envelope.
pub(crate) fn len(prefix: &[u8]) -> Result<InlineLen> {
    let seen = &prefix[..prefix.len().min(FIRST_LINE_MAX)];
    let common = seen.len().min(MAGIC.len());
    if seen[..common] != MAGIC.as_bytes()[..common] {
        return Err(Error::format("not a sealed object"));
    }
    let Some(end) = seen.iter().position(|&b| b == b'\n') else {
        if seen.len() == FIRST_LINE_MAX {
            return Err(fields::malformed());
        }
        return Ok(InlineLen::NeedsMore);
    };
    let digits = std::str::from_utf8(&seen[MAGIC.len()..end]).map_err(|_| fields::malformed())?;
    digits
        .parse()
        .ok()
        .filter(|len: &usize| len.to_string() == digits)
        .filter(|len| (UNIT..=MAX_LEN).contains(len) && len.is_multiple_of(UNIT))
        .map(InlineLen::Known)
        .ok_or_else(fields::malformed)
}

/// `text` is as long as its first line says.
pub(super) fn decode(text: &[u8]) -> Result<Envelope> {
    let text = std::str::from_utf8(text).map_err(|_| fields::malformed())?;
    let (_, lines) = text.split_once('\n').ok_or_else(fields::malformed)?;
    let lines = lines.strip_suffix('\n').ok_or_else(fields::malformed)?;
    let (lines, padding) = lines.rsplit_once('\n').ok_or_else(fields::malformed)?;
    if !padding.bytes().all(|b| b == b'.') {
        return Err(fields::malformed());
    }
    let fields = lines
        .split('\n')
        .map(|line| line.split_once(' '))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(fields::malformed)?;
    fields::decode(&fields, false)
}

const MAGIC: &str = "waxseal ";
/// The magic, five digits and a newline.
const FIRST_LINE_MAX: usize = MAGIC.len() + 6;
const UNIT: usize = 1024;
const MAX_LEN: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::fields::tests::envelope;
    use crate::error::ErrorKind;

    #[test]
    fn what_is_written_is_read() {
        let text = encode(&envelope(false)).unwrap();
        assert_eq!(text.len(), 1024);
        assert!(
            text.starts_with(b"waxseal 1024\nversion 1\nsuite floe-") && text.ends_with(b".\n")
        );
        assert_eq!(Envelope::from_inline(&text).unwrap().unwrap(), (envelope(false), 1024));
        for cut in 0..text.len() {
            assert_eq!(Envelope::from_inline(&text[..cut]).unwrap(), None, "{cut}");
        }
    }

    #[test]
    fn every_altered_byte_is_refused_or_changes_what_is_authenticated() {
        let text = encode(&envelope(false)).unwrap();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut altered = text.clone();
                altered[at] ^= 1 << bit;
                match Envelope::from_inline(&altered) {
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Format),
                    Ok(Some((other, _))) => assert_ne!(other, envelope(false), "byte {at}"),
                    Ok(None) => assert!(at < FIRST_LINE_MAX, "byte {at}"),
                }
            }
        }
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_read() {
        for first in
            ["0", "1", "1023", "01024", "+1024", "1024 ", "66560", "131072", "99999", "999999", ""]
        {
            let text = format!("waxseal {first}\n");
            assert_eq!(len(text.as_bytes()).unwrap_err().kind(), ErrorKind::Format, "{first}");
        }
        assert_eq!(len(b"waxseal 65536\n").unwrap(), InlineLen::Known(65536));
        assert_eq!(len(b"").unwrap(), InlineLen::NeedsMore);
        assert_eq!(len(b"waxseal 6553").unwrap(), InlineLen::NeedsMore);
        assert!(len(b"waxseaL").is_err() && len(b"PK").is_err());
    }
}
