//! A whole payload in one AES-256-GCM call: `nonce (12) || ciphertext || tag (16)`.
//!
//! The layout of AWS's envelope encryption walk-throughs, which keep the wrapped key, in hex, in
//! the user metadata `x-amz-key`. No AAD: the encryption context is bound by the keyring only.
//! Nothing commits to the key: whoever knows two data keys can make one body that opens under
//! both. Synchronous; the payload is in memory whole.

use crate::crypto::Aead;
use crate::crypto::NONCE_LEN;
use crate::crypto::TAG_LEN;
use crate::error::Error;
use crate::error::Result;
use crate::secret::SecretKey;

/// Seals a payload.
///
/// # Errors
///
/// `InvalidInput` if it is longer than [`MAX_PLAIN_LEN`].
pub(crate) fn seal(key: &SecretKey, plain: &[u8]) -> Result<Vec<u8>> {
    check_len(plain.len())?;
    let mut sealed = Vec::with_capacity(OVERHEAD + plain.len());
    sealed.extend_from_slice(&[0; NONCE_LEN]);
    sealed.extend_from_slice(plain);
    let aead = Aead::new(key.expose())?;
    let (nonce, tag) = aead.seal(b"", &mut sealed[NONCE_LEN..])?;
    sealed[..NONCE_LEN].copy_from_slice(&nonce);
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Whether a payload fits the layout.
pub(crate) fn check_len(plain_len: usize) -> Result<()> {
    if plain_len <= MAX_PLAIN_LEN {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "the one-shot layout holds at most {MAX_PLAIN_LEN} bytes: use Format::Floe"
    )))
}

/// Opens a body in place and returns the payload.
///
/// # Errors
///
/// `Authentication` unless it was sealed under this key; `sealed` then holds no plaintext.
pub(crate) fn open<'a>(key: &SecretKey, sealed: &'a mut [u8]) -> Result<&'a mut [u8]> {
    let failed = || Error::authentication("the object is not authentic");
    let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_LEN>().ok_or_else(failed)?;
    Aead::new(key.expose())?.open(nonce, b"", rest).ok_or_else(failed)
}

/// Longest payload: it is held in memory whole, twice while it is made.
pub(crate) const MAX_PLAIN_LEN: usize = 64 << 20;
/// Bytes that sealing adds.
pub(crate) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_altered_bit_and_length_is_refused() {
        let key = SecretKey::try_from(&[1; 32][..]).unwrap();
        let sealed = seal(&key, b"attack at dawn").unwrap();
        assert_eq!(sealed.len(), 14 + OVERHEAD);
        assert_eq!(open(&key, &mut sealed.clone()).unwrap(), b"attack at dawn");
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut altered = sealed.clone();
                altered[at] ^= 1 << bit;
                assert!(open(&key, &mut altered).is_err(), "byte {at}");
                assert!(!altered.windows(6).any(|w| w == b"attack"), "plaintext left behind");
            }
            assert!(open(&key, &mut sealed[..at].to_vec()).is_err(), "{at} bytes");
        }
        let other = SecretKey::try_from(&[2; 32][..]).unwrap();
        assert!(open(&other, &mut sealed.clone()).is_err());
        assert!(seal(&key, &vec![0; MAX_PLAIN_LEN + 1]).is_err());
    }
}
