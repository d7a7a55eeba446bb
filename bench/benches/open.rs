//! Throughput of opening: segments, bytes in memory, streams, many streams at once.
//!
//!     cargo bench -p waxseal-bench --bench open
//!
//! Every entrant is timed in turns with the floor of its group, see `waxseal_bench::Race`.
//!
//! Opening in place destroys what is opened: the buffer is restored before every run, which is not
//! timed but leaves it as hot as the run before would have.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

#[path = "support/contest.rs"]
mod contest;
#[path = "open/peers.rs"]
mod peers;
#[path = "support/streams.rs"]
mod streams;

use bytes::Bytes;
use criterion::Criterion;
use waxseal::EncryptionContext;
use waxseal::floe;
use waxseal_bench::Aim;
use waxseal_bench::Entrant;
use waxseal_bench::FixedKey;
use waxseal_bench::Race;
use waxseal_bench::Raw;
use waxseal_bench::Report;
use waxseal_bench::Work;
use waxseal_bench::cipher;
use waxseal_bench::drain;
use waxseal_bench::human;
use waxseal_bench::noise;
use waxseal_bench::now;
use waxseal_bench::plain_len;
use waxseal_bench::sized;

use crate::contest::contest;
use crate::streams::Sources;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut report = Report::new("open");
    for (segment_len, aim) in [(4 * KIB, 0.80), (64 * KIB, 0.95), (MIB, 0.95)] {
        segments(&mut criterion, &mut report, segment_len, aim);
    }
    for (len, segment_len) in [
        (KIB, 64 * KIB),
        (64 * KIB, 64 * KIB),
        (MIB, 64 * KIB),
        (16 * MIB, 4 * KIB),
        (16 * MIB, 64 * KIB),
        (16 * MIB, MIB),
        (256 * MIB, 64 * KIB),
    ] {
        memory(&mut criterion, &report, len, segment_len);
    }
    for (len, segment_len) in [
        (64 * KIB, 64 * KIB),
        (MIB, 64 * KIB),
        (16 * MIB, 64 * KIB),
        (256 * MIB, 4 * KIB),
        (256 * MIB, 64 * KIB),
        (256 * MIB, MIB),
    ] {
        stream(&mut criterion, &mut report, len, segment_len);
    }
    concurrent(&mut criterion, &mut report);
    criterion.final_summary();
    report.finish();
}

/// Segments in place, over and over in the same 8 MiB. The floor: the raw cipher.
fn segments(criterion: &mut Criterion, report: &mut Report, segment_len: usize, aim: f64) {
    let title = format!("open segments of {} in place, hot", human(segment_len));
    let work = Work::Bytes((HOT_LEN / segment_len * plain_len(segment_len)) as u64);

    let raw = Raw::new(&FixedKey::BYTES);
    let sealed = seal_raw(&noise(HOT_LEN / segment_len * plain_len(segment_len)), segment_len);
    let floor = Entrant::prepared(
        "raw cipher",
        work,
        move |hot: &mut Vec<u8>| hot.copy_from_slice(&sealed),
        move |hot, ()| hot.chunks_exact_mut(segment_len).for_each(|segment| raw.open(segment)),
    );
    let (header, sealed) = seal_segments(segment_len);
    let ours = Entrant::prepared(
        SEGMENTS,
        work,
        move |hot: &mut Vec<u8>| {
            hot.copy_from_slice(&sealed);
            floe::Decryptor::new(&FixedKey::secret(), b"aad", &header).unwrap()
        },
        move |hot, mut decryptor| decrypt(&mut decryptor, segment_len, hot),
    );

    let entrants = std::iter::once(ours).chain(peers::segments(HOT_LEN, segment_len, work));
    let race = contest(criterion, report, Race::new(&title, || vec![0; HOT_LEN], floor), entrants);
    let what = format!("segment layer, {}", human(segment_len));
    report.aim(&what, race.ratio(SEGMENTS), "of raw", Aim::AtLeast(aim));
}

/// The one place where the benchmarks call the segment layer.
fn decrypt(decryptor: &mut floe::Decryptor, segment_len: usize, segments: &mut [u8]) {
    for segment in segments.chunks_exact_mut(segment_len) {
        decryptor.decrypt(segment).unwrap();
    }
}

/// 8 MiB of internal segments and their header.
fn seal_segments(segment_len: usize) -> (floe::Header, Vec<u8>) {
    let key = FixedKey::secret();
    let mut encryptor =
        floe::Encryptor::new(&key, b"aad", segment_len.try_into().unwrap()).unwrap();
    let mut segments = noise(HOT_LEN);
    segments.chunks_exact_mut(segment_len).for_each(|segment| encryptor.encrypt(segment).unwrap());
    (floe::Header::parse(encryptor.header()).unwrap(), segments)
}

/// The same plaintext, sealed by us and by the raw cipher.
struct Sealed {
    ours: Bytes,
    raw: Bytes,
}

impl Sealed {
    fn new(len: usize, segment_len: usize) -> Self {
        let plain = noise(len);
        let ours = now(cipher(segment_len).seal(&plain, &EncryptionContext::new())).unwrap();
        Self { ours, raw: seal_raw(&plain, segment_len).into() }
    }
}

