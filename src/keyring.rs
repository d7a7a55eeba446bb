//! What makes data keys and gets them back: the trait, and what passes through it.
//!
//! Knows neither formats nor objects. A keyring is asked once per sealed object and once per
//! opened one.

mod caching;
mod key_file;
#[cfg(feature = "kms")]
mod kms;
mod local;
mod multi;
mod request;
mod rewrap;
#[cfg(feature = "aws-lc")]
mod rsa;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use caching::CacheMetrics;
pub use caching::CachingKeyring;
pub use caching::CachingKeyringBuilder;
pub use key_file::KeyFile;
#[cfg(feature = "kms")]
pub use kms::KmsDiscoveryKeyring;
#[cfg(feature = "kms")]
pub use kms::KmsKeyring;
#[cfg(all(feature = "aws-lc", feature = "kms"))]
pub use kms::KmsRsaKeyring;
#[cfg(feature = "kms")]
pub use kms::KmsSigningKey;
#[cfg(feature = "kms-http")]
pub use kms::kms_http_client;
pub use local::LocalKeyring;
pub use multi::MultiKeyring;
pub use request::KeyRequest;
pub use request::KeyUse;
pub use rewrap::Rewrap;
pub use rewrap::Rewrapped;
pub use rewrap::Standing;
#[cfg(feature = "aws-lc")]
pub use rsa::RsaKeyring;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::key_name;
use crate::secret::SecretKey;

/// Generates data keys and unwraps them.
///
/// Implement it, with [`async_trait`](macro@crate::async_trait), to hold wrapping keys somewhere
/// else. The request's context is valid (see [`EncryptionContext`](crate::EncryptionContext)) and
/// must be bound to the wrapped key: unwrapping under another context has to fail with
/// [`ErrorKind::Authentication`]. The other fields of a [`KeyRequest`] can be ignored by a keyring
/// that makes a new data key each time.
///
/// ```
/// use waxseal::{DataKey, Error, ErrorKind, KeyRequest, Keyring, Result, SecretKey, WrappedKey};
/// # use waxseal::{EnvelopeCipher, EncryptionContext};
///
/// /// An "HSM" that wraps by sealing under a key which it never shows.
/// #[derive(Debug)]
/// struct HsmKeyring(waxseal::EnvelopeCipher);
///
/// #[waxseal::async_trait]
/// impl Keyring for HsmKeyring {
///     async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
///         let key = SecretKey::random()?;
///         let wrapped = self.wrap_data_key(&key, request).await?;
///         Ok(DataKey::new(key, wrapped))
///     }
///
///     // Only for use beside others in a `MultiKeyring`.
///     async fn wrap_data_key(
///         &self,
///         key: &SecretKey,
///         request: &KeyRequest<'_>,
///     ) -> Result<Vec<WrappedKey>> {
///         let wrapped = self.0.seal(key.expose(), request.context()).await?;
///         Ok(vec![WrappedKey::new("hsm", "slot-7", wrapped.to_vec())?])
///     }
///
///     async fn unwrap_data_key(
///         &self,
///         wrapped: &[WrappedKey],
///         request: &KeyRequest<'_>,
///     ) -> Result<SecretKey> {
///         // What is stored only says what to look for; it never chooses the wrapping key.
///         let mine = wrapped.iter().find(|w| (w.provider(), w.key_id()) == ("hsm", Some("slot-7")));
///         let mine = mine.ok_or_else(|| Error::new(ErrorKind::KeyAccess, "not sealed by slot 7"))?;
///         SecretKey::try_from(&self.0.open(mine.ciphertext(), request.context()).await?[..])
///     }
/// }
/// # #[tokio::main] async fn main() -> Result<()> {
/// # let keys = waxseal::LocalKeyring::new(waxseal::KeyFile::generate()?);
/// # let cipher = EnvelopeCipher::new(HsmKeyring(EnvelopeCipher::new(keys)));
/// # let sealed = cipher.seal(b"x", &EncryptionContext::new()).await?;
/// # assert_eq!(cipher.open(&sealed, &EncryptionContext::new()).await?, "x");
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Keyring: fmt::Debug + Send + Sync {
    /// Makes a new random data key, wrapped in at least one way.
    ///
    /// # Errors
    ///
    /// `KeyAccess` if the wrapping key refuses; `Keyring` if it cannot be asked; `InvalidInput` if
    /// this keyring only opens, or must not make a key for this use.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must lose nothing but the key it was making.
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey>;

    /// Wraps a data key that another keyring made, as those of a [`MultiKeyring`] beyond its
    /// generator do, and re-wrapping does.
    ///
    /// # Errors
    ///
    /// As [`generate_data_key`](Self::generate_data_key); `InvalidInput` unless implemented.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must have no effect.
    async fn wrap_data_key(
        &self,
        key: &SecretKey,
        request: &KeyRequest<'_>,
    ) -> Result<Vec<WrappedKey>> {
        let _ = (key, request);
        Err(Error::invalid_input(
            "this keyring wraps no data keys that others made: it does not implement wrap_data_key",
        ))
    }

    /// What this keyring has to do with `wrapped`, by the name that is stored with it; for
    /// [`Rewrap`].
    ///
    /// # Errors
    ///
    /// `KeyAccess` or `Keyring` if somebody must be asked what a name means; `InvalidInput` unless
    /// implemented.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must have no effect.
    async fn standing(&self, wrapped: &WrappedKey) -> Result<Standing> {
        let _ = wrapped;
        Err(Error::invalid_input("this keyring re-wraps nothing: it does not implement standing"))
    }

    /// Unwraps the data key that every one of `wrapped` holds.
    ///
    /// `wrapped` comes from storage: its fields only say what to look for among the wrapping keys
    /// that this keyring is configured with. There are 1 to 16 of them, or fewer if the
    /// reader's [`ReadPolicy`](crate::ReadPolicy) says so.
    ///
    /// # Errors
    ///
    /// `Authentication` if a wrapped key or the context was altered; `KeyAccess` if no wrapping
    /// key is configured for any of them or it refuses; `Keyring` if it cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must have no effect.
    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey>;
}

