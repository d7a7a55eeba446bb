//! Plaintext stream in, sealed stream out.
//!
//! [`Batch`] is the pure part: plaintext is laid where its segment's ciphertext will be and is
//! encrypted in place, some segments at a time. A full segment is encrypted only once more
//! plaintext or the end is known to follow, since that decides whether it is the final one.
//! [`Sealing`] is the stream around it.

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

/// Sealed bytes, in batches of whole segments; the prelude is in the first one.
pub(crate) struct Sealing {
    source: Body,
    /// What the source gave and did not fit the batch any more.
    rest: Bytes,
    batch: Option<Batch>,
    batch_len: usize,
    len: Option<u64>,
}

impl Sealing {
    /// Seals `source`; in front come `prelude`, an inline envelope or nothing, and the header.
    pub(crate) fn new(
        source: Body,
        encryptor: floe::Encryptor,
        segment_len: u32,
        prelude: &[u8],
    ) -> Self {
        let len = source.len_hint().and_then(|plain_len| {
            let layout = floe::Layout::of_plaintext(segment_len, plain_len).ok()?;
            layout.body_len().checked_add((prelude.len() + floe::HEADER_LEN) as u64)
        });
        let batch = Some(Batch::new(encryptor, segment_len, prelude, BytesMut::new()));
        Self { source, rest: Bytes::new(), batch, batch_len: 0, len }
    }

    /// Whether the final segment was given out.
    #[cfg(feature = "s3")]
    pub(crate) fn is_finished(&self) -> bool {
        self.batch.is_none()
    }

    /// Number of sealed bytes in all, if the source knows its own. A hint.
    pub(crate) fn len_hint(&self) -> Option<u64> {
        self.len
    }

    /// Sets the least length of the items to come, but the last; they have less than a segment
    /// more. One segment until then.
    pub(crate) fn set_batch_len(&mut self, batch_len: usize) {
        self.batch_len = batch_len;
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        loop {
            let Some(batch) = &mut self.batch else { return Poll::Ready(Ok(None)) };
            if let Some(sealed) = batch.fill(&mut self.rest, self.batch_len)? {
                return Poll::Ready(Ok(Some(sealed)));
            }
            match ready!(Pin::new(&mut self.source).poll_next(cx)).transpose()? {
                Some(plain) => self.rest = plain,
                None => {
                    let batch = self.batch.take().expect("checked above");
                    return Poll::Ready(batch.finish().map(Some));
                }
            }
        }
    }
}

impl Stream for Sealing {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let sealed = ready!(self.poll_batch(cx));
        if sealed.is_err() {
            // Nothing sealed after an error: the end would make the message look complete.
            self.batch = None;
        }
        Poll::Ready(sealed.transpose())
    }
}

/// Seals bytes that are in memory.
pub(crate) fn seal_slice(
    plain: &[u8],
    encryptor: floe::Encryptor,
    segment_len: u32,
    prelude: &[u8],
) -> Result<Bytes> {
    let layout = floe::Layout::of_plaintext(segment_len, plain.len() as u64)?;
    let sealed_len = usize::try_from(layout.body_len())
        .map_err(|_| Error::invalid_input("too large for this machine's memory"))?;
    let whole_len = prelude.len() + floe::HEADER_LEN + sealed_len;
    let out = BytesMut::with_capacity(whole_len);
    let mut batch = Batch::new(encryptor, segment_len, prelude, out);
    batch.fill(&mut &*plain, whole_len)?; // never that many before the final segment
    batch.finish()
}

/// The segments being sealed, in one buffer.
struct Batch {
    encryptor: floe::Encryptor,
    segment_len: usize,
    /// Sealed segments, then full ones still in plaintext, then the current one: its prefix, and
    /// plaintext in place.
    out: BytesMut,
    /// Where the segments that are not sealed begin in `out`.
    unsealed_at: usize,
    /// Where the current segment begins in `out`.
    current_at: usize,
}

impl Batch {
    fn new(
        encryptor: floe::Encryptor,
        segment_len: u32,
        prelude: &[u8],
        mut out: BytesMut,
    ) -> Self {
        out.extend_from_slice(prelude);
        out.extend_from_slice(encryptor.header());
        let (at, segment_len) = (out.len(), segment_len as usize);
        Self { encryptor, segment_len, out, unsealed_at: at, current_at: at }
    }

    /// Takes plaintext until a batch is complete, which it returns, or `plain` is used up.
    fn fill(&mut self, plain: &mut impl bytes::Buf, batch_len: usize) -> Result<Option<Bytes>> {
        while plain.has_remaining() {
            if self.out.len() == self.current_at {
                self.begin_segment(plain.remaining(), batch_len);
            }
            let room = self.current_at + self.segment_len - TAG_LEN - self.out.len();
            if room == 0 {
                self.end_segment();
                let is_complete = self.out.len() >= batch_len;
                if is_complete || self.out.len() - self.unsealed_at >= RUN_LEN {
                    self.encryptor.encrypt(&mut self.out[self.unsealed_at..])?;
                    self.unsealed_at = self.out.len();
                }
                if is_complete {
                    (self.unsealed_at, self.current_at) = (0, 0);
                    return Ok(Some(self.out.split().freeze()));
                }
                continue;
            }
            let piece = plain.chunk();
            let piece = &piece[..piece.len().min(room)];
            self.out.extend_from_slice(piece);
            plain.advance(piece.len());
        }
        Ok(None)
    }

    /// Leaves room for what stands in front of the plaintext.
    fn begin_segment(&mut self, plain_len: usize, batch_len: usize) {
        let needed = self.segment_len.min(OVERHEAD.saturating_add(plain_len));
        if self.out.capacity() - self.out.len() < needed {
            // Once for a batch and the segment that completes it; but no more than needed for what
            // may be a short message.
            let is_first = self.unsealed_at > 0 && self.unsealed_at == self.current_at;
            let whole = batch_len.saturating_sub(self.out.len()).saturating_add(self.segment_len);
            let is_short = is_first && needed < self.segment_len;
            self.out.reserve(if is_short { needed } else { whole });
        }
        self.out.extend_from_slice(&[0; floe::DATA_OFFSET]);
    }

    fn end_segment(&mut self) {
        self.out.extend_from_slice(&[0; TAG_LEN]);
        self.current_at = self.out.len();
    }

    /// Seals what is left, the current segment as the final one.
    fn finish(mut self) -> Result<Bytes> {
        if self.out.len() == self.current_at {
            self.begin_segment(0, 0);
        }
        let final_at = self.current_at;
        self.end_segment();
        let (_, unsealed) = self.out.split_at_mut(self.unsealed_at);
        let (internal, last) = unsealed.split_at_mut(final_at - self.unsealed_at);
        if !internal.is_empty() {
            self.encryptor.encrypt(internal)?;
        }
        self.encryptor.encrypt_final(last)?;
        Ok(self.out.freeze())
    }
}

/// Bytes around the plaintext of a segment.
const OVERHEAD: usize = floe::DATA_OFFSET + TAG_LEN;
/// Sealed in one go while they are in the processor's cache: with several segments the call for
/// random nonces costs nothing.
const RUN_LEN: usize = 256 << 10;
