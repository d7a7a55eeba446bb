//! The sealed body of a local file, made for an upload.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use bytes::BytesMut;

use crate::error::Error;
use crate::error::Result;
use crate::floe;
use crate::object;
use crate::object::Counter;

/// The segments of a file that are still to be sealed.
pub(crate) struct FileSegments {
    pub(super) encryptor: Arc<floe::ParallelEncryptor>,
    pub(super) file: Arc<File>,
    /// What goes in front; empty once it went.
    pub(super) prelude: Vec<u8>,
    /// Number of the next segment.
    pub(super) next: u64,
    pub(super) progress: Option<Counter>,
}

impl FileSegments {
    /// Whether everything was taken.
    pub(super) fn is_finished(&self) -> bool {
        self.next == self.encryptor.layout().segments()
    }

    /// Number of sealed bytes in all.
    pub(super) fn len(&self) -> u64 {
        self.encryptor.layout().body_len() + self.prelude.len() as u64
    }

    /// The next sealed bytes, at least `batch_len` unless they are the last, perhaps in `spare`.
    /// They are read and sealed on a blocking thread, while others are sent.
    pub(super) async fn next(
        &mut self,
        batch_len: usize,
        spare: Option<BytesMut>,
    ) -> Result<Option<Bytes>> {
        let layout = self.encryptor.layout();
        if self.is_finished() {
            return Ok(None);
        }
        let wanted = batch_len.saturating_sub(self.prelude.len()) as u64;
        let count = wanted.div_ceil(layout.segment_len()).max(1);
        let segments = self.next..self.next.saturating_add(count).min(layout.segments());
        let span = layout.segments_span(segments.clone())?;
        let prelude = std::mem::take(&mut self.prelude);
        let len = object::buffer_len(span.body_len().saturating_add(prelude.len() as u64))?;
        let mut part = spare.filter(|spare| spare.capacity() >= len);
        let mut part = part.take().unwrap_or_else(|| BytesMut::zeroed(len));
        let (encryptor, file) = (Arc::clone(&self.encryptor), Arc::clone(&self.file));
        let end = segments.end;
        let work = move || {
            part.resize(len, 0);
            let (front, body) = part.split_at_mut(prelude.len());
            front.copy_from_slice(&prelude);
            object::seal_from_file(&encryptor, &file, segments, body)?;
            Ok(part.split().freeze())
        };
        let part = tokio::task::spawn_blocking(work)
            .await
            .map_err(|e| Error::store("the work on the file was ended", e))
            .flatten()?;
        self.next = end;
        if let Some(progress) = &self.progress {
            let plain = span.plain();
            progress(plain.end - plain.start);
        }
        Ok(Some(part))
    }
}
