//! What is written: standard output, or a file that appears when it is whole.
//!
//! A file is written beside its place under another name, and renamed. Until then, and after any
//! failure, what was there before is untouched.

use std::fs::File;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::io::IsTerminal as _;
use std::path::Path;

use futures_util::TryStreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufWriter;
use waxseal::Body;
use waxseal::Error;
use waxseal::FileSink;
use waxseal::FileTransfer;
use waxseal::NewFile;

use crate::args::OutputArgs;
use crate::exit::Code;
use crate::exit::Failure;
use crate::keys::Keys;
use crate::place::Place;
use crate::progress::Progress;

/// What is written, which decides who can read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// For its owner only.
    Opened,
    /// As the umask says: it is sealed.
    Sealed,
}

/// An output that is open. Dropped without [`commit`](Self::commit), no file appears.
#[derive(Debug)]
pub(crate) struct Output {
    name: String,
    target: Target,
    sync: bool,
    written: u64,
}

#[derive(Debug)]
enum Target {
    /// Standard output, a device or a named pipe: bytes are gone once written.
    Direct(File),
    New(Box<NewFile>),
}

impl Output {
    /// # Errors
    ///
    /// `Code::Usage` if it is a terminal; `Code::Store` if it cannot be written.
    pub(crate) async fn open(args: &OutputArgs, content: Content) -> Result<Self, Failure> {
        match &args.output {
            Place::Stdio if std::io::stdout().is_terminal() && !args.force => {
                let what = match content {
                    Content::Opened => "opened data",
                    Content::Sealed => "sealed bytes",
                };
                Err(Failure::usage(format!("{what} would go to the terminal"))
                    .remedy("give -o FILE, pipe it on, or give --force"))
            }
            Place::Stdio => {
                let file = stdout().map_err(|e| Failure::io("cannot use standard output", e))?;
                Ok(Self::new("standard output".to_owned(), Target::Direct(file), false))
            }
            Place::Path(path) => Self::path(path, content, args.sync.sync).await,
            Place::S3(_) => Err(Failure::usage(format!("{} is an S3 object", args.output))
                .remedy("use `waxseal cp` for S3")),
        }
    }

    /// Instead of a sealed file.
    ///
    /// # Errors
    ///
    /// As [`can_replace`](Self::can_replace).
    pub(crate) async fn replacing(path: &Path) -> Result<Self, Failure> {
        Self::can_replace(path)?;
        Self::path(path, Content::Sealed, true).await
    }

    /// Refuses what [`replacing`](Self::replacing) does.
    ///
    /// # Errors
    ///
    /// `Code::Store` if it is no file, a link to one, or write-protected.
    pub(crate) fn can_replace(path: &Path) -> Result<(), Failure> {
        let found = path.symlink_metadata();
        let found = found.map_err(|e| cannot_write(&path.display().to_string(), e))?;
        need_replaceable(path, &found)
    }

