//! Who sealed: signatures over what a body's header commits to.
//!
//! Whoever may make data keys can make objects that open. A signature by a key that only the
//! writers may use tells theirs from those. Knows neither envelopes nor stores.
//!
//! Source: `docs/format.md`, section 4.1.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::crypto;
use crate::error::Error;
use crate::error::Result;
use crate::floe;
use crate::key_name;

/// A key that signs what is sealed, or tells whether it signed what is opened.
///
/// Writers need both halves of the key, readers the public one: with AWS KMS `kms:Sign` and
/// `kms:Verify`. `KmsSigningKey` is such a key; implement this to hold one somewhere else.
///
/// A signature is over a SHA-384 digest of the object's suite, binding, encryption context and
/// header: see [`EnvelopeCipher::sign_with`](crate::EnvelopeCipher::sign_with).
#[async_trait]
pub trait SigningKey: fmt::Debug + Send + Sync {
    /// Signs a SHA-384 digest.
    ///
    /// # Errors
    ///
    /// `KeyAccess` if the key refuses; `Keyring` if it cannot be asked; `InvalidInput` if this key
    /// only verifies.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must have no effect.
    async fn sign(&self, digest: &[u8; 48]) -> Result<Signature>;

    /// Verifies that this key signed a SHA-384 digest.
    ///
    /// `signature` comes from storage: its provider and key id are only to be compared with this
    /// key's own, and must not choose a key.
    ///
    /// # Errors
    ///
    /// `Authentication` if it did not; `KeyAccess` if the key refuses; `Keyring` if it cannot be
    /// asked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must have no effect.
    async fn verify(&self, digest: &[u8; 48], signature: &Signature) -> Result<()>;
}

/// A shared signing key is a signing key.
#[async_trait]
impl<K: SigningKey + ?Sized> SigningKey for Arc<K> {
    async fn sign(&self, digest: &[u8; 48]) -> Result<Signature> {
        (**self).sign(digest).await
    }

    async fn verify(&self, digest: &[u8; 48], signature: &Signature) -> Result<()> {
        (**self).verify(digest, signature).await
    }
}

/// A signature and who says to have made it. Public: it stands beside the sealed bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    provider: String,
    key_id: String,
    bytes: Vec<u8>,
}

impl Signature {
    /// Describes a signature.
    ///
    /// `provider` names the kind of signing key: 1 to 32 of `a-z`, `0-9` and `-`. `key_id` names
    /// the key within it: 1 to 2,048 printable ASCII characters without spaces. `bytes` are 1 to
    /// 512, in the encoding of that kind.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if one of them is something else.
    pub fn new(
        provider: impl Into<String>,
        key_id: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<Self> {
        let (provider, key_id, bytes) = (provider.into(), key_id.into(), bytes.into());
        key_name::check(&provider, &key_id)?;
        if !(1..=MAX_LEN).contains(&bytes.len()) {
            return Err(Error::invalid_input(format!(
                "a signature has 1 to {MAX_LEN} bytes, not {}",
                bytes.len()
            )));
        }
        Ok(Self { provider, key_id, bytes })
    }

    /// The kind of signing key.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The signing key, as its provider names it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The signature itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Prints the length of the signature, not its bytes.
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature")
            .field("provider", &self.provider)
            .field("key_id", &self.key_id)
            .field("len", &self.bytes.len())
            .finish()
    }
}

/// What is signed of a FLOE object. The header commits to the data key and the AAD; the wrapped
/// keys are left out, so that they can be replaced.
pub(crate) fn digest(aad: &[u8], header: &[u8; floe::HEADER_LEN]) -> Result<[u8; 48]> {
    let aad_len = u32::try_from(aad.len())
        .map_err(|_| Error::invalid_input("the AAD is longer than 4 GiB"))?;
    crypto::sha384(&[LABEL, &aad_len.to_be_bytes(), aad, header])
}

/// The first bytes of everything signed. A signing key that signs other things too signs nothing
/// else that begins like this.
const LABEL: &[u8] = b"waxseal/signature/v1\0";
/// Enough for RSA of 4,096 bits.
const MAX_LEN: usize = 512;
