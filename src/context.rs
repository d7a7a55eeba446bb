//! The encryption context: public pairs that are authenticated, never hidden.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::error::Result;

/// Public key-value pairs bound to a sealed object.
///
/// They go to KMS, where policies and CloudTrail see them, and into the keys of the body, so none of
/// them can be altered unnoticed. They are stored with the object: do not put secrets here.
///
/// Opening compares the pairs that the reader gives, each of which must be stored with that value.
/// **A pair that the reader does not give is not compared**, so give what you rely on, such as the
/// tenant; [`ReadPolicy::exact_context`](crate::ReadPolicy::exact_context) demands all of them.
///
/// Pairs are sorted by key. The limits are checked where the context is used, with
/// `InvalidInput`: a key has 1 to 65,535 bytes and does not begin with `aws:` or `waxseal:`,
/// which are reserved, and the canonical encoding (format specification, section 3) stays within
/// the 8,192 bytes that KMS takes.
///
/// ```
/// use waxseal::EncryptionContext;
///
/// let context = EncryptionContext::from([("tenant", "acme"), ("table", "orders")]);
/// assert_eq!(context.iter().next(), Some(("table", "orders")));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct EncryptionContext {
    /// Shared, since every object that is sealed names it.
    pairs: Arc<BTreeMap<String, String>>,
}

impl EncryptionContext {
    /// No pairs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a pair; returns the value it replaces.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) -> Option<String> {
        Arc::make_mut(&mut self.pairs).insert(key.into(), value.into())
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.get(key).map(String::as_str)
    }

    /// The pairs, sorted by the bytes of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Whether every pair of `self` stands in `other` with the same value.
    pub(crate) fn is_subset_of(&self, other: &Self) -> bool {
        self.pairs.iter().all(|(k, v)| other.pairs.get(k) == Some(v))
    }

    /// The one encoding that is authenticated: `u16 n`, then for each pair, sorted by key bytes,
    /// `u16 len || key || u16 len || value`, big endian.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a limit of [`EncryptionContext`] is exceeded.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        push_u16(&mut out, self.pairs.len())?;
        for (key, value) in &*self.pairs {
            if key.is_empty() {
                return Err(Error::invalid_input("an encryption context key is empty"));
            }
            if let Some(prefix) = RESERVED_PREFIXES.iter().find(|p| key.starts_with(**p)) {
                return Err(Error::invalid_input(format!(
                    "encryption context key {key:?}: the prefix {prefix:?} is reserved"
                )));
            }
            push_u16(&mut out, key.len())?;
            out.extend_from_slice(key.as_bytes());
            push_u16(&mut out, value.len())?;
            out.extend_from_slice(value.as_bytes());
        }
        if out.len() > MAX_CONTEXT_LEN { Err(too_large()) } else { Ok(out) }
    }
}

/// Prints the keys only: values may be personal data.
impl fmt::Debug for EncryptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.pairs.keys()).finish()
    }
}

/// A later pair replaces an earlier one with the same key.
impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for EncryptionContext {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(k, v)| (k.into(), v.into()));
        Self { pairs: Arc::new(pairs.collect()) }
    }
}

/// A later pair replaces an earlier one with the same key.
impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for EncryptionContext {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

fn push_u16(out: &mut Vec<u8>, len: usize) -> Result<()> {
    let len = u16::try_from(len).map_err(|_| too_large())?;
    out.extend_from_slice(&len.to_be_bytes());
    Ok(())
}

fn too_large() -> Error {
    Error::invalid_input(format!("the encryption context is larger than {MAX_CONTEXT_LEN} bytes"))
}

/// Most bytes of the canonical encoding. KMS takes 8,192 for the pairs.
pub(crate) const MAX_CONTEXT_LEN: usize = 8192;

const RESERVED_PREFIXES: [&str; 2] = ["aws:", "waxseal:"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn refused(context: &EncryptionContext) -> bool {
        context.encode().is_err_and(|e| e.kind() == ErrorKind::InvalidInput)
    }

    #[test]
    fn the_encoding_is_sorted_and_length_prefixed() {
        let context = EncryptionContext::from([("b", "22"), ("a", "1")]);
        assert_eq!(context.encode().unwrap(), b"\0\x02\0\x01a\0\x011\0\x01b\0\x0222");
        let other = EncryptionContext::from([("b", "2"), ("a", "12")]);
        assert_ne!(context.encode().unwrap(), other.encode().unwrap());
    }

    #[test]
    fn reserved_prefixes_and_empty_keys_are_refused() {
        for key in ["aws:x", "waxseal:x", "aws:", ""] {
            assert!(refused(&EncryptionContext::from([(key, "v")])), "{key}");
        }
        assert!(!refused(&EncryptionContext::from([("aws", "v"), ("AWS:x", "")])));
    }

    #[test]
    fn eight_kibibytes_fit_and_one_more_does_not() {
        let of = |len: usize| EncryptionContext::from([("k", "v".repeat(len))]);
        let fits = MAX_CONTEXT_LEN - 2 - 2 - 1 - 2;
        assert_eq!(of(fits).encode().unwrap().len(), MAX_CONTEXT_LEN);
        assert!(refused(&of(fits + 1)));
        assert!(refused(&of(70_000)));
        assert!(refused(&(0..70_000).map(|i| (i.to_string(), "")).collect()));
    }

    #[test]
    fn debug_prints_no_values() {
        let text = format!("{:?}", EncryptionContext::from([("tenant", "acme")]));
        assert!(text.contains("tenant") && !text.contains("acme"), "{text}");
    }
}
