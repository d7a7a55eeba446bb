//! Three implementations of FLOE read each other and refuse the same: ours, the `fast-floe` crate
//! and the slow reference in `tests/support`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "support/floe_message.rs"]
mod floe_message;
#[path = "support/reference.rs"]
mod reference;

use std::cell::Cell;

use proptest::prelude::*;
use waxseal::SecretKey;

use crate::reference::Message;

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Ours,
    /// Reads and writes segments of 64 bytes and more.
    FastFloe,
    Reference,
    /// The reference, which ends full segments with an empty one.
    ReferenceEmptyFinal,
}

impl Writer {
    const ALL: [Self; 4] = [Self::Ours, Self::FastFloe, Self::Reference, Self::ReferenceEmptyFinal];

    fn seal(self, key: [u8; 32], aad: &[u8], segment_len: u32, plain: &[u8]) -> Option<Vec<u8>> {
        let message = Message { key, aad, segment_len, iv: random(), epoch_bits: 20 };
        match self {
            Self::Ours => Some(floe_message::seal(&secret(key), aad, segment_len, plain)),
            Self::FastFloe => {
                let parameters = fast_floe::Parameters::with_segment_length(segment_len).ok()?;
                let key = fast_floe::Key::from_bytes(key);
                Some(fast_floe::encrypt(&key, aad, parameters, plain).unwrap())
            }
            Self::Reference => Some(message.encrypt(plain, false, segment_iv)),
            Self::ReferenceEmptyFinal => Some(message.encrypt(plain, true, segment_iv)),
        }
    }
}

/// What each reader makes of a message: ours in order and at random, the others.
fn open(key: [u8; 32], aad: &[u8], message: &[u8]) -> [Option<Vec<u8>>; 4] {
    let mut in_order = vec![];
    let outcome = floe_message::open(&secret(key), aad, message, &mut in_order);
    [
        outcome.ok().map(|()| in_order),
        floe_message::open_at_random(&secret(key), aad, message).ok(),
        fast_floe::decrypt(&fast_floe::Key::from_bytes(key), aad, message).ok(),
        open_by_reference(key, aad, message),
    ]
}

/// The reference, with segment length and IV taken from the header.
fn open_by_reference(key: [u8; 32], aad: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let segment_len = u32::from_be_bytes(message.get(2..6)?.try_into().unwrap());
    let iv = message.get(10..42)?.try_into().unwrap();
    Message { key, aad, segment_len, iv, epoch_bits: 20 }.decrypt(message)
}

fn assert_all_agree(key: [u8; 32], aad: &[u8], segment_len: u32, plain: &[u8]) {
    for writer in Writer::ALL {
        let Some(message) = writer.seal(key, aad, segment_len, plain) else {
            assert!(writer == Writer::FastFloe && segment_len < 64);
            continue;
        };
        for (reader, opened) in open(key, aad, &message).into_iter().enumerate() {
            let what = format!("{writer:?} to {reader}, S {segment_len}, {} bytes", plain.len());
            if reader == 2 && segment_len < 64 {
                assert!(opened.is_none(), "{what}");
            } else {
                assert!(opened.as_deref() == Some(plain), "{what}");
            }
        }
    }
}

#[test]
fn messages_of_every_writer_are_read_by_every_reader() {
    for segment_len in [33, 34, 40, 48, 63, 64, 65, 100, 4096] {
        let piece = segment_len as usize - 32;
        for len in [0, 1, piece - 1, piece, piece + 1, 2 * piece, 3 * piece, 3 * piece + 1] {
            assert_all_agree([1; 32], b"aad", segment_len, &vec![7; len]);
        }
    }
}

#[test]
fn aads_of_every_length_are_read_by_every_reader() {
    for len in (0..300).chain([1000, 65_535, 65_536, 100_000]) {
        assert_all_agree([1; 32], &vec![3; len], 64, b"plain");
    }
}

#[test]
fn both_of_ours_and_both_others_refuse_another_key_or_aad() {
    for writer in Writer::ALL {
        let message = writer.seal([1; 32], b"aad", 64, &[7; 100]).unwrap();
        assert!(open([1; 32], b"aad", &message).iter().all(Option::is_some));
        assert_eq!(open([2; 32], b"aad", &message), [const { None }; 4], "{writer:?}");
        for aad in [&b""[..], b"aa", b"aad\0", b"Aad"] {
            assert_eq!(open([1; 32], aad, &message), [const { None }; 4], "{writer:?}");
        }
    }
}

/// A way in which a message becomes another.
#[derive(Clone, Debug)]
enum Mutation {
    Flip {
        at: prop::sample::Index,
        bit: u8,
    },
    Set {
        at: prop::sample::Index,
        to: u8,
    },
    Cut {
        to: prop::sample::Index,
    },
    Append {
        bytes: Vec<u8>,
    },
    Insert {
        at: prop::sample::Index,
        bytes: Vec<u8>,
    },
    Remove {
        at: prop::sample::Index,
        len: usize,
    },
    /// Copies segment `from` over segment `to`.
    Copy {
        from: prop::sample::Index,
        to: prop::sample::Index,
    },
    /// Puts a number where a segment's length or mark stands.
    Prefix {
        segment: prop::sample::Index,
        value: u32,
    },
    Header {
        at: usize,
        value: u32,
    },
}

