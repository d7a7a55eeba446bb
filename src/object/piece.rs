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
use crate::object::buffer_len;

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
        let len = buffer_len(plain.end - plain.start)?;
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
        let plain_len = bytes.len() - floe::OVERHEAD;
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::stream;

    use super::*;
    use crate::secret::SecretKey;

    /// A message of four segments with 100 bytes of plaintext: what opens it, and all its bytes.
    fn sample() -> (floe::RandomAccess, Vec<u8>) {
        let key = SecretKey::random().unwrap();
        let layout = floe::Layout::of_plaintext(64, 100).unwrap();
        let encryptor = floe::ParallelEncryptor::new(&key, b"", layout).unwrap();
        let mut body = [7; 3 * 64 + 36];
        encryptor.encrypt(&layout.segments_span(0..4).unwrap(), &mut body).unwrap();
        let header = floe::Header::parse(encryptor.header()).unwrap();
        let last = &mut body[3 * 64..].to_vec();
        let access = floe::RandomAccess::new(&key, b"", &header, layout, last).unwrap();
        (access, [&encryptor.header()[..], &body].concat())
    }

    /// Opens `sealed`, which comes in items of `item_len`.
    fn open(
        access: &floe::RandomAccess,
        segments: Range<u64>,
        header: bool,
        sealed: &[u8],
        item_len: usize,
    ) -> (Vec<u8>, Result<()>) {
        let items = sealed.chunks(item_len).map(Bytes::copy_from_slice).map(Ok::<_, Error>);
        let body = Body::from_stream(stream::iter(items.collect::<Vec<_>>()));
        let piece = Piece::new(access, segments, header, BytesMut::new());
        let (plain, error) = piece.open(body).now_or_never().unwrap();
        (plain.to_vec(), error.map_or(Ok(()), Err))
    }

    #[test]
    fn exactly_the_bytes_of_its_segments_are_taken() {
        let (access, message) = sample();
        let body_at = floe::HEADER_LEN;
        for (segments, header, place, plain_len) in [
            (0..4, true, 0..message.len(), 100),
            (0..0, true, 0..body_at, 0),
            (0..2, true, 0..body_at + 128, 64),
            (1..3, false, body_at + 64..body_at + 192, 64),
            (3..4, false, body_at + 192..message.len(), 4),
        ] {
            let sealed = &message[place];
            for item_len in [1, 63, 64, 74, 138, 1000] {
                let open =
                    |sealed: &[u8]| open(&access, segments.clone(), header, sealed, item_len);
                let (plain, done) = open(sealed);
                done.unwrap();
                assert_eq!(plain, vec![7; plain_len]);
                for len in 0..sealed.len() {
                    let (plain, done) = open(&sealed[..len]);
                    let what = format!("{len} of {segments:?}");
                    assert_eq!(done.expect_err(&what).kind(), ErrorKind::Store, "{what}");
                    assert!(plain.len() <= len && plain.iter().all(|&b| b == 7));
                }
                for more in [1, 32, 36, 64, 74] {
                    let (plain, done) = open(&[sealed, &vec![0; more]].concat());
                    let what = format!("{more} more than {segments:?}");
                    assert_eq!(done.expect_err(&what).kind(), ErrorKind::Store, "{what}");
                    assert_eq!(plain, vec![7; plain_len]);
                }
            }
        }
    }

    /// Segments that follow are not bytes of the piece either, although they are genuine.
    #[test]
    fn the_next_segment_is_too_many_bytes() {
        let (access, message) = sample();
        let sealed = &message[floe::HEADER_LEN..];
        let (plain, done) = open(&access, 0..2, false, &sealed[..128], 64);
        done.unwrap();
        assert_eq!(plain, [7; 64]);
        let (plain, done) = open(&access, 0..2, false, &sealed[..192], 64);
        assert_eq!((done.unwrap_err().kind(), plain), (ErrorKind::Store, vec![7; 64]));
    }

    #[test]
    fn a_header_that_is_not_the_verified_one_is_refused() {
        let (access, message) = sample();
        assert!(open(&access, 0..4, true, &message, 1000).1.is_ok());
        for at in 0..floe::HEADER_LEN {
            let mut altered = message.clone();
            altered[at] ^= 1;
            let (plain, done) = open(&access, 0..4, true, &altered, 1000);
            let found = (done.unwrap_err().kind(), plain);
            assert_eq!(found, (ErrorKind::Authentication, vec![]), "byte {at}");
        }
    }
}
