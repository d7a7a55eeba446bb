//! Signing keys that never leave AWS KMS.

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::operation::verify::VerifyError;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::MessageType;
use aws_sdk_kms::types::SigningAlgorithmSpec;

use crate::error::Error;
use crate::error::Result;
use crate::keyring::kms::PROVIDER;
use crate::keyring::kms::arn::may_name;
use crate::keyring::kms::arn::same_key;
use crate::keyring::kms::failure::failed;
use crate::keyring::kms::malformed_reply;
use crate::signing::Signature;
use crate::signing::SigningKey;

/// Signs and verifies with an AWS KMS key of the spec `ECC_NIST_P384`, whose usage is
/// `SIGN_VERIFY`: ECDSA on P-384 with SHA-384.
///
/// Let writers call `kms:Sign` and readers `kms:Verify` with it, each at one call an object.
///
/// The key is named by key id, key ARN, alias name (`alias/…`) or alias ARN. KMS is always told
/// that name: an id stored with an object is only compared with it. Once an alias points to another
/// key, what was signed before is refused: where you read, name the key by its ARN. A multi-Region
/// key verifies in another Region if it is named by its bare id, `mrk-…`.
///
/// ```
/// # fn example(kms: aws_sdk_kms::Client) {
/// use waxseal::{EnvelopeCipher, KmsKeyring, KmsSigningKey};
///
/// let cipher = EnvelopeCipher::new(KmsKeyring::new(kms.clone(), "alias/orders"));
/// let key = KmsSigningKey::new(kms, "alias/orders-writers");
/// let writer = cipher.clone().sign_with(key.clone());
/// let reader = cipher.demand_signature(key);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct KmsSigningKey {
    client: Client,
    key_id: String,
}

impl KmsSigningKey {
    /// The KMS key `key_id`, reached through `client`.
    pub fn new(client: Client, key_id: impl Into<String>) -> Self {
        Self { client, key_id: key_id.into() }
    }

    /// The key that KMS says it used must be the configured one.
    fn check_reply(&self, replied: Option<&str>) -> Result<()> {
        if replied.is_some_and(|replied| may_name(&self.key_id, replied)) {
            return Ok(());
        }
        let replied = replied.unwrap_or("(none)");
        let text = format!("KMS used the key {replied}, asked for was {}", self.key_id);
        Err(Error::authentication(text))
    }
}

#[async_trait]
impl SigningKey for KmsSigningKey {
    async fn sign(&self, digest: &[u8; 48]) -> Result<Signature> {
        let request = self.client.sign().key_id(&self.key_id).message(Blob::new(*digest));
        let request = request.message_type(MessageType::Digest).signing_algorithm(ALGORITHM);
        let reply = request.send().await.map_err(|e| failed(&self.key_id, "Sign", e))?;
        self.check_reply(reply.key_id())?;
        let bytes = reply.signature.map(Blob::into_inner).unwrap_or_default();
        Signature::new(PROVIDER, reply.key_id.unwrap_or_default(), bytes)
            .map_err(|e| malformed_reply("a signature that cannot be stored").with_source(e))
    }

    async fn verify(&self, digest: &[u8; 48], signature: &Signature) -> Result<()> {
        let stored = signature.key_id();
        if signature.provider() != PROVIDER || !may_name(&self.key_id, stored) {
            return Err(Error::authentication(format!(
                "the object is signed by {} {stored}, and this reader demands {PROVIDER} {}",
                signature.provider(),
                self.key_id
            )));
        }
        let request = self.client.verify().key_id(&self.key_id).message(Blob::new(*digest));
        let request = request.message_type(MessageType::Digest).signing_algorithm(ALGORITHM);
        let reply = request.signature(Blob::new(signature.bytes())).send().await;
        let reply = reply.map_err(|e| match e.as_service_error() {
            Some(VerifyError::KmsInvalidSignatureException(_)) => not_signed(),
            _ => failed(&self.key_id, "Verify", e),
        })?;
        self.check_reply(reply.key_id())?;
        let is_signer = reply.key_id().is_some_and(|replied| same_key(stored, replied));
        if is_signer && reply.signature_valid() { Ok(()) } else { Err(not_signed()) }
    }
}

fn not_signed() -> Error {
    Error::authentication("the signature is not that of this object by the key this reader demands")
}

const ALGORITHM: SigningAlgorithmSpec = SigningAlgorithmSpec::EcdsaSha384;
