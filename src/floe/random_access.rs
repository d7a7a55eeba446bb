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
