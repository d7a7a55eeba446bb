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
use crate::keyring::kms::calls::Calls;
use crate::keyring::kms::calls::malformed_reply;
use crate::keyring::kms::failure::failed;
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
/// key (`mrk-…`) is asked for in the Region of the client, whichever replica signed.
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
    calls: Calls,
    key_id: String,
}

impl KmsSigningKey {
    /// The KMS key `key_id`, reached through `client`.
    pub fn new(client: Client, key_id: impl Into<String>) -> Self {
        Self { calls: Calls::new(client), key_id: key_id.into() }
    }
}

#[async_trait]
impl SigningKey for KmsSigningKey {
    async fn sign(&self, digest: &[u8; 48]) -> Result<Signature> {
        let key = self.calls.key(&self.key_id)?;
        let request = self.calls.client.sign().key_id(&*key).message(Blob::new(*digest));
        let request = request.message_type(MessageType::Digest).signing_algorithm(ALGORITHM);
        let reply = request.send().await.map_err(|e| failed(&key, "Sign", e))?;
        let signer = self.calls.checked(&key, reply.key_id)?;
        let bytes = reply.signature.map(Blob::into_inner).unwrap_or_default();
        Signature::new(PROVIDER, signer, bytes)
            .map_err(|e| malformed_reply("a signature that cannot be stored").with_source(e))
    }

    async fn verify(&self, digest: &[u8; 48], signature: &Signature) -> Result<()> {
        let key = self.calls.key(&self.key_id)?;
        let stored = Some(signature).filter(|signature| signature.provider() == PROVIDER);
        let stored = stored.and_then(|signature| self.calls.here(signature.key_id()));
        let Some(stored) = stored.filter(|stored| may_name(&key, stored)) else {
            return Err(Error::authentication(format!(
                "the object is signed by {} {}, and this reader demands {PROVIDER} {key}",
                signature.provider(),
                signature.key_id(),
            )));
        };
        let request = self.calls.client.verify().key_id(&*key).message(Blob::new(*digest));
        let request = request.message_type(MessageType::Digest).signing_algorithm(ALGORITHM);
        let reply = request.signature(Blob::new(signature.bytes())).send().await;
        let reply = reply.map_err(|e| match e.as_service_error() {
            Some(VerifyError::KmsInvalidSignatureException(_)) => not_signed(),
            _ => failed(&key, "Verify", e),
        })?;
        let verifier = self.calls.checked(&key, reply.key_id)?;
        if reply.signature_valid && *verifier == *stored { Ok(()) } else { Err(not_signed()) }
    }
}

fn not_signed() -> Error {
    Error::authentication("the signature is not that of this object by the key this reader demands")
}

const ALGORITHM: SigningAlgorithmSpec = SigningAlgorithmSpec::EcdsaSha384;
