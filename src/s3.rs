//! Sealed objects in Amazon S3 and stores that speak its protocol.
//!
//! Everything about S3 and nothing about formats: parts, metadata, ranges, pins.

mod copy;
mod get;
mod head;
mod open_upload;
mod options;
mod payload;
mod put;
mod rewrap;
mod rotate;
mod source;
mod stored;
mod upload;

pub use get::GetObject;
pub use get::S3Object;
pub use head::ObjectHead;
pub use options::GetOptions;
pub use options::PutOptions;
pub use options::SseCustomerKey;
pub use put::PutObject;
pub use put::PutOutput;
pub use rewrap::RewrapObject;
pub use rewrap::RewrapOutput;
pub use rotate::RotateObject;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::RequestId;

use crate::aws::Failure;
use crate::cipher::EnvelopeCipher;
use crate::context::EncryptionContext;
use crate::envelope::Location;
use crate::envelope::Placement;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::object::Body;

/// Puts and gets sealed objects through an [`aws_sdk_s3::Client`].
///
/// The client is the caller's: credentials, Region, endpoint, retries and timeouts are as it has
/// them. Cheap to clone.
///
/// Uploads seal into parts in memory, which the client may therefore retry: the same sealed bytes
/// go out again. Downloads verify before they release, and every request after the first is pinned
/// to the first reply's ETag, and version if there is one.
///
/// What goes up carries a CRC-64/NVME, which S3 verifies on arrival and keeps. Servers that do not
/// know that checksum need another ([`PutOptions::checksum_algorithm`]), or none: set
/// `request_checksum_calculation(WhenRequired)` on the client. The signature covers the payload
/// only over plain `http://`; over `https://`, where TLS protects it, S3 is sent
/// `UNSIGNED-PAYLOAD`, and a bucket policy must not forbid that.
///
/// ```no_run
/// # async fn f(kms: aws_sdk_kms::Client, s3: aws_sdk_s3::Client) -> waxseal::Result<()> {
/// use waxseal::{Body, EncryptionContext, EnvelopeCipher, KmsKeyring, S3EncryptionClient};
///
/// let cipher = EnvelopeCipher::new(KmsKeyring::new(kms, "alias/orders"));
/// let s3 = S3EncryptionClient::new(s3, cipher);
/// let context = EncryptionContext::from([("tenant", "acme")]);
///
/// s3.put_object("bucket", "big.parquet", Body::from_path("big.parquet"), &context).send().await?;
///
/// let object = s3.get_object("bucket", "big.parquet", &context).send().await?;
/// let footer = object.range(object.len() - 8..object.len()).await?;
/// let mut reader = object.into_async_read();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct S3EncryptionClient {
    client: Client,
    cipher: EnvelopeCipher,
    placement: Placement,
    part_len: usize,
    parts_ahead: usize,
    copy_at_once: u64,
}

impl S3EncryptionClient {
    /// A client that keeps envelopes in metadata and uploads four parts of 8 MiB at a time.
    pub fn new(client: Client, cipher: EnvelopeCipher) -> Self {
        let (placement, part_len, parts_ahead) = (Placement::Metadata, 8 << 20, 4);
        Self { client, cipher, placement, part_len, parts_ahead, copy_at_once: MAX_COPY_LEN }
    }

    /// Sets where the envelopes of new objects go. Reading finds both.
    #[must_use]
    pub fn placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }

    /// Sets the least length of an uploaded part in bytes, 5 MiB to about 5 GiB as S3 demands.
    ///
    /// It is also the threshold: what seals to less goes up in one request. Parts are made larger
    /// where an object would otherwise need more than 10,000: at once if its length is known,
    /// else by doubling every 1,000 parts.
    #[must_use]
    pub fn part_len(self, part_len: usize) -> Self {
        Self { part_len: part_len.clamp(MIN_PART_LEN, MAX_PART_LEN), ..self }
    }

    /// Sets the most bytes that one request copies within S3: 5 MiB to 5 GiB, which is S3's limit
    /// and the default. What is larger is copied in parts of at most 512 MiB.
    #[must_use]
    pub fn copy_at_once(self, len: u64) -> Self {
        Self { copy_at_once: len.clamp(MIN_PART_LEN as u64, MAX_COPY_LEN), ..self }
    }

    /// Sets how many parts are sent or copied at a time, at least 1. Memory is as many parts and one more.
    #[must_use]
    pub fn parts_ahead(self, parts: usize) -> Self {
        Self { parts_ahead: parts.max(1), ..self }
    }

    /// Seals `body` and stores it: [`send`](PutObject::send) does it.
    pub fn put_object(
        &self,
        bucket: impl Into<String>,
        key: impl Into<String>,
        body: impl Into<Body>,
        context: &EncryptionContext,
    ) -> PutObject {
        let name = Name { bucket: bucket.into(), key: key.into() };
        PutObject::new(self.clone(), name, body.into(), context.clone())
    }

    /// Opens a stored object: [`send`](GetObject::send) does it.
    pub fn get_object(
        &self,
        bucket: impl Into<String>,
        key: impl Into<String>,
        context: &EncryptionContext,
    ) -> GetObject {
        let name = Name { bucket: bucket.into(), key: key.into() };
        GetObject::new(self.clone(), name, context.clone())
    }

    /// Deletes an object, sealed or not; one that is not there is no error, as with S3.
    ///
    /// # Errors
    ///
    /// `Store` if S3 refuses or is not reached.
    ///
    /// # Cancel safety
    ///
    /// A dropped request may or may not have been carried out.
    pub async fn delete_object(
        &self,
        bucket: impl Into<String>,
        key: impl Into<String>,
    ) -> Result<()> {
        let name = Name { bucket: bucket.into(), key: key.into() };
        let request = self.client.delete_object().bucket(&name.bucket).key(&name.key);
        request.send().await.map(drop).map_err(|e| name.failed("DeleteObject", e))
    }
}

/// What an object is called.
#[derive(Clone, Debug)]
struct Name {
    bucket: String,
    key: String,
}

impl Name {
    /// The error of a failed S3 call, of kind `Changed` if a pin no longer held.
    fn failed<E>(&self, operation: &str, error: SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
    {
        let failure = Failure::of(&error);
        let kind = match failure.code.as_str() {
            "PreconditionFailed" => ErrorKind::Changed,
            _ => ErrorKind::Store,
        };
        let text = format!("S3 {operation} of {self}: {}", failure.text);
        Error::new(kind, text).with_service_code(&failure.code).with_source(error)
    }
}

impl Name {
    fn location(&self) -> Location<'_> {
        Location { bucket: &self.bucket, key: &self.key }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

const MIN_PART_LEN: usize = 5 << 20;
/// The most that S3 copies at once.
const MAX_COPY_LEN: u64 = 5 << 30;
/// S3's 5 GiB, less room for the header and for the segment that completes a part.
const MAX_PART_LEN: usize = (5 << 30) - (32 << 20);
