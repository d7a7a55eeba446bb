//! Sealed stream in, plaintext stream out.
//!
//! A segment is released once it verifies, the final one once nothing follows it: what was
//! released before an error is always a true prefix that ends on a segment's edge.

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

/// The plaintext of a FLOE body, one segment an item.
pub(crate) struct Opening {
    source: Body,
    /// What the source gave and was not used yet.
    rest: Bytes,
    /// The segment being collected: never more than a full one.
    segment: BytesMut,
    segment_len: usize,
    /// `None` after the end or an error.
    decryptor: Option<floe::Decryptor>,
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
        }
    }

    fn poll_segment(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        loop {
            let Some(decryptor) = &mut self.decryptor else { return Poll::Ready(Ok(None)) };
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
            match ready!(Pin::new(&mut self.source).poll_next(cx)).transpose()? {
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

/// Opens a body that is in memory.
pub(crate) fn open_slice(
    body: &[u8],
    mut decryptor: floe::Decryptor,
    layout: &floe::Layout,
) -> Result<Bytes> {
    let segment_len = usize::try_from(layout.segment_len()).unwrap_or(usize::MAX);
    // The body is in memory, so a plaintext that its length allows fits too.
    let mut plain = Vec::with_capacity(usize::try_from(layout.plain_len()).unwrap_or(0));
    let mut segment = Vec::with_capacity(segment_len.min(body.len()));
    for sealed in body.chunks(segment_len) {
        segment.clear();
        segment.extend_from_slice(sealed);
        plain.extend_from_slice(decryptor.decrypt(&mut segment)?);
    }
    decryptor.finish()?;
    Ok(Bytes::from(plain))
}

/// Decrypts a segment in place and keeps its plaintext without copying it.
fn decrypt(decryptor: &mut floe::Decryptor, mut segment: BytesMut) -> Result<Bytes> {
    decryptor.decrypt(&mut segment)?;
    let end = segment.len() - TAG_LEN;
    Ok(segment.freeze().slice(floe::DATA_OFFSET..end))
}
