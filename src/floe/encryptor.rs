//! Encrypts the segments of a message in order.

use crate::error::Error;
use crate::error::Result;
use crate::floe::header::HEADER_LEN;
use crate::floe::kdf::EpochCipher;
use crate::floe::kdf::MessageKeys;
use crate::floe::layout;
use crate::floe::segment;
use crate::floe::segment::Position;
use crate::secret::SecretKey;

/// Encrypts a message, segment after segment.
///
/// The bytes are written around the plaintext in place. A message is complete only with
/// [`encrypt_final`](Self::encrypt_final), which consumes the encryptor; without it readers
/// refuse the message as cut short.
#[derive(Debug)]
pub struct Encryptor {
    keys: MessageKeys,
    cipher: Option<EpochCipher>,
    next: u64,
}

impl Encryptor {
    /// Starts a message with full segments of `segment_len` bytes, overhead included.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `segment_len` is 32 or less or `u32::MAX`; `Keyring` if the system has no
    /// randomness.
    pub fn new(key: &SecretKey, aad: &[u8], segment_len: u32) -> Result<Self> {
        layout::check_segment_len(segment_len)?;
        let keys = MessageKeys::generate(key, aad, segment_len)?;
        Ok(Self { keys, cipher: None, next: 0 })
    }

    /// The header, which goes in front of the first segment.
    pub fn header(&self) -> &[u8; HEADER_LEN] {
        self.keys.header().as_bytes()
    }

    /// Encrypts the next segment, not the final one, in place.
    ///
    /// `segment` has the full segment length; its plaintext stands from byte 16 to 16 before the
    /// end. On an error `segment` holds nothing of use and the message cannot go on.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the length is another or the message has 2^40 - 1 segments already;
    /// `Keyring` if the system has no randomness.
    ///
    /// Source: FLOE specification, `encryptSegment` with `is_final` false.
    pub fn encrypt(&mut self, segment: &mut [u8]) -> Result<()> {
        if segment.len() as u64 != u64::from(self.keys.header().segment_len()) {
            return Err(Error::invalid_input("an internal segment must be full"));
        }
        self.encrypt_at(false, segment)?;
        self.next += 1;
        Ok(())
    }

    /// Encrypts the final segment, which may be full or as short as 32 bytes, in place.
    ///
    /// # Errors
    ///
    /// As [`encrypt`](Self::encrypt).
    ///
    /// Source: FLOE specification, `encryptSegment` with `is_final` true.
    pub fn encrypt_final(mut self, segment: &mut [u8]) -> Result<()> {
        let full = u64::from(self.keys.header().segment_len());
        if !(layout::SEGMENT_OVERHEAD..=full).contains(&(segment.len() as u64)) {
            return Err(Error::invalid_input("a final segment has 32 bytes to a full segment"));
        }
        self.encrypt_at(true, segment)
    }

    fn encrypt_at(&mut self, is_final: bool, segment: &mut [u8]) -> Result<()> {
        let position = Position { index: self.next, is_final };
        if position.index >= layout::MAX_SEGMENTS - u64::from(!is_final) {
            return Err(Error::invalid_input("a message has at most 2^40 segments"));
        }
        let cipher = EpochCipher::at(self.cipher.take(), &self.keys, position.index)?;
        segment::encrypt(self.cipher.insert(cipher).get(), position, segment)
    }

    #[cfg(test)]
    pub(super) fn at(mut self, position: u64) -> Self {
        self.next = position;
        self
    }
}
