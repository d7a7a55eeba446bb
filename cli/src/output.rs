//! What is written: standard output, or a file that appears when it is whole.
//!
//! A file is written beside its place under another name, synced, and renamed. Until then, and
//! after any failure, what was there before is untouched.

use std::fs::File;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::io::IsTerminal as _;
use std::path::Path;
use std::path::PathBuf;

use futures_util::TryStreamExt as _;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt as _;
use waxseal::Body;
use waxseal::Error;

use crate::args::OutputArgs;
use crate::exit::Code;
use crate::exit::Failure;
use crate::keys::Keys;
use crate::place::Place;

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
    file: tokio::fs::File,
    target: Target,
    written: u64,
}

#[derive(Debug)]
enum Target {
    /// Standard output, a device or a named pipe: bytes are gone once written.
    Direct,
    File {
        /// Deleted when dropped.
        temporary: TempPath,
        path: PathBuf,
        replaces: Option<Box<Metadata>>,
    },
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
                Ok(Self::direct("standard output".to_owned(), file.into()))
            }
            Place::Path(path) => Self::path(path, content).await,
            Place::S3(_) => Err(Failure::usage(format!("{} is an S3 object", args.output))
                .remedy("use `waxseal cp` for S3")),
        }
    }

    async fn path(path: &Path, content: Content) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let found = match path.symlink_metadata() {
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(cannot_write(&name, error)),
        };
        let refuse = |what: &str| Failure::new(Code::Store, format!("{name} {what}"));
        match &found {
            Some(found) if found.is_symlink() => match path.metadata() {
                // Written through, since nothing is replaced: /dev/stdout is such a link.
                Ok(target) if !target.is_file() && !target.is_dir() => {
                    return Self::device(path, name).await;
                }
                _ => {
                    let target = path.read_link().unwrap_or_default();
                    return Err(refuse("is a symbolic link")
                        .remedy(format!("name the file it points to: {}", target.display())));
                }
            },
            Some(found) if found.is_dir() => {
                return Err(refuse("is a folder").remedy("name a file"));
            }
            Some(found) if !found.is_file() => return Self::device(path, name).await,
            Some(found) if found.permissions().readonly() => {
                return Err(refuse("is write-protected")
                    .remedy("name another file, or allow writing: chmod u+w"));
            }
            _ => {}
        }
        let temporary = temporary(path, content).map_err(|e| cannot_write(&name, e))?;
        let (file, temporary) = temporary.into_parts();
        let target =
            Target::File { temporary, path: path.to_owned(), replaces: found.map(Box::new) };
        Ok(Self { name, file: file.into(), target, written: 0 })
    }

    async fn device(path: &Path, name: String) -> Result<Self, Failure> {
        let opened = tokio::fs::OpenOptions::new().write(true).open(path).await;
        opened.map_err(|e| cannot_write(&name, e)).map(|file| Self::direct(name, file))
    }

    fn direct(name: String, file: tokio::fs::File) -> Self {
        Self { name, file, target: Target::Direct, written: 0 }
    }

    /// How messages call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Number of bytes written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes all of `body`. `what` could not be done if it fails.
    pub(crate) async fn fill(
        &mut self,
        mut body: Body,
        what: &str,
        keys: &Keys,
    ) -> Result<(), Failure> {
        loop {
            match body.try_next().await {
                Ok(Some(bytes)) => {
                    let done = self.file.write_all(&bytes).await;
                    done.map_err(|e| cannot_write(&self.name, e))?;
                    self.written += bytes.len() as u64;
                }
                Ok(None) => break,
                Err(error) => return Err(self.cut_short(what, keys, error).await),
            }
        }
        self.file.flush().await.map_err(|e| cannot_write(&self.name, e))
    }

    /// Puts the file in its place, for good.
    pub(crate) async fn commit(self) -> Result<(), Failure> {
        let Self { name, file, target, .. } = self;
        let Target::File { temporary, path, replaces } = target else { return Ok(()) };
        let failed = |e| cannot_write(&name, e);
        if let Some(replaces) = replaces {
            keep_permissions(&temporary, &replaces).map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)?;
        temporary.persist(&path).map_err(|e| failed(e.error))?;
        let synced = tokio::task::spawn_blocking(move || sync_folder(&path)).await;
        synced.map_err(std::io::Error::from).flatten().map_err(failed)
    }

    /// The failure of `body`, with a word on what was written already.
    async fn cut_short(&mut self, what: &str, keys: &Keys, error: Error) -> Failure {
        let altered = error.kind() == waxseal::ErrorKind::Authentication && self.written > 0;
        let mut failure = keys.failure(what, error);
        if altered {
            failure = failure.remedy(
                "its beginning is true, so key and context are right: it was \
                 altered or cut; restore it from a copy",
            );
        }
        if self.written == 0 || !matches!(self.target, Target::Direct) {
            return failure;
        }
        // What was verified is passed on; the exit code tells that it is not all.
        let _ = self.file.flush().await;
        failure.and(&format!(
            "discard the {} bytes on {}: they are true, but not all",
            self.written, self.name
        ))
    }
}

/// Makes the entry of `path` in its folder durable, where the system can.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder(path)).and_then(|folder| folder.sync_all()) {
        // Some folders can be written and not read, some file systems cannot sync them.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::PermissionDenied | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        done => done,
    }
}

fn temporary(path: &Path, content: Content) -> std::io::Result<tempfile::NamedTempFile> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        // Less the umask.
        let mode = if content == Content::Sealed { 0o666 } else { 0o600 };
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".waxseal-").suffix(".tmp");
    builder.make_in(folder(path), |path| options.open(path))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives the new file the mode of the one it replaces, and its owner if this user may.
#[cfg(unix)]
fn keep_permissions(temporary: &Path, replaces: &Metadata) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let own = temporary.metadata()?;
    if (own.uid(), own.gid()) != (replaces.uid(), replaces.gid()) {
        let _ = std::os::unix::fs::chown(temporary, Some(replaces.uid()), Some(replaces.gid()));
    }
    std::fs::set_permissions(temporary, replaces.permissions())
}

#[cfg(not(unix))]
fn keep_permissions(_: &Path, _: &Metadata) -> std::io::Result<()> {
    Ok(())
}

/// The failure of a write, with a remedy.
pub(crate) fn cannot_write(name: &str, error: std::io::Error) -> Failure {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "make the folder first",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space, or write elsewhere",
        _ => "check the path and its permissions, or write elsewhere",
    };
    Failure::io(format!("cannot write {name}"), error).remedy(remedy)
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
