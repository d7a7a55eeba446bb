//! A multipart upload of a sealed body: parts a few at a time, aborted unless completed.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use bytes::BytesMut;
use futures_util::TryStreamExt as _;
use futures_util::stream;

use crate::cipher::SealedBody;
use crate::error::Error;
use crate::error::Result;
use crate::s3::MAX_PART_LEN;
use crate::s3::open_upload::OpenUpload;
use crate::s3::put::PutObject;
use crate::s3::put::PutOutput;

/// An upload that has begun.
pub(super) struct Upload {
    put: PutObject,
    open: OpenUpload,
    /// Buffers of parts that were sent. Fresh memory costs more than sealing into it does.
    spare: Mutex<Vec<BytesMut>>,
}

impl Upload {
    pub(super) async fn begin(put: PutObject) -> Result<Self> {
        let metadata = put.metadata.clone();
        let open = OpenUpload::begin(&put.client.client, &put.name, &put.options, metadata).await?;
        Ok(Self { put, open, spare: Mutex::default() })
    }

    /// Sends `first` and the rest of `body`, and completes the upload or aborts it.
    pub(super) async fn send(
        self,
        first: Bytes,
        body: SealedBody,
        part_len: PartLen,
    ) -> Result<PutOutput> {
        match self.send_parts(first, body, part_len).await {
            Ok(output) => {
                self.open.disarm();
                Ok(output)
            }
            Err(error) => {
                self.open.abort().await;
                Err(error)
            }
        }
    }

    async fn send_parts(
        &self,
        first: Bytes,
        body: SealedBody,
        part_len: PartLen,
    ) -> Result<PutOutput> {
        // Sealed as the uploads make room, so that no more parts than these are ever in memory.
        let parts =
            stream::try_unfold((0, Some(first), body), |(index, first, mut body)| async move {
                let spare = self.spare().pop();
                let part = match first {
                    Some(first) => Some(first),
                    None => body.next(part_len.of(index), spare).await?,
                };
                Ok(part.map(|part| ((index, part), (index + 1, None, body))))
            });
        let sent = parts.map_ok(|(index, part)| self.send_part(index, part));
        let sent = sent.try_buffer_unordered(self.put.client.parts_ahead);
        let mut sent: Vec<(CompletedPart, u64)> = sent.try_collect().await?;
        sent.sort_by_key(|(part, _)| part.part_number);
        let sealed_len = sent.iter().map(|(_, len)| len).sum();
        let parts = sent.into_iter().map(|(part, _)| part).collect();
        self.complete(parts, sealed_len).await
    }

    async fn send_part(&self, index: usize, part: Bytes) -> Result<(CompletedPart, u64)> {
        let number = i32::try_from(index + 1).ok().filter(|number| *number <= MAX_PARTS);
        let number = number.ok_or_else(|| {
            Error::invalid_input("more than 10,000 parts: give the body's length or longer parts")
        })?;
        let len = part.len() as u64;
        let done = self.open.send_part(number, part.clone()).await?;
        if let Ok(buffer) = part.try_into_mut() {
            self.spare().push(buffer);
        }
        Ok((done, len))
    }

    fn spare(&self) -> MutexGuard<'_, Vec<BytesMut>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn complete(&self, parts: Vec<CompletedPart>, sealed_len: u64) -> Result<PutOutput> {
        match self.open.complete(parts).await {
            Ok(reply) => {
                Ok(PutOutput { etag: reply.e_tag, version_id: reply.version_id, sealed_len })
            }
            Err(error) => self.put.find_stored(sealed_len).await.ok_or(error),
        }
    }
}

/// How long each part is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartLen {
    least: usize,
    /// Parts of the least length before they grow.
    steady: usize,
}

impl PartLen {
    /// `total`: the sealed length, if it is known.
    pub(super) fn new(least: usize, total: Option<u64>) -> Self {
        let needed = total.map_or(0, |total| total.div_ceil(MAX_PARTS as u64));
        let needed = usize::try_from(needed).unwrap_or(MAX_PART_LEN).next_multiple_of(1 << 20);
        let least = least.max(needed).min(MAX_PART_LEN);
        // What comes beyond the length that was said is of unknown length.
        let steady = total.map_or(0, |total| total.div_ceil(least as u64));
        Self { least, steady: usize::try_from(steady).unwrap_or(usize::MAX) }
    }

    /// Least length of the part with this index, from 0.
    pub(super) fn of(self, index: usize) -> usize {
        let doublings = index.saturating_sub(self.steady) / GROWTH;
        self.least
            .checked_shl(u32::try_from(doublings).unwrap_or(u32::MAX))
            .map_or(MAX_PART_LEN, |len| len.clamp(self.least, MAX_PART_LEN))
    }
}

/// S3's limit.
pub(super) const MAX_PARTS: i32 = 10_000;
/// Parts of one length before it doubles.
const GROWTH: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_are_enough() {
        const TIB: u64 = 1 << 40;
        for total in [0, 1, 8 << 20, 80 << 30, TIB, 5 * TIB, 48 * TIB] {
            let known = PartLen::new(8 << 20, Some(total));
            assert!((0..10_000).map(|i| known.of(i) as u64).sum::<u64>() >= total);
            let parts = usize::try_from(total.div_ceil(known.of(0) as u64)).unwrap();
            assert_eq!(known.of(0), known.of(parts));
            assert!((8 << 20..=MAX_PART_LEN).contains(&known.of(0)));
        }
        let wrong: u64 = (0..10_000).map(|i| PartLen::new(8 << 20, Some(1)).of(i) as u64).sum();
        assert!(wrong > 7 * TIB, "a hint does not limit");
        let unknown = PartLen::new(8 << 20, None);
        assert_eq!(
            (unknown.of(0), unknown.of(999), unknown.of(1000)),
            (8 << 20, 8 << 20, 16 << 20)
        );
        let reach: u64 = (0..10_000).map(|i| unknown.of(i) as u64).sum();
        assert!(reach > 7 * TIB);
        assert_eq!(unknown.of(usize::MAX), MAX_PART_LEN);
    }
}
