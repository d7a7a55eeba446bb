//! Decrypts any part of a message whose end is verified.

use crate::error::Error;
use crate::error::Result;
use crate::floe::header::Header;
use crate::floe::kdf::MessageKeys;
use crate::floe::kdf::SharedCipher;
use crate::floe::layout::Layout;
use crate::floe::layout::Span;
use crate::floe::segment;
use crate::floe::segment::Position;
use crate::secret::SecretKey;

/// Decrypts segments of a message in any order.
///
/// Exists only once the final segment has been verified, so the length is proven and positions
/// follow from it. Immutable: share it between tasks.
#[derive(Debug)]
pub struct RandomAccess {
    keys: MessageKeys,
    layout: Layout,
    cipher: SharedCipher,
}

impl RandomAccess {
    /// Verifies the header and the final segment of a message.
    ///
    /// `layout` is what the length of the stored body claims; `final_segment` holds the bytes at
    /// its [`final_segment`](Layout::final_segment). They are decrypted in place: on success the
    /// plaintext stands from byte 16 to 16 before the end.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the layout has another segment length or final segment than these;
    /// `Authentication` unless header and final segment were made with this key and AAD and the
    /// segment is the final one at that place; `final_segment` is then all zero.
    pub fn new(
        key: &SecretKey,
        aad: &[u8],
        header: &Header,
        layout: Layout,
        final_segment: &mut [u8],
    ) -> Result<Self> {
        let std::ops::Range { start, end } = layout.final_segment();
        if layout.segment_len() != u64::from(header.segment_len())
            || final_segment.len() as u64 != end - start
        {
            final_segment.fill(0);
            return Err(Error::invalid_input("the layout does not describe these bytes"));
        }
        let keys = MessageKeys::verify(key, aad, header).inspect_err(|_| final_segment.fill(0))?;
        let position = Position { index: layout.segments() - 1, is_final: true };
        let cipher = SharedCipher::new(&keys, position.index)?;
        let aead = cipher.at(None, &keys, position.index)?;
        segment::decrypt(aead.get(), header.segment_len(), position, final_segment)?;
        Ok(Self { keys, layout, cipher })
    }

    /// The verified header.
    pub fn header(&self) -> &Header {
        self.keys.header()
    }

