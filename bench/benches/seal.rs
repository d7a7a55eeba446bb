//! Throughput of sealing: segments, bytes in memory, streams, many streams at once.
//!
//!     cargo bench -p waxseal-bench --bench seal
//!
//! Every entrant is timed in turns with the floor of its group, see `waxseal_bench::Race`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

#[path = "support/contest.rs"]
mod contest;
#[path = "seal/peers.rs"]
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
    let mut report = Report::new("seal");
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
    let title = format!("seal segments of {} in place, hot", human(segment_len));
    let work = Work::Bytes((HOT_LEN / segment_len * plain_len(segment_len)) as u64);

    let mut raw = Raw::new(&FixedKey::BYTES);
    let floor = Entrant::new("raw cipher", work, move |hot: &mut Vec<u8>| {
        hot.chunks_exact_mut(segment_len).for_each(|segment| raw.seal(segment));
    });
    let key = FixedKey::secret();
    let mut encryptor =
        floe::Encryptor::new(&key, b"aad", segment_len.try_into().unwrap()).unwrap();
    let ours = Entrant::new(SEGMENTS, work, move |hot: &mut Vec<u8>| {
        encrypt(&mut encryptor, segment_len, hot);
    });

    let entrants = std::iter::once(ours).chain(peers::segments(segment_len, work));
    let race = contest(criterion, report, Race::new(&title, || noise(HOT_LEN), floor), entrants);
    let what = format!("segment layer, {}", human(segment_len));
    report.aim(&what, race.ratio(SEGMENTS), "of raw", Aim::AtLeast(aim));
}

/// The one place where the benchmarks call the segment layer.
fn encrypt(encryptor: &mut floe::Encryptor, segment_len: usize, segments: &mut [u8]) {
    let call_len = segment_len * (CALL_LEN / segment_len).max(1);
    for call in segments.chunks_mut(call_len) {
        encryptor.encrypt(call).unwrap();
    }
}

/// Bytes in, bytes out. The floor copies each segment into one hot buffer and seals it there; the
/// others also allocate their result, which for large ones costs more than the cipher.
fn memory(criterion: &mut Criterion, report: &Report, len: usize, segment_len: usize) {
    let title = format!("seal {} in memory, segments of {}", human(len), human(segment_len));
    let len = sized(len);
    let times = (MIB / len).max(1);
    let work = Work::Bytes((len * times) as u64);

    let mut raw = Raw::new(&FixedKey::BYTES);
    let mut hot = vec![0; segment_len];
    let in_place = Entrant::new("raw cipher, no copy", work, move |plain: &mut Bytes| {
        let pieces = plain.chunks(plain_len(segment_len)).map(|piece| piece.len() + 32);
        (0..times).flat_map(|_| pieces.clone()).for_each(|len| raw.seal(&mut hot[..len]));
    });
    let cipher = cipher(segment_len);
    let context = EncryptionContext::new();
    let ours = Entrant::new("waxseal seal", work, move |plain: &mut Bytes| {
        for _ in 0..times {
            now(cipher.seal(plain, &context)).unwrap();
        }
    });

    let plain = move || Bytes::from(noise(len));
    let race = Race::new(&title, plain, copy_and_seal(segment_len, work, times));
    let peers = peers::memory(segment_len, work, times);
    let out_of_place = seal_from(segment_len, work, times);
    contest(criterion, report, race, [in_place, out_of_place, ours].into_iter().chain(peers));
}

