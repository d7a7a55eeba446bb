//! What keys may be called where an envelope names them.

use crate::error::Error;
use crate::error::Result;

/// Checks the kind of a key's holder and the key's id within it.
///
/// # Errors
///
/// `InvalidInput` unless `provider` is 1 to 32 of `a-z`, `0-9` and `-`, and `key_id` 1 to 2,048
/// printable ASCII characters without spaces.
pub(crate) fn check(provider: &str, key_id: &str) -> Result<()> {
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=32).contains(&provider.len()) || !provider.bytes().all(lower) {
        return Err(Error::invalid_input(format!("{provider:?} cannot name a kind of key")));
    }
    if !(1..=2048).contains(&key_id.len()) || !key_id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::invalid_input(format!("{key_id:?} cannot name a key")));
    }
    Ok(())
}
