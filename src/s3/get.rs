//! Opens a stored object.

use std::ops::Range;

use bytes::Bytes;

use crate::context::EncryptionContext;
use crate::envelope::Envelope;
use crate::error::Result;
use crate::object::Body;
use crate::object::Object;
use crate::s3::GetOptions;
use crate::s3::Name;
use crate::s3::S3EncryptionClient;
use crate::s3::head;
use crate::s3::source::Source;

/// A get about to be sent; made by [`S3EncryptionClient::get_object`].
#[derive(Debug)]
#[must_use = "nothing is read until `send`"]
pub struct GetObject {
    client: S3EncryptionClient,
    name: Name,
    context: EncryptionContext,
    options: GetOptions,
}

impl GetObject {
    pub(super) fn new(client: S3EncryptionClient, name: Name, context: EncryptionContext) -> Self {
        Self { client, name, context, options: GetOptions::new() }
    }

    /// Sets which object to read, and how.
    pub fn options(self, options: GetOptions) -> Self {
        Self { options, ..self }
    }

    /// Reads the end of the object, unwraps its key and verifies header and final segment.
    ///
    /// One request to S3 for segments of up to 128 KiB with the envelope in metadata, two or three
    /// otherwise, and one to the keyring. The data is read as it is asked for.
    ///
    /// # Errors
    ///
    /// `Format` if the object is not sealed or the policy does not accept it; `Authentication` if
    /// it was altered or cut, or sealed under another key or context; `KeyAccess` or `Keyring` if
    /// the keyring does not unwrap the data key; `Changed` if it was replaced meanwhile; `Store`
    /// if S3 fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops its requests.
    pub async fn send(self) -> Result<S3Object> {
        let Self { client, name, context, options } = self;
        let (source, reply) = Source::open(client.client, name.clone(), options).await?;
        let metadata = reply.metadata().into_iter().flatten();
        let metadata: Vec<_> = metadata.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let envelope = Envelope::from_metadata(metadata.iter().copied())?;
        let location = name.location();
        let sealed_len = crate::object::ReadAt::sealed_len(&source).await?;
        let opened = client.cipher.open_from_store(
            envelope.as_ref(),
            source,
            sealed_len,
            Some(location),
            &context,
        );
        Ok(S3Object {
            object: opened.await?,
            envelope,
            sealed_len,
            metadata: head::user_metadata(metadata),
            content_type: reply.content_type,
            etag: reply.e_tag,
            version_id: reply.version_id,
        })
    }
}

/// A sealed object in S3 whose key, header and end are verified.
///
/// Metadata and content type are what S3 says: neither is authenticated.
#[derive(Clone, Debug)]
pub struct S3Object {
    object: Object,
    /// That in metadata, with which it was opened.
    envelope: Option<Envelope>,
    sealed_len: u64,
    metadata: Vec<(String, String)>,
    content_type: Option<String>,
    etag: Option<String>,
    version_id: Option<String>,
}

impl S3Object {
    /// Plaintext length in bytes, verified.
    #[expect(clippy::len_without_is_empty, reason = "an S3 object is asked for its length only")]
    pub fn len(&self) -> u64 {
        self.object.len()
    }

    /// Number of stored bytes.
    pub fn sealed_len(&self) -> u64 {
        self.sealed_len
    }

    /// The caller's user metadata, without the envelope.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// The content type given when it was put.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The ETag that all reads are pinned to.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The version that all reads are pinned to, if the bucket keeps versions.
    pub fn version_id(&self) -> Option<&str> {
        self.version_id.as_deref()
    }

    /// Reads the plaintext bytes `plain`: see [`Object::range`].
    ///
    /// # Errors
    ///
    /// As [`Object::range`].
    ///
    /// # Cancel safety
    ///
    /// As [`Object::range`].
    pub async fn range(&self, plain: Range<u64>) -> Result<Bytes> {
        self.object.range(plain).await
    }

    /// The envelope with which it was opened, if that is in metadata.
    pub(super) fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// The object itself, which reads ranges and streams.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Reads the whole object, four ranged requests at a time: see [`Object::into_stream`].
    pub fn into_stream(self) -> Body {
        self.object.into_stream()
    }

    /// Reads the whole object as a reader: see [`Object::into_async_read`].
    pub fn into_async_read(self) -> impl tokio::io::AsyncBufRead + Send + Unpin {
        self.object.into_async_read()
    }
}
