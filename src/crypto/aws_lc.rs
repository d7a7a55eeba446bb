//! [`Backend`] on AWS-LC.

use aws_lc_rs::aead;
use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::constant_time;
use aws_lc_rs::hkdf;
use aws_lc_rs::hmac;
use aws_lc_rs::rand;

use crate::crypto::Backend;
use crate::crypto::Failed;
use crate::crypto::Hash;
use crate::crypto::Nonce;
use crate::crypto::Nonces;
use crate::crypto::Tag;

pub(super) struct AwsLc;

impl Backend for AwsLc {
    #[cfg(not(feature = "internal-nonces"))]
    type Aead = aead::LessSafeKey;
    #[cfg(feature = "internal-nonces")]
    type Aead = aead::RandomizedNonceKey;

    #[cfg(not(feature = "internal-nonces"))]
    fn aead(key: &[u8; 32]) -> Result<Self::Aead, Failed> {
        let key = aead::UnboundKey::new(&AES_256_GCM, key).map_err(|_| Failed)?;
        Ok(aead::LessSafeKey::new(key))
    }

    #[cfg(feature = "internal-nonces")]
    fn aead(key: &[u8; 32]) -> Result<Self::Aead, Failed> {
        aead::RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| Failed)
    }

    #[cfg(not(feature = "internal-nonces"))]
    fn seal(
        aead: &Self::Aead,
        nonces: &mut Nonces,
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<(Nonce, Tag), Failed> {
        let nonce = nonces.next()?;
        let unique = aead::Nonce::assume_unique_for_key(nonce);
        let tag = aead.seal_in_place_separate_tag(unique, Aad::from(aad), in_out);
        Ok((nonce, tag.map_err(|_| Failed)?.as_ref().try_into().map_err(|_| Failed)?))
    }

    #[cfg(feature = "internal-nonces")]
    fn seal(
        aead: &Self::Aead,
        _: &mut Nonces,
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<(Nonce, Tag), Failed> {
        let sealed = aead.seal_in_place_separate_tag(Aad::from(aad), in_out);
        let (nonce, tag) = sealed.map_err(|_| Failed)?;
        Ok((*nonce.as_ref(), tag.as_ref().try_into().map_err(|_| Failed)?))
    }

    fn open(aead: &Self::Aead, nonce: &Nonce, aad: &[u8], in_out: &mut [u8]) -> Result<(), Failed> {
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        aead.open_in_place(nonce, Aad::from(aad), in_out).map(drop).map_err(|_| Failed)
    }

    fn hmac(hash: Hash, key: &[u8], parts: &[&[u8]], out: &mut [u8]) -> Result<(), Failed> {
        let algorithm = match hash {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha384 => hmac::HMAC_SHA384,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
        parts.iter().for_each(|part| context.update(part));
        let tag = context.sign();
        if out.len() != tag.as_ref().len() {
            return Err(Failed);
        }
        out.copy_from_slice(tag.as_ref());
        Ok(())
    }

    fn hkdf_expand(hash: Hash, prk: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), Failed> {
        let algorithm = match hash {
            Hash::Sha256 => hkdf::HKDF_SHA256,
            Hash::Sha384 => hkdf::HKDF_SHA384,
            Hash::Sha512 => hkdf::HKDF_SHA512,
        };
        // The constructor panics on keys that no caller has.
        if prk.len() > 64 {
            return Err(Failed);
        }
        let prk = hkdf::Prk::new_less_safe(algorithm, prk);
        let okm = prk.expand(info, OutputLen(out.len())).map_err(|_| Failed)?;
        okm.fill(out).map_err(|_| Failed)
    }

    fn equal(a: &[u8], b: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(a, b).is_ok()
    }

    fn fill_random(out: &mut [u8]) -> Result<(), Failed> {
        rand::fill(out).map_err(|_| Failed)
    }
}

struct OutputLen(usize);

impl hkdf::KeyType for OutputLen {
    fn len(&self) -> usize {
        self.0
    }
}
