//! What the errors of KMS become.

use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::RequestId;

use crate::aws::Failure;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::keyring;
use crate::keyring::kms::calls::KeyName;

/// The error of a failed KMS call with `key`.
pub(super) fn failed<E>(key: &KeyName<'_>, operation: &str, error: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
{
    let failure = Failure::of(&error);
    let (kind, remedy) = classify(operation, &failure.code);
    if kind == ErrorKind::Authentication {
        // Which of key, context and bytes was wrong is for CloudTrail, not for the caller.
        return keyring::unwrap_failed();
    }
    let text = format!("KMS {operation} with {key}: {}{remedy}", failure.text);
    // Without the reply, whose body may hold a data key that only failed to parse.
    let source = match error {
        SdkError::ServiceError(answer) => answer.into_err().into(),
        other => other.into_source().unwrap_or_else(|_| "the KMS call failed".into()),
    };
    let error = Error::new(kind, text).with_service_code(&failure.code).with_source(source);
    match &*failure.code {
        "AccessDeniedException" | "AccessDenied" => error.with_refused_key(key.to_refuse(), false),
        "DisabledException" | "KMSInvalidStateException" | "NotFoundException" => {
            error.with_refused_key(key.to_refuse(), true)
        }
        _ => error,
    }
}

/// The kind of each KMS error code, and what to do about it.
fn classify(operation: &str, code: &str) -> (ErrorKind, &'static str) {
    use ErrorKind::{Authentication, KeyAccess, Keyring};
    match code {
        "InvalidCiphertextException" | "IncorrectKeyException" => (Authentication, ""),
        "AccessDeniedException" | "AccessDenied" if operation == DESCRIBE_KEY => {
            let remedy = "; allow kms:DescribeKey in the key policy or by IAM, \
                 or name the key by its ARN";
            (KeyAccess, remedy)
        }
        "AccessDeniedException" | "AccessDenied" if operation == RE_ENCRYPT => {
            let remedy = "; allow this caller kms:ReEncryptFrom with the old key and \
                 kms:ReEncryptTo with the new one, with this context";
            (KeyAccess, remedy)
        }
        "AccessDeniedException" | "AccessDenied" => {
            (KeyAccess, "; allow this caller in the key policy or by IAM, with this context")
        }
        "DisabledException" => (KeyAccess, "; the key is disabled: enable the key"),
        "KMSInvalidStateException" => {
            let remedy = "; the key is pending deletion, or not ready for use: \
                 cancel the deletion and enable it";
            (KeyAccess, remedy)
        }
        "NotFoundException" => (KeyAccess, "; the key is not found: check key, Region and account"),
        "InvalidKeyUsageException" if matches!(operation, "Sign" | "Verify") => {
            (KeyAccess, "; use a key of ECC_NIST_P384 that was made for signing")
        }
        "InvalidKeyUsageException" => {
            (KeyAccess, "; use a symmetric encryption key, or an RSA keyring for a key of RSA")
        }
        "InvalidGrantTokenException" => (KeyAccess, "; check the grant tokens"),
        "InvalidArnException" | "ValidationException" => (KeyAccess, "; check the name of the key"),
        "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken" => (KeyAccess, "; renew the AWS credentials"),
        _ => (Keyring, ""),
    }
}

/// The operation that says which key an alias means.
pub(super) const DESCRIBE_KEY: &str = "DescribeKey";
/// The operation that needs the permission for two keys.
pub(super) const RE_ENCRYPT: &str = "ReEncrypt";

#[cfg(test)]
mod tests {
    use waxseal_testkit::Fault;
    use waxseal_testkit::LocalAws;

    use crate::context::EncryptionContext;
    use crate::error::Error;
    use crate::keyring::KeyRequest;
    use crate::keyring::Keyring;
    use crate::keyring::KmsKeyring;

    async fn seal(keyring: &KmsKeyring) -> Option<Error> {
        let context = EncryptionContext::new();
        keyring.generate_data_key(&KeyRequest::new(&context)).await.err()
    }

    /// Whether the error says that `arn` is refused: `None`, or for one context or for all.
    fn refused(error: &Error, arn: &str) -> Option<bool> {
        error.refused_keys().find(|refused| refused.has_id(arn)).map(|refused| refused.for_all)
    }

    #[tokio::test]
    async fn an_error_of_a_refused_key_names_it() {
        let aws = LocalAws::start().await.unwrap();
        let arn = aws.create_key("alias/orders");
        let id = arn.rsplit('/').next().unwrap();
        for (code, for_all) in [
            ("DisabledException", Some(true)),
            ("KMSInvalidStateException", Some(true)),
            ("NotFoundException", Some(true)),
            ("AccessDeniedException", Some(false)),
            ("IncorrectKeyException", None),
            ("InvalidCiphertextException", None),
            ("KeyUnavailableException", None),
            ("ThrottlingException", None),
        ] {
            for name in [&*arn, id, "alias/orders"] {
                let keyring = KmsKeyring::new(aws.kms(), name);
                let mut knows = name != "alias/orders";
                for _ in 0..2 {
                    aws.fail("GenerateDataKey", 3, Fault::kms_error(400, code));
                    let error = seal(&keyring).await.unwrap();
                    let expected = for_all.filter(|_| knows);
                    assert_eq!(refused(&error, &arn), expected, "{code}, {name}");
                    assert_eq!(refused(&error, "arn:aws:kms:us-east-1:111122223333:key/x"), None);
                    aws.clear_faults();
                    // From now on the keyring knows which key its name means.
                    assert!(seal(&keyring).await.is_none());
                    knows = true;
                }
            }
        }
    }

    #[tokio::test]
    async fn opening_through_an_alias_names_its_key() {
        let aws = LocalAws::start().await.unwrap();
        let arn = aws.create_key("alias/orders");
        let context = EncryptionContext::new();
        let request = KeyRequest::new(&context);
        let sealer = KmsKeyring::new(aws.kms(), &arn);
        let made = sealer.generate_data_key(&request).await.unwrap();
        aws.kms().disable_key().key_id(&arn).send().await.unwrap();
        let opener = KmsKeyring::new(aws.kms(), "alias/orders");
        let error = opener.unwrap_data_key(made.wrapped(), &request).await.err().unwrap();
        assert_eq!(refused(&error, &arn), Some(true));
    }
}
