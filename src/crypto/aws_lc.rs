//! [`Backend`] on AWS-LC.

use aws_lc_rs::aead;
use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::aead::UnboundKey;
use aws_lc_rs::constant_time;
use aws_lc_rs::digest;
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

/// A key as this module uses it.
pub(super) struct Key {
    given: LessSafeKey,
    /// Draws each nonce within the module.
    #[cfg(feature = "internal-nonces")]
    internal: aead::RandomizedNonceKey,
}

impl Backend for AwsLc {
    type Aead = Key;

    fn aead(key: &[u8; 32]) -> Result<Key, Failed> {
        let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Failed)?;
        Ok(Key {
            given: LessSafeKey::new(unbound),
            #[cfg(feature = "internal-nonces")]
            internal: aead::RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| Failed)?,
        })
    }

    #[cfg(not(feature = "internal-nonces"))]
    fn seal(
        key: &Key,
        nonces: &mut Nonces,
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<(Nonce, Tag), Failed> {
        let nonce = nonces.next()?;
        let tag = key.given.seal_in_place_separate_tag(unique(nonce), Aad::from(aad), in_out);
        Ok((nonce, tag.map_err(|_| Failed)?.as_ref().try_into().map_err(|_| Failed)?))
    }

    #[cfg(feature = "internal-nonces")]
    fn seal(
        key: &Key,
        _: &mut Nonces,
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<(Nonce, Tag), Failed> {
        let sealed = key.internal.seal_in_place_separate_tag(Aad::from(aad), in_out);
        let (nonce, tag) = sealed.map_err(|_| Failed)?;
        Ok((*nonce.as_ref(), tag.as_ref().try_into().map_err(|_| Failed)?))
    }

    #[cfg(not(feature = "internal-nonces"))]
    fn seal_from(
        key: &Key,
        nonces: &mut Nonces,
        aad: &[u8],
        plain: &[u8],
        sealed: &mut [u8],
    ) -> Result<Nonce, Failed> {
        let nonce = nonces.next()?;
        // All of it is what the interface calls "extra": nothing is in place.
        key.given
            .seal_in_place_scatter(unique(nonce), Aad::from(aad), &mut [], plain, sealed)
            .map_err(|_| Failed)?;
        Ok(nonce)
    }

    /// The module seals under its own nonces in place only.
    #[cfg(feature = "internal-nonces")]
    fn seal_from(
        key: &Key,
        nonces: &mut Nonces,
        aad: &[u8],
        plain: &[u8],
        sealed: &mut [u8],
    ) -> Result<Nonce, Failed> {
        let (in_out, tag_at) = sealed.split_at_mut_checked(plain.len()).ok_or(Failed)?;
        in_out.copy_from_slice(plain);
        let (nonce, tag) = Self::seal(key, nonces, aad, in_out)?;
        *<&mut Tag>::try_from(tag_at).map_err(|_| Failed)? = tag;
        Ok(nonce)
    }

    fn open(key: &Key, nonce: &Nonce, aad: &[u8], in_out: &mut [u8]) -> Result<(), Failed> {
        let opened = key.given.open_in_place(unique(*nonce), Aad::from(aad), in_out);
        opened.map(drop).map_err(|_| Failed)
    }

    fn open_to(
        key: &Key,
        nonce: &Nonce,
        aad: &[u8],
        (ciphertext, tag): (&[u8], &Tag),
        plain: &mut [u8],
    ) -> Result<(), Failed> {
        key.given
            .open_separate_gather(unique(*nonce), Aad::from(aad), ciphertext, tag, plain)
            .map_err(|_| Failed)
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

    fn sha384(parts: &[&[u8]]) -> Result<[u8; 48], Failed> {
        let mut context = digest::Context::new(&digest::SHA384);
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().try_into().map_err(|_| Failed)
    }

    fn equal(a: &[u8], b: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(a, b).is_ok()
    }

    fn fill_random(out: &mut [u8]) -> Result<(), Failed> {
        rand::fill(out).map_err(|_| Failed)
    }
}

/// Random, so as unique as 96 bits are.
fn unique(nonce: Nonce) -> aead::Nonce {
    aead::Nonce::assume_unique_for_key(nonce)
}

struct OutputLen(usize);

impl hkdf::KeyType for OutputLen {
    fn len(&self) -> usize {
        self.0
    }
}
