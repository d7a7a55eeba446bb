//! Key bytes in memory: on the heap, wiped on drop, never printed, cloned or serialised.

use std::sync::Arc;

use zeroize::Zeroize;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::error::Result;

/// A 256-bit key.
///
/// Lives in one heap allocation, so that moving it copies a pointer, and is overwritten on drop.
/// It can be neither printed, cloned nor serialised:
///
/// ```compile_fail
/// let key = waxseal::SecretKey::try_from(&[1; 32][..]).unwrap();
/// println!("{key:?}");
/// ```
/// ```compile_fail
/// let key = waxseal::SecretKey::try_from(&[1; 32][..]).unwrap();
/// println!("{key}");
/// ```
/// ```compile_fail
/// let key = waxseal::SecretKey::try_from(&[1; 32][..]).unwrap();
/// let copy = key.clone();
/// ```
/// ```compile_fail
/// fn needs_serialize<T: serde::Serialize>(_: &T) {}
/// needs_serialize(&waxseal::SecretKey::try_from(&[1; 32][..]).unwrap());
/// ```
///
/// The same lines without those calls compile, so it is those calls that do not:
///
/// ```
/// fn needs_serialize<T: serde::Serialize>(_: &T) {}
/// needs_serialize(&"text");
/// let key = waxseal::SecretKey::try_from(&[1; 32][..]).unwrap();
/// assert_eq!(key.expose(), &[1; 32]);
/// ```
#[expect(missing_debug_implementations, reason = "a key must not be printed")]
pub struct SecretKey(Arc<Zeroizing<[u8; 32]>>);

impl SecretKey {
    /// Draws a new random key.
    ///
    /// # Errors
    ///
    /// `Keyring` if the system has no randomness to give.
    pub fn random() -> Result<Self> {
        Self::fill(crate::crypto::fill_random)
    }

    /// The key bytes. The caller owes them the same care.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The same key in the same memory, which is wiped when the last holder drops it: for caches.
    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    #[cfg(test)]
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// A key that `fill` writes where it will stay.
    fn fill(fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Self> {
        let mut key = Arc::new(Zeroizing::new([0; 32]));
        fill(&mut Arc::get_mut(&mut key).expect("nobody else has it yet")[..])?;
        Ok(Self(key))
    }
}

/// Copies the key out of `bytes`, which the caller wipes.
///
/// # Errors
///
/// `InvalidInput` unless there are exactly 32 bytes.
impl TryFrom<&[u8]> for SecretKey {
    type Error = Error;

    fn try_from(bytes: &[u8]) -> Result<Self> {
        if bytes.len() != 32 {
            return Err(Error::invalid_input(format!(
                "a key has 32 bytes, these are {}",
                bytes.len()
            )));
        }
        Self::fill(|key| {
            key.copy_from_slice(bytes);
            Ok(())
        })
    }
}

/// Secret bytes of any length, such as a password that KMS decrypted.
///
/// They live on the heap and are overwritten on drop. They can be neither printed, cloned nor
/// serialised:
///
/// ```compile_fail
/// fn print(secret: &waxseal::SecretBytes) { println!("{secret:?}"); }
/// ```
/// ```compile_fail
/// fn print(secret: &waxseal::SecretBytes) { println!("{secret}"); }
/// ```
/// ```compile_fail
/// fn copy(secret: &waxseal::SecretBytes) -> waxseal::SecretBytes { secret.clone() }
/// ```
/// ```compile_fail
/// fn needs_serialize<T: serde::Serialize>(_: &T) {}
/// fn serialize(secret: &waxseal::SecretBytes) { needs_serialize(secret); }
/// ```
///
/// The same lines with the bytes that the caller exposes compile, so it is the type that forbids
/// them:
///
/// ```
/// fn needs_serialize<T: serde::Serialize>(_: &T) {}
/// fn print(secret: &waxseal::SecretBytes) { println!("{:?}", secret.expose()); }
/// fn copy(secret: &waxseal::SecretBytes) -> Vec<u8> { secret.expose().to_owned() }
/// fn serialize(secret: &waxseal::SecretBytes) { needs_serialize(&secret.expose()); }
/// ```
#[cfg(feature = "kms")]
#[expect(missing_debug_implementations, reason = "a secret must not be printed")]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

#[cfg(feature = "kms")]
impl SecretBytes {
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes. The caller owes them the same care.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// `N` secret bytes: message keys, segment keys.
pub(crate) struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// All zero, to be filled in place.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; N]))
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }

    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
