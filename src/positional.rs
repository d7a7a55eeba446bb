//! Reads and writes at a place of a file, whoever else uses it.

use std::fs::File;
use std::io;
use std::io::IoSlice;
use std::io::IoSliceMut;

/// The length of a file that can be read at any place and stands at its beginning, else 0.
pub(crate) fn regular_len(mut file: &File) -> io::Result<u64> {
    use io::Seek as _;
    let metadata = file.metadata()?;
    let at_start = metadata.is_file() && file.stream_position()? == 0;
    Ok(if at_start { metadata.len() } else { 0 })
}

/// Reads at `offset` until `parts`, one after another, are full.
///
/// # Errors
///
/// `UnexpectedEof` if the file ends before.
pub(crate) fn read_exact_at(
    file: &File,
    mut parts: &mut [IoSliceMut<'_>],
    mut offset: u64,
) -> io::Result<()> {
    IoSliceMut::advance_slices(&mut parts, 0); // past empty ones
    while !parts.is_empty() {
        match read_at(file, parts, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                IoSliceMut::advance_slices(&mut parts, read);
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `parts`, one after another, at `offset`.
pub(crate) fn write_all_at(
    file: &File,
    mut parts: &mut [IoSlice<'_>],
    mut offset: u64,
) -> io::Result<()> {
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match write_at(file, parts, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                IoSlice::advance_slices(&mut parts, written);
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `parts`, one after another, where the file stands.
pub(crate) fn write_all(mut file: &File, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
    use io::Write as _;
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match file.write_vectored(parts) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut parts, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sets aside `len` bytes on the disk, which tells at once if it is full and lets several threads
/// write: twice as fast as a file that grows (ext4). Less of a file system, it only sets the length.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
        done => return Ok(done?),
    }
    file.set_len(len)
}

// One call for many segments, where the system has it.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn read_at(file: &File, parts: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
    let most = parts.len().min(MOST_PARTS);
    Ok(rustix::io::preadv(file, &mut parts[..most], offset)?)
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn write_at(file: &File, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pwritev(file, &parts[..parts.len().min(MOST_PARTS)], offset)?)
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_os = "freebsd"))))]
fn read_at(file: &File, parts: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, &mut parts[0], offset)
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_os = "freebsd"))))]
fn write_at(file: &File, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, &parts[0], offset)
}

#[cfg(windows)]
fn read_at(file: &File, parts: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, &mut parts[0], offset)
}

#[cfg(windows)]
fn write_at(file: &File, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, &parts[0], offset)
}

/// Linux's IOV_MAX.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const MOST_PARTS: usize = 1024;
