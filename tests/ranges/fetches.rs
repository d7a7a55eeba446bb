//! What is fetched: for an open the front and the final segment, for a range its segments.

use waxseal::Body;
use waxseal::EnvelopeCipher;
use waxseal::KeyFile;
use waxseal::LocalKeyring;

use crate::sample::FRONT;
use crate::sample::cipher;
use crate::sample::context;
use crate::sample::plain;
use crate::sample::sealed;
use crate::sources::Counting;

#[tokio::test]
async fn opening_reads_the_front_and_the_final_segment() {
    for (len, last) in [(0, 0), (1, 0), (32, 0), (33, 1), (64, 1), (65, 2), (200, 6)] {
        let source = Counting::new(sealed(64, len).await);
        let sealed_len = source_len(&source).await;
        cipher(64).open_at(source.clone(), &context()).await.unwrap();
        let front = FRONT as u64;
        assert_eq!(source.take_reads(), [0..front, front + last * 64..sealed_len], "{len}");
    }
}

#[tokio::test]
async fn opening_with_metadata_reads_the_final_segment() {
    for (len, last) in [(0, 0), (1, 0), (32, 0), (33, 1), (200, 6)] {
        let (metadata, body) =
            cipher(64).seal_with_metadata(Body::from(plain(len)), &context()).await.unwrap();
        let source = Counting::new(body.collect().await.unwrap());
        let sealed_len = source_len(&source).await;
        let entries = metadata.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        cipher(64).open_with_metadata(entries, source.clone(), &context()).await.unwrap();
        assert_eq!(source.take_read(), 74 + last * 64..sealed_len, "{len}");
    }
}

#[tokio::test]
async fn opening_an_object_with_a_long_envelope_reads_its_front_again_and_no_more() {
    let long = waxseal::EncryptionContext::from([("k", "v".repeat(3000))]);
    let source = Counting::new(cipher(64).seal(&plain(100), &long).await.unwrap());
    let sealed_len = source_len(&source).await;
    cipher(64).open_at(source.clone(), &long).await.unwrap();
    let front = 4096 + 74;
    assert_eq!(source.take_reads(), [0..FRONT as u64, 0..front, front + 3 * 64..sealed_len]);
}

#[tokio::test]
async fn a_range_fetches_its_segments_at_once_and_nothing_else() {
    for segment_len in [33, 40, 64] {
        let len = 90;
        let source = Counting::new(sealed(segment_len, len).await);
        let sealed_len = source_len(&source).await;
        let object = cipher(segment_len).open_at(source.clone(), &context()).await.unwrap();
        source.take_reads();
        let per_segment = u64::from(segment_len) - 32;
        for start in 0..=len as u64 {
            for end in start..=len as u64 {
                object.range(start..end).await.unwrap();
                if start == end {
                    assert!(source.take_reads().is_empty(), "{start}..{end}");
                    continue;
                }
                let at = |segment: u64| {
                    (FRONT as u64 + segment * u64::from(segment_len)).min(sealed_len)
                };
                let first = start / per_segment;
                let last = (end - 1) / per_segment;
                let needed = at(first)..at(last + 1);
                assert_eq!(source.take_read(), needed, "S {segment_len}, {start}..{end}");
                assert!((last + 1 - first) * per_segment <= end - start + 2 * per_segment);
            }
        }
    }
}

#[tokio::test]
async fn a_whole_read_fetches_everything_behind_the_envelope_once() {
    for len in [0, 1, 32, 33, 200] {
        let source = Counting::new(sealed(64, len).await);
        let sealed_len = source_len(&source).await;
        let object = cipher(64).open_at(source.clone(), &context()).await.unwrap();
        source.take_reads();
        assert_eq!(object.into_stream().collect().await.unwrap(), plain(len));
        // The final segment of an empty object was read when it was opened: it holds nothing.
        let end = if len == 0 { FRONT as u64 } else { sealed_len };
        assert_eq!(source.take_read(), 1024..end, "{len}");
    }
}

/// Large reads go in pieces of about 8 MiB, which are whole segments.
#[tokio::test]
async fn a_large_read_is_made_of_pieces_that_do_not_overlap() {
    let (cipher, piece) = large();
    let plain = vec![7; 2 * PIECE + PIECE / 2];
    let source = Counting::new(cipher.seal(&plain, &context()).await.unwrap());
    let sealed_len = source_len(&source).await;
    let object = cipher.open_at(source.clone(), &context()).await.unwrap();
    source.take_reads();

    assert!(object.clone().into_stream().collect().await.unwrap() == plain);
    let reads = source.take_reads();
    assert_eq!(reads.len(), 3);
    assert_eq!((reads[0].start, reads[2].end), (1024, sealed_len));
    assert!(reads.is_sorted_by(|a, b| a.end == b.start), "{reads:?}");

    for (range, pieces) in [
        (0..piece, 1),
        (0..piece + 1, 2),
        (1..piece, 1),
        (piece - 1..piece, 1),
        (piece - 1..piece + 1, 1),
        (60_000..60_000 + (8 << 20), 1),
        (piece..2 * piece, 1),
        (1..2 * piece, 2),
        (2 * piece..2 * piece + 1, 1),
    ] {
        let got = object.range(range.clone()).await.unwrap();
        assert!(got.len() as u64 == range.end - range.start && got.iter().all(|&b| b == 7));
        let reads = source.take_reads();
        assert_eq!(reads.len(), pieces, "{range:?}: {reads:?}");
        assert!(reads.is_sorted_by(|a, b| a.end == b.start), "{range:?}: {reads:?}");
    }
}

/// Its last piece ends with the object: there is nothing more to ask for.
#[tokio::test]
async fn an_object_of_a_whole_number_of_pieces_is_read_without_an_empty_read() {
    let (cipher, _) = large();
    let plain = vec![7; PIECE];
    let source = Counting::new(cipher.seal(&plain, &context()).await.unwrap());
    let sealed_len = source_len(&source).await;
    let object = cipher.open_at(source.clone(), &context()).await.unwrap();
    source.take_reads();
    assert!(object.into_stream().collect().await.unwrap() == plain);
    assert_eq!(source.take_read(), 1024..sealed_len);
}

/// Plaintext of the 128 segments of 64 KiB that make up 8 MiB.
const PIECE: usize = 130 * ((64 << 10) - 32);

fn large() -> (EnvelopeCipher, u64) {
    let keyring = LocalKeyring::new(KeyFile::generate().unwrap());
    (EnvelopeCipher::new(keyring), PIECE as u64)
}

async fn source_len(source: &Counting) -> u64 {
    waxseal::ReadAt::sealed_len(source).await.unwrap()
}
