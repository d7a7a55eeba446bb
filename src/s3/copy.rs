//! Copies a sealed object within S3.

use aws_sdk_s3::types::MetadataDirective;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;

use crate::error::Error;
use crate::error::Result;
use crate::s3::GetOptions;
use crate::s3::Name;
use crate::s3::S3EncryptionClient;

impl S3EncryptionClient {
    /// Copies a sealed object, bytes and metadata as they are, without any key.
    ///
    /// The copy is of the version described by the first reply, or it fails. Objects stored under
    /// an SSE-C key cannot be copied so: get and put them.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the object is bound to its place, so that the copy would not open, or larger
    /// than the 5 GiB that S3 copies at once; `Format` if it is not sealed; `Changed` if
    /// it was replaced meanwhile; `Store` if S3 fails.
    ///
    /// # Cancel safety
    ///
    /// A dropped request may or may not have been carried out; the copy is whole or not there.
    pub async fn copy_object(
        &self,
        (from_bucket, from_key): (&str, &str),
        (to_bucket, to_key): (&str, &str),
    ) -> Result<()> {
        let from = Name { bucket: from_bucket.to_owned(), key: from_key.to_owned() };
        let to = Name { bucket: to_bucket.to_owned(), key: to_key.to_owned() };
        let head = self.head_object(from_bucket, from_key, GetOptions::new()).await?;
        if head.sealed_len() > MAX_COPY_LEN {
            return Err(Error::invalid_input(format!(
                "{from} is larger than the 5 GiB that S3 copies at once: get and put it"
            )));
        }
        if !head.envelope().can_move(from.location(), to.location()) {
            return Err(Error::invalid_input(format!(
                "{from} is bound to its place, a copy would not open: get and put it"
            )));
        }
        self.client
            .copy_object()
            .copy_source(copy_source(&from, head.reply().version_id()))
            .set_copy_source_if_match(head.reply().e_tag().map(str::to_owned))
            .metadata_directive(MetadataDirective::Copy)
            .bucket(to_bucket)
            .key(to_key)
            .send()
            .await
            .map(drop)
            .map_err(|e| to.failed("CopyObject", e))
    }
}

/// `bucket/key?versionId=…`, the key percent-encoded as the header demands.
fn copy_source(name: &Name, version_id: Option<&str>) -> String {
    let path = format!("{}/{}", name.bucket, utf8_percent_encode(&name.key, ESCAPED));
    match version_id {
        Some(version) => format!("{path}?versionId={version}"),
        None => path,
    }
}

const MAX_COPY_LEN: u64 = 5 << 30;
/// What is not a letter, digit, `-`, `.`, `_`, `~` or `/`.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
