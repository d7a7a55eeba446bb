//! FLOE the slow and obvious way, straight from the format description, as an oracle.
//!
//! On RustCrypto crates, with IVs given by the caller so that messages can be repeated. Nothing
//! here is shared with `src/`. A message is taken apart by looking at the whole of it.

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use hmac::Hmac;
use hmac::Mac;
use sha2::Sha384;

/// The parameters and inputs of one message.
pub(crate) struct Message<'a> {
    pub(crate) key: [u8; 32],
    pub(crate) aad: &'a [u8],
    pub(crate) segment_len: u32,
    pub(crate) iv: [u8; 32],
    /// 20, but for the known answers that rotate keys every four segments.
    pub(crate) epoch_bits: u32,
}

impl Message<'_> {
    fn params(&self) -> Vec<u8> {
        [&[0, 0][..], &self.segment_len.to_be_bytes(), &32u32.to_be_bytes()].concat()
    }

    fn kdf(&self, key: &[u8], purpose: &[u8], len: usize) -> Vec<u8> {
        let mut mac = <Hmac<Sha384> as KeyInit>::new_from_slice(key).unwrap();
        for part in [&self.params()[..], &self.iv, purpose, self.aad, &[1]] {
            mac.update(part);
        }
        mac.finalize().into_bytes()[..len].to_vec()
    }

    pub(crate) fn message_key(&self) -> Vec<u8> {
        self.kdf(&self.key, b"MESSAGE_KEY:", 48)
    }

    pub(crate) fn segment_key(&self, position: u64) -> Vec<u8> {
        let epoch = position / (1 << self.epoch_bits) * (1 << self.epoch_bits);
        self.kdf(&self.message_key(), &[b"DEK:", &epoch.to_be_bytes()[..]].concat(), 32)
    }

    pub(crate) fn header(&self) -> Vec<u8> {
        let tag = self.kdf(&self.key, b"HEADER_TAG:", 32);
        [&self.params()[..], &self.iv, &tag].concat()
    }

    pub(crate) fn encrypt_segment(
        &self,
        position: u64,
        is_final: bool,
        iv: [u8; 12],
        plain: &[u8],
    ) -> Vec<u8> {
        let aad = [&position.to_be_bytes()[..], &[u8::from(is_final)]].concat();
        let cipher = Aes256Gcm::new_from_slice(&self.segment_key(position)).unwrap();
        let sealed = cipher.encrypt(&iv.into(), Payload { msg: plain, aad: &aad }).unwrap();
        let len = u32::try_from(4 + 12 + sealed.len()).unwrap();
        let prefix = if is_final { len } else { u32::MAX };
        [&prefix.to_be_bytes()[..], &iv, &sealed].concat()
    }

    /// A whole message. `empty_final`: end a multiple of a segment with an empty one.
    pub(crate) fn encrypt(
        &self,
        plain: &[u8],
        empty_final: bool,
        iv: impl Fn(u64) -> [u8; 12],
    ) -> Vec<u8> {
        let per_segment = self.segment_len as usize - 32;
        let mut pieces: Vec<&[u8]> = plain.chunks(per_segment).collect();
        if pieces.is_empty() || (empty_final && plain.len().is_multiple_of(per_segment)) {
            pieces.push(&[]);
        }
        let mut out = self.header();
        for (i, piece) in pieces.iter().enumerate() {
            let is_final = i + 1 == pieces.len();
            out.extend(self.encrypt_segment(i as u64, is_final, iv(i as u64), piece));
        }
        out
    }

    /// The plaintext of a whole message, or nothing.
    pub(crate) fn decrypt(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut rest = message.strip_prefix(&self.header()[..])?;
        let mut plain = vec![];
        for position in 0u64.. {
            let prefix = u32::from_be_bytes(*rest.first_chunk()?);
            let is_final = prefix != u32::MAX;
            let len = if is_final { prefix } else { self.segment_len };
            if !(32..=self.segment_len).contains(&len) || rest.len() < len as usize {
                return None;
            }
            let (segment, after) = rest.split_at(len as usize);
            let aad = [&position.to_be_bytes()[..], &[u8::from(is_final)]].concat();
            let cipher = Aes256Gcm::new_from_slice(&self.segment_key(position)).unwrap();
            let iv: [u8; 12] = segment[4..16].try_into().unwrap();
            let payload = Payload { msg: &segment[16..], aad: &aad };
            plain.extend(cipher.decrypt(&iv.into(), payload).ok()?);
            if is_final {
                return after.is_empty().then_some(plain);
            }
            rest = after;
        }
        None
    }
}
