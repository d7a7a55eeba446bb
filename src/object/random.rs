//! A sealed object opened at random, with its length proven.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::floe;
use crate::object::Body;
use crate::object::ReadAt;
use crate::object::piece::Buffers;
use crate::object::piece::Opened;
use crate::object::piece::Piece;
use crate::object::piece::on_a_task;
use crate::object::read_at::slice;

/// A sealed object whose key, header and end are verified.
///
/// Cheap to clone; reads are independent of each other and may run at the same time.
#[derive(Clone)]
pub struct Object {
    content: Content,
}

#[derive(Clone)]
enum Content {
    Floe(Arc<FloeObject>),
    /// Opened whole, as the one-shot layout demands.
    Whole(Bytes),
}

impl Object {
    /// A FLOE body, stored in `source` behind its header at `header_at`.
    pub(crate) fn floe(
        source: impl ReadAt + 'static,
        access: floe::RandomAccess,
        header_at: u64,
    ) -> Self {
        let floe = FloeObject { source: Box::new(source), access, header_at };
        Self { content: Content::Floe(Arc::new(floe)) }
    }

    pub(crate) fn whole(plain: Bytes) -> Self {
        Self { content: Content::Whole(plain) }
    }

    /// Plaintext length in bytes, verified.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Floe(floe) => floe.access.layout().plain_len(),
            Content::Whole(plain) => plain.len() as u64,
        }
    }

    /// Whether the plaintext is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the plaintext bytes `plain`, half open, fetching only the segments that hold them.
    ///
    /// Fetches at most two segments more than the range; the whole range is held in memory.
    /// Larger reads are split into pieces of about 8 MiB, four of them at a time.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `plain` ends past [`len`](Self::len) or is reversed; `Authentication` if a
    /// segment was altered; `Changed` if the object was replaced; `Store` if a fetch failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops its requests.
    pub async fn range(&self, plain: Range<u64>) -> Result<Bytes> {
        self.range_stream(plain)?.collect().await
    }

    /// Reads the plaintext bytes `plain`, half open, as a stream.
    ///
    /// # Errors
    ///
    /// `InvalidInput` at once, as for [`range`](Self::range); the rest from the stream.
    pub fn range_stream(&self, plain: Range<u64>) -> Result<Body> {
        if plain.start > plain.end || plain.end > self.len() {
            return Err(Error::invalid_input(format!(
                "bytes {}..{} are outside the {} bytes of the object",
                plain.start,
                plain.end,
                self.len()
            )));
        }
        Ok(self.clone().stream(plain, Part::Range))
    }

    /// Reads the whole object as a stream, fetching four pieces of about 8 MiB ahead.
    ///
    /// The stream's errors are those of [`range`](Self::range). Dropping it drops its requests.
    pub fn into_stream(self) -> Body {
        let all = 0..self.len();
        self.stream(all, Part::Whole)
    }

    /// Reads the whole object: [`into_stream`](Self::into_stream) as a reader.
    pub fn into_async_read(self) -> impl tokio::io::AsyncBufRead + Send + Unpin {
        self.into_stream().into_async_read()
    }

    fn stream(self, plain: Range<u64>, part: Part) -> Body {
        let len = plain.end - plain.start;
        let body = match self.content {
            Content::Floe(floe) => floe.stream(plain, part),
            Content::Whole(all) => Body::from(slice(&all, 0, &plain).unwrap_or_default()),
        };
        body.with_len(len)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Whether a read is of the whole object, and so compares the stored header with the envelope's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Range,
    Whole,
}

struct FloeObject {
    source: Box<dyn ReadAt>,
    access: floe::RandomAccess,
    /// Where the FLOE header stands in the stored bytes.
    header_at: u64,
}

