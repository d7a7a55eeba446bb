//! Objects per second: what sealing and opening small objects costs when the data key is at hand.
//!
//!     cargo bench -p waxseal-bench --bench small
//!
//! The floor is what FLOE asks for: three HKDF-Expand (header tag, message key, segment key), a
//! cipher with a new key, and one segment. The HKDF calls and the cipher also run alone, to show
//! which of them the time goes to.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

#[path = "support/contest.rs"]
mod contest;

use std::hint::black_box;

use bytes::Bytes;
use criterion::Criterion;
use waxseal::EncryptionContext;
use waxseal::SecretKey;
use waxseal::floe;
use waxseal_bench::Aim;
use waxseal_bench::Entrant;
use waxseal_bench::FixedKey;
use waxseal_bench::Race;
use waxseal_bench::Raw;
use waxseal_bench::Report;
use waxseal_bench::Work;
use waxseal_bench::cipher;
use waxseal_bench::hkdf_expand;
use waxseal_bench::human;
use waxseal_bench::noise;
use waxseal_bench::now;

use crate::contest::contest;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut report = Report::new("small");
    for len in [64, 1 << 10, 16 << 10] {
        let race = seal(&mut criterion, &report, len);
        aims(&mut report, "seal", len, &race);
        let race = open(&mut criterion, &report, len);
        aims(&mut report, "open", len, &race);
    }
    criterion.final_summary();
    report.finish();
}

/// As many objects as a run handles, each in its place in one buffer.
struct Objects {
    buffer: Vec<u8>,
    sealed_len: usize,
}

impl Objects {
    fn new(len: usize) -> Self {
        let sealed_len = len + 32;
        Self { buffer: noise(OBJECTS * sealed_len), sealed_len }
    }

    fn each(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.buffer.chunks_exact_mut(self.sealed_len)
    }
}

fn seal(criterion: &mut Criterion, report: &Report, len: usize) -> Race<Objects> {
    let floor = Entrant::new(FLOOR, WORK, |objects: &mut Objects| {
        for object in objects.each() {
            hkdf_calls();
            Raw::new(black_box(&FixedKey::BYTES)).seal(object);
        }
    });
    let mut raw = Raw::new(&FixedKey::BYTES);
    let raw = Entrant::new("raw cipher alone, key set up", WORK, move |objects: &mut Objects| {
        objects.each().for_each(|object| raw.seal(object));
    });
    let key = FixedKey::secret();
    let bare = Entrant::new(BARE, WORK, move |objects: &mut Objects| {
        objects.each().for_each(|object| {
            seal_floe(&key, object);
        });
    });
    let cipher = cipher(SEGMENT_LEN);
    let context = EncryptionContext::new();
    let whole = Entrant::new(WHOLE, WORK, move |objects: &mut Objects| {
        for object in objects.each() {
            now(cipher.seal(&object[..len], &context)).unwrap();
        }
    });

    let title = format!("seal objects of {}", human(len));
    let race = Race::new(&title, move || Objects::new(len), floor);
    contest(criterion, report, race, [raw, hkdf_alone(), bare, whole])
}

