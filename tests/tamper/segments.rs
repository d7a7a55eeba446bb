//! Segments that are each authentic, in another order or from another object.

use crate::sample::BODY;
use crate::sample::CRYPTO;
use crate::sample::LENS;
use crate::sample::PIECE;
use crate::sample::PRELUDE;
use crate::sample::SEGMENT;
use crate::sample::Sample;

/// With full final segments too, which differ from the others in nothing but the mark.
const MANY: [usize; 3] = [2 * PIECE, 3 * PIECE + 1, 4 * PIECE];

#[tokio::test]
async fn every_order_of_four_segments_but_the_true_one_is_refused() {
    let mut refused = 0;
    for len in [3 * PIECE + 1, 4 * PIECE] {
        let sample = Sample::new(len).await;
        let segments = sample.segments();
        for order in 0..4usize.pow(4) {
            let order: Vec<usize> = (0..4).map(|place| order / 4usize.pow(place) % 4).collect();
            let moved: Vec<&[u8]> = order.iter().map(|&i| segments[i]).collect();
            let right = order.iter().enumerate().take_while(|(place, i)| place == *i).count();
            if right == 4 {
                continue;
            }
            let altered = sample.with_segments(&moved);
            sample.assert_refused(altered, right, CRYPTO, &format!("order {order:?}")).await;
            refused += 1;
        }
    }
    assert_eq!(refused, 2 * 255, "also orders that repeat a segment and leave out others");
}

#[tokio::test]
async fn a_swapped_dropped_or_repeated_segment_is_refused() {
    for len in MANY {
        let sample = Sample::new(len).await;
        let segments = sample.segments();
        let last = segments.len() - 1;
        for i in 0..segments.len() {
            for j in i + 1..segments.len() {
                let mut swapped = segments.clone();
                swapped.swap(i, j);
                let altered = sample.with_segments(&swapped);
                sample.assert_refused(altered, i, CRYPTO, &format!("{i} and {j} swapped")).await;
            }
            let mut dropped = segments.clone();
            dropped.remove(i);
            let altered = sample.with_segments(&dropped);
            sample.assert_refused(altered, i, CRYPTO, &format!("{i} dropped")).await;

            for place in 0..=segments.len() {
                let mut repeated = segments.clone();
                repeated.insert(place, segments[i]);
                // Inserted behind itself it is the place after that is wrong.
                let right = if place == i { i + 1 } else { place };
                let altered = sample.with_segments(&repeated);
                let what = format!("{i} repeated at {place}");
                sample.assert_refused(altered, right.min(last), CRYPTO, &what).await;
            }
        }
    }
}

#[tokio::test]
async fn a_segment_of_another_object_under_the_same_keyring_is_refused() {
    for len in LENS {
        let sample = Sample::new(len).await;
        let other = Sample::new(len).await;
        let (segments, others) = (sample.segments(), other.segments());
        for i in 0..segments.len() {
            for (j, foreign) in others.iter().enumerate() {
                let mut spliced = segments.clone();
                spliced[i] = foreign;
                let altered = sample.with_segments(&spliced);
                sample.assert_refused(altered, i, CRYPTO, &format!("{j} of another at {i}")).await;
            }
        }
    }
}

#[tokio::test]
async fn an_envelope_header_or_body_of_another_object_is_refused() {
    let sample = Sample::new(65).await;
    let other = Sample::new(65).await;
    let parts = |of: &Sample| {
        let sealed = of.sealed.clone();
        [sealed.slice(..PRELUDE), sealed.slice(PRELUDE..BODY), sealed.slice(BODY..)]
    };
    let (own, foreign) = (parts(&sample), parts(&other));
    for taken in 1..7 {
        let mixed: Vec<_> =
            (0..3).map(|i| if taken >> i & 1 == 1 { &foreign[i][..] } else { &own[i] }).collect();
        sample.assert_nothing_opens(mixed.concat(), CRYPTO, &format!("parts {taken:03b}")).await;
    }
}

#[tokio::test]
async fn an_internal_segment_relabelled_final_is_refused() {
    let sample = Sample::new(3 * PIECE + 1).await;
    let segments = sample.segments();
    for i in 0..3 {
        let mut cut: Vec<Vec<u8>> = segments[..=i].iter().map(|s| s.to_vec()).collect();
        cut[i][..4].copy_from_slice(&u32::try_from(SEGMENT).unwrap().to_be_bytes());
        let altered = sample.with_segments(&cut.iter().map(|s| &s[..]).collect::<Vec<_>>());
        sample.assert_refused(altered, i, CRYPTO, &format!("{i} as the final one")).await;
    }
}

#[tokio::test]
async fn a_full_final_segment_relabelled_internal_is_refused() {
    let sample = Sample::new(2 * PIECE).await;
    let mut longer = sample.sealed.to_vec();
    longer[BODY + SEGMENT..][..4].fill(0xff);
    sample.assert_refused(longer.clone(), 1, CRYPTO, "and nothing after it").await;
    longer.extend_from_slice(sample.segments()[1]);
    sample.assert_refused(longer, 1, CRYPTO, "and the final one after it").await;
}

#[tokio::test]
async fn segments_of_zeros_or_ones_are_refused() {
    for len in LENS {
        let sample = Sample::new(len).await;
        let segments = sample.segments();
        for i in 0..segments.len() {
            for byte in [0, 0xff] {
                let blank = vec![byte; segments[i].len()];
                let mut altered = segments.clone();
                altered[i] = &blank;
                let altered = sample.with_segments(&altered);
                sample.assert_refused(altered, i, CRYPTO, &format!("{i} all {byte:#x}")).await;
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_length_in_the_prefix_of_a_segment_is_refused() {
    let sample = Sample::new(PIECE + 5).await;
    for i in 0..2 {
        let true_prefix = [u32::MAX, 37][i];
        for prefix in [0, 1, 31, 32, 36, 37, 38, 63, 64, 65, 1 << 31, u32::MAX - 1, u32::MAX]
            .into_iter()
            .flat_map(|prefix: u32| [prefix, prefix.swap_bytes()])
            .filter(|prefix| *prefix != true_prefix)
        {
            let mut altered = sample.sealed.to_vec();
            altered[BODY + i * SEGMENT..][..4].copy_from_slice(&prefix.to_be_bytes());
            sample.assert_refused(altered, i, CRYPTO, &format!("prefix {prefix} at {i}")).await;
        }
    }
}
