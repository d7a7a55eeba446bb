//! Signing keys: from `--sign` and `--signed-by` to the library's.

use std::str::FromStr;

use clap::Args;
use waxseal::EnvelopeCipher;
use waxseal::KmsSigningKey;

use crate::aws::Aws;
use crate::exit::Failure;

/// What to sign with.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Key options")]
pub(crate) struct SignArgs {
    /// Sign with this key, as well: `aws-kms:ID`.
    ///
    /// A KMS key of the spec ECC_NIST_P384 that only the writers may use, named
    /// like that of --key. It tells what they sealed from what others did who may
    /// use --key too; readers demand it with --signed-by.
    #[arg(long, value_name = "KEY")]
    sign: Option<SigningKeySpec>,
}

/// What has to have signed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Key options")]
pub(crate) struct SignedByArgs {
    /// Refuse what this key has not signed: `aws-kms:ID`.
    ///
    /// The KMS key of --sign, best by its ARN. Asked for kms:Verify before --key
    /// is asked for anything.
    #[arg(long, value_name = "KEY")]
    signed_by: Option<SigningKeySpec>,
}

/// What `--sign` and `--signed-by` say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SigningKeySpec(String);

impl FromStr for SigningKeySpec {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.strip_prefix("aws-kms:").filter(|id| !id.is_empty());
        id.map(|id| Self(id.to_owned())).ok_or("want aws-kms:ID")
    }
}

impl SigningKeySpec {
    async fn key(&self, aws: &Aws) -> Result<KmsSigningKey, Failure> {
        Ok(KmsSigningKey::new(aws.kms(&self.0).await?, self.0.clone()))
    }
}

impl SignArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.sign.is_some()
    }

    /// # Errors
    ///
    /// `Code::Key` if AWS is not configured.
    pub(crate) async fn apply(
        &self,
        cipher: EnvelopeCipher,
        aws: &Aws,
    ) -> Result<EnvelopeCipher, Failure> {
        match &self.sign {
            Some(spec) => Ok(cipher.sign_with(spec.key(aws).await?)),
            None => Ok(cipher),
        }
    }
}

impl SignedByArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.signed_by.is_some()
    }

    /// # Errors
    ///
    /// `Code::Key` if AWS is not configured.
    pub(crate) async fn apply(
        &self,
        cipher: EnvelopeCipher,
        aws: &Aws,
    ) -> Result<EnvelopeCipher, Failure> {
        match &self.signed_by {
            Some(spec) => Ok(cipher.demand_signature(spec.key(aws).await?)),
            None => Ok(cipher),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_keys_are_read() {
        let spec = |text: &str| text.parse::<SigningKeySpec>();
        assert_eq!(spec("aws-kms:alias/a:b"), Ok(SigningKeySpec("alias/a:b".into())));
        for bad in ["", "aws-kms", "aws-kms:", "local", "alias/a"] {
            assert!(spec(bad).is_err(), "{bad}");
        }
    }
}
