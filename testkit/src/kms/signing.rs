//! Keys that sign, and the operations with them: ECDSA on P-384 with SHA-384, of digests only.

use std::sync::Arc;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::digest::SHA384;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::signature::ECDSA_P384_SHA384_ASN1;
use aws_lc_rs::signature::ECDSA_P384_SHA384_ASN1_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::UnparsedPublicKey;
use serde_json::Value;
use serde_json::json;

use super::Account;
use super::wire::Failure;
use super::wire::Input;
use super::wire::bytes;

/// The key pair of a signing key, shared by the replicas of a multi-Region key.
#[derive(Clone, Debug)]
pub(super) struct Signer(Arc<EcdsaKeyPair>);

impl Signer {
    pub(super) fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING);
        Self(Arc::new(pair.expect("the system has random numbers")))
    }

    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8);
        pair.ok().map(|pair| Self(Arc::new(pair)))
    }

    pub(super) fn to_pkcs8(&self) -> Vec<u8> {
        let document = self.0.to_pkcs8v1().expect("a key pair can be written");
        document.as_ref().to_vec()
    }

    fn sign(&self, digest: &Digest) -> Vec<u8> {
        let signature = self.0.sign_digest(digest).expect("a digest can be signed");
        signature.as_ref().to_vec()
    }

    fn is_signer(&self, digest: &Digest, signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, self.0.public_key());
        key.verify_digest(digest, signature).is_ok()
    }

    fn public_der(&self) -> Vec<u8> {
        let der: Result<PublicKeyX509Der<'_>, _> = self.0.public_key().as_der();
        der.expect("a public key can be written").as_ref().to_vec()
    }
}

/// Carries out `operation`; `None` if it is not one of these.
pub(super) fn run(
    account: &Account,
    region: &str,
    operation: &str,
    input: &Input,
) -> Option<Result<Value, Failure>> {
    let request = Request { account, region, operation, input };
    Some(match operation {
        "GetPublicKey" => request.get_public_key(),
        "Sign" => request.sign(),
        "Verify" => request.verify(),
        _ => return None,
    })
}

struct Request<'a> {
    account: &'a Account,
    region: &'a str,
    operation: &'a str,
    input: &'a Input,
}

impl Request<'_> {
    fn get_public_key(&self) -> Result<Value, Failure> {
        let (arn, signer) = self.key()?;
        Ok(json!({
            "CustomerMasterKeySpec": SPEC,
            "KeyId": arn,
            "KeySpec": SPEC,
            "KeyUsage": USAGE,
            "PublicKey": bytes(&signer.public_der()),
            "SigningAlgorithms": [ALGORITHM],
        }))
    }

    fn sign(&self) -> Result<Value, Failure> {
        let digest = self.digest()?;
        let (arn, signer) = self.key()?;
        Ok(json!({
            "KeyId": arn,
            "Signature": bytes(&signer.sign(&digest)),
            "SigningAlgorithm": ALGORITHM,
        }))
    }

    fn verify(&self) -> Result<Value, Failure> {
        let digest = self.digest()?;
        let signature = self.input.need_bytes("Signature", MAX_SIGNATURE)?;
        let (arn, signer) = self.key()?;
        if !signer.is_signer(&digest, &signature) {
            return Err(Failure::invalid_signature());
        }
        Ok(json!({ "KeyId": arn, "SignatureValid": true, "SigningAlgorithm": ALGORITHM }))
    }

    /// ARN and pair of the key in the request, if it signs and may be used.
    fn key(&self) -> Result<(&str, &Signer), Failure> {
        let name = self.input.need_text("KeyId")?;
        let key = self.account.permitted(self.region, name, self.operation)?;
        key.need_enabled()?;
        let unusable = || Failure::invalid_key_usage(&key.arn, key.usage(), self.operation);
        Ok((&key.arn, key.signer.as_ref().ok_or_else(unusable)?))
    }

    fn digest(&self) -> Result<Digest, Failure> {
        let message = self.input.need_bytes("Message", MAX_MESSAGE)?;
        if self.input.text("MessageType")? != Some("DIGEST") {
            return Err(Failure::unsupported("only digests are signed here"));
        }
        if self.input.need_text("SigningAlgorithm")? != ALGORITHM {
            return Err(Failure::validation(format!(
                "Algorithm is incompatible with key spec {SPEC}."
            )));
        }
        Digest::import_less_safe(&message, &SHA384).map_err(|_| {
            Failure::validation("Digest is invalid length for algorithm ECDSA_SHA_384.")
        })
    }
}

pub(super) const SPEC: &str = "ECC_NIST_P384";
pub(super) const USAGE: &str = "SIGN_VERIFY";
pub(super) const ALGORITHM: &str = "ECDSA_SHA_384";
/// Bytes.
const MAX_MESSAGE: usize = 4096;
/// Bytes.
const MAX_SIGNATURE: usize = 6144;
