//! Operations that use keys and change nothing.

use serde_json::Value;
use serde_json::json;

use super::Account;
use super::blob::Blob;
use super::blob::Context;
use super::blob::seal;
use super::key::Key;
use super::key::SYMMETRIC;
use super::key::hex;
use super::key::random;
use super::wire::Failure;
use super::wire::Input;
use super::wire::bytes;

/// Carries out `operation`; `None` if it is not one of these.
pub(super) fn run(
    account: &Account,
    region: &str,
    operation: &str,
    input: &Input,
) -> Option<Result<Value, Failure>> {
    let request = Request { account, region, operation, input };
    Some(match operation {
        "Decrypt" => request.decrypt(),
        "Encrypt" => request.encrypt(),
        "GenerateDataKey" => request.generate_data_key(true),
        "GenerateDataKeyWithoutPlaintext" => request.generate_data_key(false),
        "GenerateRandom" => request.generate_random(),
        "ReEncrypt" => request.re_encrypt(),
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
    fn decrypt(&self) -> Result<Value, Failure> {
        let context = self.input.context("EncryptionContext")?;
        let (key, version, plaintext) = self.unwrap("KeyId", self.operation, &context)?;
        Ok(json!({
            "EncryptionAlgorithm": SYMMETRIC,
            "KeyId": key.arn,
            "KeyMaterialId": material_id(key, version),
            "Plaintext": bytes(&plaintext),
        }))
    }

    fn encrypt(&self) -> Result<Value, Failure> {
        let name = self.input.need_text("KeyId")?;
        let plaintext = self.input.need_bytes("Plaintext", MAX_PLAINTEXT)?;
        let context = self.input.context("EncryptionContext")?;
        self.need_symmetric("EncryptionAlgorithm")?;
        let key = self.account.permitted(self.region, name, self.operation)?;
        key.need_enabled()?;
        Ok(json!({
            "CiphertextBlob": bytes(&seal(key, &plaintext, &context)),
            "EncryptionAlgorithm": SYMMETRIC,
            "KeyId": key.arn,
        }))
    }

    fn generate_data_key(&self, reveal: bool) -> Result<Value, Failure> {
        let name = self.input.need_text("KeyId")?;
        let context = self.input.context("EncryptionContext")?;
        let number = self.input.number("NumberOfBytes", 1, 1024)?;
        let len = match (self.input.text("KeySpec")?, number) {
            (Some("AES_128"), None) => 16,
            (Some("AES_256"), None) => 32,
            (Some(_), None) => return Err(Failure::constraint("KeySpec", KEY_SPECS)),
            (None, Some(number)) => usize::try_from(number).unwrap_or(0),
            (None, None) | (Some(_), Some(_)) => return Err(Failure::validation(ONE_OF_TWO)),
        };
        let key = self.account.permitted(self.region, name, self.operation)?;
        key.need_enabled()?;
        if key.rsa.is_some() {
            return Err(Failure::incompatible_algorithm(SYMMETRIC, "RSA"));
        }
        let plaintext = &random::<1024>()[..len];
        let mut reply = json!({
            "CiphertextBlob": bytes(&seal(key, plaintext, &context)),
            "KeyId": key.arn,
            "KeyMaterialId": material_id(key, key.material.newest().0),
        });
        if reveal {
            reply["Plaintext"] = bytes(plaintext);
        }
        Ok(reply)
    }

    fn generate_random(&self) -> Result<Value, Failure> {
        let number = self.input.number("NumberOfBytes", 1, 1024)?;
        let len = number.ok_or_else(|| Failure::missing("NumberOfBytes"))?;
        Ok(json!({ "Plaintext": bytes(&random::<1024>()[..usize::try_from(len).unwrap_or(0)]) }))
    }

    fn re_encrypt(&self) -> Result<Value, Failure> {
        let name = self.input.need_text("DestinationKeyId")?;
        let from = self.input.context("SourceEncryptionContext")?;
        let to = self.input.context("DestinationEncryptionContext")?;
        self.need_symmetric("SourceEncryptionAlgorithm")?;
        self.need_symmetric("DestinationEncryptionAlgorithm")?;
        let (source, version, plaintext) = self.unwrap("SourceKeyId", "ReEncryptFrom", &from)?;
        let key = self.account.permitted(self.region, name, "ReEncryptTo")?;
        key.need_enabled()?;
        Ok(json!({
            "CiphertextBlob": bytes(&seal(key, &plaintext, &to)),
            "DestinationEncryptionAlgorithm": SYMMETRIC,
            "DestinationKeyMaterialId": material_id(key, key.material.newest().0),
            "KeyId": key.arn,
            "SourceEncryptionAlgorithm": SYMMETRIC,
            "SourceKeyId": source.arn,
            "SourceKeyMaterialId": material_id(source, version),
        }))
    }

    /// Opens the ciphertext in the request: its key, the rotation, and what is inside.
    ///
    /// The key comes from the ciphertext. One that the request names has to be the same.
    fn unwrap(
        &self,
        key_id_member: &str,
        action: &str,
        context: &Context,
    ) -> Result<(&Key, u32, Vec<u8>), Failure> {
        let ciphertext = self.input.need_bytes("CiphertextBlob", MAX_CIPHERTEXT)?;
        self.need_symmetric("EncryptionAlgorithm")?;
        let named = match self.input.text(key_id_member)? {
            Some(name) => Some(self.account.permitted(self.region, name, action)?),
            None => None,
        };
        let blob = Blob::parse(&ciphertext).ok_or_else(Failure::invalid_ciphertext)?;
        if named.is_some_and(|key| key.id != blob.key_id) {
            return Err(Failure::incorrect_key());
        }
        let key = match self.account.permitted(self.region, blob.key_id, action) {
            Err(_) if !self.account.regions[self.region].keys.contains_key(blob.key_id) => {
                return Err(Failure::foreign_ciphertext());
            }
            found => found?,
        };
        key.need_enabled()?;
        let plaintext = blob.open(key, context).ok_or_else(Failure::invalid_ciphertext)?;
        Ok((key, blob.version, plaintext))
    }

    fn need_symmetric(&self, name: &str) -> Result<(), Failure> {
        match self.input.text(name)? {
            None | Some(SYMMETRIC) => Ok(()),
            Some(_) => Err(Failure::validation(
                "The encryption algorithm is not valid for the specified key.",
            )),
        }
    }
}

/// Tells the rotations of a key apart. Says nothing about the secret.
fn material_id(key: &Key, version: u32) -> String {
    let text = format!("{} rotation {version}", key.id);
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
}

/// Bytes.
const MAX_PLAINTEXT: usize = 4096;

/// Bytes.
const MAX_CIPHERTEXT: usize = 6144;

const KEY_SPECS: &str = "Member must satisfy enum value set: [AES_256, AES_128]";
const ONE_OF_TWO: &str = "Please specify either number of bytes or key spec.";
