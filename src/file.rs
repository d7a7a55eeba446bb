//! Local files: sealed or opened on a few threads, with positional reads and writes.
//!
//! Each thread takes the next run of segments, reads it to where it is encrypted or decrypted,
//! does so in place and writes it where it belongs. Nothing is handed from thread to thread. What
//! cannot be read at any place, pipes above all, goes through a stream instead.

mod sink;
mod threads;

pub use sink::FileSink;

use std::fmt;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::TryStreamExt as _;
use futures_util::stream;
use tokio::runtime::Handle;

use crate::cipher::EnvelopeCipher;
use crate::context::EncryptionContext;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::file::sink::Sink;
use crate::file::threads::Job;
use crate::file::threads::Segments;
use crate::object::Body;
use crate::object::cannot_read;
use crate::positional;

/// A file about to be sealed or opened; made by [`EnvelopeCipher::seal_file`] and
/// [`open_file`](EnvelopeCipher::open_file).
#[must_use = "nothing is done until `run`"]
pub struct FileTransfer {
    cipher: EnvelopeCipher,
    direction: Direction,
    from: File,
    to: FileSink,
    context: EncryptionContext,
    progress: Progress,
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Seal,
    Open,
}

type Progress = Arc<dyn Fn(Transferred) + Send + Sync>;

/// How much of a [`FileTransfer`] was done since it last said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

impl EnvelopeCipher {
    /// Seals a local file, with the envelope in front: [`run`](FileTransfer::run) does it.
    ///
    /// What [`seal_stream`](Self::seal_stream) would make of it, but quicker, since several
    /// threads read, seal and write.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use waxseal::{EncryptionContext, EnvelopeCipher, KeyFile, LocalKeyring};
    /// # let cipher = EnvelopeCipher::new(LocalKeyring::new(KeyFile::generate()?));
    /// # let context = EncryptionContext::new();
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("dump.sql");
    /// # std::fs::write(&path, "select 1")?;
    /// use std::fs::File;
    /// use waxseal::NewFile;
    ///
    /// let sealed_path = path.with_added_extension("sealed");
    /// let sealed = NewFile::create(&sealed_path)?;
    /// cipher.seal_file(File::open(&path)?, &sealed, &context).run().await?;
    /// sealed.commit()?;
    ///
    /// let opened = NewFile::create_private(&path)?;
    /// cipher.open_file(File::open(&sealed_path)?, &opened, &context).run().await?;
    /// opened.commit()?; // every byte was verified: the old file is replaced
    /// # assert_eq!(std::fs::read(&path)?, b"select 1");
    /// # Ok(()) }
    /// ```
    pub fn seal_file(
        &self,
        from: File,
        to: impl Into<FileSink>,
        context: &EncryptionContext,
    ) -> FileTransfer {
        FileTransfer::new(self, Direction::Seal, from, to.into(), context)
    }

    /// Opens a local file that begins with its envelope: [`run`](FileTransfer::run) does it.
    ///
    /// As [`open_stream`](Self::open_stream), but quicker: see [`seal_file`](Self::seal_file).
    pub fn open_file(
        &self,
        from: File,
        to: impl Into<FileSink>,
        context: &EncryptionContext,
    ) -> FileTransfer {
        FileTransfer::new(self, Direction::Open, from, to.into(), context)
    }
}

impl FileTransfer {
    fn new(
        cipher: &EnvelopeCipher,
        direction: Direction,
        from: File,
        to: FileSink,
        context: &EncryptionContext,
    ) -> Self {
        let (cipher, context) = (cipher.clone(), context.clone());
        Self { cipher, direction, from, to, context, progress: Arc::new(|_| ()) }
    }

    /// Calls `progress` with what was done since the last time, on any thread.
    ///
    /// Once a MiB or so: it may draw, but should not wait.
    pub fn progress(self, progress: impl Fn(Transferred) + Send + Sync + 'static) -> Self {
        Self { progress: Arc::new(progress), ..self }
    }

