//! Encrypts the segments of a message in order.

use crate::crypto::Nonces;
use crate::error::Error;
use crate::error::Result;
use crate::floe::header::HEADER_LEN;
use crate::floe::kdf::EpochCipher;
use crate::floe::kdf::MessageKeys;
use crate::floe::layout;
use crate::floe::segment;
use crate::floe::segment::OVERHEAD;
use crate::floe::segment::Position;
use crate::secret::SecretKey;

/// Encrypts a message, segment after segment.
///
/// For a message whose length is known, see [`ParallelEncryptor`](crate::floe::ParallelEncryptor).
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

    /// Encrypts the next segments, not the final one, in place.
    ///
    /// `segments` holds one full segment or several, end to end; the plaintext of each stands from
    /// its byte 16 to 16 before its end. Several at a time are quicker, since they share a call for
    /// random IVs. After an error the message cannot go on.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the length is no multiple of the segment length, or the message would have
    /// more than 2^40 segments with a final one; `Keyring` if the system has no randomness.
    ///
    /// Source: FLOE specification, `encryptSegment` with `is_final` false.
    pub fn encrypt(&mut self, segments: &mut [u8]) -> Result<()> {
        if segments.is_empty() || !segments.len().is_multiple_of(self.segment_len()) {
            return Err(Error::invalid_input("internal segments must be full"));
        }
        self.encrypt_all(None, segments)
    }

    /// Encrypts `plain` as the next segments, not the final one, into `segments`.
    ///
    /// As [`encrypt`](Self::encrypt), but the plaintext stands elsewhere, end to end: quicker than
    /// to copy it to its place first.
    ///
    /// # Errors
    ///
    /// As [`encrypt`](Self::encrypt); `InvalidInput` also unless `plain` fills the segments.
    pub fn encrypt_from(&mut self, plain: &[u8], segments: &mut [u8]) -> Result<()> {
        let segment_len = self.segment_len();
        let per_segment = segment_len - OVERHEAD;
        if segments.is_empty()
            || !segments.len().is_multiple_of(segment_len)
            || plain.len() != segments.len() / segment_len * per_segment
        {
            return Err(Error::invalid_input("internal segments must be full"));
        }
        self.encrypt_all(Some(plain), segments)
    }

    fn encrypt_all(&mut self, plain: Option<&[u8]>, segments: &mut [u8]) -> Result<()> {
        let segment_len = self.segment_len();
        let mut pieces = plain.map(|plain| plain.chunks_exact(segment_len - OVERHEAD));
        for group in segments.chunks_mut(segment_len.saturating_mul(Nonces::MOST)) {
            let mut nonces = Nonces::draw(group.len() / segment_len)?;
            for segment in group.chunks_exact_mut(segment_len) {
                let piece = pieces.as_mut().and_then(Iterator::next);
                self.encrypt_next(false, &mut nonces, piece, segment)?;
            }
        }
        Ok(())
    }

    /// Encrypts the final segment, which may be full or as short as 32 bytes, in place.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is shorter or longer; `Keyring` if the system has no randomness.
    ///
    /// Source: FLOE specification, `encryptSegment` with `is_final` true.
    pub fn encrypt_final(mut self, segment: &mut [u8]) -> Result<()> {
        let full = self.segment_len() as u64;
        if !(layout::SEGMENT_OVERHEAD..=full).contains(&(segment.len() as u64)) {
            return Err(Error::invalid_input("a final segment has 32 bytes to a full segment"));
        }
        self.encrypt_next(true, &mut Nonces::draw(1)?, None, segment)
    }

    fn encrypt_next(
        &mut self,
        is_final: bool,
        nonces: &mut Nonces,
        plain: Option<&[u8]>,
        segment: &mut [u8],
    ) -> Result<()> {
        let position = Position { index: self.next, is_final };
        if position.index >= layout::MAX_SEGMENTS - u64::from(!is_final) {
            return Err(Error::invalid_input("a message has at most 2^40 segments"));
        }
        let cipher = EpochCipher::at(self.cipher.take(), &self.keys, position.index)?;
        segment::encrypt(self.cipher.insert(cipher).get(), nonces, position, plain, segment)?;
        self.next += 1;
        Ok(())
    }

    fn segment_len(&self) -> usize {
        self.keys.header().segment_len() as usize
    }

    #[cfg(test)]
    pub(super) fn at(mut self, position: u64) -> Self {
        self.next = position;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn only_plaintext_that_fills_the_segments_is_encrypted() {
        let key = SecretKey::random().unwrap();
        let mut encryptor = Encryptor::new(&key, b"", 64).unwrap();
        for (plain_len, len) in [
            (0, 0),
            (63, 128),
            (65, 128),
            (0, 64),
            (64, 64),
            (32, 128),
            (31, 63),
            (33, 65),
            (32, 65),
        ] {
            let done = encryptor.encrypt_from(&vec![7; plain_len], &mut vec![0; len]);
            let kind = done.unwrap_err().kind();
            assert_eq!(kind, ErrorKind::InvalidInput, "{plain_len} into {len}");
        }
        encryptor.encrypt_from(&[7; 64], &mut [0; 128]).unwrap();
    }
}
