//! A piece of a long read: segments opened as their bytes arrive, into one buffer.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Buf as _;
use bytes::Bytes;
use bytes::BytesMut;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::floe;
use crate::object::Body;

/// What was opened, and the error that ended it.
pub(super) type Opened = (Bytes, Option<Error>);

/// The segments of a piece, being opened in order.
pub(super) struct Piece<'a> {
    access: &'a floe::RandomAccess,
    /// Segments still to come.
    segments: Range<u64>,
    /// Whether the header comes first, which must be the one that was verified.
    header: bool,
    /// Plaintext, end to end, then bytes of no meaning.
    out: BytesMut,
    opened: usize,
}

impl<'a> Piece<'a> {
    pub(super) fn new(
        access: &'a floe::RandomAccess,
        segments: Range<u64>,
        header: bool,
        out: BytesMut,
    ) -> Self {
        Self { access, segments, header, out, opened: 0 }
    }

    /// Opens what `sealed` brings.
    pub(super) async fn open(mut self, sealed: Body) -> Opened {
        let error = self.open_all(sealed).await.err();
        self.out.truncate(self.opened);
        // Split, it stays shareable when it comes back, which saves an allocation each time.
        (self.out.split().freeze(), error)
    }

    async fn open_all(&mut self, mut sealed: Body) -> Result<()> {
        self.make_room()?;
        // A segment that arrives in several items.
        let mut collected = BytesMut::new();
        while let Some(mut item) = sealed.next_item().await? {
            while !item.is_empty() {
                let wanted = self.next_len()?;
                if collected.is_empty() && item.len() >= wanted {
                    self.take(&item[..wanted])?;
                    item.advance(wanted);
                    continue;
                }
                let len = item.len().min(wanted - collected.len());
                collected.extend_from_slice(&item[..len]);
                item.advance(len);
                if collected.len() == wanted {
                    self.take(&collected)?;
                    collected.clear();
                }
            }
        }
        if self.header || !self.segments.is_empty() {
            return Err(Error::new(ErrorKind::Store, "the store gave too few bytes for a range"));
        }
        Ok(())
    }

    /// Room for all of its plaintext.
    fn make_room(&mut self) -> Result<()> {
        if self.segments.is_empty() {
            return Ok(());
        }
        let plain = self.access.layout().segments_span(self.segments.clone())?.plain();
        let len = usize::try_from(plain.end - plain.start)
            .map_err(|_| Error::invalid_input("too large for this machine's memory"))?;
        if self.out.capacity() < len {
            self.out = BytesMut::zeroed(len);
        }
        self.out.resize(len, 0);
        Ok(())
    }

    /// Number of bytes that come next: of the header or a segment.
    fn next_len(&self) -> Result<usize> {
        if self.header {
            return Ok(floe::HEADER_LEN);
        }
        let too_many = |_| Error::new(ErrorKind::Store, "the store gave too many bytes");
        let next = self.segments.start..self.segments.end.min(self.segments.start + 1);
        let span = self.access.layout().segments_span(next).map_err(too_many)?;
        Ok(usize::try_from(span.body_len()).unwrap_or(usize::MAX))
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        if self.header {
            self.header = false;
            if bytes != self.access.header().as_bytes() {
                let text = "the header is not the one in the envelope";
                return Err(Error::authentication(text));
            }
            return Ok(());
        }
        let next = self.segments.start..self.segments.start + 1;
        let span = self.access.layout().segments_span(next)?;
        let plain_len = bytes.len() - OVERHEAD;
        let plain = &mut self.out[self.opened..self.opened + plain_len];
        self.access.decrypt_to(&span, bytes, plain)?;
        self.opened += plain_len;
        self.segments.start += 1;
        Ok(())
    }
}

/// The pieces last given out, whose memory serves again if nobody holds them any more: fresh memory
/// costs more than opening into it does.
#[derive(Default)]
pub(super) struct Buffers {
    given: Mutex<Vec<Bytes>>,
}

impl Buffers {
    pub(super) fn take(&self) -> BytesMut {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        for i in 0..given.len() {
            match given.swap_remove(i).try_into_mut() {
                Ok(buffer) => return buffer,
                Err(held) => {
                    given.push(held);
                    let last = given.len() - 1;
                    given.swap(i, last);
                }
            }
        }
        BytesMut::new()
    }

    /// Remembers a piece; of more than `most` the oldest is forgotten.
    pub(super) fn give(&self, piece: &Bytes, most: usize) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() >= most {
            given.remove(0);
        }
        given.push(piece.clone());
    }
}

/// Runs `work` on a task of its own where there is a runtime, so that pieces are opened at the same
/// time. Dropped, it ends.
pub(super) async fn on_a_task(work: impl Future<Output = Opened> + Send + 'static) -> Opened {
    let Ok(runtime) = Handle::try_current() else { return work.await };
    AbortOnDropHandle::new(runtime.spawn(work))
        .await
        .unwrap_or_else(|error| (Bytes::new(), Some(Error::store("the read was ended", error))))
}

#[expect(clippy::cast_possible_truncation, reason = "it is 32")]
const OVERHEAD: usize = floe::SEGMENT_OVERHEAD as usize;
