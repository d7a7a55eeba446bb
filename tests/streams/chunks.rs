//! The plaintext comes back whatever the pieces in which it went in and the sealed bytes came.

use futures_util::StreamExt as _;
use futures_util::stream;
use proptest::prelude::*;
use waxseal::Body;

use crate::pending::Alive;
use crate::pending::Reluctant;
use crate::pending::run;
use crate::sample::FRONT;
use crate::sample::PIECE;
use crate::sample::SEGMENT;
use crate::sample::body;
use crate::sample::cipher;
use crate::sample::context;
use crate::sample::pieces;
use crate::sample::plain;

const LENS: [usize; 9] = [0, 1, 31, 32, 33, 63, 64, 65, 300];
const CUTS: [&[usize]; 8] =
    [&[1], &[0, 1, 0, 0], &[31], &[32], &[33], &[64], &[7, 0, 90], &[usize::MAX]];

#[tokio::test]
async fn a_body_sealed_and_opened_in_any_pieces_is_the_body() {
    for len in LENS {
        let plain = plain(len);
        for cut in CUTS {
            let sealed = seal(&plain, cut).await;
            assert_eq!(sealed.len(), FRONT + len + 32 * len.div_ceil(PIECE).max(1));
            assert_eq!(cipher().open(&sealed, &context()).await.unwrap(), plain, "{cut:?}");
            for cut in CUTS {
                assert_eq!(open(&sealed, cut).await, plain, "{cut:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_sealed_from_a_slice_opens_as_a_stream_and_at_random() {
    for len in LENS {
        let plain = plain(len);
        let sealed = cipher().seal(&plain, &context()).await.unwrap();
        assert_eq!(open(&sealed, &[1]).await, plain);
        let object = cipher().open_at(sealed, &context()).await.unwrap();
        assert_eq!(object.into_stream().collect().await.unwrap(), plain);
    }
}

#[tokio::test]
async fn an_opened_stream_gives_a_segment_an_item_and_no_empty_one() {
    for len in LENS {
        let sealed = seal(&plain(len), &[10]).await;
        let opened = cipher().open_stream(body(pieces(&sealed, &[13])), &context()).await.unwrap();
        let items: Vec<usize> = opened.map(|item| item.unwrap().len()).collect().await;
        let expected: Vec<usize> = plain(len).chunks(PIECE).map(<[u8]>::len).collect();
        assert_eq!(items, expected);
    }
}

#[tokio::test]
async fn a_body_that_knows_its_length_says_how_long_it_will_be_sealed() {
    for len in LENS {
        let sealed = cipher().seal_stream(plain(len), &context()).await.unwrap();
        let hint = sealed.len_hint();
        assert_eq!(hint, Some(sealed.collect().await.unwrap().len() as u64));
        let unknown = cipher().seal_stream(body(pieces(&plain(len), &[5])), &context()).await;
        assert_eq!(unknown.unwrap().len_hint(), None);
    }
}

/// The hint is a hint: a body of another length is sealed as it is.
#[tokio::test]
async fn a_body_of_another_length_than_it_says_is_sealed_as_it_is() {
    for hint in [0, 1, 64, 65, 66, 1 << 40, u64::MAX] {
        let lying = body(pieces(&plain(65), &[5])).with_len(hint);
        let sealed = cipher().seal_stream(lying, &context()).await.unwrap();
        let sealed = sealed.collect().await.unwrap();
        assert_eq!(cipher().open(&sealed, &context()).await.unwrap(), plain(65), "{hint}");
    }
}

/// Half the polls find nothing; the result is the same, and nothing forgets to be woken.
#[tokio::test]
async fn a_body_that_is_pending_before_every_item_is_sealed_and_opened() {
    for len in LENS {
        for cut in [&[1][..], &[0, 40], &[64]] {
            let alive = Alive::default();
            let slow = |bytes: &[u8]| {
                let items = stream::iter(pieces(bytes, cut)).map(Ok::<_, std::io::Error>);
                Body::from_stream(Reluctant::new(items, &alive))
            };
            let sealed = cipher().seal_stream(slow(&plain(len)), &context()).await.unwrap();
            let sealed = sealed.collect().await.unwrap();
            let opened = cipher().open_stream(slow(&sealed), &context()).await.unwrap();
            assert_eq!(opened.collect().await.unwrap(), plain(len));
            assert_eq!(alive.count(), 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_bodies_in_random_pieces_come_back(
        plain in prop::collection::vec(any::<u8>(), 0..1500),
        segment_len in 33u32..400,
        sealing in prop::collection::vec(0usize..200, 1..12),
        opening in prop::collection::vec(0usize..200, 1..12),
    ) {
        let (sealing, opening) = ([&sealing[..], &[9]].concat(), [&opening[..], &[9]].concat());
        let cipher = cipher().segment_len(segment_len);
        let (opened, _) = run(async {
            let sealed = cipher.seal_stream(body(pieces(&plain, &sealing)), &context()).await?;
            let sealed = sealed.collect().await?;
            let opened = cipher.open_stream(body(pieces(&sealed, &opening)), &context()).await?;
            opened.collect().await
        });
        prop_assert_eq!(opened.unwrap(), plain);
    }
}

async fn seal(plain: &[u8], cut: &[usize]) -> Vec<u8> {
    let sealed = cipher().seal_stream(body(pieces(plain, cut)), &context()).await.unwrap();
    let sealed = sealed.collect().await.unwrap();
    assert_eq!((sealed.len() - FRONT).div_ceil(SEGMENT), plain.len().div_ceil(PIECE).max(1));
    sealed.to_vec()
}

async fn open(sealed: &[u8], cut: &[usize]) -> Vec<u8> {
    let opened = cipher().open_stream(body(pieces(sealed, cut)), &context()).await.unwrap();
    opened.collect().await.unwrap().to_vec()
}
