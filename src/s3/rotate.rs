//! Seals a stored object again, under a new data key.

use std::time::SystemTime;

use aws_sdk_s3::types::ChecksumMode;
use futures_util::TryStreamExt as _;

use crate::cipher::EnvelopeCipher;
use crate::context::EncryptionContext;
use crate::envelope::Format;
use crate::envelope::Placement;
use crate::error::Error;
use crate::error::Result;
use crate::s3::GetOptions;
use crate::s3::Name;
use crate::s3::PutOptions;
use crate::s3::PutOutput;
use crate::s3::S3EncryptionClient;
use crate::s3::stored;
use crate::s3::stored::is_before;

/// A rotation about to be done; made by [`S3EncryptionClient::rotate_object`].
#[derive(Debug)]
#[must_use = "nothing is done until `send`"]
pub struct RotateObject {
    client: S3EncryptionClient,
    name: Name,
    context: EncryptionContext,
    opener: EnvelopeCipher,
    before: Option<SystemTime>,
    dry_run: bool,
}

impl S3EncryptionClient {
    /// Opens a stored object with `opener` and seals it again with this client's cipher, under a
    /// new data key: [`send`](RotateObject::send) does it.
    pub fn rotate_object(
        &self,
        bucket: impl Into<String>,
        key: impl Into<String>,
        context: &EncryptionContext,
        opener: &EnvelopeCipher,
    ) -> RotateObject {
        let name = Name { bucket: bucket.into(), key: key.into() };
        let (client, context, opener) = (self.clone(), context.clone(), opener.clone());
        RotateObject { client, name, context, opener, before: None, dry_run: false }
    }
}

impl RotateObject {
    /// Does nothing but open the object, all of which is read and verified: nothing is stored.
    pub fn dry_run(self) -> Self {
        Self { dry_run: true, ..self }
    }

    /// Leaves what was modified at this time, or later, as it is: to continue a run that began
    /// then. S3 tells whole seconds, of its own clock.
    pub fn modified_before(self, time: SystemTime) -> Self {
        Self { before: Some(time), ..self }
    }

    /// Seals the object again, in its place, and tells how it is stored then; `None` if it was
    /// left as it is. Every byte passes through here.
    ///
    /// The new object has the stored encryption context, format, binding, segment length and place
    /// of the envelope of the old one, and what S3 keeps beside it, as with
    /// [`RewrapObject::send`](crate::RewrapObject::send). It appears only when all of the old one
    /// was verified, and only if that is still there. An object that was rotated before is rotated
    /// again.
    ///
    /// # Errors
    ///
    /// As [`GetObject::send`](crate::GetObject::send) and [`PutObject::send`](crate::PutObject::send);
    /// `InvalidInput` also if something of it cannot be preserved, or it is signed and this client's
    /// cipher does not sign; `Changed` if it was replaced meanwhile.
    ///
    /// # Cancel safety
    ///
    /// As [`PutObject::send`](crate::PutObject::send).
    pub async fn send(self) -> Result<Option<PutOutput>> {
        let Self { client, name, context, opener, before, dry_run } = self;
        let options = GetOptions::new();
        let reply = client.head(&name, &options, Some(ChecksumMode::Enabled)).await?;
        let (head, inline) = client.describe(&name, reply, options).await?;
        let (envelope, reply) = (head.envelope(), head.reply());
        if before.is_some_and(|time| !is_before(reply, time)) {
            return Ok(None);
        }
        if envelope.signature().is_some() && !client.cipher.signs() {
            return Err(Error::invalid_input(format!(
                "{name} is signed, and would not be any more: give a signing key"
            )));
        }
        let properties = stored::properties(&name, reply)?;
        let opening = S3EncryptionClient { cipher: opener.clone(), ..client.clone() };
        let object = opening.get_object(&name.bucket, &name.key, &context).send().await?;
        // What was described is sealed with below, and only what was opened is verified. The ETag
        // is of the bytes: it covers an inline envelope, and none in metadata.
        let is_described = match inline {
            None => object.envelope() == Some(envelope),
            Some(_) => object.envelope().is_none(),
        };
        if object.etag() != reply.e_tag() || !is_described {
            return Err(name.changed());
        }
        let etag = reply.e_tag().ok_or_else(|| name.lied("no ETag"))?;
        if dry_run {
            object.into_stream().try_for_each(async |_| Ok(())).await?;
            let (etag, version_id) = (reply.e_tag.clone(), reply.version_id.clone());
            return Ok(Some(PutOutput { etag, version_id, sealed_len: head.sealed_len() }));
        }
        let mut cipher = client.cipher.clone().format(envelope.format());
        if let Some(header) = head.header() {
            cipher = cipher.segment_len(header.segment_len());
        }
        // One-shot objects have no binding, and refuse one.
        if envelope.format() == Format::Floe {
            cipher = cipher.binding(envelope.binding(opener.own_binding())?);
        }
        let placement = if inline.is_some() { Placement::Inline } else { Placement::Metadata };
        let context = envelope.context().unwrap_or(&context).clone();
        let options = PutOptions {
            // That of parts is another than that of a whole.
            checksum_type: None,
            if_match: Some(etag.to_owned()),
            metadata: head.metadata(),
            tagging: client.tagging(&name, reply.version_id()).await?,
            ..properties
        };
        let client = S3EncryptionClient { cipher, ..client }.placement(placement);
        let put = client.put_object(name.bucket, name.key, object.into_stream(), &context);
        put.options(options).send().await.map(Some)
    }
}
