//! What S3 is told besides the bytes.

use std::fmt;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_sdk_s3::types::ChecksumType;
use aws_sdk_s3::types::ObjectLockLegalHoldStatus;
use aws_sdk_s3::types::ObjectLockMode;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_sdk_s3::types::StorageClass;
use base64ct::Base64;
use base64ct::Encoding as _;
use md5::Digest as _;
use md5::Md5;
use zeroize::Zeroizing;

/// How to store an object; the same for one request and for a multipart upload.
///
/// ```
/// use waxseal::PutOptions;
///
/// let options = PutOptions::new().content_type("text/csv").metadata("origin", "billing");
/// ```
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    pub(super) bucket_key_enabled: Option<bool>,
    pub(super) cache_control: Option<String>,
    pub(super) checksum_algorithm: Option<ChecksumAlgorithm>,
    pub(super) checksum_type: Option<ChecksumType>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) expires: Option<DateTime>,
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: bool,
    pub(super) metadata: Vec<(String, String)>,
    pub(super) object_lock_legal_hold_status: Option<ObjectLockLegalHoldStatus>,
    pub(super) object_lock_mode: Option<ObjectLockMode>,
    pub(super) object_lock_retain_until_date: Option<DateTime>,
    pub(super) server_side_encryption: Option<ServerSideEncryption>,
    pub(super) sse_customer_key: Option<SseCustomerKey>,
    pub(super) ssekms_key_id: Option<String>,
    pub(super) storage_class: Option<StorageClass>,
    pub(super) tagging: Option<String>,
    pub(super) website_redirect_location: Option<String>,
}

impl PutOptions {
    /// Nothing but S3's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the content type of the plaintext.
    #[must_use]
    pub fn content_type(self, content_type: impl Into<String>) -> Self {
        Self { content_type: Some(content_type.into()), ..self }
    }

    /// Sets the `Content-Disposition` header.
    #[must_use]
    pub fn content_disposition(self, content_disposition: impl Into<String>) -> Self {
        Self { content_disposition: Some(content_disposition.into()), ..self }
    }

    /// Sets the `Content-Language` header.
    #[must_use]
    pub fn content_language(self, content_language: impl Into<String>) -> Self {
        Self { content_language: Some(content_language.into()), ..self }
    }

    /// Sets the `Cache-Control` header.
    #[must_use]
    pub fn cache_control(self, cache_control: impl Into<String>) -> Self {
        Self { cache_control: Some(cache_control.into()), ..self }
    }

    /// Adds an entry of user metadata, which is neither encrypted nor authenticated.
    ///
    /// Names beginning with `waxseal-` and `x-amz-` are refused with `InvalidInput` when sent, as
    /// is what does not fit into S3's 2 KiB beside the envelope.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Sets the object's tags, written as a URL query: `project=x&owner=y`.
    #[must_use]
    pub fn tagging(self, tagging: impl Into<String>) -> Self {
        Self { tagging: Some(tagging.into()), ..self }
    }

    /// Sets the storage class.
    #[must_use]
    pub fn storage_class(self, storage_class: StorageClass) -> Self {
        Self { storage_class: Some(storage_class), ..self }
    }

    /// Asks S3 to encrypt the sealed bytes once more on its side: SSE-S3 or SSE-KMS.
    #[must_use]
    pub fn server_side_encryption(self, encryption: ServerSideEncryption) -> Self {
        Self { server_side_encryption: Some(encryption), ..self }
    }

    /// Sets the KMS key of SSE-KMS. It has nothing to do with the key that seals.
    #[must_use]
    pub fn ssekms_key_id(self, key_id: impl Into<String>) -> Self {
        Self { ssekms_key_id: Some(key_id.into()), ..self }
    }

    /// Whether SSE-KMS uses an S3 bucket key.
    #[must_use]
    pub fn bucket_key_enabled(self, enabled: bool) -> Self {
        Self { bucket_key_enabled: Some(enabled), ..self }
    }

    /// Asks S3 to encrypt the sealed bytes once more under a key that it does not keep (SSE-C).
    #[must_use]
    pub fn sse_customer_key(self, key: SseCustomerKey) -> Self {
        Self { sse_customer_key: Some(key), ..self }
    }

    /// Stores only if what has this key has this ETag; otherwise sending fails with `Changed`.
    #[must_use]
    pub fn if_match(self, etag: impl Into<String>) -> Self {
        Self { if_match: Some(etag.into()), ..self }
    }

