//! The ciphertext of KMS: how a key wraps bytes under an encryption context.
//!
//! ```text
//! [5 magic][36 key id][4 rotation][12 nonce][32 SHA-256 of all before][n ciphertext][16 tag]
//! ```
//!
//! The hash tells a damaged blob (`InvalidCiphertextException`) from an intact one of a key
//! that is not here (`AccessDeniedException`), which AWS tells apart as well.

use std::collections::BTreeMap;

use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::UnboundKey;
use aws_lc_rs::digest;

use super::key::Key;
use super::key::random;

/// An encryption context. Sorted, so that the order in the request does not matter.
pub(super) type Context = BTreeMap<String, String>;

/// A blob taken apart, not yet opened.
#[derive(Debug)]
pub(super) struct Blob<'a> {
    pub(super) key_id: &'a str,
    /// Number of the rotation that wrapped it.
    pub(super) version: u32,
    nonce: [u8; 12],
    /// Tag included.
    ciphertext: &'a [u8],
}

/// Wraps `plaintext` under the newest rotation of `key`.
pub(super) fn seal(key: &Key, plaintext: &[u8], context: &Context) -> Vec<u8> {
    let (version, secret) = key.material.newest();
    let nonce: [u8; 12] = random();
    let mut blob = MAGIC.to_vec();
    blob.extend(key.id.as_bytes());
    blob.extend(version.to_be_bytes());
    blob.extend(nonce);
    let hash = digest::digest(&digest::SHA256, &blob);
    blob.extend(hash.as_ref());
    let mut sealed = plaintext.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    cipher(&secret)
        .seal_in_place_append_tag(nonce, Aad::from(canonical(context)), &mut sealed)
        .expect("a few KiB can be sealed");
    blob.extend(sealed);
    blob
}

impl<'a> Blob<'a> {
    /// Takes a blob apart; `None` if it is damaged.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, ciphertext) = bytes.split_at_checked(HEAD)?;
        let (hashed, hash) = head.split_at(HEAD - 32);
        if digest::digest(&digest::SHA256, hashed).as_ref() != hash {
            return None;
        }
        let rest = hashed.strip_prefix(MAGIC)?;
        let (key_id, rest) = rest.split_at_checked(36)?;
        let (version, nonce) = rest.split_at_checked(4)?;
        Some(Self {
            key_id: str::from_utf8(key_id).ok()?,
            version: u32::from_be_bytes(version.try_into().ok()?),
            nonce: nonce.try_into().ok()?,
            ciphertext,
        })
    }

    /// Unwraps with the rotation that wrapped; `None` if the blob or `context` is not what it
    /// was then.
    pub(super) fn open(&self, key: &Key, context: &Context) -> Option<Vec<u8>> {
        let secret = key.material.get(self.version)?;
        let mut bytes = self.ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let opened =
            cipher(&secret).open_in_place(nonce, Aad::from(canonical(context)), &mut bytes);
        opened.ok().map(|plaintext| plaintext.to_vec())
    }
}

/// A different sequence of bytes for each context: names and values with their lengths.
fn canonical(context: &Context) -> Vec<u8> {
    let mut bytes = vec![];
    for text in context.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes
}

fn cipher(secret: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).expect("the secret has 32 bytes"))
}

/// How blobs of AWS begin, which in base64 gives the well-known `AQICAH`.
const MAGIC: &[u8] = &[1, 2, 2, 0, 0x78];

/// Bytes before the ciphertext.
const HEAD: usize = MAGIC.len() + 36 + 4 + 12 + 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> Context {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn what_was_sealed_opens() {
        let (key, context) = (Key::new("us-east-1", false), context(&[("a", "b")]));
        let sealed = seal(&key, b"secret", &context);
        assert_eq!(Blob::parse(&sealed).unwrap().open(&key, &context).unwrap(), b"secret");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let (key, context) = (Key::new("us-east-1", true), context(&[("a", "b")]));
        let sealed = seal(&key, &[7; 32], &context);
        let refused =
            |bytes: &[u8]| Blob::parse(bytes).and_then(|b| b.open(&key, &context)).is_none();
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(refused(&altered), "bit {bit}");
        }
        assert!((0..sealed.len()).all(|len| refused(&sealed[..len])));
    }

    #[test]
    fn different_contexts_never_have_the_same_bytes() {
        let same = [
            context(&[]),
            context(&[("", "")]),
            context(&[("ab", "c")]),
            context(&[("a", "bc")]),
            context(&[("a", "b"), ("c", "")]),
            context(&[("a", "b"), ("", "c")]),
        ];
        for (i, a) in same.iter().enumerate() {
            assert!(same[..i].iter().all(|b| canonical(a) != canonical(b)), "{a:?}");
        }
    }
}
