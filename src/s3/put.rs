//! Seals a body into an object: one request if it is small, a multipart upload otherwise.

use std::collections::HashMap;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use crate::cipher::SealedBody;
use crate::context::EncryptionContext;
use crate::envelope::METADATA_LIMIT;
use crate::error::Error;
use crate::error::Result;
use crate::object::Body;
use crate::s3::Name;
use crate::s3::PutOptions;
use crate::s3::S3EncryptionClient;
use crate::s3::options::with_put_options;
use crate::s3::options::with_sse_customer_key;
use crate::s3::payload::checksum_algorithm;
use crate::s3::payload::guarded;
use crate::s3::upload::PartLen;
use crate::s3::upload::Upload;

/// A put about to be sent; made by [`S3EncryptionClient::put_object`].
#[derive(Debug)]
#[must_use = "nothing is stored until `send`"]
pub struct PutObject {
    pub(super) client: S3EncryptionClient,
    pub(super) name: Name,
    pub(super) options: PutOptions,
    pub(super) metadata: HashMap<String, String>,
    body: Body,
    context: EncryptionContext,
}

/// What S3 said of a stored object.
#[derive(Clone, Debug)]
pub struct PutOutput {
    pub(super) etag: Option<String>,
    pub(super) version_id: Option<String>,
    pub(super) sealed_len: u64,
}

impl PutOutput {
    /// The stored object's ETag.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The stored object's version, if the bucket keeps versions.
    pub fn version_id(&self) -> Option<&str> {
        self.version_id.as_deref()
    }

    /// Number of bytes stored.
    pub fn sealed_len(&self) -> u64 {
        self.sealed_len
    }
}

impl PutObject {
    pub(super) fn new(
        client: S3EncryptionClient,
        name: Name,
        body: Body,
        context: EncryptionContext,
    ) -> Self {
        let (options, metadata) = (PutOptions::new(), HashMap::new());
        Self { client, name, options, metadata, body, context }
    }

    /// Sets how to store the object.
    pub fn options(self, options: PutOptions) -> Self {
        Self { options, ..self }
    }

    /// Seals and stores the object.
    ///
    /// An existing object of that key stays as it is until the new one is whole.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if context, options or metadata do not allow it, before anything is stored;
    /// `KeyAccess` or `Keyring` if there is no data key; `Store` if S3 or `body` fails; `Changed`
    /// if the object exists and [`PutOptions::if_none_match`] was set, or is another than that of
    /// [`PutOptions::if_match`]. An upload that has begun
    /// is aborted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the old object. An upload that has begun is aborted by a task
    /// on the current Tokio runtime, best effort: keep a lifecycle rule that aborts incomplete
    /// uploads. Dropped while the last request is on its way, the new object may appear whole.
    pub async fn send(mut self) -> Result<PutOutput> {
        check_metadata(&self.options.metadata)?;
        let asked = self.options.checksum_algorithm.take();
        self.options.checksum_algorithm = checksum_algorithm(&self.client.client, asked);
        let location = self.name.location();
        let body = std::mem::replace(&mut self.body, Body::from(Bytes::new()));
        let placement = self.client.placement;
        let cipher = &self.client.cipher;
        let sealed = cipher.seal_for_upload(body, &self.context, Some(location), placement).await?;
        let entries = sealed.metadata.into_iter().chain(self.options.metadata.iter().cloned());
        self.metadata = entries.collect();
        check_metadata_len(&self.metadata)?;
        self.store(sealed.body).await
    }

    async fn store(self, mut body: SealedBody) -> Result<PutOutput> {
        let part_len = PartLen::new(self.client.part_len, body.len_hint());
        let first = body.next(part_len.of(0), None).await?.unwrap_or_default();
        if body.is_finished() {
            return self.put_whole(first).await;
        }
        Upload::begin(self).await?.send(first, body, part_len).await
    }

    async fn put_whole(self, sealed: Bytes) -> Result<PutOutput> {
        let sealed_len = sealed.len() as u64;
        let request = self.client.client.put_object();
        let request = with_put_options!(request, &self.options)
            .bucket(&self.name.bucket)
            .key(&self.name.key)
            .set_metadata(Some(self.metadata.clone()))
            .set_if_match(self.options.if_match.clone())
            .set_if_none_match(self.options.if_none_match.then(|| "*".to_owned()))
            .body(ByteStream::from(sealed));
        let checksum = self.options.checksum_algorithm.as_ref();
        let reply = guarded(request.customize(), checksum).send().await;
        match reply {
            Ok(reply) => {
                Ok(PutOutput { etag: reply.e_tag, version_id: reply.version_id, sealed_len })
            }
            Err(error) => {
                let error = self.name.failed("PutObject", error);
                self.find_stored(sealed_len).await.ok_or(error)
            }
        }
    }

    /// The object, if it is there after all: a request whose reply was lost is refused when it is
    /// sent again. Its metadata tells, since no two objects have the same header; of an inline
    /// envelope S3's metadata says nothing.
    pub(super) async fn find_stored(&self, sealed_len: u64) -> Option<PutOutput> {
        let header = self.metadata.get("waxseal-header")?;
        let request = self.client.client.head_object();
        let found = with_sse_customer_key!(request, self.options.sse_customer_key.as_ref())
            .bucket(&self.name.bucket)
            .key(&self.name.key)
            .send()
            .await
            .ok()?;
        let same = found.metadata()?.get("waxseal-header") == Some(header);
        same.then_some(PutOutput { etag: found.e_tag, version_id: found.version_id, sealed_len })
    }
}

/// The caller's metadata must not be mistaken for an envelope, and must fit HTTP headers.
fn check_metadata(metadata: &[(String, String)]) -> Result<()> {
    let mut names = std::collections::HashSet::new();
    for (name, value) in metadata {
        if name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        {
            return Err(Error::invalid_input(format!(
                "metadata {name:?}: a name is of letters, digits, '-', '_' and '.'"
            )));
        }
        if !value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            return Err(Error::invalid_input(format!(
                "metadata {name:?}: the value is not ASCII text"
            )));
        }
        let name = name.to_ascii_lowercase();
        if let Some(prefix) = RESERVED.iter().find(|prefix| name.starts_with(**prefix)) {
            return Err(Error::invalid_input(format!("metadata {name:?}: {prefix}* is reserved")));
        }
        if !names.insert(name.clone()) {
            return Err(Error::invalid_input(format!("metadata {name:?} is given twice")));
        }
    }
    Ok(())
}

/// S3 counts the bytes of names and values, without its own prefix.
pub(super) fn check_metadata_len(metadata: &HashMap<String, String>) -> Result<()> {
    let len: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if len <= METADATA_LIMIT {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "envelope and user metadata are {len} bytes, S3 keeps {METADATA_LIMIT}: shorten the \
         encryption context or the metadata, or use Placement::Inline"
    )))
}

const RESERVED: [&str; 2] = ["waxseal-", "x-amz-"];
