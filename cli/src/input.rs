//! What is read: standard input or a file.

use std::fs::File;
use std::io::IsTerminal as _;
use std::path::Path;

use waxseal::Body;

use crate::args::Verbosity;
use crate::exit::Failure;
use crate::place::Place;

/// An input that is open.
#[derive(Debug)]
pub(crate) struct Input {
    name: String,
    file: File,
    len: Option<u64>,
}

impl Input {
    /// # Errors
    ///
    /// `Code::Store` if it cannot be opened or is a folder.
    pub(crate) async fn open(place: &Place, verbosity: Verbosity) -> Result<Self, Failure> {
        match place {
            Place::Stdio => Self::stdin(verbosity),
            Place::Path(path) => Self::path(path).await,
            Place::S3(_) => Err(Failure::usage(format!("{place} is an S3 object"))
                .remedy("use `waxseal cp` or `waxseal cat` for S3")),
        }
    }

    fn stdin(verbosity: Verbosity) -> Result<Self, Failure> {
        if std::io::stdin().is_terminal() {
            verbosity.note(format_args!("reading from the terminal; end with Ctrl-D"));
        }
        let name = "standard input".to_owned();
        let file = stdin().map_err(|e| Failure::io("cannot use standard input", e))?;
        Self::new(name, file)
    }

    async fn path(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        // On Tokio's threads: opening a named pipe waits for its writer.
        let opened = tokio::fs::File::open(path).await;
        let file = opened.map_err(|e| {
            let failure = Failure::io(format!("cannot open {name}"), e);
            failure.and("check the path and its permissions")
        })?;
        Self::new(name, file.into_std().await)
    }

    fn new(name: String, file: File) -> Result<Self, Failure> {
        let metadata = file.metadata();
        let metadata = metadata.map_err(|e| Failure::io(format!("cannot read {name}"), e))?;
        if metadata.is_dir() {
            return Err(Failure::new(crate::exit::Code::Store, format!("{name} is a folder"))
                .remedy("name a file; pack folders first: `tar c FOLDER | waxseal seal`"));
        }
        let len = metadata.is_file().then_some(metadata.len());
        Ok(Self { name, file, len })
    }

    /// How messages call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes a file has now: a hint.
    pub(crate) fn len(&self) -> Option<u64> {
        self.len
    }

    /// Whether it can be read at random, unlike pipes and such.
    pub(crate) fn is_regular(&self) -> bool {
        self.len.is_some()
    }

    /// The file itself.
    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// Its bytes, from the first to the last.
    pub(crate) fn into_body(self) -> Body {
        let Self { name, file, len } = self;
        len.into_iter().fold(Body::from_file(file, name), Body::with_len)
    }
}

/// Standard input as a file, without the buffer that `std` puts in front.
fn stdin() -> std::io::Result<File> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned()?;
    #[cfg(windows)]
    let owned =
        std::os::windows::io::AsHandle::as_handle(&std::io::stdin()).try_clone_to_owned()?;
    Ok(owned.into())
}
