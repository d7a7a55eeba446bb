//! What the errors of KMS become.

use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::RequestId;

use crate::aws::Failure;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::keyring;

/// The error of a failed KMS call with the key `key_id`.
pub(super) fn failed<E>(key_id: &str, operation: &str, error: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
{
    let failure = Failure::of(&error);
    let (kind, remedy) = classify(&failure.code);
    if kind == ErrorKind::Authentication {
        // Which of key, context and bytes was wrong is for CloudTrail, not for the caller.
        return keyring::unwrap_failed();
    }
    let text = format!("KMS {operation} with {}: {}{remedy}", key_id, failure.text);
    // Without the reply, whose body may hold a data key that only failed to parse.
    let source = match error {
        SdkError::ServiceError(answer) => answer.into_err().into(),
        other => other.into_source().unwrap_or_else(|_| "the KMS call failed".into()),
    };
    Error::new(kind, text).with_source(source)
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
        "InvalidKeyUsageException" => {
            (KeyAccess, "; use a symmetric encryption key, or to sign one of ECC_NIST_P384")
        }
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