fn open(criterion: &mut Criterion, report: &Report, len: usize) -> Race<Objects> {
    let mut sealed = Objects::new(len);
    sealed.each().for_each(|object| Raw::new(&FixedKey::BYTES).seal(object));
    let sealed = Bytes::from(sealed.buffer);
    let restore =
        |sealed: Bytes| move |objects: &mut Objects| objects.buffer.copy_from_slice(&sealed);
    let floor = Entrant::prepared(FLOOR, WORK, restore(sealed.clone()), |objects, ()| {
        for object in objects.each() {
            hkdf_calls();
            Raw::new(black_box(&FixedKey::BYTES)).open(object);
        }
    });
    let raw = Raw::new(&FixedKey::BYTES);
    let name = "raw cipher alone, key set up";
    let raw = Entrant::prepared(name, WORK, restore(sealed), move |objects, ()| {
        objects.each().for_each(|object| raw.open(object));
    });

    let mut sealed = Objects::new(len);
    let key = FixedKey::secret();
    let headers: Vec<_> = sealed.each().map(|object| seal_floe(&key, object)).collect();
    let restore = restore(sealed.buffer.into());
    let bare = Entrant::prepared(BARE, WORK, restore, move |objects, ()| {
        for (header, object) in headers.iter().zip(objects.each()) {
            let header = floe::Header::parse(header).unwrap();
            let mut decryptor = floe::Decryptor::new(&key, AAD, &header).unwrap();
            decryptor.decrypt(object).unwrap();
            decryptor.finish().unwrap();
        }
    });
    let cipher = cipher(SEGMENT_LEN);
    let context = EncryptionContext::new();
    let sealed = now(cipher.seal(&noise(len), &context)).unwrap();
    let whole = Entrant::new(WHOLE, WORK, move |_: &mut Objects| {
        for _ in 0..OBJECTS {
            now(cipher.open(black_box(&sealed), &context)).unwrap();
        }
    });

    let title = format!("open objects of {}", human(len));
    let race = Race::new(&title, move || Objects::new(len), floor);
    contest(criterion, report, race, [raw, hkdf_alone(), bare, whole])
}

/// Encrypts an object of one segment in place and returns its header.
fn seal_floe(key: &SecretKey, object: &mut [u8]) -> [u8; floe::HEADER_LEN] {
    let encryptor = floe::Encryptor::new(key, AAD, SEGMENT_LEN.try_into().unwrap()).unwrap();
    let header = *encryptor.header();
    encryptor.encrypt_final(object).unwrap();
    header
}

fn hkdf_alone() -> Entrant<Objects> {
    Entrant::new(HKDF, WORK, |_: &mut Objects| (0..OBJECTS).for_each(|_| hkdf_calls()))
}

/// The three calls that a FLOE message of one epoch makes, with infos as long as its own.
fn hkdf_calls() {
    let parameters_and_iv = [2; 42];
    let (mut tag, mut message_key, mut segment_key) = ([0; 32], [0; 48], [0; 32]);
    let key = black_box(&FixedKey::BYTES);
    hkdf_expand(key, &[&parameters_and_iv, b"HEADER_TAG:", AAD], &mut tag);
    hkdf_expand(key, &[&parameters_and_iv, b"MESSAGE_KEY:", AAD], &mut message_key);
    let info = [&parameters_and_iv[..], b"DEK:", &[0; 8], AAD];
    hkdf_expand(&message_key, &info, &mut segment_key);
    black_box((tag, segment_key));
}

fn aims(report: &mut Report, verb: &str, len: usize, race: &Race<Objects>) {
    let micros = |name: &str| race.seconds(name).map(|seconds| seconds * 1e6);
    let what = |name: &str| format!("{verb} {}, {name}", human(len));
    // The aim is for 1 KiB; the other lengths are there to compare with.
    if len == 1 << 10 {
        report.aim(&what(BARE), micros(BARE), "us", Aim::AtMost(3.0));
        report.aim(&what(WHOLE), micros(WHOLE), "us", Aim::AtMost(3.0));
    }
    if let (Some(hkdf), Some(bare), Some(whole)) = (micros(HKDF), micros(BARE), micros(WHOLE)) {
        report.note(format!(
            "{}: {hkdf:.2} us, {:.2} of {BARE}'s time and {:.2} of {WHOLE}'s",
            what(HKDF),
            hkdf / bare,
            hkdf / whole,
        ));
    }
}

/// As long as that of a sealed object without a context.
const AAD: &[u8] = b"waxseal/floe/v1\0......";
const OBJECTS: usize = 64;
const WORK: Work = Work::Items(OBJECTS as u64);
const SEGMENT_LEN: usize = 64 << 10;
const FLOOR: &str = "3 HKDF, key, cipher";
const HKDF: &str = "3 HKDF alone";
const BARE: &str = "segment layer";
const WHOLE: &str = "EnvelopeCipher";
