//! What guards sealed bytes on their way to S3: a checksum and, without TLS, the signature. On their
//! way back, nothing but the envelope.
//!
//! Neither keeps a secret, and nothing is believed because of them: whoever opens the object
//! verifies it. They find damage before the object is stored instead of when it is read.

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::Client;
use aws_sdk_s3::client::customize::CustomizableOperation;
use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::ConfigBag;
use aws_sdk_s3::config::Intercept;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::config::ResponseChecksumValidation;
use aws_sdk_s3::config::RuntimeComponents;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::types::ChecksumAlgorithm;

/// The checksum of an upload: the one that was asked for, else CRC-64/NVME, the fastest that S3
/// knows, unless the client is set up to send none.
///
/// Said by name in every request: the SDK's own default is another, and S3 wants to know the
/// checksum of the parts when the upload is created.
pub(super) fn checksum_algorithm(
    client: &Client,
    asked: Option<ChecksumAlgorithm>,
) -> Option<ChecksumAlgorithm> {
    let default = match client.config().request_checksum_calculation() {
        Some(RequestChecksumCalculation::WhenRequired) => None,
        _ => Some(ChecksumAlgorithm::Crc64Nvme),
    };
    asked.or(default)
}

/// The request, guarded. Its input names the same `checksum`.
pub(super) fn guarded<T, E, B>(
    request: CustomizableOperation<T, E, B>,
    checksum: Option<&ChecksumAlgorithm>,
) -> CustomizableOperation<T, E, B> {
    let request = request.interceptor(UnsignedOverTls);
    if checksum.is_none() {
        return request;
    }
    // Under `WhenRequired` the SDK would name the algorithm and leave out the value, which S3
    // refuses.
    let calculation = RequestChecksumCalculation::WhenSupported;
    request.config_override(Config::builder().request_checksum_calculation(calculation))
}

/// The request, without asking S3 for its checksum of what is sealed, and verified anyway.
///
/// Some servers keep a wrong one, or send that of the whole object with a part of it: the SDK would
/// then refuse bytes that are right.
pub(super) fn unchecked<T, E, B>(
    request: CustomizableOperation<T, E, B>,
) -> CustomizableOperation<T, E, B> {
    let validation = ResponseChecksumValidation::WhenRequired;
    request.config_override(Config::builder().response_checksum_validation(validation))
}

/// Leaves the payload out of the signature where TLS protects it.
///
/// The signature would cover a SHA-256 of the payload, which takes ten times as long as to seal it.
/// The endpoint, and so whether there is TLS, is only known once a request is made.
#[derive(Debug)]
struct UnsignedOverTls;

impl Intercept for UnsignedOverTls {
    fn name(&self) -> &'static str {
        "UnsignedOverTls"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.request().uri().starts_with("https://") {
            state.interceptor_state().store_put(PayloadSigningOverride::unsigned_payload());
        }
        Ok(())
    }
}
