//! The hot path does not ask the heap: not for a segment, nor for the length of a stream.
//!
//! Counted are allocations of Rust; AWS-LC makes one of its own for each key.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "support/fixed_key.rs"]
mod fixed_key;
#[path = "support/pending.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod pending;

use allocation_counter::measure;
use bytes::Bytes;
use futures_util::StreamExt as _;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::SecretKey;
use waxseal::floe;

use crate::pending::run;

#[test]
fn a_segment_costs_none() {
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    let mut segments = vec![0; 200 * 4096];
    let mut encryptor = floe::Encryptor::new(&key, b"aad", 4096).unwrap();
    let header = floe::Header::parse(encryptor.header()).unwrap();
    encryptor.encrypt(&mut segments[..4096]).unwrap(); // makes the cipher of the epoch
    assert_eq!(count(|| encryptor.encrypt(&mut segments[4096..]).unwrap()), 0);

    let mut decryptor = floe::Decryptor::new(&key, b"aad", &header).unwrap();
    decryptor.decrypt(&mut segments[..4096]).unwrap();
    let open = || {
        for segment in segments[4096..].chunks_mut(4096) {
            decryptor.decrypt(segment).unwrap();
        }
    };
    assert_eq!(count(open), 0);
}

#[test]
fn parallel_segments_cost_none() {
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    let layout = floe::Layout::of_plaintext(4096, 200 * 4064).unwrap();
    let encryptor = floe::ParallelEncryptor::new(&key, b"aad", layout).unwrap();
    let header = floe::Header::parse(encryptor.header()).unwrap();
    let all = layout.segments_span(0..200).unwrap();
    let mut body = vec![0; 200 * 4096];
    assert_eq!(count(|| encryptor.encrypt(&all, &mut body).unwrap()), 0);

    let last = &mut body[199 * 4096..].to_vec();
    let access = floe::RandomAccess::new(&key, b"aad", &header, layout, last).unwrap();
    assert_eq!(count(|| access.decrypt(&all, &mut body).unwrap()), 0);
}

/// Streams use one buffer again and again, if their items are dropped: a stream of twice the
/// length allocates as often.
#[test]
fn a_stream_costs_the_same_whatever_its_length() {
    let cipher = EnvelopeCipher::new(fixed_key::FixedKey);
    let context = EncryptionContext::new();
    let plain = Bytes::from(vec![7; 16 << 20]);
    let seal = |len: usize| run(drain(&cipher, plain.slice(..len), &context, true)).0;
    let sealed = |len: usize| run(cipher.seal(&plain[..len], &context)).0.unwrap();
    let (short, long) = (sealed(8 << 20), sealed(16 << 20));
    let open = |sealed: &Bytes| run(drain(&cipher, sealed.clone(), &context, false)).0;
    // A `Bytes` allocates when it is shared for the first time.
    seal(1);
    open(&short);
    open(&long);
    assert_eq!(count(|| seal(8 << 20)), count(|| seal(16 << 20)));
    assert_eq!(count(|| open(&short)), count(|| open(&long)));
}

async fn drain(cipher: &EnvelopeCipher, body: Bytes, context: &EncryptionContext, seal: bool) {
    let mut body = if seal {
        cipher.seal_stream(body, context).await.unwrap()
    } else {
        cipher.open_stream(body, context).await.unwrap()
    };
    while let Some(item) = body.next().await {
        drop(item.unwrap());
    }
}

/// The message key, which must not be moved about, and a copy of the AAD.
#[test]
fn a_small_message_costs_two() {
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    let mut segment = [7; 32 + 1024];
    let mut header = None;
    let seal = || {
        let encryptor = floe::Encryptor::new(&key, b"aad", 65_536).unwrap();
        header = Some(*encryptor.header());
        encryptor.encrypt_final(&mut segment).unwrap();
    };
    assert_eq!(count(seal), 2);
    let header = floe::Header::parse(&header.unwrap()).unwrap();
    let open = || {
        let mut decryptor = floe::Decryptor::new(&key, b"aad", &header).unwrap();
        assert_eq!(decryptor.decrypt(&mut segment).unwrap(), [7; 1024]);
    };
    assert_eq!(count(open), 2);
}

/// The envelope's text and its parts, the AAD, the future of the keyring, the result. None of them
/// grows with the object; the numbers are here so that a change of them is noticed.
#[test]
fn a_small_object_costs_few() {
    let cipher = EnvelopeCipher::new(fixed_key::FixedKey);
    let context = EncryptionContext::from([("tenant", "acme"), ("table", "orders")]);
    let seal = || run(cipher.seal(&[7; 1024], &context)).0.unwrap();
    let sealed = seal();
    let open = || run(cipher.open(&sealed, &context)).0.unwrap();
    assert_eq!(
        [count(|| drop(seal())), count(|| drop(open()))],
        if cfg!(feature = "aws-lc") { [33, 44] } else { [30, 41] }
    );
}

fn count(work: impl FnOnce()) -> u64 {
    measure(work).count_total
}
