//! A cipher of small segments, and streams of chosen pieces.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use waxseal::Body;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::KeyFile;
use waxseal::Keyring;
use waxseal::LocalKeyring;
use waxseal::ReadPolicy;
use waxseal::SecretKey;

pub(crate) const SEGMENT: usize = 64;
pub(crate) const PIECE: usize = SEGMENT - 32;
/// Length of the inline envelope and the header behind it.
pub(crate) const FRONT: usize = 1024 + 74;

pub(crate) fn keyring() -> LocalKeyring {
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    LocalKeyring::new(KeyFile::from_key("test", key).unwrap())
}

pub(crate) fn cipher_of(keyring: impl Keyring + 'static) -> EnvelopeCipher {
    EnvelopeCipher::new(keyring)
        .segment_len(u32::try_from(SEGMENT).unwrap())
        .read_policy(ReadPolicy::default().segment_lens(33..=16 << 20))
}

pub(crate) fn cipher() -> EnvelopeCipher {
    cipher_of(keyring())
}

pub(crate) fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

pub(crate) fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// `bytes` cut into pieces of these lengths, again and again; at least one must not be 0.
pub(crate) fn pieces(bytes: &[u8], lens: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut pieces = vec![];
    for len in lens.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        pieces.push(rest.split_to(rest.len().min(*len)));
    }
    pieces
}

pub(crate) fn body(pieces: Vec<Bytes>) -> Body {
    Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
}