/// A stream from one source in memory to a sink that drops every item. The floor copies each
/// segment from the same source into one hot buffer and seals it there.
///
/// 256 MiB is the cold case: no core's own cache holds it.
fn stream(criterion: &mut Criterion, report: &mut Report, len: usize, segment_len: usize) {
    let title = format!("seal a stream of {}, segments of {}", human(len), human(segment_len));
    let cold = len == 256 * MIB;
    let len = sized(len);
    let times = (MIB / len).max(1);
    let work = Work::Bytes((len * times) as u64);

    let cipher = cipher(segment_len);
    let context = EncryptionContext::new();
    let ours = Entrant::new(STREAM, work, move |plain: &mut Bytes| {
        for _ in 0..times {
            let sealed = now(cipher.seal_stream(plain.clone(), &context)).unwrap();
            assert!(now(drain(sealed)) > plain.len() as u64);
        }
    });

    let plain = move || Bytes::from(noise(len));
    let race = Race::new(&title, plain, copy_and_seal(segment_len, work, times));
    let entrants = [seal_from(segment_len, work, times), ours].into_iter();
    let entrants = entrants.chain(peers::stream(segment_len, work, times));
    let race = contest(criterion, report, race, entrants);
    if cold && segment_len >= 64 * KIB {
        let what = format!("stream of 256 MiB, {}", human(segment_len));
        report.aim(&what, race.ratio(STREAM), "of copy + raw", Aim::AtLeast(0.90));
        let peer = peers::FAST_FLOE_STREAMS.iter().filter_map(|peer| race.ratio(peer));
        let peer = peer.max_by(f64::total_cmp);
        let ahead = race.ratio(STREAM).zip(peer).map(|(ours, peer)| ours / peer);
        report.aim(&what, ahead, "of fast-floe's better stream", Aim::AtLeast(1.0));
    }
}

/// The least that sealing bytes which stay as they are can do.
fn copy_and_seal(segment_len: usize, work: Work, times: usize) -> Entrant<Bytes> {
    let mut raw = Raw::new(&FixedKey::BYTES);
    let mut hot = vec![0; segment_len];
    Entrant::new("copy + raw cipher", work, move |plain: &mut Bytes| {
        for _ in 0..times {
            copy_and_seal_once(&mut raw, &mut hot, plain);
        }
    })
}

fn copy_and_seal_once(raw: &mut Raw, hot: &mut [u8], plain: &[u8]) {
    for piece in plain.chunks(plain_len(hot.len())) {
        hot[16..16 + piece.len()].copy_from_slice(piece);
        raw.seal(&mut hot[..piece.len() + 32]);
    }
}

/// The same without the copy: the cipher reads there and writes here.
fn seal_from(segment_len: usize, work: Work, times: usize) -> Entrant<Bytes> {
    let mut raw = Raw::new(&FixedKey::BYTES);
    let mut hot = vec![0; segment_len];
    Entrant::new("raw cipher, out of place", work, move |plain: &mut Bytes| {
        for piece in (0..times).flat_map(|_| plain.chunks(plain_len(segment_len))) {
            raw.seal_from(piece, &mut hot[..piece.len() + 32]);
        }
    })
}

/// Many streams on two workers beside one. The floor: two threads, each of which copies and seals.
fn concurrent(criterion: &mut Criterion, report: &mut Report) {
    let floor = |source: &Bytes| {
        let mut raw = Raw::new(&FixedKey::BYTES);
        copy_and_seal_once(&mut raw, &mut vec![0; 64 * KIB], source);
    };
    let cipher = cipher(64 * KIB);
    let ours = move |source: Bytes| {
        let cipher = cipher.clone();
        async move { cipher.seal_stream(source, &EncryptionContext::new()).await }
    };
    let sources = || {
        let len = streams::stream_len();
        let plain = Bytes::from(noise(streams::SOURCES * len));
        let parts = (0..streams::SOURCES).map(|i| plain.slice(i * len..(i + 1) * len));
        Sources { ours: parts.clone().collect(), floor: parts.collect() }
    };
    streams::race(criterion, report, "seal", sources, floor, ours);
}

const SEGMENTS: &str = "waxseal segments";
const STREAM: &str = "waxseal stream";
/// Segments handed over at once, as the streams do it.
const CALL_LEN: usize = 256 * KIB;
const HOT_LEN: usize = 8 * MIB;
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
