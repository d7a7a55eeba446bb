//! Segments read from a file to where they are encrypted.

use std::fs::File;
use std::io;
use std::io::IoSliceMut;
use std::ops::Range;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::floe;
use crate::positional;

/// Reads the plaintext of `segments` from `file` into `body`, and encrypts it there. Blocks.
///
/// # Errors
///
/// `Changed` if the file is shorter than the layout of `encryptor` says; `Store` if it cannot be
/// read.
pub(crate) fn seal_from_file(
    encryptor: &floe::ParallelEncryptor,
    file: &File,
    segments: Range<u64>,
    body: &mut [u8],
) -> Result<()> {
    let layout = encryptor.layout();
    let per_run = (RUN_LEN / layout.segment_len()).max(1);
    let mut rest = body;
    let mut first = segments.start;
    while first < segments.end {
        let end = first.saturating_add(per_run).min(segments.end);
        let span = layout.segments_span(first..end)?;
        let run_len = usize::try_from(span.body_len()).unwrap_or(usize::MAX);
        let (run, after) = rest
            .split_at_mut_checked(run_len)
            .ok_or_else(|| Error::invalid_input("the segments do not fit the buffer"))?;
        let mut parts = split(run, span.plaintext()).map(IoSliceMut::new).collect::<Vec<_>>();
        positional::read_exact_at(file, &mut parts, span.plain().start).map_err(cannot_read)?;
        encryptor.encrypt(&span, run)?;
        (first, rest) = (end, after);
    }
    Ok(())
}

/// The parts of `bytes` at `places`, which are in order and do not overlap.
pub(crate) fn split(
    mut bytes: &mut [u8],
    places: impl Iterator<Item = Range<usize>>,
) -> impl Iterator<Item = &mut [u8]> {
    let mut at = 0;
    places.map(move |place| {
        let (_, rest) = std::mem::take(&mut bytes).split_at_mut(place.start - at);
        let (part, rest) = rest.split_at_mut(place.len());
        (at, bytes) = (place.end, rest);
        part
    })
}

pub(crate) fn cannot_read(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Changed, "the file became shorter while it was read")
        }
        _ => Error::store("cannot read the file", error),
    }
}

/// Read and encrypted at a time: it stays in the processor's cache in between.
const RUN_LEN: u64 = 256 << 10;
