//! The threads that seal or open a file.

use std::fs::File;
use std::io::IoSlice;
use std::io::IoSliceMut;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;

use crate::error::Result;
use crate::file::Progress;
use crate::file::Transferred;
use crate::file::sink::Sink;
use crate::file::stopped;
use crate::floe;
use crate::floe::Layout;
use crate::floe::Span;
use crate::object;
use crate::object::buffer_len;
use crate::object::cannot_read;
use crate::object::split;
use crate::positional;

/// All that the threads need. Units are runs of segments, numbered from 0.
pub(super) struct Job {
    pub(super) segments: Segments,
    pub(super) from: Arc<File>,
    /// Where the body to open begins in `from`.
    pub(super) body_at: u64,
    pub(super) to: Sink,
    /// What goes in front.
    pub(super) prelude: Vec<u8>,
    pub(super) progress: Progress,
    pub(super) is_stopped: Arc<AtomicBool>,
}

pub(super) enum Segments {
    Sealing(floe::ParallelEncryptor),
    Opening(floe::RandomAccess),
}

impl Job {
    /// Does all of it, and returns the number of bytes written.
    pub(super) fn run(&self) -> Result<u64> {
        let layout = self.layout();
        let written = self.prelude.len() as u64
            + match &self.segments {
                Segments::Sealing(_) => layout.body_len(),
                Segments::Opening(_) => layout.plain_len(),
            };
        self.to.allocate(written)?;
        if !self.prelude.is_empty() {
            self.to.append(&self.prelude, 0)?;
        }
        let next_unit = AtomicU64::new(0);
        let failure = Mutex::new(None);
        let work = || {
            if let Err(error) = self.units(&next_unit) {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                self.is_stopped.store(true, Ordering::Relaxed);
                self.to.stop();
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        thread::scope(|scope| {
            for _ in 1..threads {
                // Where no thread is to be had, this one does all of it.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None if self.is_stopped.load(Ordering::Relaxed) => Err(stopped()),
            None => Ok(written),
        }
    }

    /// Takes units until there are none left, or the work is stopped.
    fn units(&self, next: &AtomicU64) -> Result<()> {
        let layout = self.layout();
        let per_unit = (UNIT_LEN / layout.segment_len()).max(1);
        let unit_len = layout.segment_len().saturating_mul(per_unit).min(layout.body_len());
        let mut buffer = vec![0; buffer_len(unit_len)?];
        loop {
            let unit = next.fetch_add(1, Ordering::Relaxed);
            let first = unit.saturating_mul(per_unit);
            if first >= layout.segments() {
                return Ok(());
            }
            if self.is_stopped.load(Ordering::Relaxed) {
                self.to.stop();
                return Ok(());
            }
            let segments = first..first.saturating_add(per_unit).min(layout.segments());
            let span = layout.segments_span(segments.clone())?;
            let body = &mut buffer[..buffer_len(span.body_len())?];
            match &self.segments {
                Segments::Sealing(encryptor) => {
                    self.seal(encryptor, unit, &span, segments, body)?
                }
                Segments::Opening(access) => self.open(access, unit, &span, segments, body)?,
            }
        }
    }

    fn seal(
        &self,
        encryptor: &floe::ParallelEncryptor,
        unit: u64,
        span: &Span,
        segments: Range<u64>,
        body: &mut [u8],
    ) -> Result<()> {
        object::seal_from_file(encryptor, &self.from, segments, body)?;
        let offset = self.prelude.len() as u64 + span.body().start;
        if self.to.write(unit, &mut [IoSlice::new(body)], offset, false)? {
            let Range { start, end } = span.plain();
            let read = end - start;
            (self.progress)(Transferred { read, written: body.len() as u64 });
        }
        Ok(())
    }

    /// Of a unit with a bad segment, those before it are written, as a stream would give them out.
    fn open(
        &self,
        access: &floe::RandomAccess,
        unit: u64,
        span: &Span,
        segments: Range<u64>,
        body: &mut [u8],
    ) -> Result<()> {
        let parts = &mut [IoSliceMut::new(body)];
        positional::read_exact_at(&self.from, parts, self.body_at + span.body().start)
            .map_err(cannot_read)?;
        let mut opened = Ok(());
        let mut good = 0;
        for (index, place) in segments.zip(span.places()) {
            let segment = access.layout().segments_span(index..index + 1)?;
            opened = access.decrypt(&segment, &mut body[place]);
            if opened.is_err() {
                break;
            }
            good += 1;
        }
        let read = body.len() as u64;
        let parts = split(body, span.plaintext()).take(good);
        let mut parts = parts.map(|part| IoSlice::new(part)).collect::<Vec<_>>();
        let written = parts.iter().map(|part| part.len() as u64).sum();
        if self.to.write(unit, &mut parts, span.plain().start, opened.is_err())? {
            (self.progress)(Transferred { read, written });
        }
        opened
    }

    fn layout(&self) -> &Layout {
        match &self.segments {
            Segments::Sealing(encryptor) => encryptor.layout(),
            Segments::Opening(access) => access.layout(),
        }
    }
}

/// Bytes that a thread reads, seals or opens, and writes at a time, rounded to whole segments.
/// It stays in the processor's cache meanwhile.
pub(super) const UNIT_LEN: u64 = 1 << 20;
/// More only wait for the memory bus.
const MOST_THREADS: usize = 4;