    async fn path(path: &Path, content: Content, sync: bool) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let found = match path.symlink_metadata() {
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(cannot_write(&name, error)),
        };
        let found = found.as_ref();
        // Written through, since nothing is replaced: /dev/stdout is a link to such a thing.
        if found.is_some() && path.metadata().is_ok_and(|it| !it.is_file() && !it.is_dir()) {
            return Self::device(path, name).await;
        }
        if let Some(found) = found {
            need_replaceable(path, found)?;
        }
        let new = match content {
            Content::Opened => NewFile::create_private(path),
            Content::Sealed => NewFile::create(path),
        };
        let new = new.map_err(|e| cannot_write(&name, e))?;
        Ok(Self::new(name, Target::New(Box::new(new)), sync))
    }

    async fn device(path: &Path, name: String) -> Result<Self, Failure> {
        let opened = tokio::fs::OpenOptions::new().write(true).open(path).await;
        let file = opened.map_err(|e| cannot_write(&name, e))?;
        Ok(Self::new(name, Target::Direct(file.into_std().await), false))
    }

    fn new(name: String, target: Target, sync: bool) -> Self {
        Self { name, target, sync, written: 0 }
    }

    /// How messages call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Number of bytes written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Where [`transfer`](Self::transfer) is to write.
    pub(crate) fn sink(&self) -> Result<FileSink, Failure> {
        match &self.target {
            Target::Direct(file) => {
                file.try_clone().map(Into::into).map_err(|e| cannot_write(&self.name, e))
            }
            Target::New(new) => Ok((&**new).into()),
        }
    }

    /// Runs `transfer` into [`sink`](Self::sink). `what` could not be done if it fails.
    pub(crate) async fn transfer(
        &mut self,
        transfer: FileTransfer,
        progress: &Progress,
        what: &str,
        keys: &Keys,
    ) -> Result<(), Failure> {
        let done = progress.follow(transfer).run().await;
        self.written = progress.written();
        match done {
            Ok(_) => Ok(()),
            Err(error) if error.to_string() == "cannot write the file" => {
                Err(cannot_write(&self.name, io_error(&error)))
            }
            Err(error) => Err(self.cut_short(what, keys, error)),
        }
    }

    /// Writes all of `body`. `what` could not be done if it fails.
    pub(crate) async fn fill(
        &mut self,
        mut body: Body,
        what: &str,
        keys: &Keys,
    ) -> Result<(), Failure> {
        let file = match &self.target {
            Target::Direct(file) => file.try_clone(),
            Target::New(new) => new.file().try_clone(),
        };
        let file = file.map_err(|e| cannot_write(&self.name, e))?;
        // Each write is handed to another thread, which pays for large ones only.
        let mut file = BufWriter::with_capacity(WRITE_LEN, tokio::fs::File::from_std(file));
        let filled = loop {
            match body.try_next().await {
                Ok(Some(bytes)) => {
                    let done = file.write_all(&bytes).await;
                    done.map_err(|e| cannot_write(&self.name, e))?;
                    self.written += bytes.len() as u64;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // What was verified is passed on even so; the exit code tells that it is not all.
        let flushed = file.flush().await.map_err(|e| cannot_write(&self.name, e));
        filled.map_err(|error| self.cut_short(what, keys, error)).and(flushed)
    }

    /// Puts the file in its place, for good.
    pub(crate) async fn commit(self) -> Result<(), Failure> {
        let Self { name, target, sync, .. } = self;
        let Target::New(new) = target else { return Ok(()) };
        let commit = move || if sync { new.commit_durable() } else { new.commit() };
        let done = tokio::task::spawn_blocking(commit).await;
        done.map_err(std::io::Error::from).flatten().map_err(|e| cannot_write(&name, e))
    }

    /// The failure of what is being written, with a word on what was written already.
    fn cut_short(&self, what: &str, keys: &Keys, error: Error) -> Failure {
        let altered = error.kind() == waxseal::ErrorKind::Authentication && self.written > 0;
        let mut failure = keys.failure(what, error);
        if altered {
            failure = failure.remedy(
                "its beginning is true, so key and context are right: it was \
                 altered or cut; restore it from a copy",
            );
        }
        if self.written == 0 || !matches!(self.target, Target::Direct(_)) {
            return failure;
        }
        failure.and(&format!(
            "discard the {} bytes on {}: they are true, but not all",
            self.written, self.name
        ))
    }
}

fn need_replaceable(path: &Path, found: &Metadata) -> Result<(), Failure> {
    let (what, remedy) = if found.is_symlink() {
        let target = path.read_link().unwrap_or_default();
        let remedy = format!("name the file it points to: {}", target.display());
        ("is a symbolic link", remedy)
    } else if found.is_dir() {
        ("is a folder", "name a file".to_owned())
    } else if !found.is_file() {
        ("is not a regular file", "name a file".to_owned())
    } else if found.permissions().readonly() {
        ("is write-protected", "name another file, or allow writing: chmod u+w".to_owned())
    } else {
        return Ok(());
    };
    Err(Failure::new(Code::Store, format!("{} {what}", path.display())).remedy(remedy))
}

/// What the file system said.
fn io_error(error: &Error) -> std::io::Error {
    let source = std::error::Error::source(error).and_then(|e| e.downcast_ref::<std::io::Error>());
    let code = source.and_then(std::io::Error::raw_os_error);
    let kind = source.map_or(ErrorKind::Other, std::io::Error::kind);
    code.map_or(kind.into(), std::io::Error::from_raw_os_error)
}

/// The failure of a write, with a remedy.
pub(crate) fn cannot_write(name: &str, error: std::io::Error) -> Failure {
    let kind = error.kind();
    let failure = Failure::io(format!("cannot write {name}"), error);
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => failure.known("disk-full"),
        ErrorKind::NotFound => failure.remedy("make the folder first"),
        _ => failure.remedy("check the path and its permissions, or write elsewhere"),
    }
}

/// Standard output as a file, without the line buffer that `std` puts in front.
fn stdout() -> std::io::Result<File> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&std::io::stdout()).try_clone_to_owned()?;
    #[cfg(windows)]
    let owned =
        std::os::windows::io::AsHandle::as_handle(&std::io::stdout()).try_clone_to_owned()?;
    Ok(owned.into())
}

/// Bytes written at a time.
const WRITE_LEN: usize = 1 << 20;
