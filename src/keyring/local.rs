//! Wrapping keys held in this process.
//!
//! ```text
//! wrapped = nonce (12) || ciphertext (32) || tag (16)
//! AAD     = "waxseal/local/v1" 0x00 || u16 len || key id || canonical context
//! ```

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::context::EncryptionContext;
use crate::crypto::Aead;
use crate::crypto::NONCE_LEN;
use crate::crypto::TAG_LEN;
use crate::error::Result;
use crate::keyring;
use crate::keyring::DataKey;
use crate::keyring::KeyFile;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::keyring::Standing;
use crate::keyring::WrappedKey;
use crate::secret::Secret;
use crate::secret::SecretKey;

/// Wraps data keys under 256-bit keys of a [`KeyFile`], for use without a key service.
///
/// The current key seals, every key opens. The encryption context is bound as AAD.
#[derive(Clone)]
pub struct LocalKeyring {
    keys: Arc<KeyFile>,
}

impl LocalKeyring {
    /// A keyring of the keys in `keys`.
    pub fn new(keys: KeyFile) -> Self {
        Self { keys: Arc::new(keys) }
    }
}

impl From<KeyFile> for LocalKeyring {
    fn from(keys: KeyFile) -> Self {
        Self::new(keys)
    }
}

#[async_trait]
impl Keyring for LocalKeyring {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        let key = SecretKey::random()?;
        let wrapped = self.wrap_data_key(&key, request).await?;
        Ok(DataKey::new(key, wrapped))
    }

    async fn wrap_data_key(
        &self,
        key: &SecretKey,
        request: &KeyRequest<'_>,
    ) -> Result<Vec<WrappedKey>> {
        let (id, wrapping_key) = self.keys.current();
        let wrapped = wrap(wrapping_key, id, key, request.context())?;
        Ok(vec![WrappedKey::new(PROVIDER, id, wrapped)?])
    }

    async fn standing(&self, wrapped: &WrappedKey) -> Result<Standing> {
        let has = |id: &str| self.keys.iter().any(|(own, _)| own == id);
        Ok(match wrapped.key_id() {
            _ if !wrapped.is_for(PROVIDER) => Standing::Foreign,
            Some(id) if id == self.keys.current().0 => Standing::Current,
            Some(id) if !has(id) => Standing::Foreign,
            _ => Standing::Opens,
        })
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        let mut tried = false;
        for wrapped in wrapped.iter().filter(|w| w.is_for(PROVIDER)) {
            let named = |id: &str| wrapped.key_id().is_none_or(|wanted| wanted == id);
            for (id, wrapping_key) in self.keys.iter().filter(|(id, _)| named(id)) {
                tried = true;
                if let Some(key) =
                    unwrap(wrapping_key, id, wrapped.ciphertext(), request.context())?
                {
                    return Ok(key);
                }
            }
        }
        if tried {
            return Err(keyring::unwrap_failed());
        }
        Err(keyring::no_matching_key(&format!("{PROVIDER} {}", self.keys.current().0), wrapped))
    }
}

impl fmt::Debug for LocalKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKeyring").field("keys", &self.keys).finish()
    }
}

fn wrap(
    wrapping_key: &SecretKey,
    id: &str,
    key: &SecretKey,
    context: &EncryptionContext,
) -> Result<Vec<u8>> {
    let mut ciphertext = Secret::<32>::zeroed();
    ciphertext.expose_mut().copy_from_slice(key.expose());
    let aead = Aead::new(wrapping_key.expose())?;
    let (nonce, tag) = aead.seal(&aad(id, context)?, ciphertext.expose_mut())?;
    Ok([&nonce[..], ciphertext.expose(), &tag].concat())
}

/// `None` if it is not authentic.
fn unwrap(
    wrapping_key: &SecretKey,
    id: &str,
    wrapped: &[u8],
    context: &EncryptionContext,
) -> Result<Option<SecretKey>> {
    let Ok(wrapped) = <&[u8; NONCE_LEN + SEALED_LEN]>::try_from(wrapped) else {
        return Ok(None);
    };
    let (nonce, sealed) = wrapped.split_first_chunk().expect("60 bytes have a nonce");
    let mut in_out = Secret::<SEALED_LEN>::zeroed();
    in_out.expose_mut().copy_from_slice(sealed);
    let aead = Aead::new(wrapping_key.expose())?;
    match aead.open(nonce, &aad(id, context)?, in_out.expose_mut()) {
        Some(key) => SecretKey::try_from(&*key).map(Some),
        None => Ok(None),
    }
}

fn aad(id: &str, context: &EncryptionContext) -> Result<Vec<u8>> {
    let id_len = u16::try_from(id.len()).expect("a key id has at most 64 characters");
    Ok([LABEL, &id_len.to_be_bytes(), id.as_bytes(), &context.encode()?].concat())
}

/// Names this kind of keyring in envelopes.
pub(super) const PROVIDER: &str = "local";
const LABEL: &[u8] = b"waxseal/local/v1\0";
const SEALED_LEN: usize = 32 + TAG_LEN;
