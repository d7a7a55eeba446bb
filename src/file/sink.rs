//! Where the bytes of a file go: to their places, or one after another.

use std::fs::File;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::error::Error;
use crate::error::Result;
use crate::new_file::NewFile;
use crate::positional;

/// Where a [`FileTransfer`](crate::FileTransfer) writes to.
///
/// A [`NewFile`] is written at several places at a time; any other [`File`], be it a pipe, a
/// device or a file, in order from where it stands.
#[derive(Debug)]
pub struct FileSink {
    file: Arc<File>,
    is_new: bool,
}

impl From<&NewFile> for FileSink {
    fn from(new: &NewFile) -> Self {
        Self { file: new.shared(), is_new: true }
    }
}

impl From<File> for FileSink {
    fn from(file: File) -> Self {
        Self { file: Arc::new(file), is_new: false }
    }
}

impl FileSink {
    pub(super) fn into_sink(self) -> Sink {
        let turns = (!self.is_new).then(Turns::default);
        Sink { file: self.file, turns }
    }
}

pub(super) struct Sink {
    file: Arc<File>,
    /// If it must be written in order.
    turns: Option<Turns>,
}

/// Whose turn it is: threads write in the order of their units.
#[derive(Default)]
struct Turns {
    next: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Clone, Copy)]
enum Turn {
    Of(u64),
    /// After an error: nothing more is to be written.
    Over,
}

impl Default for Turn {
    fn default() -> Self {
        Self::Of(0)
    }
}

impl Sink {
    /// Sets `len` bytes aside, if this is a new file.
    pub(super) fn allocate(&self, len: u64) -> Result<()> {
        if self.turns.is_some() || len == 0 {
            return Ok(());
        }
        positional::allocate(&self.file, len).map_err(cannot_write)
    }

    /// Writes what comes after `offset` bytes, before any unit.
    pub(super) fn append(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let parts = &mut [IoSlice::new(bytes)];
        match &self.turns {
            Some(_) => positional::write_all(&self.file, parts),
            None => positional::write_all_at(&self.file, parts, offset),
        }
        .map_err(cannot_write)
    }

    /// Writes the parts of unit number `unit`, which belong at `offset`; `false` if it did not
    /// because the work was stopped. Nothing comes after the `last` ones.
    pub(super) fn write(
        &self,
        unit: u64,
        parts: &mut [IoSlice<'_>],
        offset: u64,
        last: bool,
    ) -> Result<bool> {
        match &self.turns {
            None => positional::write_all_at(&self.file, parts, offset).map_err(cannot_write)?,
            Some(turns) => {
                if !turns.wait(unit) {
                    return Ok(false);
                }
                positional::write_all(&self.file, parts).map_err(cannot_write)?;
                turns.set(if last { Turn::Over } else { Turn::Of(unit + 1) });
            }
        }
        Ok(true)
    }

    /// Lets no thread wait any longer.
    pub(super) fn stop(&self) {
        if let Some(turns) = &self.turns {
            turns.set(Turn::Over);
        }
    }
}

impl Turns {
    /// Whether the turn came, or nothing more is to be written.
    fn wait(&self, unit: u64) -> bool {
        let mut turn = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *turn {
                Turn::Of(next) if next == unit => return true,
                Turn::Of(_) => {}
                Turn::Over => return false,
            }
            turn = self.changed.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn set(&self, turn: Turn) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*next, Turn::Over) {
            *next = turn;
        }
        self.changed.notify_all();
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::store("cannot write the file", error)
}
