//! A sealed file that another is to take the place of.

use std::fs::File;
use std::fs::Metadata;
use std::io::Read as _;
use std::io::Seek as _;
use std::io::SeekFrom;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use futures_util::StreamExt as _;
use futures_util::stream;
use waxseal::Body;
use waxseal::floe;

use crate::exit::Code;
use crate::exit::Failure;
use crate::keys::Keys;
use crate::output::Output;

/// A file, as it was when it was opened.
#[derive(Debug)]
pub(crate) struct SealedFile {
    path: PathBuf,
    file: File,
    found: Metadata,
    front: Vec<u8>,
}

impl SealedFile {
    /// # Errors
    ///
    /// `Code::Store` if it cannot be read, or is a device or the like.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let read = || {
            let file = open_regular(path)?;
            let found = file.metadata()?;
            let mut front = Vec::new();
            (&file).take(LONGEST_FRONT).read_to_end(&mut front)?;
            Ok((file, found, front))
        };
        let (file, found, front) = read().map_err(|e| unreadable(path, e))?;
        Ok(Self { path: path.to_owned(), file, found, front })
    }

    /// Enough of its beginning for an envelope and a header.
    pub(crate) fn front(&self) -> &[u8] {
        &self.front
    }

    /// Whether it was modified before `time`, if one is given.
    pub(crate) fn is_before(&self, time: Option<SystemTime>) -> bool {
        time.is_none_or(|time| self.found.modified().is_ok_and(|modified| modified < time))
    }

    /// Its bytes from `start` on, which is within [`front`](Self::front): that is not read again, so
    /// that what was looked at is what gets verified.
    ///
    /// # Errors
    ///
    /// `Code::Store` if it cannot be read.
    pub(crate) fn body_from(&self, start: usize) -> Result<Body, Failure> {
        let mut file = self.file.try_clone().map_err(|e| unreadable(&self.path, e))?;
        let rest = SeekFrom::Start(self.front.len() as u64);
        file.seek(rest).map_err(|e| unreadable(&self.path, e))?;
        let rest = Body::from_file(file, self.path.display().to_string());
        let front = stream::iter([Ok(self.front[start..].to_vec().into())]);
        Ok(Body::from_stream(front.chain(rest)))
    }

    /// How many other names it has: hard links, which keep what is there now.
    pub(crate) fn other_names(&self) -> u64 {
        #[cfg(unix)]
        return std::os::unix::fs::MetadataExt::nlink(&self.found).saturating_sub(1);
        #[cfg(not(unix))]
        0
    }

    /// Refuses what [`replace`](Self::replace) would refuse at once.
    ///
    /// # Errors
    ///
    /// `Code::Store`.
    pub(crate) fn can_be_replaced(&self) -> Result<(), Failure> {
        Output::can_replace(&self.path)
    }

    /// Puts `body` in its place once that is whole, unless somebody else changed the file.
    ///
    /// # Errors
    ///
    /// `Code::Store` if it cannot be written or was changed; `what` could not be done if `body`
    /// fails.
    pub(crate) async fn replace(self, body: Body, what: &str, keys: &Keys) -> Result<(), Failure> {
        let mut output = Output::replacing(&self.path).await?;
        output.fill(body, what, keys).await?;
        let now = self.path.metadata().ok();
        let is_same = now.is_some_and(|now| {
            now.len() == self.found.len() && now.modified().ok() == self.found.modified().ok()
        });
        if !is_same {
            let text = format!("{} was changed while it was read", self.path.display());
            return Err(Failure::new(Code::Store, text).remedy("run it again"));
        }
        output.commit().await
    }
}

/// Opens a file that can be read at once, and again: no device, and no named pipe, of which even
/// opening would wait for a writer.
pub(crate) fn open_regular(path: &Path) -> std::io::Result<File> {
    let found = path.metadata()?;
    if !found.is_file() && !found.is_dir() {
        let kind = std::io::ErrorKind::InvalidInput;
        return Err(std::io::Error::new(kind, "it is not a regular file"));
    }
    File::open(path)
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    let failure = Failure::io(format!("cannot read {}", path.display()), error);
    failure.and("check the path and its permissions")
}

const LONGEST_FRONT: u64 = (64 << 10) + floe::HEADER_LEN as u64;

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn what_was_looked_at_is_not_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let len = usize::try_from(LONGEST_FRONT).unwrap() + 9;
        std::fs::write(file.path(), vec![1; len]).unwrap();
        let found = SealedFile::open(file.path()).unwrap();
        std::fs::write(file.path(), vec![2; len]).unwrap();
        for start in [0, 5] {
            let body: Vec<_> = found.body_from(start).unwrap().try_collect().await.unwrap();
            let body = body.concat();
            assert_eq!(body.len(), len - start);
            assert_eq!(body.iter().filter(|byte| **byte == 1).count(), len - start - 9);
        }
    }
}
