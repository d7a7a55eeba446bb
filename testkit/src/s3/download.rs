//! A stored object as the body of a reply.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream;
use s3s::dto::StreamingBlob;
use tokio::task::JoinHandle;
use tokio::task::spawn_blocking;

/// The bytes `part` of a file; while a piece is sent, the next is read.
///
/// `tokio::fs` would copy each piece once more, and the tests and benchmarks wait for that.
pub(super) fn body_of(file: File, part: Range<u64>) -> StreamingBlob {
    let reading = spawn_blocking(move || {
        let mut file = file;
        file.seek(SeekFrom::Start(part.start))?;
        read_piece(file, part.end - part.start)
    });
    StreamingBlob::wrap(stream::try_unfold(Some(reading), |reading| async {
        let Some(reading) = reading else { return Ok(None) };
        let Piece { bytes, file, left } = reading.await.map_err(io::Error::from)??;
        if bytes.is_empty() {
            return Ok::<_, io::Error>(None);
        }
        let next: Option<JoinHandle<_>> =
            (left > 0).then(|| spawn_blocking(move || read_piece(file, left)));
        Ok(Some((bytes, next)))
    }))
}

struct Piece {
    bytes: Bytes,
    file: File,
    /// Bytes behind the piece.
    left: u64,
}

/// An empty piece is the end: the file is shorter than it was.
fn read_piece(file: File, left: u64) -> io::Result<Piece> {
    let len = left.min(PIECE_LEN);
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    let read = (&file).take(len).read_to_end(&mut bytes)?;
    Ok(Piece { bytes: bytes.into(), file, left: left - read as u64 })
}

const PIECE_LEN: u64 = 512 << 10;
