//! What KMS says when it manages keys, and what to do about it.

use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::RequestId;
use waxseal::ErrorKind;

use crate::aws;
use crate::exit::Code;
use crate::exit::Failure;

/// The failure of the KMS call `operation`, for `what`.
pub(super) fn failed<E>(what: impl Into<String>, operation: &str, error: SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
{
    let remedy = remedy(operation, &error);
    // Not `KeyAccess`, for which the library says the remedy itself.
    let failure = aws::failed(what, ErrorKind::Keyring, &format!("KMS {operation}"), error);
    match remedy {
        Some(remedy) => failure.remedy(remedy),
        None => failure.otherwise("try again later, or look it up in the documentation of KMS"),
    }
}

/// Whether KMS said that the caller may not do this.
pub(super) fn is_forbidden<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    matches!(code(error), Some("AccessDeniedException" | "AccessDenied"))
}

/// Whether KMS said that there is no such thing.
pub(super) fn is_not_found<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    code(error) == Some("NotFoundException")
}

/// The failure of a call that succeeded without saying what it must.
pub(super) fn unreadable(what: &str, operation: &str) -> Failure {
    Failure::new(Code::Key, format!("{what}: the reply to KMS {operation} is not complete"))
        .remedy("check --endpoint-url: this may be no KMS")
}

/// Whether the request may have been carried out without a word of it.
pub(super) fn is_unanswered<E, R>(error: &SdkError<E, R>) -> bool {
    !matches!(error, SdkError::ServiceError(_) | SdkError::ConstructionFailure(_))
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error()?.code()
}

/// What is to be done here in particular, better than what is known in general.
fn remedy<E: ProvideErrorMetadata, R>(operation: &str, error: &SdkError<E, R>) -> Option<String> {
    let text = match error.as_service_error()?.code()? {
        "AccessDeniedException" | "AccessDenied" => {
            return Some(format!("allow kms:{operation} by IAM or in the key policy"));
        }
        "ConflictException" => "another change of this key is not done yet: try again in a minute",
        "DisabledException" => "enable the key first: `waxseal key enable KEY`",
        "InvalidAliasNameException" => "an alias has letters, digits and /_- after alias/",
        "InvalidArnException" | "ValidationException" => "check the names and values given",
        "KMSInvalidStateException" => {
            "the key is pending deletion, or not ready yet: `waxseal key show KEY` tells; \
             `waxseal key cancel-deletion KEY` keeps it"
        }
        "NotAuthorizedException" => "names that begin with alias/aws/ are reserved",
        "NotFoundException" if operation.contains("Grant") => {
            "`waxseal key grant list KEY` shows what grants there are; a new one takes a while"
        }
        "NotFoundException" => {
            "check key, --region and account: `waxseal key list` shows the keys; one that was \
             just made takes a while"
        }
        "TagException" => "name each tag once; names do not begin with aws:",
        "UnsupportedOperationException" => {
            "KMS does this with some kinds of keys only: `waxseal key show KEY` tells which it is"
        }
        _ => return None,
    };
    Some(text.to_owned())
}
