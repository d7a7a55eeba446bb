//! Objects to read ranges of.

use bytes::Bytes;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::KeyFile;
use waxseal::LocalKeyring;
use waxseal::ReadPolicy;
use waxseal::SecretKey;

/// Length of the inline envelope and the header behind it.
pub(crate) const FRONT: usize = 1024 + 74;

pub(crate) fn cipher(segment_len: u32) -> EnvelopeCipher {
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    EnvelopeCipher::new(LocalKeyring::new(KeyFile::from_key("test", key).unwrap()))
        .segment_len(segment_len)
        .read_policy(ReadPolicy::default().segment_lens(33..=16 << 20))
}

pub(crate) fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

pub(crate) fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// `len` bytes of plaintext, sealed with the envelope in front.
pub(crate) async fn sealed(segment_len: u32, len: usize) -> Bytes {
    cipher(segment_len).seal(&plain(len), &context()).await.unwrap()
}
