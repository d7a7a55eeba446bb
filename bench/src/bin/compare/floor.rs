//! The floor: what reading a file and the bare cipher cost, as a process of its own.

use std::fs::File;
use std::hint::black_box;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread;

use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::UnboundKey;

use crate::Result;

/// Reads all of `path` in [`THREADS`] threads, and seals what was read where it lies.
pub(crate) fn run(path: &Path) -> Result<()> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    thread::scope(|scope| {
        let start = |range| scope.spawn(|| seal(&file, range));
        let threads: Vec<_> = shares(len).map(start).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread died")?)
    })
}

/// `len` bytes in one range for each thread, in whole units where possible.
fn shares(len: u64) -> impl Iterator<Item = Range<u64>> {
    let share = len.div_ceil(THREADS).next_multiple_of(UNIT as u64);
    (0..THREADS).map(move |i| (i * share).min(len)..((i + 1) * share).min(len))
}

fn seal(file: &File, range: Range<u64>) -> Result<()> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32])?);
    let mut unit = vec![0; UNIT];
    let mut at = range.start;
    while at < range.end {
        let len = usize::try_from(range.end - at).map_or(UNIT, |left| left.min(UNIT));
        let unit = &mut unit[..len];
        file.read_exact_at(unit, at)?;
        for piece in unit.chunks_mut(PIECE) {
            let _tag = black_box(key.seal_in_place_separate_tag(nonce(at), Aad::empty(), piece)?);
            at += piece.len() as u64;
        }
    }
    Ok(())
}

/// The place in the file: no two pieces have the same.
fn nonce(at: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&at.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

const THREADS: u64 = 2;

/// Large enough to make system calls cheap, small enough to stay in the core's cache.
const UNIT: usize = 1 << 20;

/// A segment of waxseal, about.
const PIECE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_cover_the_file_once() {
        let shares = |len| shares(len).collect::<Vec<_>>();
        assert_eq!(shares(4 << 20), [0..2 << 20, 2 << 20..4 << 20]);
        assert_eq!(shares((3 << 20) + 5), [0..2 << 20, 2 << 20..(3 << 20) + 5]);
        assert_eq!(shares(9), [0..9, 9..9]);
    }
}
