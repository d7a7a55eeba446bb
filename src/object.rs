//! A sealed object over streams: sealed and opened in order, or opened at random.
//!
//! Async, and the only place where futures meet formats; knows nothing of AWS. Memory is bounded:
//! sealing holds one batch, opening one segment, a parallel read a few pieces, whatever the object.

mod body;
mod from_file;
mod open;
mod piece;
mod random;
mod read_at;
mod seal;

pub use body::Body;
pub use random::Object;
pub use read_at::ReadAt;

#[cfg(feature = "s3")]
pub(crate) use body::Counter;
pub(crate) use from_file::cannot_read;
pub(crate) use from_file::seal_from_file;
pub(crate) use from_file::split;
pub(crate) use open::Opening;
pub(crate) use open::open_slice;
pub(crate) use random::FLOE_HEADER_LEN;
pub(crate) use random::layout;
pub(crate) use random::read_exactly;
#[cfg(feature = "s3")]
pub(crate) use read_at::slice;
pub(crate) use seal::Sealing;
pub(crate) use seal::seal_slice;

use crate::error::Error;
use crate::error::Result;

/// The length of a buffer, which must fit this machine's memory.
pub(crate) fn buffer_len(len: u64) -> Result<usize> {
    usize::try_from(len).map_err(|_| Error::invalid_input("too large for this machine's memory"))
}
