//! A stream of bytes.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use bytes::BytesMut;
use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::TryStreamExt as _;
use futures_util::stream;
use tokio::io::AsyncRead;
use tokio::task::JoinHandle;
use tokio::task::spawn_blocking;
use tokio_util::io::ReaderStream;
use tokio_util::io::StreamReader;

use crate::error::Error;
use crate::error::Result;
#[cfg(feature = "s3")]
use crate::positional;

/// A stream of bytes that goes into or comes out of sealing.
///
/// As a `Stream` its items are `Result<Bytes>` of at most 512 KiB; the first error ends it. After
/// some 512 KiB it is pending once, for the executor's other tasks to get their turn: sealing or opening
/// as much takes about 100 us. A segment longer than that, though, is encrypted without a pause.
///
/// ```
/// # async fn f(file: impl tokio::io::AsyncRead + Send + 'static) {
/// use waxseal::Body;
///
/// let from_memory = Body::from("hello");
/// let from_disk = Body::from_path("big.parquet");
/// let from_reader = Body::from_reader(file);
/// # }
/// ```
pub struct Body {
    /// `None` after the end or the first error.
    stream: Option<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>>,
    /// What is left of an item that was too long.
    rest: Bytes,
    /// Bytes since the executor last had its turn.
    turn_len: usize,
    len: Option<u64>,
    /// Where the bytes come from, as long as none was read: a put reads a file at any place.
    origin: Option<Origin>,
    progress: Option<Counter>,
}

#[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "only uploads ask for it"))]
enum Origin {
    Path(PathBuf),
    File(Arc<File>),
}

/// Is told how many bytes were read.
pub(crate) type Counter = Arc<dyn Fn(u64) + Send + Sync>;

impl Body {
    /// A body of the items of `stream`. A failed item becomes an error of kind `Store`.
    pub fn from_stream<S, B, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = stream
            .map(|item| item.map(Into::into).map_err(|e| Error::store("the stream failed", e)));
        Self {
            stream: Some(Box::pin(stream)),
            rest: Bytes::new(),
            turn_len: 0,
            len: None,
            origin: None,
            progress: None,
        }
    }

    /// A body of what `reader` reads, in pieces of up to 256 KiB.
    pub fn from_reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::from_stream(ReaderStream::with_capacity(reader, READ_LEN))
    }

    /// A body of the file at `path`, opened when it is first read.
    ///
    /// A file that cannot be opened or read fails then, with kind `Store`. Needs a Tokio runtime.
    pub fn from_path(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let origin = Some(Origin::Path(path.clone()));
        let opened = async move {
            let file = tokio::fs::File::open(&path).await;
            let file =
                file.map_err(|e| Error::store(format!("cannot open {}", path.display()), e))?;
            Ok::<_, Error>(Self::from_file(file.into_std().await, path.display().to_string()))
        };
        Self { origin, ..Self::from_stream(stream::once(opened).try_flatten()) }
    }

    /// A body of what an open file or pipe holds from where it stands. Errors call it `name`.
    ///
    /// Read in pieces of up to 1 MiB, one ahead, on Tokio's blocking threads: quicker than
    /// [`from_reader`](Self::from_reader) of a `tokio::fs::File`. Needs a Tokio runtime. Dropping
    /// the body leaves a read that waits for a pipe to end with the pipe.
    pub fn from_file(file: File, name: impl Into<String>) -> Self {
        let (file, name) = (Arc::new(file), name.into());
        let origin = Some(Origin::File(Arc::clone(&file)));
        let first = (None, file);
        let pieces = stream::try_unfold(first, |(next, file)| {
            let reading = next.unwrap_or_else(|| read_piece(&file));
            async move {
                let piece = reading.await.map_err(std::io::Error::from).flatten()?;
                let more = (!piece.is_empty()).then(|| (Some(read_piece(&file)), file));
                Ok::<_, std::io::Error>(more.map(|state| (piece, state)))
            }
        });
        let pieces = pieces.map_err(move |e| Error::store(format!("cannot read {name}"), e));
        Self { origin, ..Self::from_stream(pieces) }
    }

    /// Says how many bytes will come, which a put can use to choose its part size.
    ///
    /// A hint only: a body that turns out longer or shorter is sealed as it is. But the byte limit of
    /// a [`CachingKeyring`](crate::CachingKeyring) counts by it, so do not pass on what others claim.
    #[must_use]
    pub fn with_len(self, len: u64) -> Self {
        Self { len: Some(len), ..self }
    }

    /// Calls `progress` with the number of bytes read since the last time, on any thread.
    ///
    /// It may draw, but should not wait.
    #[must_use]
    pub fn progress(self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self { progress: Some(Arc::new(progress)), ..self }
    }

    /// How many bytes will come, if that is known. A hint.
    pub fn len_hint(&self) -> Option<u64> {
        self.len
    }

    /// Reads all of it into memory.
    ///
    /// # Errors
    ///
    /// The first error of the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the body.
    pub async fn collect(mut self) -> Result<Bytes> {
        let Some(first) = self.next_item().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.next_item().await? else { return Ok(first) };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(more) = self.next_item().await? {
            all.extend_from_slice(&more);
        }
        Ok(all.freeze())
    }

    /// The body as a reader. Its `io::Error`s hold the [`Error`], see
    /// [`into_inner`](std::io::Error::into_inner).
    pub fn into_async_read(self) -> impl tokio::io::AsyncBufRead + Send + Unpin {
        StreamReader::new(self.map_err(std::io::Error::from))
    }
}