    /// The proven layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Decrypts the segments of `span`, which `body` holds, in place.
    ///
    /// On success the plaintext stands in `body` at the places that [`Span::plaintext`] tells.
    /// On an error `body` is all zero.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `span` is of another layout or `body` not as long as it says;
    /// `Authentication` if a segment was altered.
    pub fn decrypt(&self, span: &Span, body: &mut [u8]) -> Result<()> {
        if span.layout() != &self.layout || body.len() as u64 != span.body_len() {
            body.fill(0);
            return Err(Error::invalid_input("the span does not describe these bytes"));
        }
        let segment_len = self.keys.header().segment_len();
        let mut held = None;
        for (index, place) in span.segments() {
            let position = Position { index, is_final: index == self.layout.segments() - 1 };
            let decrypted = self.cipher.at(held.take(), &self.keys, index).and_then(|cipher| {
                let aead = held.insert(cipher).get();
                segment::decrypt(aead, segment_len, position, &mut body[place]).map(drop)
            });
            if let Err(error) = decrypted {
                body.fill(0);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Decrypts the segments of `span`, which `body` holds, into `plain`.
    ///
    /// `span` is of whole segments, see [`Layout::segments_span`]; their plaintext comes to stand
    /// end to end in `plain`, which is as long. Quicker than to copy `body` and decrypt in place.
    /// On an error `plain` is all zero.
    ///
    /// # Errors
    ///
    /// As [`decrypt`](Self::decrypt); `InvalidInput` also if `span` holds parts of segments or
    /// `plain` has another length.
    pub fn decrypt_to(&self, span: &Span, body: &[u8], plain: &mut [u8]) -> Result<()> {
        let std::ops::Range { start, end } = span.plain();
        if span.layout() != &self.layout
            || !span.is_whole()
            || body.len() as u64 != span.body_len()
            || plain.len() as u64 != end - start
        {
            plain.fill(0);
            return Err(Error::invalid_input("the span does not describe these bytes"));
        }
        let segment_len = self.keys.header().segment_len();
        let (mut held, mut at) = (None, 0);
        for ((index, place), data) in span.segments().zip(span.plaintext()) {
            let position = Position { index, is_final: index == self.layout.segments() - 1 };
            let decrypted = self.cipher.at(held.take(), &self.keys, index).and_then(|cipher| {
                let aead = held.insert(cipher).get();
                let plain = &mut plain[at..at + data.len()];
                segment::decrypt_to(aead, segment_len, position, &body[place], plain)
            });
            if let Err(error) = decrypted {
                plain.fill(0);
                return Err(error);
            }
            at += data.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::floe::Encryptor;

    /// A message of 100 bytes in four segments, sealed: what opens it, and its body.
    fn sample() -> (RandomAccess, Vec<u8>) {
        let key = SecretKey::random().unwrap();
        let layout = Layout::of_plaintext(64, 100).unwrap();
        let mut encryptor = Encryptor::new(&key, b"", 64).unwrap();
        let header = Header::parse(encryptor.header()).unwrap();
        let mut body = vec![7; 3 * 64 + 36];
        encryptor.encrypt(&mut body[..3 * 64]).unwrap();
        encryptor.encrypt_final(&mut body[3 * 64..]).unwrap();
        let last = &mut body[3 * 64..].to_vec();
        (RandomAccess::new(&key, b"", &header, layout, last).unwrap(), body)
    }

    #[test]
    fn only_whole_segments_of_its_own_layout_are_decrypted_elsewhere() {
        let (access, body) = sample();
        let layout = access.layout();
        let other = Layout::of_plaintext(64, 101).unwrap();
        let whole = layout.segments_span(1..3).unwrap();
        for (span, body_len, plain_len) in [
            (&other.segments_span(1..3).unwrap(), 128, 64),
            (&layout.span(32..95).unwrap(), 128, 63),
            (&layout.span(33..96).unwrap(), 128, 63),
            (&whole, 127, 64),
            (&whole, 129, 64),
            (&whole, 128, 63),
            (&whole, 128, 65),
            (&whole, 128, 0),
        ] {
            let mut plain = vec![0xff; plain_len];
            let error = access.decrypt_to(span, &body[64..64 + body_len], &mut plain).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{span:?} {body_len} {plain_len}");
            assert_eq!(plain, vec![0; plain_len]);
        }
        for span in [&whole, &layout.span(32..96).unwrap()] {
            let mut plain = [0xff; 64];
            access.decrypt_to(span, &body[64..192], &mut plain).unwrap();
            assert_eq!(plain, [7; 64]);
        }
    }

    #[test]
    fn only_the_segments_of_a_span_of_its_own_layout_are_decrypted() {
        let (access, body) = sample();
        let other = Layout::of_plaintext(64, 101).unwrap();
        let part = access.layout().span(33..95).unwrap();
        for (span, len) in [(&other.span(33..95).unwrap(), 128), (&part, 127), (&part, 129)] {
            let mut bytes = body[64..64 + len].to_vec();
            let error = access.decrypt(span, &mut bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{span:?} {len}");
            assert_eq!(bytes, vec![0; len]);
        }
        let mut bytes = body[64..192].to_vec();
        access.decrypt(&part, &mut bytes).unwrap();
        assert!(part.plaintext().flatten().all(|at| bytes[at] == 7));
    }

    /// Those before the altered one were decrypted, and are not let out either.
    #[test]
    fn an_altered_segment_leaves_nothing_of_the_others() {
        let (access, mut body) = sample();
        let all = access.layout().segments_span(0..4).unwrap();
        let mut plain = [0xff; 100];
        access.decrypt_to(&all, &body, &mut plain).unwrap();
        assert_eq!(plain, [7; 100]);
        access.decrypt(&all, &mut body.clone()).unwrap();

        body[2 * 64 + 20] ^= 1;
        let error = access.decrypt_to(&all, &body, &mut plain).unwrap_err();
        assert_eq!((error.kind(), plain), (ErrorKind::Authentication, [0; 100]));
        let error = access.decrypt(&all, &mut body).unwrap_err();
        assert_eq!((error.kind(), body), (ErrorKind::Authentication, vec![0; 3 * 64 + 36]));
    }
}