/// A shared keyring is a keyring.
#[async_trait]
impl<K: Keyring + ?Sized> Keyring for Arc<K> {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        (**self).generate_data_key(request).await
    }

    async fn wrap_data_key(
        &self,
        key: &SecretKey,
        request: &KeyRequest<'_>,
    ) -> Result<Vec<WrappedKey>> {
        (**self).wrap_data_key(key, request).await
    }

    async fn standing(&self, wrapped: &WrappedKey) -> Result<Standing> {
        (**self).standing(wrapped).await
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        (**self).unwrap_data_key(wrapped, request).await
    }
}

/// A fresh data key and its wrapped forms.
pub struct DataKey {
    key: SecretKey,
    wrapped: Arc<[WrappedKey]>,
}

impl DataKey {
    /// Joins a key and the forms in which it will be stored.
    pub fn new(key: SecretKey, wrapped: Vec<WrappedKey>) -> Self {
        Self { key, wrapped: wrapped.into() }
    }

    /// The key itself.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// What is stored of it.
    pub fn wrapped(&self) -> &[WrappedKey] {
        &self.wrapped
    }

    /// The same key, in the same memory.
    fn share(&self) -> Self {
        Self { key: self.key.share(), wrapped: Arc::clone(&self.wrapped) }
    }

    pub(crate) fn into_parts(self) -> (SecretKey, Arc<[WrappedKey]>) {
        (self.key, self.wrapped)
    }
}

/// Prints the wrapped forms only.
impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("wrapped", &self.wrapped).finish_non_exhaustive()
    }
}

/// A data key's ciphertext and who wrapped it. Public: it stands beside the sealed bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WrappedKey {
    provider: String,
    key_id: Option<String>,
    ciphertext: Vec<u8>,
}

impl WrappedKey {
    /// Describes a wrapped key.
    ///
    /// `provider` names the kind of keyring: 1 to 32 of `a-z`, `0-9` and `-`. `key_id` names the
    /// wrapping key within it: 1 to 2,048 printable ASCII characters without spaces. `ciphertext`
    /// has 1 to 8,192 bytes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if one of them is something else.
    pub fn new(
        provider: impl Into<String>,
        key_id: impl Into<String>,
        ciphertext: impl Into<Vec<u8>>,
    ) -> Result<Self> {
        let (provider, key_id) = (provider.into(), key_id.into());
        key_name::check(&provider, &key_id)?;
        Ok(Self { key_id: Some(key_id), ..Self::anonymous(provider, ciphertext)? })
    }

    /// A wrapped key as the one-shot layout stores it, which names no wrapping key.
    pub(crate) fn anonymous(
        provider: impl Into<String>,
        ciphertext: impl Into<Vec<u8>>,
    ) -> Result<Self> {
        let ciphertext = ciphertext.into();
        if !(1..=MAX_CIPHERTEXT_LEN).contains(&ciphertext.len()) {
            return Err(Error::invalid_input(format!(
                "a wrapped key has 1 to {MAX_CIPHERTEXT_LEN} bytes, not {}",
                ciphertext.len()
            )));
        }
        Ok(Self { provider: provider.into(), key_id: None, ciphertext })
    }

    /// The kind of keyring that wrapped it; empty in the one-shot layout, which does not say.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The wrapping key, as the keyring names it; `None` in the one-shot layout.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The wrapped bytes.
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }

    #[cfg(feature = "kms")]
    fn into_ciphertext(self) -> Vec<u8> {
        self.ciphertext
    }

    /// Whether a keyring of this kind may try it.
    pub(crate) fn is_for(&self, provider: &str) -> bool {
        self.provider == provider || (self.provider.is_empty() && self.key_id.is_none())
    }
}

/// Prints the length of the ciphertext, not its bytes.
impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey")
            .field("provider", &self.provider)
            .field("key_id", &self.key_id)
            .field("ciphertext_len", &self.ciphertext.len())
            .finish()
    }
}

/// The answer of a keyring that holds none of the wrapping keys asked for.
fn no_matching_key(configured: &str, wrapped: &[WrappedKey]) -> Error {
    let wanted = names_of(wrapped);
    Error::new(
        ErrorKind::KeyAccess,
        format!("sealed under {wanted}, but the key in use is {configured}"),
    )
}

fn names_of(wrapped: &[WrappedKey]) -> String {
    let name = |w: &WrappedKey| format!("{} {}", w.provider(), w.key_id().unwrap_or("(unnamed)"));
    wrapped.iter().map(name).collect::<Vec<_>>().join(" and ")
}

/// The one answer to a wrapped key that does not unwrap.
fn unwrap_failed() -> Error {
    Error::authentication("the data key does not unwrap: another key, context or altered bytes")
}

/// Most wrapped keys of one data key. Each may cost a call to open.
pub(crate) const MAX_WRAPPED_KEYS: usize = 16;
/// KMS limits a ciphertext to 6,144 bytes; this leaves room for other kinds.
const MAX_CIPHERTEXT_LEN: usize = 8192;
