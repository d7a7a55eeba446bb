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
pub(crate) fn failed<E, R>(
    what: impl Into<String>,
    kind: ErrorKind,
    operation: &str,
    error: SdkError<E, R>,
) -> Failure
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let text = match &error {
        SdkError::ServiceError(answer) => said(answer.err()),
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) if failure.is_io() => "no connection".to_owned(),
        _ => "the call failed".to_owned(),
    };
    let text = format!("{operation}: {text}");
    Failure::library(what, Error::new(kind, text).with_source(error))
}

/// Code, message and request id of an answer.
fn said(answer: &(impl ProvideErrorMetadata + RequestId)) -> String {
    let mut text = answer.code().unwrap_or("unknown error").to_owned();
    if let Some(message) = answer.message().filter(|message| !message.is_empty()) {
        text.extend([": ", message]);
    }
    if let Some(id) = answer.request_id() {
        text.extend([" (request id ", id, ")"]);
    }
    // Nothing that a server says may forge a line of a terminal.
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
