//! RSA keys that encrypt, and the operations with them: RSAES-OAEP with SHA-256 only.

use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
use aws_lc_rs::rsa::OaepPrivateDecryptingKey;
use aws_lc_rs::rsa::OaepPublicEncryptingKey;
use aws_lc_rs::rsa::PrivateDecryptingKey;
use serde_json::Value;
use serde_json::json;

use super::Account;
use super::key::Key;
use super::wire::Failure;
use super::wire::Input;
use super::wire::bytes;

/// The key pair of an RSA key, shared by the replicas of a multi-Region key.
#[derive(Clone, Debug)]
pub(super) struct RsaPair(Arc<PrivateDecryptingKey>);

impl RsaPair {
    /// A new pair for this `KeySpec`, if it is one of RSA.
    pub(super) fn generate(spec: &str) -> Option<Self> {
        let size = SPECS.iter().find(|(name, _)| *name == spec)?.1;
        let pair = PrivateDecryptingKey::generate(size).expect("the system has random numbers");
        Some(Self(Arc::new(pair)))
    }

    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        Some(Self(Arc::new(PrivateDecryptingKey::from_pkcs8(pkcs8).ok()?)))
    }

    pub(super) fn to_pkcs8(&self) -> Vec<u8> {
        self.0.as_der().expect("a key pair can be written").as_ref().to_vec()
    }

    /// Changes the `KeyMetadata` of a symmetric key into that of this one.
    pub(super) fn describe(&self, metadata: &mut Value) {
        metadata["CustomerMasterKeySpec"] = json!(self.spec());
        metadata["KeySpec"] = json!(self.spec());
        metadata["EncryptionAlgorithms"] = json!(["RSAES_OAEP_SHA_1", ALGORITHM]);
    }

    fn spec(&self) -> String {
        format!("RSA_{}", self.0.key_size_bits())
    }

    fn encrypt(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let key = OaepPublicEncryptingKey::new(self.0.public_key()).ok()?;
        let mut out = vec![0; key.ciphertext_size()];
        key.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut out, None).ok()?;
        Some(out)
    }

    fn decrypt(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        let key = OaepPrivateDecryptingKey::new((*self.0).clone()).ok()?;
        let mut out = vec![0; key.min_output_size()];
        let opened = key.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut out, None);
        opened.ok().map(|plaintext| plaintext.to_vec())
    }
}

/// Carries out `operation` if it names an RSA key, else `None`.
pub(super) fn run(
    account: &Account,
    region: &str,
    operation: &str,
    input: &Input,
) -> Option<Result<Value, Failure>> {
    if !matches!(operation, "Decrypt" | "Encrypt" | "GetPublicKey") {
        return None;
    }
    let name = input.text("KeyId").ok()??;
    let pair = account.regions[region].find(name).ok()?.rsa.clone()?;
    let key = account.permitted(region, name, operation).and_then(|key| {
        key.need_enabled()?;
        Ok(key)
    });
    Some(key.and_then(|key| match operation {
        "Decrypt" => decrypt(key, &pair, input),
        "Encrypt" => encrypt(key, &pair, input),
        _ => get_public_key(key, &pair),
    }))
}

fn decrypt(key: &Key, pair: &RsaPair, input: &Input) -> Result<Value, Failure> {
    let ciphertext = input.need_bytes("CiphertextBlob", 6144)?;
    need_oaep(pair, input)?;
    let plaintext = pair.decrypt(&ciphertext).ok_or_else(Failure::invalid_ciphertext)?;
    Ok(json!({
        "EncryptionAlgorithm": ALGORITHM,
        "KeyId": key.arn,
        "Plaintext": bytes(&plaintext),
    }))
}

fn encrypt(key: &Key, pair: &RsaPair, input: &Input) -> Result<Value, Failure> {
    let plaintext = input.need_bytes("Plaintext", 4096)?;
    need_oaep(pair, input)?;
    let too_long = || Failure::validation("Plaintext is too long for the key and algorithm");
    let ciphertext = pair.encrypt(&plaintext).ok_or_else(too_long)?;
    Ok(json!({
        "CiphertextBlob": bytes(&ciphertext),
        "EncryptionAlgorithm": ALGORITHM,
        "KeyId": key.arn,
    }))
}

fn get_public_key(key: &Key, pair: &RsaPair) -> Result<Value, Failure> {
    let der = pair.0.public_key().as_der().expect("a public key can be written");
    let mut reply = json!({
        "KeyId": key.arn,
        "KeyUsage": "ENCRYPT_DECRYPT",
        "PublicKey": bytes(der.as_ref()),
    });
    pair.describe(&mut reply);
    Ok(reply)
}

/// AWS binds no encryption context with an asymmetric key, and refuses one.
fn need_oaep(pair: &RsaPair, input: &Input) -> Result<(), Failure> {
    if !input.context("EncryptionContext")?.is_empty() {
        return Err(Failure::validation("EncryptionContext is not supported with asymmetric keys"));
    }
    match input.text("EncryptionAlgorithm")?.unwrap_or("SYMMETRIC_DEFAULT") {
        ALGORITHM => Ok(()),
        other => Err(Failure::incompatible_algorithm(other, &pair.spec())),
    }
}

const ALGORITHM: &str = "RSAES_OAEP_SHA_256";
const SPECS: [(&str, KeySize); 3] = [
    ("RSA_2048", KeySize::Rsa2048),
    ("RSA_3072", KeySize::Rsa3072),
    ("RSA_4096", KeySize::Rsa4096),
];
