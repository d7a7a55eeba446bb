//! Wrapping keys that never leave AWS KMS.

mod alias;
mod arn;
mod calls;
mod discovery;
mod failure;
#[cfg(feature = "kms-http")]
mod http;
mod quiet;
mod re_encrypt;
#[cfg(feature = "aws-lc")]
mod rsa;
mod signing;
mod small;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_kms::Client;

use crate::context::EncryptionContext;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring;
use crate::keyring::DataKey;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::keyring::Standing;
use crate::keyring::WrappedKey;
use crate::keyring::kms::alias::Resolved;
use crate::keyring::kms::arn::may_name;
use crate::keyring::kms::arn::names_alias;
use crate::keyring::kms::calls::Calls;
use crate::keyring::kms::calls::KeyName;
use crate::keyring::kms::calls::secret_key;
use crate::secret::SecretKey;

pub use discovery::KmsDiscoveryKeyring;
#[cfg(feature = "kms-http")]
pub use http::kms_http_client;
#[cfg(feature = "aws-lc")]
pub use rsa::KmsRsaKeyring;
pub use signing::KmsSigningKey;

/// Wraps data keys under one AWS KMS key: GenerateDataKey seals, Decrypt opens.
///
/// The key is named by key id, key ARN, alias name (`alias/…`) or alias ARN. An ARN stored with an
/// object is only compared with the configured key, so an object cannot make a reader use another
/// key, nor ask KMS about it. The encryption context goes to KMS as it is, where key policies can
/// demand pairs and CloudTrail records them. Retries, timeouts and credentials are the client's.
///
/// # Aliases
///
/// Sealing names the alias to KMS, so that a key takes over as soon as the alias points to it.
/// Opening compares the stored ARN with that of the last key that sealed, or else with what one
/// DescribeKey says, which needs `kms:DescribeKey` and is kept for the keyring and its clones. What
/// was sealed before the alias moved names the old key: open it with a keyring of that key's ARN.
///
/// # Multi-Region keys
///
/// A key whose id begins with `mrk-` stands for all its replicas, whichever of them is named or
/// sealed: KMS is asked for the one in the Region of the client. Any other key is used in its own
/// Region only.
#[derive(Clone, Debug)]
pub struct KmsKeyring {
    calls: Calls,
    key_id: String,
    resolved: Arc<Resolved>,
}

impl KmsKeyring {
    /// A keyring of the KMS key `key_id`, reached through `client`.
    pub fn new(client: Client, key_id: impl Into<String>) -> Self {
        Self { calls: Calls::new(client), key_id: key_id.into(), resolved: Arc::default() }
    }

    /// The same keyring, whose calls all carry these grant tokens: for a grant so new that KMS has
    /// not made it known everywhere. KMS takes at most 10.
    #[must_use]
    pub fn grant_tokens(self, grant_tokens: impl IntoIterator<Item: Into<String>>) -> Self {
        let grant_tokens = grant_tokens.into_iter().map(Into::into).collect();
        Self { calls: self.calls.with_grant_tokens(grant_tokens), ..self }
    }

    /// Makes a wrapped data key whose plaintext nobody has seen: GenerateDataKeyWithoutPlaintext.
    ///
    /// For a party that may make keys but not use them. One that may `kms:Decrypt` gets the key:
    ///
    /// ```
    /// use waxseal::{DataKey, EncryptionContext, KeyRequest, Keyring, KmsKeyring};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let aws = waxseal_testkit::LocalAws::start().await?;
    /// # aws.create_key("alias/orders");
    /// # let (maker, reader) = (aws.kms(), aws.kms());
    /// let context = EncryptionContext::from([("tenant", "acme")]);
    /// let wrapped = KmsKeyring::new(maker, "alias/orders").generate_wrapped(&context).await?;
    ///
    /// let keyring = KmsKeyring::new(reader, "alias/orders");
    /// let wrapped = vec![wrapped];
    /// let key = keyring.unwrap_data_key(&wrapped, &KeyRequest::new(&context)).await?;
    /// let data_key = DataKey::new(key, wrapped);
    /// # assert_eq!(data_key.wrapped().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `KeyAccess` if KMS refuses; `Keyring` if it cannot be asked; `InvalidInput` if `context`
    /// breaks a limit of [`EncryptionContext`]; `Authentication` if KMS used another key.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing but the key it was making.
    pub async fn generate_wrapped(&self, context: &EncryptionContext) -> Result<WrappedKey> {
        context.encode()?;
        let wrapped = self.calls.generate_without_plaintext(&self.key()?, context).await?;
        Ok(self.learned(wrapped))
    }