impl FloeObject {
    fn stream(self: Arc<Self>, plain: Range<u64>, part: Part) -> Body {
        // Pieces are whole segments, so that no segment is fetched twice; the first one begins
        // with the range's own, so that a short range is one piece.
        let per_segment = self.plain_per_segment();
        let piece_len = (PIECE_LEN / per_segment).max(1) * per_segment;
        let base = plain.start / per_segment * per_segment;
        let whole = part == Part::Whole;
        // No read is empty; a whole one of an empty object still reads the header.
        let count = if plain.is_empty() {
            u64::from(whole)
        } else {
            (plain.end - base).div_ceil(piece_len)
        };
        let buffers = Arc::new(Buffers::default());
        let pieces = stream::iter(0..count).map(move |i| {
            let start = (base + i * piece_len).max(plain.start);
            let end = base.saturating_add((i + 1).saturating_mul(piece_len)).min(plain.end);
            let buffers = Arc::clone(&buffers);
            let fetch = Self::fetch(self.clone(), start..end, whole && i == 0, buffers);
            async move { if count > 1 { on_a_task(fetch).await } else { fetch.await } }
        });
        let pieces = pieces.buffered(PIECES_AHEAD).map(|(piece, error)| {
            let piece = (!piece.is_empty()).then_some(Ok(piece));
            stream::iter(piece.into_iter().chain(error.map(Err)))
        });
        Body::from_stream(pieces.flatten())
    }

    /// Fetches the segments of `plain` in one read, and opens them as they arrive.
    async fn fetch(
        self: Arc<Self>,
        plain: Range<u64>,
        with_header: bool,
        buffers: Arc<Buffers>,
    ) -> Opened {
        let (segments, sealed) = match self.read(&plain, with_header).await {
            Ok(read) => read,
            Err(error) => return (Bytes::new(), Some(error)),
        };
        let skipped = plain.start - segments.start * self.plain_per_segment();
        let piece = Piece::new(&self.access, segments, with_header, buffers.take());
        let (opened, error) = piece.open(sealed).await;
        buffers.give(&opened, PIECES_AHEAD + 1);
        let wanted = skipped..(skipped + (plain.end - plain.start)).min(opened.len() as u64);
        (slice(&opened, 0, &wanted).unwrap_or_default(), error)
    }

    /// The segments of `plain`, and the stream of their sealed bytes.
    async fn read(&self, plain: &Range<u64>, with_header: bool) -> Result<(Range<u64>, Body)> {
        let span = self.access.layout().span(plain.clone())?;
        let body = span.body();
        let body_at = self.header_at + FLOE_HEADER_LEN;
        let from = if with_header { self.header_at } else { body_at + body.start };
        let sealed = self.source.read_stream(from..body_at + body.end).await?;
        Ok((span.segment_range(), sealed))
    }

    fn plain_per_segment(&self) -> u64 {
        self.access.layout().segment_len() - floe::SEGMENT_OVERHEAD
    }
}

/// The layout that a stored length claims for the body behind the header.
pub(crate) fn layout(
    header: &floe::Header,
    header_at: u64,
    sealed_len: u64,
) -> Result<floe::Layout> {
    let body_len = sealed_len
        .checked_sub(header_at)
        .and_then(|len| len.checked_sub(FLOE_HEADER_LEN))
        .ok_or_else(|| Error::authentication("the object ends within its header"))?;
    floe::Layout::of_body(header.segment_len(), body_len)
}

/// Reads a range and does not believe that it has the right length.
pub(crate) async fn read_exactly(source: &dyn ReadAt, sealed: Range<u64>) -> Result<Bytes> {
    let wanted = sealed.end - sealed.start;
    let bytes = source.read_at(sealed).await?;
    if bytes.len() as u64 != wanted {
        let text = format!("the store gave {} bytes for a range of {wanted}", bytes.len());
        return Err(Error::new(ErrorKind::Store, text));
    }
    Ok(bytes)
}

pub(crate) const FLOE_HEADER_LEN: u64 = floe::HEADER_LEN as u64;
/// Plaintext fetched by one request of a long read, rounded to whole segments: 8 MiB, wherever they
/// begin in a segment of 64 KiB.
const PIECE_LEN: u64 = (8 << 20) + (128 << 10);
/// Pieces fetched at the same time; with the one being read this bounds memory to 41 MiB, or five
/// segments where they are longer; to nearly twice that if the source has no `read_stream` of its
/// own, and so holds the sealed bytes of each piece until it is opened.
const PIECES_AHEAD: usize = 4;
