//! Plaintext stream in, sealed stream out.
//!
//! [`Batch`] is the pure part, [`Sealing`] the stream around it. A full segment is encrypted only
//! once more plaintext or the end is known to follow, since that decides whether it is the final
//! one.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Buf as _;
use bytes::Bytes;
use bytes::BytesMut;
use futures_core::Stream;

use crate::crypto::TAG_LEN;
use crate::error::Result;
use crate::floe;
use crate::object::Body;
use crate::object::body::TURN_LEN;
use crate::object::buffer_len;

/// Sealed bytes, in batches of whole segments; the prelude is in the first one.
pub(crate) struct Sealing {
    source: Body,
    /// What the source gave and did not fit the batch any more.
    rest: Bytes,
    batch: Option<Batch>,
    batch_len: usize,
    /// The last item, whose memory serves again if nobody holds it any more.
    given: Bytes,
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
        Self { source, rest: Bytes::new(), batch, batch_len: 0, given: Bytes::new(), len }
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

    /// Gives a buffer for the next item, whose memory then need not come from the system.
    #[cfg(feature = "s3")]
    pub(crate) fn reuse(&mut self, buffer: BytesMut) {
        if let Some(batch) = &mut self.batch
            && batch.out.is_empty()
        {
            batch.out = buffer;
        }
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        loop {
            let Some(batch) = &mut self.batch else { return Poll::Ready(Ok(None)) };
            if batch.out.is_empty() {
                batch.out = std::mem::take(&mut self.given).try_into_mut().unwrap_or_default();
            }
            if let Some(sealed) = batch.fill(&mut self.rest, self.batch_len, TURN_LEN - RUN_LEN)? {
                self.given = sealed.clone();
                return Poll::Ready(Ok(Some(sealed)));
            }
            if !self.rest.is_empty() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match ready!(self.source.poll_item(cx)).transpose()? {
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
    let sealed_len = buffer_len(layout.body_len())?;
    let whole_len = prelude.len() + floe::HEADER_LEN + sealed_len;
    let out = BytesMut::zeroed(whole_len);
    let mut batch = Batch::new(encryptor, segment_len, prelude, out);
    batch.fill(&mut &*plain, whole_len, usize::MAX)?; // never that many before the final segment
    batch.finish()
}

/// The segments being sealed, in one buffer.
///
/// Full segments whose plaintext is there in one piece are encrypted from where it stands. The
/// others are put together where their ciphertext will be, and are encrypted in place.
struct Batch {
    encryptor: floe::Encryptor,
    segment_len: usize,
    /// Sealed segments, then full ones still in plaintext, then the current one, and then bytes
    /// of no meaning: a buffer that was used before need not be cleared.
    out: BytesMut,
    /// Where the segments that are not sealed begin in `out`.
    unsealed_at: usize,
    /// Where the current segment begins in `out`.
    current_at: usize,
    /// Where the next plaintext of the current segment goes in `out`; `current_at` if there is
    /// none yet.
    at: usize,
}

impl Batch {
    fn new(
        encryptor: floe::Encryptor,
        segment_len: u32,
        prelude: &[u8],
        mut out: BytesMut,
    ) -> Self {
        let segment_len = segment_len as usize;
        let at = prelude.len() + floe::HEADER_LEN;
        out.resize(out.len().max(at), 0);
        out[..prelude.len()].copy_from_slice(prelude);
        out[prelude.len()..at].copy_from_slice(encryptor.header());
        Self { encryptor, segment_len, out, unsealed_at: at, current_at: at, at }
    }

    /// Takes plaintext until a batch is complete, which it returns, or `plain` is used up, or
    /// `turn_len` bytes of it and a run more.
    fn fill(
        &mut self,
        plain: &mut impl bytes::Buf,
        batch_len: usize,
        turn_len: usize,
    ) -> Result<Option<Bytes>> {
        let until = plain.remaining().saturating_sub(turn_len);
        while plain.remaining() > until {
            let sealed_before = self.current_at;
            if self.at > self.current_at {
                self.add(plain, batch_len);
            } else if plain.chunk().len() > self.plain_len() {
                self.seal_from(plain, batch_len)?;
            } else {
                self.make_room(self.current_at + floe::OVERHEAD + plain.chunk().len(), batch_len);
                self.at += floe::DATA_OFFSET;
            }
            if self.current_at - self.unsealed_at >= RUN_LEN {
                self.seal_in_place()?;
            }
            if self.current_at > sealed_before && self.current_at >= batch_len {
                return self.take().map(Some);
            }
        }
        Ok(None)
    }

    /// Takes the segments out, and begins another batch.
    fn take(&mut self) -> Result<Bytes> {
        self.seal_in_place()?;
        let mut out = std::mem::take(&mut self.out);
        out.truncate(self.current_at);
        self.begin_at(0);
        // Split, it stays shareable when it comes back, which saves an allocation each time.
        Ok(out.split().freeze())
    }

    /// Seals full segments from the front of `plain`, which has more than one.
    fn seal_from(&mut self, plain: &mut impl bytes::Buf, batch_len: usize) -> Result<()> {
        self.seal_in_place()?;
        // What is left decides whether the last one is the final segment.
        let full = (plain.chunk().len() - 1) / self.plain_len();
        let wanted = batch_len.saturating_sub(self.current_at).min(RUN_LEN);
        let segments = full.min(wanted.div_ceil(self.segment_len).max(1));
        let end = self.current_at + segments * self.segment_len;
        self.make_room(end, batch_len);
        let piece = &plain.chunk()[..segments * self.plain_len()];
        self.encryptor.encrypt_from(piece, &mut self.out[self.current_at..end])?;
        plain.advance(segments * self.plain_len());
        self.begin_at(end);
        Ok(())
    }

    /// Adds plaintext to the current segment, or ends it if it is full: more follows.
    fn add(&mut self, plain: &mut impl bytes::Buf, batch_len: usize) {
        let data_end = self.current_at + self.segment_len - TAG_LEN;
        if self.at == data_end {
            self.current_at = data_end + TAG_LEN;
            self.at = self.current_at;
            return;
        }
        let len = plain.chunk().len().min(data_end - self.at);
        self.make_room(self.at + len + TAG_LEN, batch_len);
        plain.copy_to_slice(&mut self.out[self.at..self.at + len]);
        self.at += len;
    }

    /// Seals the full segments that stand in plaintext.
    fn seal_in_place(&mut self) -> Result<()> {
        if self.unsealed_at < self.current_at {
            self.encryptor.encrypt(&mut self.out[self.unsealed_at..self.current_at])?;
            self.unsealed_at = self.current_at;
        }
        Ok(())
    }

    /// Seals what is left, the current segment as the final one.
    fn finish(mut self) -> Result<Bytes> {
        self.seal_in_place()?;
        let end = self.at.max(self.current_at + floe::DATA_OFFSET) + TAG_LEN;
        self.make_room(end, end);
        self.out.truncate(end);
        self.encryptor.encrypt_final(&mut self.out[self.current_at..])?;
        Ok(self.out.freeze())
    }

    /// Makes `out` at least `needed` long. The first batch grows, for the message may be short;
    /// the others have room at once for the segment that completes them.
    fn make_room(&mut self, needed: usize, batch_len: usize) {
        let whole = batch_len.saturating_add(self.segment_len).max(needed);
        let len = match self.out.len() {
            0 => whole,
            len if len < needed => (2 * len).clamp(needed, whole),
            _ => return,
        };
        if self.out.capacity() < len {
            // Not `resize`, which would take twice as much.
            let grown = BytesMut::zeroed(len);
            let old = std::mem::replace(&mut self.out, grown);
            self.out[..old.len()].copy_from_slice(&old);
        }
        self.out.resize(len, 0);
    }

    fn begin_at(&mut self, at: usize) {
        (self.unsealed_at, self.current_at, self.at) = (at, at, at);
    }

    /// Bytes of plaintext in a full segment.
    fn plain_len(&self) -> usize {
        self.segment_len - floe::OVERHEAD
    }
}

/// Sealed in one go: with several segments the call for random nonces costs nothing, and those
/// that were put together are still in the processor's cache.
const RUN_LEN: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::StreamExt as _;

    use super::*;
    use crate::secret::SecretKey;

    /// A part of an upload is sealed in many polls, so that other tasks get their turn.
    #[test]
    fn a_long_batch_takes_many_turns() {
        let key = SecretKey::random().unwrap();
        let encryptor = floe::Encryptor::new(&key, b"", 64 << 10).unwrap();
        let source = Body::from(vec![0; 20 << 20]);
        let mut sealing = Sealing::new(source, encryptor, 64 << 10, b"");
        sealing.set_batch_len(8 << 20);
        let mut turns = 0;
        let first = loop {
            if let Some(item) = sealing.next().now_or_never() {
                break item.unwrap().unwrap();
            }
            turns += 1;
        };
        assert!(((8 << 20)..(8 << 20) + (64 << 10)).contains(&first.len()));
        assert!(turns >= 14, "{turns}");
    }
}
