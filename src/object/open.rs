//! Sealed stream in, plaintext stream out.
//!
//! A segment is released once it verifies, the final one once nothing follows it: what was
//! released before an error is always a true prefix that ends on a segment's edge. Segments that
//! came in one piece are decrypted from where they stand; the others are collected first.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Buf as _;
use bytes::Bytes;
use bytes::BytesMut;
use futures_core::Stream;

use crate::crypto::TAG_LEN;
use crate::error::Error;
use crate::error::Result;
use crate::floe;
use crate::object::Body;

/// The plaintext of a FLOE body, one segment or several an item.
pub(crate) struct Opening {
    source: Body,
    /// What the source gave and was not used yet.
    rest: Bytes,
    /// A segment that came in pieces, being collected: never more than a full one.
    segment: BytesMut,
    segment_len: usize,
    /// `None` after the end or an error.
    decryptor: Option<floe::Decryptor>,
    /// The last item, whose memory serves again if nobody holds it any more.
    given: Bytes,
    /// To be said once what was opened before it was given out.
    failure: Option<Error>,
}

impl Opening {
    /// Opens the segments that `rest` and then `source` hold.
    pub(crate) fn new(
        source: Body,
        rest: Bytes,
        decryptor: floe::Decryptor,
        segment_len: u32,
    ) -> Self {
        Self {
            source,
            rest,
            segment: BytesMut::new(),
            segment_len: segment_len as usize,
            decryptor: Some(decryptor),
            given: Bytes::new(),
            failure: None,
        }
    }

    fn poll_segment(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        loop {
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Err(failure));
            }
            let Some(decryptor) = &mut self.decryptor else { return Poll::Ready(Ok(None)) };
            if self.segment.is_empty() && self.rest.len() >= self.segment_len {
                let spare = std::mem::take(&mut self.given).try_into_mut().unwrap_or_default();
                let (plain, failure) =
                    open_internal(decryptor, &mut self.rest, self.segment_len, spare);
                self.failure = failure;
                if !plain.is_empty() {
                    self.given = plain.clone();
                    return Poll::Ready(Ok(Some(plain)));
                }
                if self.failure.is_some() {
                    continue;
                }
            }
            let room = self.segment_len - self.segment.len();
            let take = room.min(self.rest.len());
            self.segment.extend_from_slice(&self.rest[..take]);
            self.rest.advance(take);
            let full = self.segment.len() == self.segment_len;
            if full && floe::is_internal(&self.segment) {
                let plain = decrypt(decryptor, self.segment.split())?;
                return Poll::Ready(Ok(Some(plain)));
            }
            if full && self.rest.has_remaining() {
                return Poll::Ready(Err(Error::authentication("data after the final segment")));
            }
            match ready!(self.source.poll_item(cx)).transpose()? {
                Some(sealed) => self.rest = sealed,
                None => {
                    let mut decryptor = self.decryptor.take().expect("checked above");
                    if self.segment.is_empty() {
                        decryptor.finish()?; // it is not finished: the end is missing
                        return Poll::Ready(Ok(None));
                    }
                    let plain = decrypt(&mut decryptor, self.segment.split())?;
                    decryptor.finish()?;
                    return Poll::Ready(Ok((!plain.is_empty()).then_some(plain)));
                }
            }
        }
    }
}

impl Stream for Opening {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let plain = ready!(self.poll_segment(cx));
        if plain.is_err() {
            self.decryptor = None;
        }
        Poll::Ready(plain.transpose())
    }
}

/// Opens the internal segments in front of `sealed`, from where they stand; also what ended it.
fn open_internal(
    decryptor: &mut floe::Decryptor,
    sealed: &mut Bytes,
    segment_len: usize,
    mut out: BytesMut,
) -> (Bytes, Option<Error>) {
    let most = (BATCH_LEN / segment_len).max(1);
    let segments = sealed.chunks_exact(segment_len).take(most);
    let count = segments.clone().take_while(|segment| floe::is_internal(segment)).count();
    let plain_len = segment_len - floe::OVERHEAD;
    if out.is_empty() {
        out = BytesMut::zeroed(count * plain_len);
    } else {
        out.resize(count * plain_len, 0);
    }
    let mut opened = 0;
    let mut failure = None;
    for (segment, plain) in segments.zip(out.chunks_exact_mut(plain_len)) {
        match decryptor.decrypt_to(segment, plain) {
            Ok(()) => opened += 1,
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    sealed.advance(count * segment_len);
    out.truncate(opened * plain_len);
    // Split, it stays shareable when it comes back, which saves an allocation each time.
    (out.split().freeze(), failure)
}

/// Opens a body that is in memory.
pub(crate) fn open_slice(
    body: &[u8],
    mut decryptor: floe::Decryptor,
    layout: &floe::Layout,
) -> Result<Bytes> {
    let segment_len = usize::try_from(layout.segment_len()).unwrap_or(usize::MAX);
    // The body is in memory, so a plaintext that its length allows fits too.
    let mut all = BytesMut::zeroed(usize::try_from(layout.plain_len()).unwrap_or(0));
    let mut rest = &mut all[..];
    for segment in body.chunks(segment_len) {
        let plain_len = segment.len().saturating_sub(floe::OVERHEAD).min(rest.len());
        let (plain, after) = rest.split_at_mut(plain_len);
        decryptor.decrypt_to(segment, plain)?;
        rest = after;
    }
    decryptor.finish()?;
    Ok(all.freeze())
}

/// Decrypts a segment in place and keeps its plaintext without copying it.
fn decrypt(decryptor: &mut floe::Decryptor, mut segment: BytesMut) -> Result<Bytes> {
    decryptor.decrypt(&mut segment)?;
    let end = segment.len() - TAG_LEN;
    Ok(segment.freeze().slice(floe::DATA_OFFSET..end))
}

/// Sealed bytes opened into one item, if they are there.
const BATCH_LEN: usize = 256 << 10;
