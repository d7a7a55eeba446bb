//! The temporary folder and the files in it.

use std::env;
use std::fs;
use std::fs::File;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::Result;
use crate::size::Bytes;

/// The data to seal and the places where results go, in a folder that is deleted with this.
#[derive(Debug)]
pub(crate) struct Files {
    folder: TempDir,
    /// The random data.
    pub(crate) plain: PathBuf,
    /// Where a program puts what it seals. rclone insists on the ending.
    pub(crate) sealed: PathBuf,
    /// Where a program puts what it opens or copies.
    pub(crate) opened: PathBuf,
}

impl Files {
    pub(crate) fn new(dir: Option<&Path>, size: u64) -> Result<Self> {
        let dir = dir.map_or_else(env::temp_dir, Path::to_owned);
        let free = free(&dir).map_err(|e| format!("cannot use {}: {e}", dir.display()))?;
        let want = size.saturating_mul(4);
        if free < want {
            let (want, free) = (Bytes(want), free >> 20);
            return Err(format!(
                "{} has {free} MiB free, this wants {want}: give another --dir, or less --size",
                dir.display()
            )
            .into());
        }
        eprintln!("making {} of random data", Bytes(size));
        // Programs are given paths that hold wherever they look from.
        let folder =
            tempfile::Builder::new().prefix("waxseal-compare-").tempdir_in(dir.canonicalize()?)?;
        let path = |name| folder.path().join(name);
        let (plain, sealed, opened) = (path("plain"), path("sealed.bin"), path("opened"));
        let random = |buffer: &mut [u8]| Ok(aws_lc_rs::rand::fill(buffer)?);
        write(&mut File::create(&plain)?, size, random)?;
        Ok(Self { folder, plain, sealed, opened })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the data anew, into a fresh file.
    ///
    /// Systems that save memory drop files from the page cache when nobody reads them for half a
    /// minute. Read again from the disk they lie there in small pieces, and reading those takes
    /// up to twice as long.
    pub(crate) fn renew(&self) -> Result<()> {
        let (mut old, new) = (File::open(&self.plain)?, self.folder().join("new"));
        let read = |buffer: &mut [u8]| Ok(old.read_exact(buffer)?);
        write(&mut File::create(&new)?, self.plain.metadata()?.len(), read)?;
        Ok(fs::rename(new, &self.plain)?)
    }

    /// Whether what was opened is what was sealed.
    pub(crate) fn came_back(&self) -> Result<bool> {
        same(&self.plain, &self.opened)
    }
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Reads all of a file, which leaves it in the page cache.
pub(crate) fn warm(path: &Path) -> Result<()> {
    let mut file = File::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut buffer = vec![0; BUFFER];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Writes as much as the data to a file and deletes it, so that the next file takes its memory.
///
/// A virtual machine may give memory that is free for seconds back to its host, and getting it
/// again can cost more than all else. With this, each file is written to memory that is at hand,
/// whoever had the turn before. Nothing of it reaches the disk.
pub(crate) fn warm_memory(files: &Files) -> Result<()> {
    let path = files.folder().join("scratch");
    let len = files.plain.metadata()?.len().saturating_add(SLACK);
    write(&mut File::create(&path)?, len, |_| Ok(()))?;
    remove(&path)
}

/// Writes `len` bytes by the buffer, which `fill` fills.
fn write(file: &mut File, len: u64, mut fill: impl FnMut(&mut [u8]) -> Result<()>) -> Result<()> {
    let mut buffer = vec![7; BUFFER];
    let mut left = len;
    while left > 0 {
        let len = usize::try_from(left).map_or(BUFFER, |left| left.min(BUFFER));
        fill(&mut buffer[..len])?;
        file.write_all(&buffer[..len])?;
        left -= len as u64;
    }
    Ok(())
}

fn free(dir: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn same(one: &Path, other: &Path) -> Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (Vec::with_capacity(BUFFER), Vec::with_capacity(BUFFER));
    loop {
        left.clear();
        right.clear();
        (&mut one).take(BUFFER as u64).read_to_end(&mut left)?;
        (&mut other).take(BUFFER as u64).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

/// What sealing adds, and the memory of a program.
const SLACK: u64 = 64 << 20;

/// Large enough for the page cache to hold the file in large pieces. Not larger: the peak of this
/// process is counted as its children's, see `measure`.
const BUFFER: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_same_to_the_last_byte() {
        let folder = TempDir::new().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let mut bytes = vec![7; BUFFER + 9];
        fs::write(&one, &bytes).unwrap();
        fs::write(&other, &bytes).unwrap();
        assert!(same(&one, &other).unwrap());
        fs::write(&other, &bytes[..BUFFER]).unwrap();
        assert!(!same(&one, &other).unwrap());
        bytes[BUFFER + 8] = 8;
        fs::write(&other, &bytes).unwrap();
        assert!(!same(&one, &other).unwrap());
    }
}
