//! Objects that became shorter or longer.

use crate::sample::BODY;
use crate::sample::CRYPTO;
use crate::sample::EITHER;
use crate::sample::FORMAT;
use crate::sample::LENS;
use crate::sample::PRELUDE;
use crate::sample::SEGMENT;
use crate::sample::Sample;

#[tokio::test]
async fn an_object_cut_anywhere_is_refused_after_its_whole_segments() {
    for len in LENS {
        let sample = Sample::new(len).await;
        for cut in 0..sample.sealed.len() {
            let segments = cut.saturating_sub(BODY) / SEGMENT;
            let altered = sample.sealed.slice(..cut);
            sample.assert_refused(altered, segments, CRYPTO, &format!("cut to {cut}")).await;
        }
    }
}

#[tokio::test]
async fn an_object_with_bytes_behind_it_is_refused_before_its_final_segment() {
    for len in LENS {
        let sample = Sample::new(len).await;
        let other = Sample::new(2 * SEGMENT).await;
        let before_final = sample.segments().len() - 1;
        let tails = [
            vec![0; SEGMENT + 33],
            vec![0xff; SEGMENT + 33],
            sample.sealed[BODY..].to_vec(),
            other.sealed[BODY..].to_vec(),
            other.sealed.to_vec(),
        ];
        for tail in tails {
            for more in 1..=tail.len().min(SEGMENT + 33) {
                let altered = [&sample.sealed[..], &tail[..more]].concat();
                let what = format!("{more} bytes appended, {:02x?}..", &tail[..4]);
                sample.assert_refused(altered, before_final, CRYPTO, &what).await;
            }
            let altered = [&sample.sealed[..], &tail].concat();
            sample.assert_refused(altered, before_final, CRYPTO, "an object appended").await;
        }
    }
}

#[tokio::test]
async fn an_object_with_bytes_in_front_of_it_is_refused() {
    let sample = Sample::new(33).await;
    for front in [&b"\0"[..], b" ", b"\n", b"\xef\xbb\xbf", b"waxseal ", &sample.sealed[..1024]] {
        let altered = [front, &sample.sealed].concat();
        let what = format!("after {} bytes", front.len());
        sample.assert_nothing_opens(altered, FORMAT, &what).await;
    }
}

#[tokio::test]
async fn a_byte_lost_or_doubled_anywhere_in_header_and_body_is_refused() {
    for len in [1, 65] {
        let sample = Sample::new(len).await;
        for at in PRELUDE..sample.sealed.len() {
            // Bytes may be equal to their neighbours: what matters is the first that differs.
            let lost = [&sample.sealed[..at], &sample.sealed[at + 1..]].concat();
            let doubled = [&sample.sealed[..=at], &sample.sealed[at..]].concat();
            for (altered, what) in [(lost, "lost"), (doubled, "doubled")] {
                let intact = altered.iter().zip(&sample.sealed).take_while(|(a, b)| a == b).count();
                let before = intact.saturating_sub(BODY) / SEGMENT;
                let before = before.min(sample.segments().len() - 1);
                let what = format!("byte {at} {what}");
                let kinds = if at < BODY { EITHER } else { CRYPTO };
                sample.assert_refused(altered, before, kinds, &what).await;
            }
        }
    }
}