impl Mutation {
    fn any() -> impl Strategy<Value = Self> {
        let at = any::<prop::sample::Index>;
        let bytes = || prop::collection::vec(any::<u8>(), 1..200);
        let number =
            || prop_oneof![any::<u32>(), 0u32..200, (0u32..200).prop_map(|n| u32::MAX - n)];
        prop_oneof![
            (at(), 0..8u8).prop_map(|(at, bit)| Self::Flip { at, bit }),
            (at(), any::<u8>()).prop_map(|(at, to)| Self::Set { at, to }),
            at().prop_map(|to| Self::Cut { to }),
            bytes().prop_map(|bytes| Self::Append { bytes }),
            (at(), bytes()).prop_map(|(at, bytes)| Self::Insert { at, bytes }),
            (at(), 1usize..200).prop_map(|(at, len)| Self::Remove { at, len }),
            (at(), at()).prop_map(|(from, to)| Self::Copy { from, to }),
            (at(), number()).prop_map(|(segment, value)| Self::Prefix { segment, value }),
            (0usize..70, number()).prop_map(|(at, value)| Self::Header { at, value }),
        ]
    }

    fn apply(&self, message: &mut Vec<u8>, segment_len: usize) {
        let segments = (message.len().saturating_sub(74)).div_ceil(segment_len);
        let segment = |index: &prop::sample::Index, message: &Vec<u8>| {
            let at = 74 + index.index(segments) * segment_len;
            at..(at + segment_len).min(message.len())
        };
        match self {
            _ if segments == 0 => message.clear(),
            Self::Flip { at, bit } => *at.get_mut(message) ^= 1 << bit,
            Self::Set { at, to } => *at.get_mut(message) = *to,
            Self::Cut { to } => message.truncate(to.index(message.len())),
            Self::Append { bytes } => message.extend_from_slice(bytes),
            Self::Insert { at, bytes } => {
                let at = at.index(message.len());
                message.splice(at..at, bytes.iter().copied());
            }
            Self::Remove { at, len } => {
                let at = at.index(message.len());
                message.drain(at..(at + len).min(message.len()));
            }
            Self::Copy { from, to } => {
                let from = message[segment(from, message)].to_vec();
                let to = segment(to, message);
                message.splice(to, from);
            }
            Self::Prefix { segment: index, value } => {
                let place = segment(index, message);
                let len = place.len().min(4);
                message[place][..len].copy_from_slice(&value.to_be_bytes()[..len]);
            }
            Self::Header { at, value } => {
                message[*at..at + 4].copy_from_slice(&value.to_be_bytes());
            }
        }
    }
}

fn writer() -> impl Strategy<Value = Writer> {
    prop::sample::select(&Writer::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_messages_of_every_writer_are_read_by_every_reader(
        key: [u8; 32],
        aad in prop::collection::vec(any::<u8>(), 0..200),
        segment_len in 33u32..300,
        plain in prop::collection::vec(any::<u8>(), 0..1000),
    ) {
        assert_all_agree(key, &aad, segment_len, &plain);
    }

    #[test]
    fn an_altered_message_is_refused_by_every_reader(
        key: [u8; 32],
        segment_len in 64u32..130,
        plain in prop::collection::vec(any::<u8>(), 0..500),
        writer in writer(),
        mutations in prop::collection::vec(Mutation::any(), 1..4),
    ) {
        let message = writer.seal(key, b"aad", segment_len, &plain).unwrap();
        for opened in open(key, b"aad", &message) {
            prop_assert_eq!(opened.unwrap(), &plain[..]);
        }
        let mut altered = message.clone();
        for mutation in &mutations {
            mutation.apply(&mut altered, segment_len as usize);
        }
        prop_assume!(altered != message);
        prop_assert_eq!(open(key, b"aad", &altered), [const { None }; 4]);
    }

    #[test]
    fn random_bytes_behind_a_true_header_are_refused_by_every_reader(
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let message = Writer::Ours.seal([1; 32], b"aad", 64, b"").unwrap();
        prop_assert_eq!(open([1; 32], b"aad", &message), [const { Some(vec![]) }; 4]);
        let altered = [&message[..74], &body].concat();
        prop_assert_eq!(open([1; 32], b"aad", &altered), [const { None }; 4]);
    }
}

fn secret(key: [u8; 32]) -> SecretKey {
    SecretKey::try_from(&key[..]).unwrap()
}

/// A message IV for the reference: another one each time.
fn random() -> [u8; 32] {
    *SecretKey::random().unwrap().expose()
}

/// A segment IV for the reference, which need not be random in a test, only another each time.
fn segment_iv(_: u64) -> [u8; 12] {
    thread_local!(static NEXT: Cell<u64> = const { Cell::new(0) });
    let next = NEXT.with(|next| next.replace(next.get() + 1));
    let mut iv = [0; 12];
    iv[4..].copy_from_slice(&next.to_be_bytes());
    iv
}
