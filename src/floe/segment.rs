//! One segment at a position that a layout or a counter made.
//!
//! ```text
//! 0    4  0xFFFFFFFF for an internal segment; the length of this segment for the final one
//! 4   12  AES-GCM IV, random
//! 16   n  ciphertext
//! ..  16  tag over AAD = u64(position) || 0x00 (internal) or 0x01 (final)
//! ```
//!
//! Source: FLOE specification, "encryptSegment" and "decryptSegment".

use crate::crypto::Aead;
use crate::crypto::NONCE_LEN;
use crate::crypto::Nonce;
use crate::crypto::Nonces;
use crate::crypto::TAG_LEN;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;

/// Where a segment stands. Only counters and verified layouts make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) index: u64,
    pub(super) is_final: bool,
}

/// Encrypts `plain` into `segment`, or without it what stands there already, between
/// [`DATA_OFFSET`] and the last 16 bytes.
///
/// The caller has checked that `segment` has `S` bytes, or 32 to `S` if it is final, and that
/// `plain` has 32 less.
pub(super) fn encrypt(
    aead: &Aead,
    nonces: &mut Nonces,
    position: Position,
    plain: Option<&[u8]>,
    segment: &mut [u8],
) -> Result<()> {
    let prefix = if position.is_final {
        u32::try_from(segment.len()).map_err(|_| Error::invalid_input("segment too long"))?
    } else {
        INTERNAL
    };
    let aad = aad(position);
    let (head, sealed) = segment.split_at_mut(DATA_OFFSET);
    let iv = match plain {
        Some(plain) => aead.seal_from(nonces, &aad, plain, sealed)?,
        None => {
            let data_len = sealed.len() - TAG_LEN;
            let (in_out, tag_at) = sealed.split_at_mut(data_len);
            let (iv, tag) = aead.seal_with(nonces, &aad, in_out)?;
            tag_at.copy_from_slice(&tag);
            iv
        }
    };
    head[..PREFIX_LEN].copy_from_slice(&prefix.to_be_bytes());
    head[PREFIX_LEN..].copy_from_slice(&iv);
    Ok(())
}

/// Decrypts in place and returns the plaintext; on failure `segment` is all zero.
///
/// # Errors
///
/// `Authentication` unless `segment` is what was encrypted at this position.
pub(super) fn decrypt<'a>(
    aead: &Aead,
    segment_len: u32,
    position: Position,
    segment: &'a mut [u8],
) -> Result<&'a mut [u8]> {
    let Some(iv) = iv(segment_len, position, segment) else {
        segment.fill(0);
        return Err(not_authentic(position));
    };
    let (head, sealed) = segment.split_at_mut(DATA_OFFSET);
    aead.open(&iv, &aad(position), sealed).ok_or_else(|| {
        head.fill(0);
        not_authentic(position)
    })
}

/// Decrypts into `plain`, which has 32 bytes less than `segment`; on failure it is all zero.
///
/// # Errors
///
/// As [`decrypt`].
pub(super) fn decrypt_to(
    aead: &Aead,
    segment_len: u32,
    position: Position,
    segment: &[u8],
    plain: &mut [u8],
) -> Result<()> {
    let opened = iv(segment_len, position, segment)
        .is_some_and(|iv| aead.open_to(&iv, &aad(position), &segment[DATA_OFFSET..], plain));
    if !opened {
        plain.fill(0);
        return Err(not_authentic(position));
    }
    Ok(())
}

/// The IV of a segment that has the length and the prefix that belong to its position.
fn iv(segment_len: u32, position: Position, segment: &[u8]) -> Option<Nonce> {
    let well_formed = if position.is_final {
        final_len(segment_len, segment) == Some(segment.len())
    } else {
        segment.len() as u64 == u64::from(segment_len) && is_internal(segment)
    };
    well_formed.then(|| segment.get(PREFIX_LEN..DATA_OFFSET)?.try_into().ok())?
}

fn not_authentic(position: Position) -> Error {
    let text = format!("segment {} is not authentic", position.index);
    Error::new(ErrorKind::Authentication, text)
}

/// The length that `segment` claims as a final one, 32 to `segment_len`; `None` if it claims to
/// be internal or something impossible, or is too short to tell.
fn final_len(segment_len: u32, segment: &[u8]) -> Option<usize> {
    let claimed = u32::from_be_bytes(*segment.first_chunk()?) as usize;
    (OVERHEAD..=segment_len as usize).contains(&claimed).then_some(claimed)
}

/// Whether `segment` claims to be internal.
pub(crate) fn is_internal(segment: &[u8]) -> bool {
    segment.first_chunk() == Some(&INTERNAL_BYTES)
}

fn aad(position: Position) -> [u8; 9] {
    let mut aad = [0; 9];
    aad[..8].copy_from_slice(&position.index.to_be_bytes());
    aad[8] = u8::from(position.is_final);
    aad
}

/// Where the plaintext, later the ciphertext, begins in a segment.
pub(crate) const DATA_OFFSET: usize = PREFIX_LEN + NONCE_LEN;
/// Bytes around the plaintext of a segment.
pub(crate) const OVERHEAD: usize = DATA_OFFSET + TAG_LEN;
const PREFIX_LEN: usize = 4;
const INTERNAL: u32 = u32::MAX;
const INTERNAL_BYTES: [u8; PREFIX_LEN] = INTERNAL.to_be_bytes();