    /// The configured key, as the Region of the client names it.
    fn key(&self) -> Result<KeyName<'_>> {
        Ok(self.calls.key(&self.key_id)?.with_arn(self.resolved.known()))
    }

    /// The name and ARN of the key to unwrap what `stored` wrapped; `None` if that is not the
    /// configured key.
    async fn key_of<'a>(
        &self,
        own: &KeyName<'a>,
        stored: &str,
    ) -> Result<Option<(KeyName<'a>, String)>> {
        let Some(stored) = self.calls.here(stored).filter(|stored| may_name(own, stored)) else {
            return Ok(None);
        };
        if !names_alias(own) {
            return Ok(Some((own.clone(), stored.into())));
        }
        let arn = self.resolved.arn(&self.calls, own).await?;
        let is_own = *arn == *stored;
        Ok(is_own.then(|| (KeyName::new(arn.to_string()), arn.to_string())))
    }

    /// Remembers which key the configured name means.
    fn learned(&self, wrapped: WrappedKey) -> WrappedKey {
        self.resolved.learn(wrapped.key_id().unwrap_or_default());
        wrapped
    }
}

#[async_trait]
impl Keyring for KmsKeyring {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        let key = self.key()?;
        let (key, wrapped) = self.calls.generate_data_key(&key, request.context()).await?;
        Ok(DataKey::new(key, vec![self.learned(wrapped)]))
    }

    /// Wraps by Encrypt: the data key goes to KMS in the request.
    async fn wrap_data_key(
        &self,
        key: &SecretKey,
        request: &KeyRequest<'_>,
    ) -> Result<Vec<WrappedKey>> {
        let own = self.key()?;
        let wrapped = self.calls.encrypt(&own, key.expose(), request.context()).await?;
        Ok(vec![self.learned(wrapped)])
    }

    /// Asks KMS which key an alias means, unless it is known.
    async fn standing(&self, wrapped: &WrappedKey) -> Result<Standing> {
        if !wrapped.is_for(PROVIDER) {
            return Ok(Standing::Foreign);
        }
        let Some(stored) = wrapped.key_id() else { return Ok(Standing::Opens) };
        let is_own = self.key_of(&self.key()?, stored).await?.is_some();
        Ok(if is_own { Standing::Current } else { Standing::Foreign })
    }

    /// Asks KMS at most once for each of `wrapped` that names the configured key, or no key.
    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        let own = self.key()?;
        let mut refused = None;
        for wrapped in wrapped.iter().filter(|w| w.is_for(PROVIDER)) {
            let (key, expected) = match wrapped.key_id() {
                Some(stored) => match self.key_of(&own, stored).await? {
                    Some((key, arn)) => (key, Some(arn)),
                    None => continue,
                },
                None => (own.clone(), None),
            };
            let (expected, ciphertext) = (expected.as_deref(), wrapped.ciphertext());
            match self.calls.decrypt(&key, expected, ciphertext, request.context()).await {
                // Another wrapped key may still be good; anything else would only repeat itself.
                Err(e) if e.kind() == ErrorKind::Authentication => refused = Some(e),
                done => return secret_key(&done?),
            }
        }
        Err(refused.unwrap_or_else(|| {
            let own = own.with_arn(self.resolved.known());
            let configured = format!("{PROVIDER} {own} in {}", self.calls.region());
            keyring::no_matching_key(&configured, wrapped)
        }))
    }
}

/// Names this kind of keyring in envelopes.
pub(super) const PROVIDER: &str = "aws-kms";
