//! Encrypts any part of a message whose length is known.

use crate::crypto::Nonces;
use crate::error::Error;
use crate::error::Result;
use crate::floe::header::HEADER_LEN;
use crate::floe::kdf::MessageKeys;
use crate::floe::kdf::SharedCipher;
use crate::floe::layout::Layout;
use crate::floe::layout::Span;
use crate::floe::segment;
use crate::floe::segment::Position;
use crate::secret::SecretKey;

/// Encrypts the segments of one message in any order.
///
/// The counterpart of [`RandomAccess`](crate::floe::RandomAccess): the length is known when it
/// begins, so positions and the final segment follow from the [`Layout`]. Immutable: share it
/// between threads. The message is complete once every segment was encrypted; a reader refuses
/// whatever else stands in place of one.
///
/// ```
/// use waxseal::{SecretKey, floe};
///
/// let key = SecretKey::random()?;
/// let layout = floe::Layout::of_plaintext(64, 70)?;
/// let encryptor = floe::ParallelEncryptor::new(&key, b"aad", layout)?;
/// let mut body = [0; 32 + 32 + 32 + 6 + 64];
/// for segment in [2, 0, 1] {
///     let span = layout.segments_span(segment..segment + 1)?;
///     let place = span.body().start as usize..span.body().end as usize;
///     encryptor.encrypt(&span, &mut body[place])?;
/// }
///
/// let header = floe::Header::parse(encryptor.header())?;
/// let mut decryptor = floe::Decryptor::new(&key, b"aad", &header)?;
/// for segment in body.chunks_mut(64) {
///     decryptor.decrypt(segment)?;
/// }
/// decryptor.finish()?;
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug)]
pub struct ParallelEncryptor {
    keys: MessageKeys,
    layout: Layout,
    cipher: SharedCipher,
}

impl ParallelEncryptor {
    /// Starts a message of the length and segment length that `layout` has.
    ///
    /// # Errors
    ///
    /// `Keyring` if the system has no randomness.
    pub fn new(key: &SecretKey, aad: &[u8], layout: Layout) -> Result<Self> {
        let segment_len = u32::try_from(layout.segment_len())
            .map_err(|_| Error::invalid_input("segment too long"))?;
        let keys = MessageKeys::generate(key, aad, segment_len)?;
        let cipher = SharedCipher::new(&keys, 0)?;
        Ok(Self { keys, layout, cipher })
    }

    /// The header, which goes in front of the first segment.
    pub fn header(&self) -> &[u8; HEADER_LEN] {
        self.keys.header().as_bytes()
    }

    /// The shape of the message.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Encrypts the segments of `span` in `body`, in place.
    ///
    /// The plaintext stands in `body` at the places that [`Span::plaintext`] tells.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `span` is of another layout or holds parts of segments, or `body` is not
    /// as long as it says; `Keyring` if the system has no randomness.
    pub fn encrypt(&self, span: &Span, body: &mut [u8]) -> Result<()> {
        if span.layout() != &self.layout || body.len() as u64 != span.body_len() || !span.is_whole()
        {
            return Err(Error::invalid_input("the span does not describe these bytes"));
        }
        let last = self.layout.segments() - 1;
        let (mut nonces, mut held) = (Nonces::draw(0)?, None);
        for (drawn, (index, place)) in span.segments().enumerate() {
            if drawn % Nonces::MOST == 0 {
                nonces = Nonces::draw(span.segment_count().saturating_sub(drawn))?;
            }
            let position = Position { index, is_final: index == last };
            let cipher = self.cipher.at(held.take(), &self.keys, index)?;
            let aead = held.insert(cipher).get();
            segment::encrypt(aead, &mut nonces, position, None, &mut body[place])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn only_whole_segments_of_its_own_layout_are_encrypted() {
        let key = SecretKey::random().unwrap();
        let layout = Layout::of_plaintext(64, 100).unwrap();
        let encryptor = ParallelEncryptor::new(&key, b"", layout).unwrap();
        let other = Layout::of_plaintext(64, 101).unwrap();
        let whole = layout.segments_span(1..3).unwrap();
        for (span, len) in [
            (&other.segments_span(1..3).unwrap(), 128),
            (&layout.span(32..95).unwrap(), 128),
            (&layout.span(33..96).unwrap(), 128),
            (&whole, 127),
            (&whole, 129),
        ] {
            let error = encryptor.encrypt(span, &mut vec![0; len]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        encryptor.encrypt(&whole, &mut [0; 128]).unwrap();
        encryptor.encrypt(&layout.span(32..96).unwrap(), &mut [0; 128]).unwrap();
        for none in [0..0, 4..5, 2..2] {
            assert!(layout.segments_span(none).is_err());
        }
    }

    /// Across epochs and runs of nonces, and an empty message, which has one segment.
    #[test]
    fn every_segment_is_what_a_decryptor_expects() {
        for (plain_len, bits) in [(0, 20), (100 * 32, 2), (100 * 32 + 5, 20)] {
            let key = SecretKey::random().unwrap();
            let layout = Layout::of_plaintext(64, plain_len).unwrap();
            let mut encryptor = ParallelEncryptor::new(&key, b"aad", layout).unwrap();
            encryptor.keys.set_epoch_bits(bits);
            let all = layout.segments_span(0..layout.segments()).unwrap();
            let mut body = vec![7; usize::try_from(layout.body_len()).unwrap()];
            encryptor.encrypt(&all, &mut body).unwrap();

            let header = crate::floe::Header::parse(encryptor.header()).unwrap();
            let mut decryptor = crate::floe::Decryptor::new(&key, b"aad", &header).unwrap();
            decryptor.keys_mut().set_epoch_bits(bits);
            let mut opened = 0;
            for segment in body.chunks_mut(64) {
                let plain = decryptor.decrypt(segment).unwrap();
                assert!(plain.iter().all(|b| *b == 7));
                opened += plain.len() as u64;
            }
            decryptor.finish().unwrap();
            assert_eq!(opened, plain_len);
        }
    }
}
