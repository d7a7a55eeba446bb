//! Re-wraps a stored object: the data key stays, and with it every byte of the body.

use std::collections::HashMap;
use std::time::SystemTime;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use aws_sdk_s3::types::MetadataDirective;
use bytes::Bytes;

use crate::context::EncryptionContext;
use crate::error::Result;
use crate::keyring::Rewrap;
use crate::keyring::Rewrapped;
use crate::object::ReadAt as _;
use crate::s3::GetOptions;
use crate::s3::MIN_PART_LEN;
use crate::s3::Name;
use crate::s3::PutOptions;
use crate::s3::PutOutput;
use crate::s3::S3EncryptionClient;
use crate::s3::copy::Parts;
use crate::s3::copy::copy_source;
use crate::s3::open_upload::CopySource;
use crate::s3::options::with_put_options;
use crate::s3::payload::checksum_algorithm;
use crate::s3::payload::guarded;
use crate::s3::put::check_metadata_len;
use crate::s3::source::Source;
use crate::s3::stored;
use crate::s3::stored::is_before;

/// A re-wrapping about to be done; made by [`S3EncryptionClient::rewrap_object`].
#[derive(Debug)]
#[must_use = "nothing is done until `send`"]
pub struct RewrapObject {
    client: S3EncryptionClient,
    name: Name,
    context: EncryptionContext,
    rewrap: Rewrap,
    before: Option<SystemTime>,
    dry_run: bool,
}

/// What became of an object that was to be re-wrapped.
#[derive(Clone, Debug)]
pub struct RewrapOutput {
    rewrapped: Option<Rewrapped>,
    stored: PutOutput,
}

impl RewrapOutput {
    /// What was changed, or would be in a dry run; `None` if the object is as it should be.
    pub fn rewrapped(&self) -> Option<&Rewrapped> {
        self.rewrapped.as_ref()
    }

    /// The object as it is stored now.
    pub fn stored(&self) -> &PutOutput {
        &self.stored
    }
}

impl S3EncryptionClient {
    /// Wraps the data key of a stored object anew: [`send`](RewrapObject::send) does it.
    ///
    /// The keyring of this client's cipher is not asked; its read policy, binding and demanded
    /// signature hold as for opening.
    pub fn rewrap_object(
        &self,
        bucket: impl Into<String>,
        key: impl Into<String>,
        context: &EncryptionContext,
        rewrap: &Rewrap,
    ) -> RewrapObject {
        let name = Name { bucket: bucket.into(), key: key.into() };
        let (client, context, rewrap) = (self.clone(), context.clone(), rewrap.clone());
        RewrapObject { client, name, context, rewrap, before: None, dry_run: false }
    }
}

impl RewrapObject {
    /// Does everything but the last step: nothing is stored.
    pub fn dry_run(self) -> Self {
        Self { dry_run: true, ..self }
    }

    /// Leaves what was modified at this time, or later, as it is: it counts as done.
    ///
    /// With [`Rewrap::again`], which sees no difference in the object, this continues a run that
    /// began at that time. S3 tells whole seconds, of its own clock.
    pub fn modified_before(self, time: SystemTime) -> Self {
        Self { before: Some(time), ..self }
    }

    /// Re-wraps the object, in its place.
    ///
    /// With the envelope in metadata S3 copies the object onto itself, in parts above
    /// [`copy_at_once`](S3EncryptionClient::copy_at_once). With the envelope inline it is put
    /// anew if it is shorter than a part, else made of its new beginning and parts that S3 copies:
    /// at most 5 MiB are read. All of it is pinned to the ETag that was seen first: an object whose
    /// bytes were replaced meanwhile stays as it is. The ETag does not cover metadata, so a change of
    /// that alone, as by another re-wrapping at the same time, is overwritten.
    ///
    /// The rest of the object is preserved: user metadata, the headers that describe its content,
    /// expiry, website redirect, tags, storage class, encryption by S3, checksum algorithm, retention
    /// and legal hold. S3 tells neither access control lists nor an encryption context of SSE-KMS:
    /// they become the bucket's. Where the bucket keeps versions, the old one stays among them,
    /// under the old keys.
    ///
    /// # Errors
    ///
    /// `Format` if the object is not sealed, or policy and binding do not accept it;
    /// `Authentication` if a wrapped key or the context was altered; `KeyAccess` or `Keyring` if it
    /// is under none of the old keys, or a wrapping key cannot be used; `InvalidInput` if something
    /// of it cannot be preserved (SSE-C, archived, metadata that S3 cannot tell), or it does not fit
    /// into metadata or 16 wrapped keys; `Changed` if it was replaced meanwhile; `Store` if S3 fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the object whole, re-wrapped or not. An upload that has begun is
    /// aborted as in [`PutObject::send`](crate::PutObject::send).
    pub async fn send(self) -> Result<RewrapOutput> {
        let (client, name) = (&self.client, &self.name);
        let options = GetOptions::new();
        let reply = client.head(name, &options, Some(ChecksumMode::Enabled)).await?;
        let (head, inline) = client.describe(name, reply, options).await?;
        let done_before = self.before.is_some_and(|time| !is_before(head.reply(), time));
        let location = Some(name.location());
        let (context, header) = (&self.context, head.header());
        let cipher = &client.cipher;
        let done = if done_before {
            None
        } else {
            cipher.rewrap(head.envelope(), header, location, context, &self.rewrap).await?
        };
        let sealed_len = head.sealed_len();
        let reply = head.reply();
        let stored = PutOutput {
            etag: reply.e_tag.clone(),
            version_id: reply.version_id.clone(),
            sealed_len,
        };
        let Some((envelope, rewrapped)) = done else {
            return Ok(RewrapOutput { rewrapped: None, stored });
        };
        let etag = reply.e_tag.clone().ok_or_else(|| name.lied("no ETag"))?;
        let options =
            PutOptions { if_match: Some(etag.clone()), ..stored::properties(name, reply)? };
        let write = Write { client, name, etag, sealed_len, options };
        let stored = match inline {
            None => {
                let metadata = stored::metadata_with(reply, &envelope)?;
                check_metadata_len(&metadata)?;
                match self.dry_run {
                    true => stored,
                    false => write.metadata(metadata).await?,
                }
            }
            Some((source, front_len)) => {
                let front = envelope.to_inline()?;
                match self.dry_run {
                    true => stored,
                    false => write.inline(front, source, front_len, reply).await?,
                }
            }
        };
        Ok(RewrapOutput { rewrapped: Some(rewrapped), stored })
    }
}

