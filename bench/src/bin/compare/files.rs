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
                "{} has {free} MiB free, this wants {want}: give another --dir, or a smaller --size",
                dir.display()
            )
            .into());
        }
        // Programs are given paths that hold wherever they look from.
        let folder =
            tempfile::Builder::new().prefix("waxseal-compare-").tempdir_in(dir.canonicalize()?)?;
        let path = |name| folder.path().join(name);
        let (plain, sealed, opened) = (path("plain"), path("sealed.bin"), path("opened"));
        write_random(&plain, size)?;
        Ok(Self { folder, plain, sealed, opened })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
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
    let mut file = File::open(path)?;
    let mut buffer = vec![0; BUFFER];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

fn free(dir: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn write_random(path: &Path, size: u64) -> Result<()> {
    let mut file = File::create(path)?;
    let mut buffer = vec![0; BUFFER];
    let mut left = size;
    while left > 0 {
        let len = usize::try_from(left).map_or(BUFFER, |left| left.min(BUFFER));
        aws_lc_rs::rand::fill(&mut buffer[..len])?;
        file.write_all(&buffer[..len])?;
        left -= len as u64;
    }
    Ok(())
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

/// Small: the peak of this process is counted as its children's, see `measure`.
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
