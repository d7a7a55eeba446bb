//! What can be known of a stored object without any key.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::ChecksumMode;

use crate::cipher::read_inline;
use crate::envelope::Envelope;
use crate::envelope::Format;
use crate::error::Error;
use crate::error::Result;
use crate::floe;
use crate::object;
use crate::oneshot;
use crate::s3::GetOptions;
use crate::s3::Name;
use crate::s3::S3EncryptionClient;
use crate::s3::options::with_sse_customer_key;
use crate::s3::source::Source;

/// A sealed object as S3 describes it. Nothing here is authenticated.
#[derive(Clone, Debug)]
pub struct ObjectHead {
    envelope: Envelope,
    header: Option<floe::Header>,
    plain_len: u64,
    reply: HeadObjectOutput,
}

impl ObjectHead {
    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The FLOE header, wherever the envelope is; `None` in the one-shot layout.
    pub fn header(&self) -> Option<&floe::Header> {
        self.header.as_ref()
    }

    /// The plaintext length that the stored length implies; proven only by opening the object.
    pub fn unverified_len(&self) -> u64 {
        self.plain_len
    }

    /// Number of stored bytes.
    pub fn sealed_len(&self) -> u64 {
        sealed_len(&self.reply)
    }

    /// The caller's user metadata, without the envelope.
    pub fn metadata(&self) -> Vec<(String, String)> {
        user_metadata(entries(&self.reply))
    }

    /// Everything else that S3 replied.
    pub fn reply(&self) -> &HeadObjectOutput {
        &self.reply
    }
}

impl S3EncryptionClient {
    /// Describes a sealed object. Needs no key, and asks the keyring for nothing.
    ///
    /// One request; two or three more if the envelope is inline.
    ///
    /// # Errors
    ///
    /// `Format` if the object is not sealed; `Authentication` if its length is impossible;
    /// `Changed` if it was replaced between two requests; `Store` if S3 fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops its requests.
    pub async fn head_object(
        &self,
        bucket: impl Into<String>,
        key: impl Into<String>,
        options: GetOptions,
    ) -> Result<ObjectHead> {
        let name = Name { bucket: bucket.into(), key: key.into() };
        let reply = self.head(&name, &options, None).await?;
        Ok(self.describe(&name, reply, options).await?.0)
    }

    /// What `reply` describes; if the envelope is inline also the bytes, pinned, and its length.
    pub(super) async fn describe(
        &self,
        name: &Name,
        reply: HeadObjectOutput,
        options: GetOptions,
    ) -> Result<(ObjectHead, Option<(Source, u64)>)> {
        let sealed_len = sealed_len(&reply);
        if let Some(envelope) = Envelope::from_metadata(entries(&reply))? {
            let plain_len = match envelope.header() {
                Some(header) => object::layout(header, 0, sealed_len)?.plain_len(),
                None => one_shot_len(&envelope, sealed_len)?,
            };
            let header = envelope.header().copied();
            return Ok((ObjectHead { envelope, header, plain_len, reply }, None));
        }
        let (source, opened) = Source::open(self.client.clone(), name.clone(), options).await?;
        if opened.e_tag() != reply.e_tag() {
            return Err(name.changed());
        }
        let (envelope, at, header) = read_inline(&source, sealed_len).await?;
        let plain_len = object::layout(&header, at, sealed_len)?.plain_len();
        let head = ObjectHead { envelope, header: Some(header), plain_len, reply };
        Ok((head, Some((source, at))))
    }

    /// With the `checksum` that S3 keeps, if that is asked for.
    pub(super) async fn head(
        &self,
        name: &Name,
        options: &GetOptions,
        checksum: Option<ChecksumMode>,
    ) -> Result<HeadObjectOutput> {
        let request = self.client.head_object().bucket(&name.bucket).key(&name.key);
        with_sse_customer_key!(request, options.sse_customer_key.as_ref())
            .set_checksum_mode(checksum)
            .set_version_id(options.version_id.clone())
            .send()
            .await
            .map_err(|e| {
                // S3 says no more than that in reply to HEAD.
                let is_bad_request =
                    e.raw_response().is_some_and(|reply| reply.status().as_u16() == 400);
                let error = name.failed("HeadObject", e);
                if !is_bad_request || options.sse_customer_key.is_some() {
                    return error;
                }
                let text = format!("{error}; it may be under an SSE-C key, which S3 does not keep");
                error.with_message(text)
            })
    }
}

/// Names and values of user metadata.
pub(super) fn entries(reply: &HeadObjectOutput) -> Vec<(&str, &str)> {
    let metadata = reply.metadata().into_iter().flatten();
    metadata.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The entries that are not an envelope's, sorted.
pub(super) fn user_metadata(entries: Vec<(&str, &str)>) -> Vec<(String, String)> {
    let own = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("waxseal-") || name == "x-amz-key"
    };
    let mut metadata: Vec<_> = entries
        .into_iter()
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    metadata.sort();
    metadata
}

fn sealed_len(reply: &HeadObjectOutput) -> u64 {
    u64::try_from(reply.content_length().unwrap_or_default()).unwrap_or(0)
}

fn one_shot_len(envelope: &Envelope, sealed_len: u64) -> Result<u64> {
    debug_assert_eq!(envelope.format(), Format::OneShot);
    sealed_len
        .checked_sub(oneshot::OVERHEAD as u64)
        .ok_or_else(|| Error::authentication("the object is shorter than its overhead"))
}