impl Body {
    /// The file that the bytes come from, with its length, and who is to be told of progress; if it
    /// is one that can be read at any place, not a small one, and none was read yet.
    #[cfg(feature = "s3")]
    pub(crate) async fn regular_file(&mut self) -> Option<(Arc<File>, u64, Option<Counter>)> {
        if let Some(Origin::Path(path)) = &self.origin {
            // What fails here fails again when the stream is read.
            let file = tokio::fs::File::open(path).await.ok()?.into_std().await;
            // Kept whatever it is: a pipe gives its bytes to whoever opens it first.
            let opened = Self::from_file(file, path.display().to_string());
            *self = Self { len: self.len, progress: self.progress.take(), ..opened };
        }
        let Some(Origin::File(file)) = self.origin.take() else { return None };
        let len = positional::regular_len(&file).ok().filter(|len| *len > SMALL_FILE_LEN)?;
        Some((file, len, self.progress.take()))
    }

    /// The next item, however long.
    pub(crate) async fn next_item(&mut self) -> Result<Option<Bytes>> {
        std::future::poll_fn(|cx| self.poll_item(cx)).await.transpose()
    }

    pub(super) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if self.turn_len >= TURN_LEN {
            self.turn_len = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let item = if self.rest.is_empty() {
            let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
            self.origin = None;
            let item = stream.as_mut().poll_next(cx);
            if let (Poll::Ready(Some(Ok(item))), Some(progress)) = (&item, &self.progress) {
                progress(item.len() as u64);
            }
            item
        } else {
            Poll::Ready(Some(Ok(std::mem::take(&mut self.rest))))
        };
        match &item {
            Poll::Ready(Some(Ok(item))) => self.turn_len += item.len(),
            Poll::Ready(_) => self.stream = None,
            Poll::Pending => self.turn_len = 0,
        }
        item
    }
}

impl Stream for Body {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut item = self.poll_item(cx);
        if let Poll::Ready(Some(Ok(item))) = &mut item
            && item.len() > TURN_LEN
        {
            self.rest = item.split_off(TURN_LEN);
            self.turn_len -= self.rest.len();
        }
        item
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let len = bytes.len() as u64;
        Self::from_stream(stream::iter([Ok::<_, Error>(bytes)])).with_len(len)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        text.as_bytes().into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The next piece, empty at the end.
fn read_piece(file: &Arc<File>) -> JoinHandle<std::io::Result<Vec<u8>>> {
    let file = Arc::clone(file);
    // Reserved here: each thread of the blocking pool would keep memory of its own.
    let mut piece = vec![0; FILE_READ_LEN];
    spawn_blocking(move || {
        loop {
            match (&*file).read(&mut piece) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => {
                    piece.truncate(read?);
                    return Ok(piece);
                }
            }
        }
    })
}

const READ_LEN: usize = 256 << 10;
/// Large enough that handing a read to another thread and back costs little.
const FILE_READ_LEN: usize = 1 << 20;
/// Up to this length reading at any place gains nothing, and files that only claim to have a length
/// are short.
#[cfg(feature = "s3")]
const SMALL_FILE_LEN: u64 = 1 << 20;
/// Bytes that may pass before the executor gets a turn.
pub(super) const TURN_LEN: usize = 512 << 10;
