//! AWS calls that the command makes itself: what their errors say.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::RequestId;
use waxseal::Error;
use waxseal::ErrorKind;

use crate::exit::Failure;

/// The failure of the call `operation`, such as `S3 ListObjectsV2`, for `what`.
///
/// `kind` is `KeyAccess` for KMS and `Store` for S3, whether or not they answered.
pub(crate) fn failed<E>(
    what: impl Into<String>,
    kind: ErrorKind,
    operation: &str,
    error: SdkError<E>,
) -> Failure
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
{
    let (code, text) = match &error {
        SdkError::ServiceError(answer) => {
            let status = || format!("HTTP {}", answer.raw().status().as_u16());
            let code = answer.err().code().map_or_else(status, str::to_owned);
            let text = said(&code, answer.err());
            (code, text)
        }
        SdkError::TimeoutError(_) => (String::new(), "no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            (String::new(), "no connection".to_owned())
        }
        _ => (String::new(), "the call failed".to_owned()),
    };
    let error = Error::new(kind, format!("{operation}: {text}")).with_source(error);
    Failure::library(what, error.with_service_code(&code))
}

/// Code, message and request id of an answer.
fn said(code: &str, answer: &(impl ProvideErrorMetadata + RequestId)) -> String {
    let mut text = code.to_owned();
    if let Some(message) = answer.message().filter(|message| !message.is_empty()) {
        text.extend([": ", message]);
    }
    if let Some(id) = answer.request_id() {
        text.extend([" (request id ", id, ")"]);
    }
    // Nothing that a server says may forge a line of a terminal.
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
