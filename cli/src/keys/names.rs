//! A wrapping key by the names that envelopes give it.

use waxseal::ErrorKind;
use waxseal::KmsRsaKeyring;
use waxseal::WrappedKey;

use crate::aws::Aws;
use crate::aws::failed;
use crate::exit::Code;
use crate::exit::Failure;
use crate::keys::AWS_KMS;
use crate::keys::KeySpec;
use crate::keys::LOCAL;
use crate::keys::RSA;
use crate::keys::absent;
use crate::keys::default_path;
use crate::keys::load;
use crate::keys::pem;
use crate::passphrase::Passphrase;

/// What stands in envelopes for one `--key`: every key of a key file, else one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyNames {
    provider: &'static str,
    ids: Vec<String>,
}

impl KeyNames {
    /// A KMS key by its ARN, as DescribeKey and CreateKey reply it.
    pub(crate) fn of_kms(arn: impl Into<String>) -> Self {
        Self { provider: AWS_KMS, ids: vec![arn.into()] }
    }

    /// An RSA key in KMS, by its public key.
    ///
    /// # Errors
    ///
    /// `Code::Key` if KMS does not give it.
    pub(crate) async fn of_kms_rsa(
        kms: aws_sdk_kms::Client,
        id: impl Into<String>,
    ) -> Result<Self, Failure> {
        let keyring = KmsRsaKeyring::connect(kms, id).await;
        let keyring = keyring.map_err(|e| Failure::library("cannot use the RSA key in KMS", e))?;
        Ok(Self { provider: RSA, ids: vec![keyring.public_key_id().to_owned()] })
    }

    /// Asks KMS for the key that an id or alias means.
    ///
    /// # Errors
    ///
    /// `Code::Key` if a key file cannot be used, AWS is not configured or KMS does not answer.
    pub(crate) async fn of(
        spec: &KeySpec,
        passphrase: &Passphrase,
        aws: &Aws,
    ) -> Result<Self, Failure> {
        Ok(match spec {
            KeySpec::AwsKms(id) if names_key(id) => Self::of_kms(id),
            KeySpec::AwsKms(id) => Self::of_kms(described(id, aws).await?),
            KeySpec::AwsKmsRsa(id) => {
                return Self::of_kms_rsa(aws.kms(id).await?, id).await;
            }
            KeySpec::Local(path) => {
                let path = path.clone().map_or_else(default_path, Ok)?;
                let keys = load(&path, passphrase)?.ok_or_else(|| absent(&path))?;
                let ids = keys.iter().map(|(id, _)| id.to_owned()).collect();
                Self { provider: LOCAL, ids }
            }
            KeySpec::Rsa(path) => {
                Self { provider: RSA, ids: vec![pem::load(path)?.key_id().to_owned()] }
            }
        })
    }

    /// Whether both mean one key.
    pub(crate) fn share_a_key_with(&self, other: &Self) -> bool {
        let is_same = |own: &String, other: &String| own == other || are_replicas(own, other);
        let has = |own: &String| other.ids.iter().any(|other| is_same(own, other));
        self.provider == other.provider && self.ids.iter().any(has)
    }

    /// Whether there are KMS keys among them, as S3 encrypts with.
    pub(crate) fn are_of_kms(&self) -> bool {
        self.provider == AWS_KMS
    }

    /// Whether S3 means one of them by `key`: an ARN, or the id alone with some servers.
    pub(crate) fn have_sse_key(&self, key: &str) -> bool {
        // Replicas have one id too.
        self.are_of_kms() && self.ids.iter().any(|own| key_id(own) == key_id(key))
    }

    /// Whether `wrapped` names one of them. The replicas of a multi-Region key are one key.
    pub(crate) fn have(&self, wrapped: &WrappedKey) -> bool {
        let is_same = |own: &String, other: &str| own == other || are_replicas(own, other);
        wrapped.provider() == self.provider
            && wrapped.key_id().is_some_and(|other| self.ids.iter().any(|own| is_same(own, other)))
    }
}

/// The last part of an ARN, or all of an id.
fn key_id(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// The ARN of the KMS key that an id or alias means.
async fn described(id: &str, aws: &Aws) -> Result<String, Failure> {
    let what = || format!("cannot tell which key {id} is");
    let reply = aws.kms(id).await?.describe_key().key_id(id).send().await;
    let reply = reply.map_err(|e| failed(what(), ErrorKind::KeyAccess, "KMS DescribeKey", e))?;
    reply
        .key_metadata
        .and_then(|metadata| metadata.arn)
        .ok_or_else(|| Failure::new(Code::Key, what()).remedy("name the key by its ARN"))
}

/// Whether this is the ARN of a KMS key, and not of an alias.
fn names_key(id: &str) -> bool {
    arn(id).is_some_and(|parts| parts[RESOURCE].starts_with("key/"))
}

/// Whether two ARNs are of replicas of one multi-Region key.
fn are_replicas(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (arn(one), arn(other)) else { return false };
    one[RESOURCE].starts_with("key/mrk-")
        && (0..=RESOURCE).all(|part| part == REGION || one[part] == other[part])
}

fn arn(text: &str) -> Option<[&str; RESOURCE + 1]> {
    let parts: Vec<_> = text.splitn(RESOURCE + 1, ':').collect();
    parts.try_into().ok().filter(|parts: &[_; RESOURCE + 1]| parts[0] == "arn")
}

/// Places of parts in an ARN.
const REGION: usize = 3;
const RESOURCE: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_by_its_whole_name() {
        let key = "arn:aws:kms:eu-west-1:111122223333:key/1234";
        let multi = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1";
        let names = |own: &str, provider: &str, stored: &str| {
            KeyNames::of_kms(own).have(&WrappedKey::new(provider, stored, [1]).unwrap())
        };
        assert!(names(key, AWS_KMS, key) && names(multi, AWS_KMS, multi));
        assert!(names(multi, AWS_KMS, &multi.replace("eu-west-1", "us-east-1")), "a replica");
        assert!(!names(key, LOCAL, key), "of another kind");
        for (own, other) in [
            (key, key.replace("1234", "1235")),
            (key, key.replace("eu-west-1", "us-east-1")),
            (key, key.replace("111122223333", "444455556666")),
            (multi, multi.replace("mrk-1", "mrk-2")),
            (multi, multi.replace("111122223333", "444455556666")),
            (multi, "mrk-1".to_owned()),
        ] {
            assert!(!names(own, AWS_KMS, &other), "{own} and {other}");
        }
    }

    #[test]
    fn a_key_of_s3_is_told_by_its_id() {
        let key = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1";
        let names = KeyNames::of_kms(key);
        for same in [key, "mrk-1", &key.replace("eu-west-1", "us-east-1")] {
            assert!(names.have_sse_key(same), "{same}");
        }
        for other in ["", "mrk-12", &key.replace("mrk-1", "mrk-2")] {
            assert!(!names.have_sse_key(other), "{other}");
        }
        let of_a_file = KeyNames { provider: LOCAL, ids: vec!["mrk-1".to_owned()] };
        assert!(!of_a_file.have_sse_key("mrk-1"));
    }

    #[test]
    fn only_an_arn_of_a_key_is_not_asked_for() {
        assert!(names_key("arn:aws:kms:eu-west-1:111122223333:key/1234"));
        for name in ["1234", "mrk-1", "alias/a", "arn:aws:kms:eu-west-1:111122223333:alias/key/1"] {
            assert!(!names_key(name), "{name}");
        }
    }
}
