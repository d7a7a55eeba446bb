//! From the data key to the key of each segment.
//!
//! ```text
//! KDF(k, purpose, n) = HKDF-Expand-SHA-384(k, PARAMS || IV || purpose || AAD, n)
//! header tag  = KDF(data key,    "HEADER_TAG:",        32)
//! message key = KDF(data key,    "MESSAGE_KEY:",       48)
//! segment key = KDF(message key, "DEK:" || u64(epoch), 32)
//! ```
//!
//! An epoch is 2^20 consecutive segments; its number is the position of its first one.
//!
//! Source: FLOE specification, "FLOE_KDF" and "Key rotation".

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use zeroize::Zeroizing;

use crate::crypto;
use crate::crypto::Aead;
use crate::crypto::Hash;
use crate::error::Error;
use crate::error::Result;
use crate::floe::header;
use crate::floe::header::Header;
use crate::floe::header::PARAMS_AND_IV_LEN;
use crate::secret::Secret;
use crate::secret::SecretKey;

/// Everything that the segments of one message are encrypted with. Immutable: share it.
pub(super) struct MessageKeys {
    message_key: Secret<48>,
    header: Header,
    aad: Box<[u8]>,
    epoch_bits: u32,
}

impl MessageKeys {
    /// Starts a message: draws its IV and computes its header.
    pub(super) fn generate(key: &SecretKey, aad: &[u8], segment_len: u32) -> Result<Self> {
        let mut params_and_iv = [0; PARAMS_AND_IV_LEN];
        params_and_iv[..header::PARAMS_LEN].copy_from_slice(&header::params(segment_len));
        crypto::fill_random(&mut params_and_iv[header::PARAMS_LEN..])?;
        let mut tag = [0; 32];
        header_tag(key, &params_and_iv, aad, &mut tag)?;
        Self::derive(key, aad, Header::new(params_and_iv, &tag))
    }

    /// The keys of a message that exists.
    ///
    /// # Errors
    ///
    /// `Authentication` unless `header` was made with this key and AAD.
    pub(super) fn verify(key: &SecretKey, aad: &[u8], header: &Header) -> Result<Self> {
        // Public once written, but until compared it must not leak.
        let mut tag = Zeroizing::new([0; 32]);
        header_tag(key, &header.params_and_iv(), aad, &mut tag)?;
        if !crypto::equal(&*tag, header.tag()) {
            return Err(Error::authentication("the header is not authentic"));
        }
        Self::derive(key, aad, *header)
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The first position of the epoch that `position` is in.
    pub(super) fn epoch(&self, position: u64) -> u64 {
        position >> self.epoch_bits << self.epoch_bits
    }

    /// The cipher of the epoch that begins at `epoch`.
    pub(super) fn cipher(&self, epoch: u64) -> Result<Aead> {
        // Wiped where it stands: it is never moved.
        let mut key = Zeroizing::new([0; 32]);
        let epoch = epoch.to_be_bytes();
        let info = [&self.header.params_and_iv()[..], b"DEK:", &epoch, &self.aad];
        crypto::hkdf_expand(Hash::Sha384, self.message_key.expose(), &info, &mut *key)?;
        Aead::new(&key)
    }

    /// For the known answers whose epochs are four segments long; nothing else may use it.
    #[cfg(test)]
    pub(super) fn set_epoch_bits(&mut self, bits: u32) {
        self.epoch_bits = bits;
    }

    #[cfg(test)]
    pub(super) fn message_key(&self) -> &[u8; 48] {
        self.message_key.expose()
    }

    fn derive(key: &SecretKey, aad: &[u8], header: Header) -> Result<Self> {
        let mut message_key = Secret::zeroed();
        let info = [&header.params_and_iv()[..], b"MESSAGE_KEY:", aad];
        crypto::hkdf_expand(Hash::Sha384, key.expose(), &info, message_key.expose_mut())?;
        Ok(Self { message_key, header, aad: aad.into(), epoch_bits: EPOCH_BITS })
    }
}

/// Prints no key.
impl fmt::Debug for MessageKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageKeys")
            .field("segment_len", &self.header.segment_len())
            .finish_non_exhaustive()
    }
}

/// The cipher of one epoch.
pub(super) struct EpochCipher {
    epoch: u64,
    aead: Aead,
}

impl EpochCipher {
    /// The cipher that `position` needs: `last`, if it is that.
    pub(super) fn at(last: Option<Self>, keys: &MessageKeys, position: u64) -> Result<Self> {
        let epoch = keys.epoch(position);
        match last {
            Some(last) if last.epoch == epoch => Ok(last),
            _ => Ok(Self { epoch, aead: keys.cipher(epoch)? }),
        }
    }

    pub(super) fn get(&self) -> &Aead {
        &self.aead
    }
}

impl fmt::Debug for EpochCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochCipher").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// The cipher of the epoch last used, for readers at any place and at the same time.
#[derive(Debug)]
pub(super) struct SharedCipher {
    last: Mutex<Arc<EpochCipher>>,
}

impl SharedCipher {
    pub(super) fn new(keys: &MessageKeys, position: u64) -> Result<Self> {
        let first = EpochCipher::at(None, keys, position)?;
        Ok(Self { last: Mutex::new(Arc::new(first)) })
    }

    /// The cipher that `position` needs: `held`, if it is that, which saves the lock.
    pub(super) fn at(
        &self,
        held: Option<Arc<EpochCipher>>,
        keys: &MessageKeys,
        position: u64,
    ) -> Result<Arc<EpochCipher>> {
        if let Some(held) = held.filter(|held| held.epoch == keys.epoch(position)) {
            return Ok(held);
        }
        // A panic elsewhere cannot have left half a cipher here.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.epoch != keys.epoch(position) {
            *last = Arc::new(EpochCipher::at(None, keys, position)?);
        }
        Ok(Arc::clone(&last))
    }
}

fn header_tag(
    key: &SecretKey,
    params_and_iv: &[u8; PARAMS_AND_IV_LEN],
    aad: &[u8],
    tag: &mut [u8; 32],
) -> Result<()> {
    let info = [&params_and_iv[..], b"HEADER_TAG:", aad];
    crypto::hkdf_expand(Hash::Sha384, key.expose(), &info, tag)
}

/// The rotation mask that the specification ties to AEAD id 0.
const EPOCH_BITS: u32 = 20;
