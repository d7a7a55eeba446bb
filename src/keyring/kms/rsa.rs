//! RSA keys whose private half never leaves AWS KMS.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata as _;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::EncryptionAlgorithmSpec;
use aws_sdk_kms::types::KeyUsageType;

use crate::context::EncryptionContext;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring;
use crate::keyring::DataKey;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::keyring::Standing;
use crate::keyring::WrappedKey;
use crate::keyring::kms::calls::Calls;
use crate::keyring::kms::calls::malformed_reply;
use crate::keyring::kms::calls::take;
use crate::keyring::kms::failure::failed;
use crate::keyring::kms::quiet::quietly;
use crate::keyring::rsa::Recipient;
use crate::keyring::rsa::open_payload;
use crate::secret::SecretKey;

/// Wraps data keys under the public half of an RSA key in AWS KMS, here; KMS Decrypt opens.
///
/// Whoever seals needs the public key and no AWS at all: what this keyring wraps and what an
/// [`RsaKeyring`](crate::RsaKeyring) of the same public key wraps is the same. The key in KMS has
/// the usage `ENCRYPT_DECRYPT` and the spec `RSA_2048`, `RSA_3072` or `RSA_4096`.
///
/// KMS takes no encryption context with such keys, so key policies and CloudTrail see none. It is
/// bound to each wrapped key all the same. RSA does not tell who sealed: anyone who has the public
/// key can.
#[derive(Clone)]
pub struct KmsRsaKeyring {
    calls: Calls,
    key_id: String,
    recipient: Arc<Recipient>,
}

impl KmsRsaKeyring {
    /// A keyring of the KMS key `key_id`, whose public key is asked of KMS, once: GetPublicKey.
    ///
    /// # Errors
    ///
    /// `KeyAccess` if KMS refuses, or the key is of another kind; `Keyring` if it cannot be asked;
    /// `Authentication` if it answers with another key.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn connect(client: Client, key_id: impl Into<String>) -> Result<Self> {
        let (calls, key_id) = (Calls::new(client), key_id.into());
        let key = calls.key(&key_id)?;
        let sent = calls.client.get_public_key().key_id(&*key).send().await;
        let reply = sent.map_err(|e| match e.code() {
            Some("UnsupportedOperationException" | "InvalidKeyUsageException") => {
                not_for_this(&key_id)
            }
            _ => failed(&key, "GetPublicKey", e),
        })?;
        calls.checked(&key, reply.key_id.clone())?;
        let is_ours = reply.key_usage() == Some(&KeyUsageType::EncryptDecrypt)
            && reply.encryption_algorithms().contains(&ALGORITHM);
        if !is_ours {
            return Err(not_for_this(&key_id));
        }
        let der = reply.public_key().map(Blob::as_ref).unwrap_or_default();
        let recipient = Recipient::from_der(der)
            .map_err(|e| malformed_reply("a public key of another kind").with_source(e))?;
        Ok(Self { calls, key_id, recipient: Arc::new(recipient) })
    }

    /// A keyring of the KMS key `key_id`, whose public key in PEM the caller has, as GetPublicKey
    /// once gave it. Sealing then asks KMS for nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is no RSA public key in PEM of 2,048 to 8,192 bits.
    pub fn with_public_key(
        client: Client,
        key_id: impl Into<String>,
        public_pem: &str,
    ) -> Result<Self> {
        let recipient = Arc::new(Recipient::from_pem(public_pem)?);
        Ok(Self { calls: Calls::new(client), key_id: key_id.into(), recipient })
    }

    /// The key's name in envelopes, as of [`RsaKeyring::key_id`](crate::RsaKeyring::key_id).
    pub fn public_key_id(&self) -> &str {
        self.recipient.id()
    }

    async fn decrypt(
        &self,
        wrapped: &WrappedKey,
        context: &EncryptionContext,
    ) -> Result<SecretKey> {
        let key = self.calls.key(&self.key_id)?;
        let request = self.calls.client.decrypt().key_id(&*key).encryption_algorithm(ALGORITHM);
        let request = request.ciphertext_blob(Blob::new(wrapped.ciphertext()));
        let mut reply = quietly(request.send()).await.map_err(|e| {
            let error = failed(&key, "Decrypt", e);
            // What it wrapped names its public key; KMS is not told the context.
            let is_refused = error.refused_keys().next().is_some();
            if is_refused { error.with_refused_key(self.recipient.id(), true) } else { error }
        })?;
        let payload = take(reply.plaintext.take());
        self.calls.checked(&key, reply.key_id)?;
        open_payload(&payload, context)?.ok_or_else(keyring::unwrap_failed)
    }
}

#[async_trait]
impl Keyring for KmsRsaKeyring {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        self.recipient.generate(request.context())
    }

    async fn wrap_data_key(
        &self,
        key: &SecretKey,
        request: &KeyRequest<'_>,
    ) -> Result<Vec<WrappedKey>> {
        Ok(vec![self.recipient.wrap(key, request.context())?])
    }

    async fn standing(&self, wrapped: &WrappedKey) -> Result<Standing> {
        Ok(self.recipient.standing(wrapped))
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        let mut refused = None;
        for wrapped in wrapped.iter().filter(|w| self.recipient.is_for(w)) {
            if !self.recipient.fits(wrapped) {
                refused = Some(keyring::unwrap_failed());
                continue;
            }
            match self.decrypt(wrapped, request.context()).await {
                // Another wrapped key may still be good; anything else would only repeat itself.
                Err(e) if e.kind() == ErrorKind::Authentication => refused = Some(e),
                done => return done,
            }
        }
        Err(refused.unwrap_or_else(|| self.recipient.no_match(wrapped)))
    }
}

impl fmt::Debug for KmsRsaKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsRsaKeyring")
            .field("key_id", &self.key_id)
            .field("public_key_id", &self.public_key_id())
            .finish_non_exhaustive()
    }
}

fn not_for_this(key_id: &str) -> Error {
    let text = format!("the KMS key {key_id} is not an RSA key that was made for encryption");
    Error::new(ErrorKind::KeyAccess, text)
}

const ALGORITHM: EncryptionAlgorithmSpec = EncryptionAlgorithmSpec::RsaesOaepSha256;
