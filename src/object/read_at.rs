//! Anything that can read a range of stored bytes.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;

use crate::error::Error;
use crate::error::Result;
use crate::object::Body;
use crate::positional;

/// Stored, sealed bytes of one fixed object, readable at any offset.
///
/// All reads must be of the same object, as it was when [`sealed_len`](Self::sealed_len)
/// answered; one that finds it replaced fails with [`ErrorKind::Changed`](crate::ErrorKind).
#[async_trait]
pub trait ReadAt: Send + Sync {
    /// Number of stored bytes.
    ///
    /// # Errors
    ///
    /// `Store` if it cannot be found out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must have no effect.
    async fn sealed_len(&self) -> Result<u64>;

    /// Reads exactly the stored bytes `sealed`, half open, within the length.
    ///
    /// # Errors
    ///
    /// `Store` if they cannot be read; `Changed` if the object was replaced.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must have no effect.
    async fn read_at(&self, sealed: Range<u64>) -> Result<Bytes>;

    /// Reads the same as a stream, which long reads use: what arrives is opened at once.
    ///
    /// Without an implementation of its own it is [`read_at`](Self::read_at) in one item, which a
    /// long read then holds besides what it opens: nearly twice the memory.
    ///
    /// # Errors
    ///
    /// As [`read_at`](Self::read_at), at once or from the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future or the stream must have no effect.
    async fn read_stream(&self, sealed: Range<u64>) -> Result<Body> {
        Ok(Body::from(self.read_at(sealed).await?))
    }
}

/// Shared stored bytes are stored bytes.
#[async_trait]
impl<R: ReadAt + ?Sized> ReadAt for std::sync::Arc<R> {
    async fn sealed_len(&self) -> Result<u64> {
        (**self).sealed_len().await
    }

    async fn read_at(&self, sealed: Range<u64>) -> Result<Bytes> {
        (**self).read_at(sealed).await
    }

    async fn read_stream(&self, sealed: Range<u64>) -> Result<Body> {
        (**self).read_stream(sealed).await
    }
}

#[async_trait]
impl ReadAt for Bytes {
    async fn sealed_len(&self) -> Result<u64> {
        Ok(self.len() as u64)
    }

    async fn read_at(&self, sealed: Range<u64>) -> Result<Self> {
        slice(self, 0, &sealed)
            .ok_or_else(|| Error::invalid_input("the range is outside the stored bytes"))
    }
}

/// Positional reads of an open file, which several tasks may make at once. Needs a Tokio runtime.
#[async_trait]
impl ReadAt for std::sync::Arc<std::fs::File> {
    async fn sealed_len(&self) -> Result<u64> {
        let metadata = self.metadata().map_err(|e| Error::store("cannot read the file", e))?;
        Ok(metadata.len())
    }

    async fn read_at(&self, sealed: Range<u64>) -> Result<Bytes> {
        let file = Self::clone(self);
        let len = usize::try_from(sealed.end.saturating_sub(sealed.start))
            .map_err(|e| Error::store("cannot read the file", e))?;
        // Reserved here: each thread of the blocking pool would keep memory of its own.
        let mut bytes = Vec::with_capacity(len);
        let read = move || {
            bytes.resize(len, 0);
            let parts = &mut [std::io::IoSliceMut::new(&mut bytes)];
            positional::read_exact_at(&file, parts, sealed.start)?;
            Ok::<_, std::io::Error>(Bytes::from(bytes))
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(std::io::Error::from)
            .flatten()
            .map_err(|e| Error::store("cannot read the file", e))
    }

    async fn read_stream(&self, sealed: Range<u64>) -> Result<Body> {
        let file = Self::clone(self);
        let pieces = stream::try_unfold(sealed, move |rest| {
            let file = Self::clone(&file);
            async move {
                if rest.is_empty() {
                    return Ok(None);
                }
                let end = rest.end.min(rest.start + FILE_READ_LEN);
                let piece = file.read_at(rest.start..end).await?;
                Ok::<_, Error>(Some((piece, end..rest.end)))
            }
        });
        Ok(Body::from_stream(pieces))
    }
}

/// Large enough that handing a read to another thread and back costs little.
const FILE_READ_LEN: u64 = 1 << 20;

/// The part `wanted` of an object, if `held`, which begins at `start`, has it.
pub(crate) fn slice(held: &Bytes, start: u64, wanted: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(wanted.start.checked_sub(start)?).ok()?;
    let to = usize::try_from(wanted.end.checked_sub(start)?).ok()?;
    (from <= to && to <= held.len()).then(|| held.slice(from..to))
}