    /// Seals or opens the file, and returns the number of bytes written.
    ///
    /// Up to four threads, one for each processor, hold 1 MiB or one segment each. A pipe, a
    /// device, a file that was read from already or one of 1 MiB at most goes through a stream, on
    /// one thread. A file that grows meanwhile is sealed up to the length it had.
    ///
    /// Opening a file, every byte is verified before it is written, but only `Ok` says that it was
    /// all: with a [`NewFile`](crate::NewFile), commit it then; discard what went anywhere else
    /// otherwise. That the end is there is verified before anything is written, or through a stream
    /// after all else.
    ///
    /// # Errors
    ///
    /// As [`EnvelopeCipher::seal_stream`] and [`open_stream`](EnvelopeCipher::open_stream);
    /// `Store` if reading or writing fails, with the [`std::io::Error`] as source; `Changed` if
    /// the file became shorter meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the threads within a MiB, except one that waits for a pipe.
    pub async fn run(self) -> Result<u64> {
        let stop = StopOnDrop::default();
        let is_stopped = Arc::clone(&stop.0);
        let from_len = positional::regular_len(&self.from).map_err(cannot_read)?;
        let runtime = Handle::try_current()
            .map_err(|_| Error::invalid_input("files need a Tokio runtime"))?;
        let work: Box<dyn FnOnce() -> Result<u64> + Send> = if from_len > threads::UNIT_LEN {
            let job = self.job(from_len, is_stopped).await?;
            Box::new(move || job.run())
        } else {
            Box::new(move || runtime.block_on(self.stream(is_stopped)))
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|e| Error::store("the work on the file was ended", e))?
    }

    async fn job(self, from_len: u64, is_stopped: Arc<AtomicBool>) -> Result<Job> {
        let Self { cipher, direction, from, to, context, progress } = self;
        let from = Arc::new(from);
        let (segments, body_at, prelude) = match direction {
            Direction::Seal => {
                let (encryptor, prelude) = cipher.start_parallel(from_len, &context).await?;
                (Segments::Sealing(encryptor), 0, prelude)
            }
            Direction::Open => {
                let (access, body_at) = cipher.open_parallel(&from, from_len, &context).await?;
                (Segments::Opening(access), body_at, vec![])
            }
        };
        Ok(Job { segments, from, body_at, to: to.into_sink(), prelude, progress, is_stopped })
    }

    /// On the thread that this blocks.
    async fn stream(self, is_stopped: Arc<AtomicBool>) -> Result<u64> {
        let Self { cipher, direction, from, to, context, progress } = self;
        let mut buffer = vec![0; READ_LEN];
        let pieces = std::iter::from_fn(move || read_piece(&from, &mut buffer).transpose());
        let of_source = Arc::clone(&progress);
        let source = Body::from_stream(stream::iter(pieces).inspect_ok(move |piece| {
            of_source(Transferred { read: piece.len() as u64, written: 0 });
        }));
        let mut body = match direction {
            Direction::Seal => cipher.seal_stream(source, &context).await?,
            Direction::Open => cipher.open_stream(source, &context).await?,
        };
        let to: Sink = to.into_sink();
        let mut written = 0;
        while let Some(piece) = body.next().await.transpose()? {
            if is_stopped.load(Ordering::Relaxed) {
                return Err(stopped());
            }
            to.append(&piece, written)?;
            written += piece.len() as u64;
            progress(Transferred { read: 0, written: piece.len() as u64 });
        }
        Ok(written)
    }
}

impl fmt::Debug for FileTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTransfer")
            .field("direction", &self.direction)
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What there is to read now; `None` at the end. A pipe gives it as it comes.
fn read_piece(mut file: &File, buffer: &mut [u8]) -> Result<Option<Bytes>> {
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(None),
            Ok(len) => return Ok(Some(Bytes::copy_from_slice(&buffer[..len]))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot_read(error)),
        }
    }
}

/// Nobody waits for the result any more.
fn stopped() -> Error {
    Error::new(ErrorKind::Store, "stopped")
}

const READ_LEN: usize = 256 << 10;
