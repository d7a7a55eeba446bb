//! [`Backend`] on the RustCrypto crates.
//!
//! The key types wipe themselves on drop, but Rust moves them by value before that, and no `Drop`
//! reaches the copies a move leaves on the stack: this backend makes no promise about memory.

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use hkdf::Hkdf;
use hmac::Hmac;
use hmac::Mac;
use sha2::Digest as _;
use sha2::Sha256;
use sha2::Sha384;
use sha2::Sha512;
use subtle::ConstantTimeEq;

use crate::crypto::Backend;
use crate::crypto::Failed;
use crate::crypto::Hash;
use crate::crypto::Nonce;
use crate::crypto::Nonces;
use crate::crypto::TAG_LEN;
use crate::crypto::Tag;

pub(super) struct RustCrypto;

impl Backend for RustCrypto {
    type Aead = Aes256Gcm;

    fn aead(key: &[u8; 32]) -> Result<Self::Aead, Failed> {
        Ok(Aes256Gcm::new(key.into()))
    }

    fn seal(
        aead: &Self::Aead,
        nonces: &mut Nonces,
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<(Nonce, Tag), Failed> {
        let nonce = nonces.next()?;
        let tag =
            aead.encrypt_inout_detached(&nonce.into(), aad, in_out.into()).map_err(|_| Failed)?;
        Ok((nonce, tag.into()))
    }

    fn seal_from(
        aead: &Self::Aead,
        nonces: &mut Nonces,
        aad: &[u8],
        plain: &[u8],
        sealed: &mut [u8],
    ) -> Result<Nonce, Failed> {
        let (ciphertext, tag_at) = sealed.split_last_chunk_mut::<TAG_LEN>().ok_or(Failed)?;
        let nonce = nonces.next()?;
        let buffer = InOutBuf::new(plain, ciphertext).map_err(|_| Failed)?;
        let tag = aead.encrypt_inout_detached(&nonce.into(), aad, buffer).map_err(|_| Failed)?;
        *tag_at = tag.into();
        Ok(nonce)
    }

    fn open(aead: &Self::Aead, nonce: &Nonce, aad: &[u8], in_out: &mut [u8]) -> Result<(), Failed> {
        let (ciphertext, tag) = in_out.split_last_chunk_mut::<TAG_LEN>().ok_or(Failed)?;
        aead.decrypt_inout_detached(&(*nonce).into(), aad, ciphertext.into(), &(*tag).into())
            .map_err(|_| Failed)
    }

    fn open_to(
        aead: &Self::Aead,
        nonce: &Nonce,
        aad: &[u8],
        (ciphertext, tag): (&[u8], &Tag),
        plain: &mut [u8],
    ) -> Result<(), Failed> {
        let buffer = InOutBuf::new(ciphertext, plain).map_err(|_| Failed)?;
        aead.decrypt_inout_detached(&(*nonce).into(), aad, buffer, &(*tag).into())
            .map_err(|_| Failed)
    }

    fn hmac(hash: Hash, key: &[u8], parts: &[&[u8]], out: &mut [u8]) -> Result<(), Failed> {
        fn run<M: Mac + KeyInit>(
            key: &[u8],
            parts: &[&[u8]],
            out: &mut [u8],
        ) -> Result<(), Failed> {
            let mut mac = <M as KeyInit>::new_from_slice(key).map_err(|_| Failed)?;
            parts.iter().for_each(|part| mac.update(part));
            let tag = mac.finalize().into_bytes();
            if out.len() != tag.len() {
                return Err(Failed);
            }
            out.copy_from_slice(&tag);
            Ok(())
        }
        match hash {
            Hash::Sha256 => run::<Hmac<Sha256>>(key, parts, out),
            Hash::Sha384 => run::<Hmac<Sha384>>(key, parts, out),
            Hash::Sha512 => run::<Hmac<Sha512>>(key, parts, out),
        }
    }

    fn hkdf_expand(hash: Hash, prk: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), Failed> {
        // The crate refuses a key shorter than the hash, which RFC 5869 only advises against and
        // FLOE uses (32 bytes under SHA-384). HMAC pads keys with zeros: the result is the same.
        let mut padded = zeroize::Zeroizing::new([0; 64]);
        if let Some(short) = padded.get_mut(..prk.len()) {
            short.copy_from_slice(prk);
        }
        let prk = if prk.len() <= 64 { &padded[..] } else { prk };
        let expanded = match hash {
            Hash::Sha256 => Hkdf::<Sha256>::from_prk(prk).map(|k| k.expand_multi_info(info, out)),
            Hash::Sha384 => Hkdf::<Sha384>::from_prk(prk).map(|k| k.expand_multi_info(info, out)),
            Hash::Sha512 => Hkdf::<Sha512>::from_prk(prk).map(|k| k.expand_multi_info(info, out)),
        };
        expanded.map_err(|_| Failed)?.map_err(|_| Failed)
    }

    fn sha384(parts: &[&[u8]]) -> Result<[u8; 48], Failed> {
        let hash = parts.iter().fold(Sha384::new(), Sha384::chain_update);
        Ok(hash.finalize().into())
    }

    fn equal(a: &[u8], b: &[u8]) -> bool {
        a.ct_eq(b).into()
    }

    fn fill_random(out: &mut [u8]) -> Result<(), Failed> {
        getrandom::fill(out).map_err(|_| Failed)
    }
}
