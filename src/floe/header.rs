//! The 74 bytes in front of every message.
//!
//! ```text
//!  0   1  AEAD id = 0 (AES-256-GCM)
//!  1   1  KDF id = 0 (HKDF-Expand-SHA-384)
//!  2   4  S, length of a full encrypted segment
//!  6   4  length of the FLOE IV = 32
//! 10  32  FLOE IV, random per message
//! 42  32  header tag
//! ```
//!
//! Source: FLOE specification, "FLOE header".

use crate::error::Error;
use crate::error::Result;
use crate::floe::layout;

/// A header whose parameters are supported. It is authentic only once a key has opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    bytes: [u8; HEADER_LEN],
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    ///
    /// `Format` unless these are [`HEADER_LEN`] bytes with AEAD 0, KDF 0, an IV of 32 bytes and
    /// a segment length between [`MIN_SEGMENT_LEN`](crate::floe::MIN_SEGMENT_LEN) and
    /// `u32::MAX - 1`. Callers bound the segment length further before they allocate by it.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bytes: [u8; HEADER_LEN] = bytes.try_into().map_err(|_| {
            Error::format(format!("a FLOE header has {HEADER_LEN} bytes, not {}", bytes.len()))
        })?;
        let header = Self { bytes };
        if bytes[..PARAMS_LEN] != params(header.segment_len()) {
            return Err(Error::format("the FLOE parameters are not AES-256-GCM with SHA-384"));
        }
        layout::check_segment_len(header.segment_len())
            .map_err(|_| Error::format("the FLOE segment length is out of range"))?;
        Ok(header)
    }

    /// Puts a header together; `tag` is computed over `params_and_iv`.
    pub(super) fn new(params_and_iv: [u8; PARAMS_AND_IV_LEN], tag: &[u8; 32]) -> Self {
        let mut bytes = [0; HEADER_LEN];
        bytes[..PARAMS_AND_IV_LEN].copy_from_slice(&params_and_iv);
        bytes[PARAMS_AND_IV_LEN..].copy_from_slice(tag);
        Self { bytes }
    }

    /// Length of a full encrypted segment in bytes.
    pub fn segment_len(&self) -> u32 {
        let [_, _, a, b, c, d, ..] = self.bytes;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The header as it stands in front of the segments.
    pub fn as_bytes(&self) -> &[u8; HEADER_LEN] {
        &self.bytes
    }

    pub(super) fn params_and_iv(&self) -> [u8; PARAMS_AND_IV_LEN] {
        let mut out = [0; PARAMS_AND_IV_LEN];
        out.copy_from_slice(&self.bytes[..PARAMS_AND_IV_LEN]);
        out
    }

    pub(super) fn tag(&self) -> &[u8] {
        &self.bytes[PARAMS_AND_IV_LEN..]
    }
}

/// The 10 bytes that name the algorithms, the segment length and the length of the IV.
pub(super) fn params(segment_len: u32) -> [u8; PARAMS_LEN] {
    let [a, b, c, d] = segment_len.to_be_bytes();
    [0, 0, a, b, c, d, 0, 0, 0, 32]
}

/// Bytes of a header.
pub const HEADER_LEN: usize = 74;
pub(super) const PARAMS_LEN: usize = 10;
pub(super) const PARAMS_AND_IV_LEN: usize = PARAMS_LEN + 32;