    /// Stores only if no object has this key yet; otherwise sending fails with `Changed`.
    #[must_use]
    pub fn if_none_match(self) -> Self {
        Self { if_none_match: true, ..self }
    }

    /// Sets the checksum that S3 verifies on arrival and keeps.
    ///
    /// The default is CRC-64/NVME, or none if the client's `request_checksum_calculation` is
    /// `WhenRequired`, as suits servers that know no checksums; one set here is sent even then.
    /// Servers older than CRC-64/NVME, which is of 2024, may know `Crc32`. The SHA family takes
    /// many times as long as sealing does.
    #[must_use]
    pub fn checksum_algorithm(self, algorithm: ChecksumAlgorithm) -> Self {
        Self { checksum_algorithm: Some(algorithm), ..self }
    }
}

/// Which object to read, and how.
#[derive(Clone, Debug, Default)]
pub struct GetOptions {
    pub(super) version_id: Option<String>,
    pub(super) sse_customer_key: Option<SseCustomerKey>,
}

impl GetOptions {
    /// The current version.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads this version: the defence against an older object put back in its place.
    #[must_use]
    pub fn version_id(self, version_id: impl Into<String>) -> Self {
        Self { version_id: Some(version_id.into()), ..self }
    }

    /// The SSE-C key that the object was stored with.
    #[must_use]
    pub fn sse_customer_key(self, key: SseCustomerKey) -> Self {
        Self { sse_customer_key: Some(key), ..self }
    }
}

/// A key for SSE-C. S3 sees it with each request; it is not the key that seals.
#[derive(Clone)]
pub struct SseCustomerKey {
    base64: Zeroizing<String>,
    md5: String,
}

impl SseCustomerKey {
    /// The AES-256 key to send.
    pub fn new(key: &[u8; 32]) -> Self {
        // S3's protocol wants the MD5 to find errors in transmission; it protects nothing.
        let md5 = Base64::encode_string(&Md5::digest(key));
        Self { base64: Zeroizing::new(Base64::encode_string(key)), md5 }
    }

    pub(super) fn algorithm() -> String {
        "AES256".to_owned()
    }

    pub(super) fn base64(&self) -> String {
        self.base64.to_string()
    }

    pub(super) fn md5(&self) -> String {
        self.md5.clone()
    }
}

/// Prints no key.
impl fmt::Debug for SseCustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SseCustomerKey(..)")
    }
}

/// Sets the SSE-C headers of any request of the SDK.
macro_rules! with_sse_customer_key {
    ($request:expr, $key:expr) => {{
        let key: Option<&$crate::s3::SseCustomerKey> = $key;
        $request
            .set_sse_customer_algorithm(key.map(|_| $crate::s3::SseCustomerKey::algorithm()))
            .set_sse_customer_key(key.map(|key| key.base64()))
            .set_sse_customer_key_md5(key.map(|key| key.md5()))
    }};
}

/// Sets everything of [`PutOptions`] on PutObject, CopyObject or CreateMultipartUpload, but
/// `if_match` and `if_none_match`, which belong to the request that makes the object visible, and
/// `checksum_type`, which uploads alone have.
macro_rules! with_put_options {
    ($request:expr, $options:expr) => {{
        let options: &$crate::s3::PutOptions = $options;
        let request = $request
            .set_bucket_key_enabled(options.bucket_key_enabled)
            .set_cache_control(options.cache_control.clone())
            .set_checksum_algorithm(options.checksum_algorithm.clone())
            .set_content_disposition(options.content_disposition.clone())
            .set_content_encoding(options.content_encoding.clone())
            .set_content_language(options.content_language.clone())
            .set_content_type(options.content_type.clone())
            .set_expires(options.expires)
            .set_object_lock_legal_hold_status(options.object_lock_legal_hold_status.clone())
            .set_object_lock_mode(options.object_lock_mode.clone())
            .set_object_lock_retain_until_date(options.object_lock_retain_until_date)
            .set_server_side_encryption(options.server_side_encryption.clone())
            .set_ssekms_key_id(options.ssekms_key_id.clone())
            .set_storage_class(options.storage_class.clone())
            .set_tagging(options.tagging.clone())
            .set_website_redirect_location(options.website_redirect_location.clone());
        $crate::s3::options::with_sse_customer_key!(request, options.sse_customer_key.as_ref())
    }};
}

pub(super) use with_put_options;
pub(super) use with_sse_customer_key;
