//! Altered files are refused on threads as they are in streams, and what is let out before is true.

use waxseal::ErrorKind;

use crate::sample::BOTH;
use crate::sample::FRONT;
use crate::sample::Folder;
use crate::sample::KIB;
use crate::sample::MIB;
use crate::sample::To;
use crate::sample::cipher;
use crate::sample::context;
use crate::sample::plain;

const SEGMENT: usize = 4 * KIB;

/// Every alteration of a sealed file of 700 segments, in three units.
fn alterations(sealed: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut altered = vec![];
    let mut alter = |name: String, f: &dyn Fn(&mut Vec<u8>)| {
        let mut copy = sealed.to_vec();
        f(&mut copy);
        assert!(copy != sealed, "{name} alters nothing");
        altered.push((name, copy));
    };
    let last = (sealed.len() - FRONT - 1) / SEGMENT;
    for segment in [0, 1, 255, 256, 300, last - 1, last] {
        for at in [0, 3, 4, 15, 16, 17] {
            let place = FRONT + segment * SEGMENT + at;
            alter(format!("segment {segment}, byte {at}"), &|copy| copy[place] ^= 1);
        }
    }
    for at in [0, 10, 100, 1024, 1024 + 10, FRONT - 1, sealed.len() - 1] {
        alter(format!("byte {at}"), &|copy| copy[at] ^= 1);
    }
    for cut in [1, 31, 32, SEGMENT, sealed.len() - FRONT - last * SEGMENT, 2 * MIB] {
        alter(format!("cut by {cut}"), &|copy| copy.truncate(copy.len() - cut));
    }
    for more in [1, 32, SEGMENT] {
        alter(format!("longer by {more}"), &|copy| copy.extend(vec![0; more]));
    }
    for (a, b) in [(0, 1), (10, 400), (255, 256)] {
        alter(format!("segments {a} and {b} swapped"), &|copy| {
            let (a, b) = (FRONT + a * SEGMENT, FRONT + b * SEGMENT);
            let first = copy[a..a + SEGMENT].to_vec();
            copy.copy_within(b..b + SEGMENT, a);
            copy[b..b + SEGMENT].copy_from_slice(&first);
        });
    }
    alter("a segment left out".to_owned(), &|copy| {
        drop(copy.drain(FRONT + 300 * SEGMENT..FRONT + 301 * SEGMENT));
    });
    alter("a segment twice".to_owned(), &|copy| {
        let segment = copy[FRONT + 300 * SEGMENT..FRONT + 301 * SEGMENT].to_vec();
        drop(copy.splice(FRONT + 300 * SEGMENT..FRONT + 300 * SEGMENT, segment));
    });
    altered
}

#[tokio::test]
async fn altered_files_are_refused_and_let_only_truth_out() {
    let folder = Folder::new();
    let cipher = cipher(SEGMENT);
    let plain = plain(700 * (SEGMENT - 32) - 1000);
    let sealed = cipher.seal(&plain, &context()).await.unwrap();
    assert!(sealed.len() > 2 * MIB, "more than two units");
    let untouched = folder.file("sealed", &sealed);
    let (opened, outcome) =
        folder.run(To::New, |sink| cipher.open_file(untouched, sink, &context())).await;
    assert_eq!(outcome.unwrap(), plain.len() as u64);
    assert!(opened == plain);

    for (name, altered) in alterations(&sealed) {
        let by_stream = cipher.open(&altered, &context()).await.unwrap_err();
        for to in BOTH {
            let from = folder.file("sealed", &altered);
            let (released, outcome) =
                folder.run(to, |sink| cipher.open_file(from, sink, &context())).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), by_stream.kind(), "{name}: {error}");
            assert!(plain.starts_with(&released), "{name}: untrue bytes were let out");
            assert!(released.is_empty() || to == To::Open, "{name}: a file was left");
        }
        assert_eq!(folder.names(), ["sealed"], "{name}: something was left");
    }
}

/// In order, all before the bad segment comes out, as from a stream.
#[tokio::test]
async fn what_precedes_a_bad_segment_is_let_out_in_order() {
    let folder = Folder::new();
    let cipher = cipher(SEGMENT);
    let plain = plain(700 * (SEGMENT - 32));
    let sealed = cipher.seal(&plain, &context()).await.unwrap();
    for segment in [0, 1, 255, 256, 300, 698] {
        let mut altered = sealed.to_vec();
        altered[FRONT + segment * SEGMENT + 20] ^= 1;
        let from = folder.file("sealed", &altered);
        let (released, outcome) =
            folder.run(To::Open, |sink| cipher.open_file(from, sink, &context())).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert_eq!(error.to_string(), format!("segment {segment} is not authentic"));
        assert_eq!(released.len(), segment * (SEGMENT - 32));
        assert!(plain.starts_with(&released));
    }
}

#[tokio::test]
async fn the_context_must_fit() {
    let folder = Folder::new();
    let cipher = cipher(SEGMENT);
    let sealed = cipher.seal(&plain(2 * MIB), &context()).await.unwrap();
    for (given, opens) in [("acme", true), ("rival", false)] {
        let from = folder.file("sealed", &sealed);
        let given = waxseal::EncryptionContext::from([("tenant", given)]);
        let (_, outcome) = folder.run(To::New, |sink| cipher.open_file(from, sink, &given)).await;
        assert_eq!(outcome.is_ok(), opens);
    }
}