fn seal_raw(plain: &[u8], segment_len: usize) -> Vec<u8> {
    let mut raw = Raw::new(&FixedKey::BYTES);
    let mut sealed = vec![];
    for piece in plain.chunks(plain_len(segment_len)) {
        let at = sealed.len();
        sealed.extend_from_slice(&[0; 16]);
        sealed.extend_from_slice(piece);
        sealed.extend_from_slice(&[0; 16]);
        raw.seal(&mut sealed[at..]);
    }
    sealed
}

/// Bytes in, bytes out. The floor copies each segment into one hot buffer and opens it there; the
/// others also allocate their result, which for large ones costs more than the cipher.
fn memory(criterion: &mut Criterion, report: &Report, len: usize, segment_len: usize) {
    let title = format!("open {} in memory, segments of {}", human(len), human(segment_len));
    let len = sized(len);
    let times = (MIB / len).max(1);
    let work = Work::Bytes((len * times) as u64);

    let cipher = cipher(segment_len);
    let context = EncryptionContext::new();
    let ours = Entrant::new("waxseal open", work, move |sealed: &mut Sealed| {
        for _ in 0..times {
            now(cipher.open(&sealed.ours, &context)).unwrap();
        }
    });

    let sealed = move || Sealed::new(len, segment_len);
    let race = Race::new(&title, sealed, copy_and_open(segment_len, work, times));
    let peers = peers::memory(len, segment_len, work, times);
    let out_of_place = open_into(segment_len, work, times);
    contest(criterion, report, race, [out_of_place, ours].into_iter().chain(peers));
}

/// A stream from one source in memory to a sink that drops every item. The floor copies each
/// segment from the same source into one hot buffer and opens it there.
///
/// 256 MiB is the cold case: no core's own cache holds it.
fn stream(criterion: &mut Criterion, report: &mut Report, len: usize, segment_len: usize) {
    let title = format!("open a stream of {}, segments of {}", human(len), human(segment_len));
    let cold = len == 256 * MIB;
    let len = sized(len);
    let times = (MIB / len).max(1);
    let work = Work::Bytes((len * times) as u64);

    let cipher = cipher(segment_len);
    let context = EncryptionContext::new();
    let ours = Entrant::new(STREAM, work, move |sealed: &mut Sealed| {
        for _ in 0..times {
            let plain = now(cipher.open_stream(sealed.ours.clone(), &context)).unwrap();
            assert_eq!(now(drain(plain)), len as u64);
        }
    });

    let sealed = move || Sealed::new(len, segment_len);
    let race = Race::new(&title, sealed, copy_and_open(segment_len, work, times));
    let entrants = [open_into(segment_len, work, times), ours].into_iter();
    let entrants = entrants.chain(peers::stream(len, segment_len, work, times));
    let race = contest(criterion, report, race, entrants);
    if cold && segment_len >= 64 * KIB {
        let what = format!("stream of 256 MiB, {}", human(segment_len));
        report.aim(&what, race.ratio(STREAM), "of copy + raw", Aim::AtLeast(0.90));
        let ahead = race.ratio(STREAM).zip(race.ratio(peers::FAST_FLOE_STREAM));
        let ahead = ahead.map(|(ours, peer)| ours / peer);
        report.aim(&what, ahead, "of fast-floe's stream", Aim::AtLeast(1.0));
    }
}

/// The least that opening bytes which stay as they are can do.
fn copy_and_open(segment_len: usize, work: Work, times: usize) -> Entrant<Sealed> {
    let raw = Raw::new(&FixedKey::BYTES);
    let mut hot = vec![0; segment_len];
    Entrant::new("copy + raw cipher", work, move |sealed: &mut Sealed| {
        for _ in 0..times {
            copy_and_open_once(&raw, &mut hot, &sealed.raw);
        }
    })
}

fn copy_and_open_once(raw: &Raw, hot: &mut [u8], sealed: &[u8]) {
    for segment in sealed.chunks(hot.len()) {
        hot[..segment.len()].copy_from_slice(segment);
        raw.open(&mut hot[..segment.len()]);
    }
}

/// The same without the copy: the cipher reads there and writes here.
fn open_into(segment_len: usize, work: Work, times: usize) -> Entrant<Sealed> {
    let raw = Raw::new(&FixedKey::BYTES);
    let mut hot = vec![0; segment_len];
    Entrant::new("raw cipher, out of place", work, move |sealed: &mut Sealed| {
        for segment in (0..times).flat_map(|_| sealed.raw.chunks(segment_len)) {
            raw.open_into(segment, &mut hot[..segment.len() - 32]);
        }
    })
}

/// Many streams on two workers beside one. The floor: two threads, each of which copies and opens.
fn concurrent(criterion: &mut Criterion, report: &mut Report) {
    let floor = |sealed: &Bytes| {
        copy_and_open_once(&Raw::new(&FixedKey::BYTES), &mut vec![0; 64 * KIB], sealed);
    };
    let cipher = cipher(64 * KIB);
    let ours = move |sealed: Bytes| {
        let cipher = cipher.clone();
        async move { cipher.open_stream(sealed, &EncryptionContext::new()).await }
    };
    let sources = || {
        let len = streams::stream_len();
        let sealed = (0..streams::SOURCES).map(|_| Sealed::new(len, 64 * KIB));
        let (ours, floor) = sealed.map(|sealed| (sealed.ours, sealed.raw)).unzip();
        Sources { ours, floor }
    };
    streams::race(criterion, report, "open", sources, floor, ours);
}

const SEGMENTS: &str = "waxseal segments";
const STREAM: &str = "waxseal stream";
const HOT_LEN: usize = 8 * MIB;
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