/// The object to be replaced, as it was seen.
struct Write<'a> {
    client: &'a S3EncryptionClient,
    name: &'a Name,
    etag: String,
    sealed_len: u64,
    options: PutOptions,
}

impl Write<'_> {
    /// Gives the object other metadata.
    async fn metadata(mut self, metadata: HashMap<String, String>) -> Result<PutOutput> {
        let done = if self.sealed_len > self.client.copy_at_once {
            let parts = Parts { first: None, rest: 0..self.sealed_len };
            self.in_parts(parts, metadata.clone()).await
        } else {
            self.copy_to_itself(&metadata).await
        };
        match done {
            Ok(stored) => Ok(stored),
            // It may be there after all: a request whose reply was lost is refused when it is sent
            // again. Its new wrapped key tells.
            Err(error) => self.find_stored(&metadata).await.ok_or(error),
        }
    }

    async fn copy_to_itself(&self, metadata: &HashMap<String, String>) -> Result<PutOutput> {
        let name = self.name;
        // S3 keeps the checksum algorithm by itself; servers that know none must not be told one.
        let options = PutOptions { checksum_algorithm: None, ..self.options.clone() };
        let copy = |if_match: Option<String>| {
            with_put_options!(self.client.client.copy_object(), &options)
                .copy_source(self.source().path)
                .copy_source_if_match(&self.etag)
                .metadata_directive(MetadataDirective::Replace)
                .set_metadata(Some(metadata.clone()))
                .set_if_match(if_match)
                .bucket(&name.bucket)
                .key(&name.key)
                .send()
        };
        let mut sent = copy(self.options.if_match.clone()).await;
        // The condition on what is replaced is of 2025. Without it, that on the source, which is the
        // same object, still holds when the copy begins.
        if sent.as_ref().err().and_then(|error| error.code()) == Some("NotImplemented") {
            sent = copy(None).await;
        }
        let reply = sent.map_err(|e| name.failed("CopyObject", e))?;
        let etag = reply.copy_object_result.and_then(|result| result.e_tag);
        let etag = Some(etag.ok_or_else(|| name.lied("no ETag of the copy"))?);
        Ok(PutOutput { etag, version_id: reply.version_id, sealed_len: self.sealed_len })
    }

    /// Gives the object another beginning, instead of the first `front_len` bytes.
    async fn inline(
        mut self,
        front: Vec<u8>,
        source: Source,
        front_len: u64,
        head: &HeadObjectOutput,
    ) -> Result<PutOutput> {
        let metadata = stored::metadata(head);
        let first_end = front_len + MIN_PART_LEN as u64;
        if self.sealed_len <= first_end.max(self.client.part_len as u64) {
            let body = source.read_at(front_len..self.sealed_len).await?;
            return self.put(&[&front[..], &body].concat(), metadata).await;
        }
        let body = source.read_at(front_len..first_end).await?;
        let first = Some(Bytes::from([&front[..], &body].concat()));
        let rest = first_end..self.sealed_len;
        self.in_parts(Parts { first, rest }, metadata).await
    }

    async fn in_parts(
        &mut self,
        parts: Parts,
        metadata: HashMap<String, String>,
    ) -> Result<PutOutput> {
        self.options.tagging = self.client.tagging(self.name, None).await?;
        let (source, options) = (self.source(), self.options.clone());
        self.client.copy_in_parts(self.name, &source, parts, options, metadata).await
    }

    async fn put(mut self, sealed: &[u8], metadata: HashMap<String, String>) -> Result<PutOutput> {
        let (client, name) = (&self.client.client, self.name);
        self.options.tagging = self.client.tagging(name, None).await?;
        let checksum = checksum_algorithm(client, self.options.checksum_algorithm.take());
        self.options.checksum_algorithm.clone_from(&checksum);
        let request = with_put_options!(client.put_object(), &self.options)
            .bucket(&name.bucket)
            .key(&name.key)
            .set_metadata(Some(metadata))
            .set_if_match(self.options.if_match.clone())
            .body(ByteStream::from(sealed.to_vec()));
        let reply = guarded(request.customize(), checksum.as_ref()).send().await;
        let reply = reply.map_err(|e| name.failed("PutObject", e))?;
        let sealed_len = sealed.len() as u64;
        Ok(PutOutput { etag: reply.e_tag, version_id: reply.version_id, sealed_len })
    }

    /// The current object, by its name only: a version that is no longer current must not come back.
    fn source(&self) -> CopySource {
        CopySource { path: copy_source(self.name, None), etag: self.etag.clone() }
    }

    async fn find_stored(&self, metadata: &HashMap<String, String>) -> Option<PutOutput> {
        let found = self.client.head(self.name, &GetOptions::new(), None).await.ok()?;
        let is_same = stored::metadata(&found) == *metadata;
        let (etag, version_id) = (found.e_tag, found.version_id);
        is_same.then_some(PutOutput { etag, version_id, sealed_len: self.sealed_len })
    }
}
