//! What the AWS SDK's errors say, in one place for KMS and S3.

#[cfg(not(feature = "kms"))]
use aws_sdk_s3 as sdk;

#[cfg(feature = "kms")]
use aws_sdk_kms as sdk;

use sdk::error::ProvideErrorMetadata;
use sdk::error::SdkError;
use sdk::operation::RequestId;

/// A failed AWS call, described for a message.
pub(crate) struct Failure {
    /// The service's error code, or its HTTP status; empty if it did not answer.
    pub(crate) code: String,
    /// What happened, with the request id if the service answered.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn of<E>(error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + RequestId,
    {
        let SdkError::ServiceError(answer) = error else {
            return Self { code: String::new(), text: no_answer(error).to_owned() };
        };
        let status = || format!("HTTP {}", answer.raw().status().as_u16());
        let code = answer.err().code().map_or_else(status, str::to_owned);
        let mut text = code.clone();
        if let Some(message) = answer.err().message().filter(|m| !m.is_empty()) {
            text = format!("{text}: {message}");
        }
        if let Some(id) = answer.err().request_id() {
            text = format!("{text} (request id {id})");
        }
        // Nothing that a server says may forge a line of a log or terminal.
        let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { code, text }
    }
}

fn no_answer<E, R>(error: &SdkError<E, R>) -> &'static str {
    match error {
        SdkError::ConstructionFailure(_) => {
            "the request could not be made (are region and credentials configured?)"
        }
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            "no connection (are endpoint and network right?)"
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "no answer in time",
        SdkError::DispatchFailure(_) => {
            "the request could not be sent (are region, endpoint and credentials configured?)"
        }
        SdkError::ResponseError(_) => "the answer could not be read",
        _ => "the call failed",
    }
}
