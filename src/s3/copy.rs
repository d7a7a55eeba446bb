//! Copies a sealed object within S3: at once, or in parts if it is large.

use std::collections::HashMap;
use std::ops::Range;

use aws_sdk_s3::types::ChecksumMode;
use aws_sdk_s3::types::CompletedPart;
use aws_sdk_s3::types::MetadataDirective;
use futures_util::TryStreamExt as _;
use futures_util::stream;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;

use crate::error::Error;
use crate::error::Result;
use crate::s3::GetOptions;
use crate::s3::Name;
use crate::s3::PutOptions;
use crate::s3::PutOutput;
use crate::s3::S3EncryptionClient;
use crate::s3::open_upload::CopySource;
use crate::s3::open_upload::OpenUpload;
use crate::s3::payload::checksum_algorithm;
use crate::s3::stored;
use crate::s3::upload::MAX_PARTS;

impl S3EncryptionClient {
    /// Copies a sealed object, bytes and metadata as they are, without any key.
    ///
    /// The copy is of the version described by the first reply, or it fails. Metadata, the headers
    /// that describe the content, and tags go with it; storage class, encryption by S3, locks and
    /// access control do not, as with every copy by S3. Objects stored under an SSE-C key cannot be
    /// copied so: get and put them.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the object is bound to its place, so that the copy would not open; `Format`
    /// if it is not sealed; `Changed` if it was replaced meanwhile; `Store` if S3 fails.
    ///
    /// # Cancel safety
    ///
    /// A dropped request may or may not have been carried out; the copy is whole or not there. What
    /// is copied in parts is aborted as an upload is: see [`PutObject::send`](crate::PutObject::send).
    pub async fn copy_object(
        &self,
        (from_bucket, from_key): (&str, &str),
        (to_bucket, to_key): (&str, &str),
    ) -> Result<()> {
        let from = Name { bucket: from_bucket.to_owned(), key: from_key.to_owned() };
        let to = Name { bucket: to_bucket.to_owned(), key: to_key.to_owned() };
        let options = GetOptions::new();
        let reply = self.head(&from, &options, Some(ChecksumMode::Enabled)).await?;
        let (head, _) = self.describe(&from, reply, options).await?;
        if !head.envelope().can_move(from.location(), to.location()) {
            return Err(Error::invalid_input(format!(
                "{from} is bound to its place, a copy would not open: get and put it"
            )));
        }
        let reply = head.reply();
        let version = reply.version_id();
        let path = copy_source(&from, version);
        if head.sealed_len() > self.copy_at_once {
            let options = PutOptions {
                tagging: self.tagging(&from, version).await?,
                ..stored::copied(&from, reply)?
            };
            let etag = reply.e_tag().ok_or_else(|| from.lied("no ETag"))?.to_owned();
            let source = CopySource { path, etag };
            let metadata = stored::metadata(reply);
            let parts = Parts { first: None, rest: 0..head.sealed_len() };
            return self.copy_in_parts(&to, &source, parts, options, metadata).await.map(drop);
        }
        self.client
            .copy_object()
            .copy_source(path)
            .set_copy_source_if_match(reply.e_tag().map(str::to_owned))
            .metadata_directive(MetadataDirective::Copy)
            .bucket(to_bucket)
            .key(to_key)
            .send()
            .await
            .map(drop)
            .map_err(|e| to.failed("CopyObject", e))
    }

    /// Makes the object `to` of parts that S3 copies, several at a time.
    pub(super) async fn copy_in_parts(
        &self,
        to: &Name,
        source: &CopySource,
        parts: Parts,
        mut options: PutOptions,
        metadata: HashMap<String, String>,
    ) -> Result<PutOutput> {
        let asked = options.checksum_algorithm.take();
        options.checksum_algorithm = checksum_algorithm(&self.client, asked);
        let upload = OpenUpload::begin(&self.client, to, &options, metadata).await?;
        let sealed_len = parts.len();
        let sent = async {
            let parts = self.send_parts(&upload, source, parts).await?;
            upload.complete(parts).await
        };
        match sent.await {
            Ok(reply) => {
                upload.disarm();
                Ok(PutOutput { etag: reply.e_tag, version_id: reply.version_id, sealed_len })
            }
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    async fn send_parts(
        &self,
        upload: &OpenUpload,
        source: &CopySource,
        parts: Parts,
    ) -> Result<Vec<CompletedPart>> {
        let Parts { first, rest } = parts;
        let mut done = vec![];
        if let Some(first) = first {
            done.push(upload.send_part(1, first).await?);
        }
        let part_len = copied_part_len(rest.end - rest.start, self.copy_at_once);
        let ranges = ranges(rest, part_len).zip(done.len() + 1..);
        let copies = stream::iter(ranges.map(Ok)).map_ok(|(range, number)| async move {
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            upload.copy_part(number, source, &range).await
        });
        let copies = copies.try_buffer_unordered(self.parts_ahead);
        done.append(&mut copies.try_collect().await?);
        done.sort_by_key(CompletedPart::part_number);
        Ok(done)
    }
}

/// What an object is to be made of.
pub(super) struct Parts {
    /// Bytes that are sent. At least as many as S3 demands of a part.
    pub(super) first: Option<bytes::Bytes>,
    /// The stored bytes that follow. Not empty.
    pub(super) rest: Range<u64>,
}

impl Parts {
    fn len(&self) -> u64 {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        first + (self.rest.end - self.rest.start)
    }
}

/// How long copied parts are, so that there are few enough of them.
fn copied_part_len(total: u64, at_once: u64) -> u64 {
    let needed = total.div_ceil(MAX_PARTS as u64 - 1);
    needed.max(COPIED_PART_LEN.min(at_once))
}

fn ranges(all: Range<u64>, part_len: u64) -> impl Iterator<Item = Range<u64>> {
    let count = (all.end - all.start).div_ceil(part_len);
    (0..count).map(move |i| {
        let start = all.start + i * part_len;
        start..all.end.min(start + part_len)
    })
}

/// `bucket/key?versionId=…`, the key percent-encoded as the header demands.
pub(super) fn copy_source(name: &Name, version_id: Option<&str>) -> String {
    let path = format!("{}/{}", name.bucket, utf8_percent_encode(&name.key, ESCAPED));
    match version_id {
        Some(version) => format!("{path}?versionId={version}"),
        None => path,
    }
}

/// Some seconds of S3's time, of which several pass at once.
const COPIED_PART_LEN: u64 = 512 << 20;
/// What is not a letter, digit, `-`, `.`, `_`, `~` or `/`.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_all_and_are_few_and_short_enough() {
        const GIB: u64 = 1 << 30;
        for total in [1, 5 << 20, 5 * GIB, 5 * GIB + 1, 5 << 40, 48 << 40] {
            let part_len = copied_part_len(total, 5 * GIB);
            assert!(part_len <= 5 * GIB, "{total}");
            let mut next = 7;
            let mut count = 0;
            for Range { start, end } in ranges(7..7 + total, part_len) {
                assert!(start == next && start < end);
                (next, count) = (end, count + 1);
            }
            assert_eq!(next, 7 + total);
            assert!(count < 10_000, "one is left for the bytes that are sent");
        }
        assert_eq!(copied_part_len(20 << 20, 5 << 20), 5 << 20);
    }
}
