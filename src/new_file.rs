//! A file that appears when it is whole.

use std::fs::File;
use std::fs::Metadata;
use std::io;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempPath;

/// A file that appears at its place once it is whole.
///
/// It is written beside its place under another name, which [`commit`](Self::commit) changes.
/// Dropped before that, it is deleted, and what stood at its place is as it was.
///
/// Its methods block, and their errors are those of the file system.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("report");
/// use std::io::Write as _;
/// use waxseal::NewFile;
///
/// let new = NewFile::create(&path)?;
/// new.file().write_all(b"all of it")?;
/// assert!(!path.exists());
/// new.commit()?;
/// assert_eq!(std::fs::read(&path)?, b"all of it");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct NewFile {
    file: Arc<File>,
    /// Deleted when dropped.
    temporary: TempPath,
    path: PathBuf,
    replaces: Option<Metadata>,
}

impl NewFile {
    /// A file for `path`, readable by whom the umask lets, or by whom a file there already is.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::with_mode(path.as_ref(), 0o666)
    }

    /// A file for `path`, readable by its owner only, or by whom a file there already is.
    pub fn create_private(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::with_mode(path.as_ref(), 0o600)
    }

    fn with_mode(path: &Path, mode: u32) -> io::Result<Self> {
        let replaces = match path.symlink_metadata() {
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode); // less the umask
        #[cfg(not(unix))]
        let _ = mode;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".waxseal-").suffix(".tmp");
        let temporary = builder.make_in(folder_of(path), |path| options.open(path))?;
        let (file, temporary) = temporary.into_parts();
        Ok(Self { file: Arc::new(file), temporary, path: path.to_owned(), replaces })
    }

    /// The file, to be written.
    pub fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn shared(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Puts the file in its place.
    ///
    /// A file there is replaced in one step, once the new one is on the disk, and the new one gets
    /// its permissions. So is a link, not what it points at, but for the permissions. Where there
    /// was none, the system writes to the disk when it sees fit, as with any copy: see
    /// [`commit_durable`](Self::commit_durable).
    pub fn commit(self) -> io::Result<()> {
        if self.replaces.is_some() {
            return self.commit_durable();
        }
        self.temporary.persist(&self.path).map_err(|e| e.error)
    }

    /// Puts the file in its place and waits until it is on the disk, name and all.
    pub fn commit_durable(self) -> io::Result<()> {
        // A link says nothing about who may read: its own mode is open to all.
        if let Some(replaces) = self.replaces.as_ref().filter(|replaces| replaces.is_file()) {
            keep_permissions(&self.temporary, replaces)?;
        }
        self.file.sync_all()?;
        self.temporary.persist(&self.path).map_err(|e| e.error)?;
        sync_folder_of(&self.path)
    }

    /// The same, but fails with `AlreadyExists` if there is a file.
    pub(crate) fn commit_new(self) -> io::Result<()> {
        self.file.sync_all()?;
        self.temporary.persist_noclobber(&self.path).map_err(|e| e.error)?;
        sync_folder_of(&self.path)
    }
}

/// Makes the entry of `path` in its folder durable, where the system can.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder_of(path)).and_then(|folder| folder.sync_all()) {
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

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives the new file the mode of the one it replaces, and its owner if this user may.
#[cfg(unix)]
fn keep_permissions(temporary: &Path, replaces: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let own = temporary.metadata()?;
    if (own.uid(), own.gid()) != (replaces.uid(), replaces.gid()) {
        let _ = std::os::unix::fs::chown(temporary, Some(replaces.uid()), Some(replaces.gid()));
    }
    std::fs::set_permissions(temporary, replaces.permissions())
}

#[cfg(not(unix))]
fn keep_permissions(_: &Path, _: &Metadata) -> io::Result<()> {
    Ok(())
}
