//! Connections to KMS that are not kept.

use aws_sdk_kms::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// An HTTP client for KMS, and for KMS only, that closes each connection after its reply.
///
/// The replies of KMS hold data keys, in base64. The TLS and HTTP buffers that a reply passed
/// through belong to its connection, and a connection kept for the next call keeps the last key
/// in them. Closed, it frees them; an allocator that overwrites what is freed then leaves nothing.
/// The price is a TLS handshake for each call: a few milliseconds within a Region.
///
/// ```no_run
/// # fn kms(config: aws_sdk_kms::config::Builder) {
/// let config = config
///     .http_client(waxseal::kms_http_client())
///     .build();
/// let kms = aws_sdk_kms::Client::from_conf(config);
/// # }
/// ```
///
/// TLS is rustls with AWS-LC; trusted are the certificates of the system. Other services should
/// go on with a client that keeps connections. `docs/key-hygiene.md` says what was measured.
pub fn kms_http_client() -> SharedHttpClient {
    Builder::new()
        .pool_max_idle_per_host(0)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build_https()
}
