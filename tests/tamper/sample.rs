//! A sealed object of small segments whose parts a test can find, alter and have refused.

use std::ops::Range;

use bytes::Bytes;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::LocalKeyring;
use waxseal::ReadPolicy;
use waxseal::SecretKey;

use crate::doors::Door;

/// Length of a full encrypted segment.
pub(crate) const SEGMENT: usize = 64;
/// Plaintext in a full segment.
pub(crate) const PIECE: usize = SEGMENT - 32;
/// Length of the inline envelope.
pub(crate) const PRELUDE: usize = 1024;
/// Length of the FLOE header.
pub(crate) const HEADER: usize = 74;
/// Where the segments begin in an object with an inline envelope.
pub(crate) const BODY: usize = PRELUDE + HEADER;

/// Plaintext lengths around every border: empty, one byte, less than, exactly and more than a
/// segment, two full ones, and three with a byte.
pub(crate) const LENS: [usize; 7] =
    [0, 1, SEGMENT - 33, SEGMENT - 32, SEGMENT - 31, 2 * PIECE, 3 * PIECE + 1];

pub(crate) const CRYPTO: &[ErrorKind] = &[ErrorKind::Authentication];
pub(crate) const FORMAT: &[ErrorKind] = &[ErrorKind::Format];
/// Where it depends on the damage whether it can be read at all.
pub(crate) const EITHER: &[ErrorKind] = &[ErrorKind::Authentication, ErrorKind::Format];

pub(crate) fn cipher_with(id: &str, key: [u8; 32]) -> EnvelopeCipher {
    let key = SecretKey::try_from(&key[..]).unwrap();
    EnvelopeCipher::new(LocalKeyring::new(KeyFile::from_key(id, key).unwrap()))
        .segment_len(u32::try_from(SEGMENT).unwrap())
        .read_policy(policy())
}

pub(crate) fn cipher() -> EnvelopeCipher {
    cipher_with("test", [1; 32])
}

/// Reads segments as small as [`SEGMENT`], and otherwise as by default.
pub(crate) fn policy() -> ReadPolicy {
    ReadPolicy::default().segment_lens(33..=16 << 20)
}

pub(crate) fn context() -> EncryptionContext {
    EncryptionContext::from([("table", "orders"), ("tenant", "acme")])
}

pub(crate) fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// An object with an inline envelope.
pub(crate) struct Sample {
    pub(crate) cipher: EnvelopeCipher,
    pub(crate) context: EncryptionContext,
    pub(crate) plain: Vec<u8>,
    pub(crate) sealed: Bytes,
}

impl Sample {
    /// An object of `len` bytes, which every door opens.
    pub(crate) async fn new(len: usize) -> Self {
        let (cipher, context, plain) = (cipher(), context(), plain(len));
        let sealed = cipher.seal(&plain, &context).await.unwrap();
        let sample = Self { cipher, context, plain, sealed };
        assert_eq!(sample.sealed.len(), BODY + len + 32 * len.div_ceil(PIECE).max(1));
        sample.assert_opens().await;
        sample
    }

    pub(crate) async fn assert_opens(&self) {
        self.assert_accepted_by(&self.cipher, &self.context).await;
    }

    /// Asserts that every door opens the object for this reader.
    pub(crate) async fn assert_accepted_by(
        &self,
        cipher: &EnvelopeCipher,
        context: &EncryptionContext,
    ) {
        for door in Door::ALL {
            let passed = door.pass(cipher, &self.sealed, context).await;
            assert!(passed.outcome.is_ok(), "{door:?}, {context:?}: {passed:?}");
            assert_eq!(passed.released, self.plain, "{door:?}, {context:?}");
        }
    }

    /// Asserts that no door opens the object for this reader or says how long it is.
    pub(crate) async fn assert_refused_by(
        &self,
        cipher: &EnvelopeCipher,
        context: &EncryptionContext,
        kind: ErrorKind,
    ) {
        for door in Door::ALL {
            let passed = door.pass(cipher, &self.sealed, context).await;
            let what = format!("{door:?}, {context:?}: {passed:?}");
            assert_eq!(passed.outcome.as_ref().expect_err(&what).kind(), kind, "{what}");
            assert!(passed.released.is_empty() && passed.reported_len.is_none(), "{what}");
        }
    }

    /// The sealed segments, in order.
    pub(crate) fn segments(&self) -> Vec<&[u8]> {
        self.sealed[BODY..].chunks(SEGMENT).collect()
    }

    /// The object with other segments.
    pub(crate) fn with_segments(&self, segments: &[&[u8]]) -> Vec<u8> {
        [&self.sealed[..BODY], &segments.concat()].concat()
    }

    /// Where the final segment is.
    fn last(&self) -> Range<usize> {
        let segments = (self.sealed.len() - BODY).div_ceil(SEGMENT);
        BODY + (segments - 1) * SEGMENT..self.sealed.len()
    }

    /// Asserts that `altered` is refused through every door with one of `kinds`, always the same
    /// one, and that a stream let out exactly the plaintext of `segments` segments before.
    pub(crate) async fn assert_refused(
        &self,
        altered: impl Into<Bytes>,
        segments: usize,
        kinds: &[ErrorKind],
        what: &str,
    ) {
        let altered = altered.into();
        assert_ne!(altered, self.sealed, "{what}: nothing was altered");
        // A length is reported only if all that it follows from is as it was.
        let opens_at_random = altered.len() == self.sealed.len()
            && altered[..BODY] == self.sealed[..BODY]
            && altered[self.last()] == self.sealed[self.last()];
        let mut first_kind = None;
        for door in Door::ALL {
            let passed = door.pass(&self.cipher, &altered, &self.context).await;
            let what = format!("{} bytes, {what}, {door:?}: {passed:?}", self.plain.len());
            let kind = passed.outcome.as_ref().expect_err(&what).kind();
            assert!(kinds.contains(&kind), "{what}");
            assert_eq!(*first_kind.get_or_insert(kind), kind, "{what}");
            let released = match door {
                Door::Slice => 0,
                Door::Random if !opens_at_random => 0,
                _ => segments * PIECE,
            };
            assert_eq!(passed.released, self.plain[..released], "{what}");
            let len = (door == Door::Random && opens_at_random).then_some(self.plain.len() as u64);
            assert_eq!(passed.reported_len, len, "{what}");
        }
    }

    /// The same for an altered envelope or header: nothing is let out.
    pub(crate) async fn assert_nothing_opens(
        &self,
        altered: impl Into<Bytes>,
        kinds: &[ErrorKind],
        what: &str,
    ) {
        self.assert_refused(altered, 0, kinds, what).await;
    }
}

/// `bytes` with one bit flipped.
pub(crate) fn flipped(bytes: &[u8], at: usize, bit: u32) -> Vec<u8> {
    let mut altered = bytes.to_vec();
    altered[at] ^= 1 << bit;
    altered
}
