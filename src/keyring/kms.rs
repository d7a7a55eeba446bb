//! Wrapping keys that never leave AWS KMS.

mod arn;
mod failure;
#[cfg(feature = "kms-http")]
mod http;
mod quiet;

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use std::collections::HashMap;
use zeroize::Zeroizing;

#[cfg(feature = "kms-http")]
pub use http::kms_http_client;

use crate::context::EncryptionContext;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring;
use crate::keyring::DataKey;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::keyring::WrappedKey;
use crate::keyring::kms::arn::may_name;
use crate::keyring::kms::arn::same_key;
use crate::keyring::kms::failure::failed;
use crate::keyring::kms::quiet::quietly;
use crate::secret::SecretKey;

/// Wraps data keys under one AWS KMS key: GenerateDataKey seals, Decrypt opens.
///
/// The key is named by key id, key ARN, alias name (`alias/…`) or alias ARN. KMS is always told
/// that name: an id stored with an object is only compared with it, so an object cannot make a
/// reader use another key. The encryption context goes to KMS as it is, where key policies can
/// demand pairs and CloudTrail records them. Retries, timeouts and credentials are the client's.
///
/// An object sealed through an alias names the key the alias pointed to then. Once the alias
/// points elsewhere, KMS refuses it, which is `Authentication` like any wrong key: open it with a
/// keyring that names the old key's ARN. A multi-Region key opens in another Region if it is named
/// by its bare id, `mrk-…`.
#[derive(Clone, Debug)]
pub struct KmsKeyring {
    client: Client,
    key_id: String,
}

impl KmsKeyring {
    /// A keyring of the KMS key `key_id`, reached through `client`.
    pub fn new(client: Client, key_id: impl Into<String>) -> Self {
        Self { client, key_id: key_id.into() }
    }

    async fn decrypt(
        &self,
        wrapped: &WrappedKey,
        context: &EncryptionContext,
    ) -> Result<SecretKey> {
        let call = self
            .client
            .decrypt()
            .key_id(&self.key_id)
            .ciphertext_blob(Blob::new(wrapped.ciphertext()))
            .set_encryption_context(pairs(context));
        let mut reply =
            quietly(call.send()).await.map_err(|e| failed(&self.key_id, "Decrypt", e))?;
        // First of all, so that no path leaves the key in the SDK's memory.
        let key = take_key(reply.plaintext.take())?;
        self.check_reply(wrapped.key_id(), reply.key_id())?;
        Ok(key)
    }

    /// The key that KMS says it used must be the configured one and the one that was asked for.
    fn check_reply(&self, asked: Option<&str>, replied: Option<&str>) -> Result<()> {
        let honest = replied.is_some_and(|replied| {
            may_name(&self.key_id, replied) && asked.is_none_or(|asked| same_key(asked, replied))
        });
        if honest {
            return Ok(());
        }
        Err(Error::authentication(format!(
            "KMS used the key {}, asked for was {}",
            replied.unwrap_or("(none)"),
            asked.unwrap_or(&self.key_id)
        )))
    }
}

#[async_trait]
impl Keyring for KmsKeyring {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        let call = self
            .client
            .generate_data_key()
            .key_id(&self.key_id)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(pairs(request.context()));
        let mut reply =
            quietly(call.send()).await.map_err(|e| failed(&self.key_id, "GenerateDataKey", e))?;
        let key = take_key(reply.plaintext.take())?;
        self.check_reply(None, reply.key_id())?;
        let blob = reply.ciphertext_blob.take().map(Blob::into_inner).unwrap_or_default();
        let key_id = reply.key_id.take().unwrap_or_default();
        let wrapped = WrappedKey::new(PROVIDER, key_id, blob)
            .map_err(|e| malformed_reply("a key that cannot be stored").with_source(e))?;
        Ok(DataKey::new(key, vec![wrapped]))
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        let mut refused = None;
        for wrapped in wrapped.iter().filter(|w| w.is_for(PROVIDER)) {
            if !wrapped.key_id().is_none_or(|stored| may_name(&self.key_id, stored)) {
                continue;
            }
            if wrapped.ciphertext().len() > MAX_KMS_CIPHERTEXT {
                refused = Some(keyring::unwrap_failed());
                continue;
            }
            match self.decrypt(wrapped, request.context()).await {
                // Another wrapped key may still be good; anything else would only repeat itself.
                Err(e) if e.kind() == ErrorKind::Authentication => refused = Some(e),
                done => return done,
            }
        }
        Err(refused.unwrap_or_else(|| {
            keyring::no_matching_key(&format!("{PROVIDER} {}", self.key_id), wrapped)
        }))
    }
}

/// Takes the key out of the reply into memory that is wiped, and wipes the reply's.
fn take_key(plaintext: Option<Blob>) -> Result<SecretKey> {
    let bytes = Zeroizing::new(plaintext.map(Blob::into_inner).unwrap_or_default());
    if bytes.iter().all(|&b| b == 0) {
        return Err(malformed_reply("no key"));
    }
    SecretKey::try_from(&bytes[..]).map_err(|_| malformed_reply("a key that is not of 32 bytes"))
}

fn malformed_reply(what: &str) -> Error {
    Error::new(ErrorKind::Keyring, format!("KMS replied with {what}"))
}

fn pairs(context: &EncryptionContext) -> Option<HashMap<String, String>> {
    let own = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
    (!context.is_empty()).then(|| context.iter().map(own).collect())
}

/// Names this kind of keyring in envelopes.
pub(super) const PROVIDER: &str = "aws-kms";
/// Most bytes of a ciphertext that KMS takes.
const MAX_KMS_CIPHERTEXT: usize = 6144;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_must_hold_32_bytes_that_are_not_all_zero() {
        assert!(take_key(Some(Blob::new([1; 32]))).is_ok());
        for bad in [None, Some(vec![]), Some(vec![0; 32]), Some(vec![1; 31]), Some(vec![1; 64])] {
            assert!(take_key(bad.map(Blob::new)).is_err());
        }
    }
}
