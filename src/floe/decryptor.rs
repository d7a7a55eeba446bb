//! Decrypts the segments of a message in order.

use crate::error::Error;
use crate::error::Result;
use crate::floe::header::Header;
use crate::floe::kdf::EpochCipher;
use crate::floe::kdf::MessageKeys;
use crate::floe::layout;
use crate::floe::segment;
use crate::floe::segment::Position;
use crate::secret::SecretKey;

/// Decrypts a message, segment after segment.
///
/// Every plaintext it returns is authentic at its place; that nothing is missing is known only
/// when [`finish`](Self::finish) agrees.
#[derive(Debug)]
pub struct Decryptor {
    keys: MessageKeys,
    cipher: Option<EpochCipher>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Next(u64),
    Finished,
    Failed,
}

/// What comes after a segment that was decrypted.
impl From<Position> for State {
    fn from(done: Position) -> Self {
        if done.is_final { Self::Finished } else { Self::Next(done.index + 1) }
    }
}

impl Decryptor {
    /// Verifies the header of a message.
    ///
    /// # Errors
    ///
    /// `Authentication` unless the header was made with this key and AAD.
    pub fn new(key: &SecretKey, aad: &[u8], header: &Header) -> Result<Self> {
        let keys = MessageKeys::verify(key, aad, header)?;
        Ok(Self { keys, cipher: None, state: State::Next(0) })
    }

    /// Decrypts the next segment in place and returns its plaintext.
    ///
    /// `segment` is exactly one segment. Whether it is the final one follows from its first four
    /// bytes and is authenticated with it. On an error `segment` is all zero and the decryptor
    /// refuses everything after.
    ///
    /// # Errors
    ///
    /// `Authentication` unless this is what was encrypted at this position.
    ///
    /// Source: FLOE specification, `decryptSegment`.
    pub fn decrypt<'a>(&mut self, segment: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let position = self.begin(segment).inspect_err(|_| segment.fill(0))?;
        let segment_len = self.keys.header().segment_len();
        let cipher = EpochCipher::at(self.cipher.take(), &self.keys, position.index)?;
        let aead = self.cipher.insert(cipher).get();
        let plain = segment::decrypt(aead, segment_len, position, segment)?;
        self.state = position.into();
        Ok(plain)
    }

    /// Decrypts the next segment into `plain`, which must have 32 bytes less.
    ///
    /// As [`decrypt`](Self::decrypt), but the plaintext comes to stand elsewhere: quicker than to
    /// copy the segment first. On an error `plain` is all zero.
    ///
    /// # Errors
    ///
    /// As [`decrypt`](Self::decrypt); `InvalidInput` if `plain` has another length.
    pub fn decrypt_to(&mut self, segment: &[u8], plain: &mut [u8]) -> Result<()> {
        if plain.len() as u64 + layout::SEGMENT_OVERHEAD != segment.len() as u64 {
            plain.fill(0);
            return Err(Error::invalid_input("a segment has 32 bytes more than its plaintext"));
        }
        let position = self.begin(segment).inspect_err(|_| plain.fill(0))?;
        let segment_len = self.keys.header().segment_len();
        let cipher = EpochCipher::at(self.cipher.take(), &self.keys, position.index)?;
        let aead = self.cipher.insert(cipher).get();
        segment::decrypt_to(aead, segment_len, position, segment, plain)?;
        self.state = position.into();
        Ok(())
    }

    /// The position that `segment` claims. Failed until it proves to be there.
    fn begin(&mut self, segment: &[u8]) -> Result<Position> {
        let State::Next(index) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(Error::authentication("data after the final segment or after an error"));
        };
        let position = Position { index, is_final: !segment::is_internal(segment) };
        if index >= layout::MAX_SEGMENTS - u64::from(!position.is_final) {
            return Err(Error::authentication("more than 2^40 segments"));
        }
        Ok(position)
    }

    /// Whether the final segment was decrypted.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    /// Says whether the message was complete.
    ///
    /// # Errors
    ///
    /// `Authentication` unless the final segment was the last one decrypted.
    pub fn finish(self) -> Result<()> {
        if self.is_finished() {
            return Ok(());
        }
        Err(Error::authentication("the message ends before its final segment"))
    }

    #[cfg(test)]
    pub(super) fn keys_mut(&mut self) -> &mut MessageKeys {
        &mut self.keys
    }

    #[cfg(test)]
    pub(super) fn at(mut self, position: u64) -> Self {
        self.state = State::Next(position);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::floe::Encryptor;

    #[test]
    fn a_plaintext_of_another_length_is_refused() {
        let key = SecretKey::random().unwrap();
        let mut encryptor = Encryptor::new(&key, b"", 64).unwrap();
        let header = Header::parse(encryptor.header()).unwrap();
        let mut segment = [7; 64];
        encryptor.encrypt(&mut segment).unwrap();
        let decrypt = |len| {
            let mut plain = vec![0xff; len];
            let done = Decryptor::new(&key, b"", &header)?.decrypt_to(&segment, &mut plain);
            assert!(done.is_ok() || plain.iter().all(|&b| b == 0), "{len}");
            done.map(|()| plain)
        };
        for len in [0, 31, 33, 64] {
            assert_eq!(decrypt(len).unwrap_err().kind(), ErrorKind::InvalidInput, "{len}");
        }
        assert_eq!(decrypt(32).unwrap(), [7; 32]);
    }
}
