//! Wrapping keys that never leave AWS KMS.

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use std::collections::HashMap;
use zeroize::Zeroizing;

use crate::aws::Failure;
use crate::context::EncryptionContext;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring;
use crate::keyring::DataKey;
use crate::keyring::Keyring;
use crate::keyring::WrappedKey;
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
        let mut reply = self
            .client
            .decrypt()
            .key_id(&self.key_id)
            .ciphertext_blob(Blob::new(wrapped.ciphertext()))
            .set_encryption_context(pairs(context))
            .send()
            .await
            .map_err(|e| self.failed("Decrypt", e))?;
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

    fn failed<E>(&self, operation: &str, error: SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
    {
        let failure = Failure::of(&error);
        let (kind, remedy) = classify(&failure.code);
        if kind == ErrorKind::Authentication {
            // Which of key, context and bytes was wrong is for CloudTrail, not for the caller.
            return keyring::unwrap_failed();
        }
        let text = format!("KMS {operation} with {}: {}{remedy}", self.key_id, failure.text);
        // Without the reply, whose body may hold a data key that only failed to parse.
        let source = match error {
            SdkError::ServiceError(answer) => answer.into_err().into(),
            other => other.into_source().unwrap_or_else(|_| "the KMS call failed".into()),
        };
        Error::new(kind, text).with_source(source)
    }
}

#[async_trait]
impl Keyring for KmsKeyring {
    async fn generate_data_key(&self, context: &EncryptionContext) -> Result<DataKey> {
        let mut reply = self
            .client
            .generate_data_key()
            .key_id(&self.key_id)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(pairs(context))
            .send()
            .await
            .map_err(|e| self.failed("GenerateDataKey", e))?;
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
        context: &EncryptionContext,
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
            match self.decrypt(wrapped, context).await {
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

/// Whether the configured name can mean the key with this ARN. An alias can mean any key of its
/// Region and account; KMS decides, since it is told the alias.
fn may_name(configured: &str, arn: &str) -> bool {
    let Some((scope, resource)) = split_arn(arn) else { return false };
    if !resource.starts_with("key/") {
        return false;
    }
    match split_arn(configured) {
        Some((own, alias)) if alias.starts_with("alias/") => own == scope,
        Some(_) => configured == arn,
        None if configured.starts_with("alias/") => true,
        None => resource.strip_prefix("key/") == Some(configured),
    }
}

/// Whether two ARNs name one key: the same, or replicas of a multi-Region key, whose id alone
/// begins with `mrk-` and is theirs in every Region.
fn same_key(a: &str, b: &str) -> bool {
    let without_region = |arn| {
        let (scope, resource) = split_arn(arn)?;
        let mut fields = scope.split(':');
        let partition = fields.nth(1)?;
        let account = fields.nth(2)?;
        resource.starts_with("key/mrk-").then_some((partition, account, resource))
    };
    a == b || without_region(a).is_some_and(|key| without_region(b) == Some(key))
}

/// `arn:partition:kms:region:account` and `key/…` or `alias/…`.
fn split_arn(arn: &str) -> Option<(&str, &str)> {
    let (scope, resource) = arn.rsplit_once(':')?;
    let mut fields = scope.split(':');
    let is_kms = fields.next() == Some("arn") && fields.nth(1) == Some("kms");
    (is_kms && fields.count() == 2).then_some((scope, resource))
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

/// The kind of each KMS error code, and what to do about it.
fn classify(code: &str) -> (ErrorKind, &'static str) {
    use ErrorKind::{Authentication, KeyAccess, Keyring};
    match code {
        "InvalidCiphertextException" | "IncorrectKeyException" => (Authentication, ""),
        "AccessDeniedException" | "AccessDenied" => {
            (KeyAccess, "; allow this caller in the key policy or by IAM, with this context")
        }
        "DisabledException" => (KeyAccess, "; enable the key"),
        "KMSInvalidStateException" => {
            (KeyAccess, "; if the key is pending deletion, cancel the deletion and enable it")
        }
        "NotFoundException" => (KeyAccess, "; check key, Region and account"),
        "InvalidKeyUsageException" => (KeyAccess, "; use a symmetric encryption key"),
        "InvalidGrantTokenException" | "InvalidArnException" | "ValidationException" => {
            (KeyAccess, "; check the name of the key")
        }
        "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken" => (KeyAccess, "; renew the AWS credentials"),
        _ => (Keyring, ""),
    }
}

/// Names this kind of keyring in envelopes.
pub(super) const PROVIDER: &str = "aws-kms";
/// Most bytes of a ciphertext that KMS takes.
const MAX_KMS_CIPHERTEXT: usize = 6144;

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd";

    #[test]
    fn a_configured_name_means_only_its_own_key() {
        for (configured, may) in [
            (ARN, true),
            ("1234abcd", true),
            ("alias/orders", true),
            ("arn:aws:kms:eu-west-1:111122223333:alias/orders", true),
            ("arn:aws:kms:eu-west-1:111122223333:key/1234abce", false),
            ("arn:aws:kms:us-east-1:111122223333:key/1234abcd", false),
            ("arn:aws:kms:us-east-1:111122223333:alias/orders", false),
            ("arn:aws:kms:eu-west-1:999999999999:alias/orders", false),
            ("arn:aws-cn:kms:eu-west-1:111122223333:alias/orders", false),
            ("1234abc", false),
            ("key/1234abcd", false),
            ("", false),
        ] {
            assert_eq!(may_name(configured, ARN), may, "{configured}");
        }
        for not_a_key in
            ["1234abcd", "alias/orders", "arn:aws:kms:eu-west-1:111122223333:alias/orders", ""]
        {
            assert!(!may_name("alias/orders", not_a_key), "{not_a_key}");
            assert!(!may_name(not_a_key, not_a_key), "{not_a_key}");
        }
    }

    #[test]
    fn replicas_of_a_multi_region_key_are_one_key() {
        let arn = |region, account, id| format!("arn:aws:kms:{region}:{account}:key/{id}");
        let key = arn("eu-west-1", "111122223333", "mrk-1");
        assert!(same_key(&key, &arn("us-east-1", "111122223333", "mrk-1")));
        assert!(!same_key(&key, &arn("us-east-1", "999999999999", "mrk-1")));
        assert!(!same_key(&key, &arn("us-east-1", "111122223333", "mrk-2")));
        let single = arn("eu-west-1", "111122223333", "1");
        assert!(same_key(&single, &single));
        assert!(!same_key(&single, &arn("us-east-1", "111122223333", "1")));
    }

    #[test]
    fn a_reply_must_hold_32_bytes_that_are_not_all_zero() {
        assert!(take_key(Some(Blob::new([1; 32]))).is_ok());
        for bad in [None, Some(vec![]), Some(vec![0; 32]), Some(vec![1; 31]), Some(vec![1; 64])] {
            assert!(take_key(bad.map(Blob::new)).is_err());
        }
    }
}
