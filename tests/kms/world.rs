//! A KMS with a key in it, and what a test does with it.

use aws_sdk_kms::config::Region;
use waxseal::{
    EncryptionContext, EnvelopeCipher, Error, ErrorKind, KeyRequest, Keyring, KmsKeyring,
    SecretKey, WrappedKey,
};
use waxseal_testkit::{Fault, LocalAws};

pub(crate) struct World {
    pub(crate) aws: LocalAws,
    /// The key of `alias/orders`.
    pub(crate) arn: String,
    pub(crate) context: EncryptionContext,
}

impl World {
    pub(crate) async fn start() -> Self {
        let aws = LocalAws::start().await.unwrap();
        let arn = aws.create_key("alias/orders");
        Self { aws, arn, context: EncryptionContext::from([("tenant", "acme")]) }
    }

    pub(crate) fn keyring(&self, key: &str) -> KmsKeyring {
        KmsKeyring::new(self.aws.kms(), key)
    }

    pub(crate) fn kms_in(&self, region: &'static str) -> aws_sdk_kms::Client {
        let config = self.aws.kms_config().region(Region::from_static(region));
        aws_sdk_kms::Client::from_conf(config.build())
    }

    pub(crate) fn cipher(&self, key: &str) -> EnvelopeCipher {
        EnvelopeCipher::new(self.keyring(key))
    }

    pub(crate) async fn sealed(&self) -> bytes::Bytes {
        self.cipher(&self.arn).seal(b"attack at dawn", &self.context).await.unwrap()
    }

    pub(crate) async fn open(&self, key: &str, sealed: &[u8]) -> Result<bytes::Bytes, Error> {
        self.cipher(key).open(sealed, &self.context).await
    }

    /// A data key that `key` wraps, and its wrapped form.
    pub(crate) async fn generate(&self, key: &str) -> (SecretKey, WrappedKey) {
        let request = KeyRequest::new(&self.context);
        let made = self.keyring(key).generate_data_key(&request).await.unwrap();
        let wrapped = made.wrapped()[0].clone();
        (SecretKey::try_from(&made.key().expose()[..]).unwrap(), wrapped)
    }

    pub(crate) async fn unwrap(
        &self,
        keyring: &impl Keyring,
        wrapped: &[WrappedKey],
    ) -> Result<SecretKey, Error> {
        keyring.unwrap_data_key(wrapped, &KeyRequest::new(&self.context)).await
    }

    /// How `keyring` refuses `wrapped`.
    pub(crate) async fn refusal(&self, keyring: &impl Keyring, wrapped: &[WrappedKey]) -> Error {
        self.unwrap(keyring, wrapped).await.err().expect("refused")
    }

    /// What was asked so far, with the key that was named; forgotten afterwards.
    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        let calls = self.aws.calls();
        self.aws.reset_calls();
        calls.into_iter().map(|c| (c.operation, c.key.unwrap_or_default())).collect()
    }

    /// Makes a KMS that believes everything: it decrypts whatever it is given, to one key.
    pub(crate) fn decrypt_anything(&self) {
        self.aws.on_request(|call| {
            let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
            (call.operation == "Decrypt").then(|| reply(key, call.key.as_deref().unwrap_or("")))
        });
    }
}

pub(crate) fn asked(operation: &str, key: &str) -> (String, String) {
    (operation.to_owned(), key.to_owned())
}

/// A reply of KMS; without a key if `key_id` is empty.
pub(crate) fn reply(plaintext: &str, key_id: &str) -> Fault {
    let mut body = serde_json::json!({ "CiphertextBlob": "AAAA", "Plaintext": plaintext });
    if !key_id.is_empty() {
        body["KeyId"] = key_id.into();
        body["KeyMetadata"] = serde_json::json!({ "KeyId": "1", "Arn": key_id });
    }
    let body = body.to_string();
    Fault::Reply { status: 200, content_type: "application/x-amz-json-1.1", body }
}

/// That `error` is about access to a key, and says all of `texts`.
#[track_caller]
pub(crate) fn assert_key_access(error: &Error, texts: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::KeyAccess, "{error}");
    let text = error.to_string();
    for part in texts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

/// A string of key ARN with another id of the same form.
pub(crate) fn with_other_id(arn: &str) -> String {
    let (scope, id) = arn.rsplit_once('/').unwrap();
    let swapped = |c: char| {
        if c == '0' {
            '1'
        } else if c.is_ascii_digit() {
            '0'
        } else {
            c
        }
    };
    format!("{scope}/{}", id.chars().map(swapped).collect::<String>())
}
