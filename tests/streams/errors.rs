//! A stream that fails after any item fails the operation, with its source, and leaves nothing
//! that looks complete.

use std::error::Error as _;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use waxseal::Body;
use waxseal::Error;
use waxseal::ErrorKind;

use crate::pending::Alive;
use crate::pending::Reluctant;
use crate::sample::FRONT;
use crate::sample::PIECE;
use crate::sample::SEGMENT;
use crate::sample::cipher;
use crate::sample::context;
use crate::sample::pieces;
use crate::sample::plain;

/// `items`, then an error, then more that nobody may ask for.
fn failing(items: &[Bytes], reluctant: bool) -> Body {
    let items: Vec<_> = items
        .iter()
        .cloned()
        .map(Ok)
        .chain([Err(std::io::Error::other("the cable was cut"))])
        .chain([Ok(Bytes::from_static(b"after the error"))])
        .collect();
    let items = stream::iter(items);
    if reluctant {
        Body::from_stream(Reluctant::new(items, &Alive::default()))
    } else {
        Body::from_stream(items)
    }
}

/// What came before the error, and the error, after which there is nothing.
async fn drain(mut body: Body) -> (Vec<u8>, Option<Error>) {
    let mut released = vec![];
    while let Some(item) = body.next().await {
        match item {
            Ok(more) => released.extend_from_slice(&more),
            Err(error) => {
                for _ in 0..3 {
                    assert!(body.next().await.is_none(), "the stream goes on after its error");
                }
                return (released, Some(error));
            }
        }
    }
    (released, None)
}

fn assert_is_the_cable(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(error.source().unwrap().to_string(), "the cable was cut");
}

#[tokio::test]
async fn a_body_ends_with_its_first_error() {
    for count in 0..5 {
        for reluctant in [false, true] {
            let items = pieces(&plain(50), &[10]);
            let (released, error) = drain(failing(&items[..count], reluctant)).await;
            assert_is_the_cable(&error.unwrap());
            assert_eq!(released, plain(50)[..count * 10]);
        }
    }
    let (released, error) = drain(crate::sample::body(pieces(&plain(50), &[10]))).await;
    assert!(error.is_none());
    assert_eq!(released, plain(50));
}

#[tokio::test]
async fn sealing_a_stream_that_fails_after_any_item_fails_and_does_not_open() {
    // Large enough for several batches of 256 KiB, which are given out before the error.
    for (len, cut) in [(0, 1), (100, 1), (100, 32), (700_000, 140_001)] {
        let pieces = pieces(&plain(len), &[cut]);
        for count in 0..=pieces.len() {
            for reluctant in [false, true] {
                let body = failing(&pieces[..count], reluctant);
                let sealing = cipher().seal_stream(body, &context()).await.unwrap();
                let (sealed, error) = drain(sealing).await;
                assert_is_the_cable(&error.unwrap());
                for segments in [sealed.len(), (sealed.len() / SEGMENT) * SEGMENT] {
                    let error = cipher().open(&sealed[..segments], &context()).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Authentication, "{count} items");
                }
            }
        }
        let whole = crate::sample::body(pieces);
        let sealing = cipher().seal_stream(whole, &context()).await.unwrap();
        let (sealed, error) = drain(sealing).await;
        assert!(error.is_none());
        assert_eq!(cipher().open(&sealed, &context()).await.unwrap(), plain(len));
    }
}

#[tokio::test]
async fn opening_a_stream_that_fails_after_any_item_fails_after_its_whole_segments() {
    for len in [0, 32, 100] {
        let sealed = cipher().seal(&plain(len), &context()).await.unwrap();
        let last = (sealed.len() - FRONT).div_ceil(SEGMENT) - 1;
        let pieces = pieces(&sealed, &[1]);
        for count in 0..=pieces.len() {
            for reluctant in [false, true] {
                let body = failing(&pieces[..count], reluctant);
                let (released, error) = match cipher().open_stream(body, &context()).await {
                    Ok(opening) => drain(opening).await,
                    Err(error) => (vec![], Some(error)),
                };
                assert_is_the_cable(&error.unwrap());
                // The final segment is not let out before the stream has ended well.
                let segments = (count.saturating_sub(FRONT) / SEGMENT).min(last);
                assert_eq!(released, plain(len)[..segments * PIECE], "{count} of {len}");
            }
        }
        let (released, error) =
            drain(cipher().open_stream(crate::sample::body(pieces), &context()).await.unwrap())
                .await;
        assert!(error.is_none());
        assert_eq!(released, plain(len));
    }
}

#[tokio::test]
async fn an_error_of_ours_in_a_stream_keeps_its_kind() {
    for kind in [ErrorKind::Changed, ErrorKind::Authentication, ErrorKind::KeyAccess] {
        let ours = stream::iter([Err::<Bytes, _>(Error::new(kind, "ours"))]);
        let sealing = cipher().seal_stream(Body::from_stream(ours), &context()).await.unwrap();
        let (_, error) = drain(sealing).await;
        assert_eq!(error.unwrap().kind(), kind);
        let through_io =
            stream::iter([Err::<Bytes, _>(std::io::Error::from(Error::new(kind, "ours")))]);
        let opened = cipher().open_stream(Body::from_stream(through_io), &context()).await;
        assert_eq!(opened.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn a_sealed_stream_that_is_opened_as_it_is_made_fails_as_its_source_does() {
    let body = failing(&pieces(&plain(1000), &[100]), true);
    let sealing = cipher().seal_stream(body, &context()).await.unwrap();
    let error = match cipher().open_stream(sealing, &context()).await {
        Ok(opening) => drain(opening).await.1.unwrap(),
        Err(error) => error,
    };
    assert_is_the_cable(&error);
}
