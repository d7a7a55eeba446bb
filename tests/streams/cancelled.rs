//! Every operation dropped at every point at which it waits: what it held is let go, and the next
//! one works.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use waxseal::Body;
use waxseal::EnvelopeCipher;
use waxseal::Object;

use crate::pending::Alive;
use crate::pending::Reluctant;
use crate::pending::Slow;
use crate::pending::cancel;
use crate::pending::run;
use crate::sample::cipher;
use crate::sample::cipher_of;
use crate::sample::context;
use crate::sample::keyring;
use crate::sample::pieces;
use crate::sample::plain;

/// A cipher whose keyring is slow, and what counts who waits.
fn slow_cipher() -> (EnvelopeCipher, Alive) {
    let alive = Alive::default();
    (cipher_of(Slow { inner: keyring(), alive: alive.clone() }), alive)
}

fn slow_body(bytes: &[u8], alive: &Alive) -> Body {
    let items = stream::iter(pieces(bytes, &[50])).map(Ok::<_, std::io::Error>);
    Body::from_stream(Reluctant::new(items, alive))
}

/// Runs an operation to its end, then drops it after 0, 1, ... polls. `idle` things live on.
fn cancel_everywhere<F: Future>(alive: &Alive, least: usize, operation: impl Fn() -> F) {
    let idle = alive.count();
    let (_, pending) = run(operation());
    assert!(pending >= least, "it waited {pending} times only");
    for polls in 0..=pending {
        cancel(operation(), polls);
        assert_eq!(alive.count(), idle, "dropped after {polls} polls of {pending}");
    }
    run(operation());
    assert_eq!(alive.count(), idle);
}

#[test]
fn sealing_a_stream_can_be_dropped_anywhere() {
    let (cipher, alive) = slow_cipher();
    cancel_everywhere(&alive, 2 + 8, || async {
        let body = slow_body(&plain(400), &alive);
        let sealing = cipher.seal_stream(body, &context()).await.unwrap();
        let sealed = sealing.collect().await.unwrap();
        assert!(cipher.open(&sealed, &context()).await.unwrap() == plain(400));
    });
}

#[test]
fn sealing_with_metadata_can_be_dropped_anywhere() {
    for format in [waxseal::Format::Floe, waxseal::Format::OneShot] {
        let (cipher, alive) = slow_cipher();
        let cipher = cipher.format(format);
        cancel_everywhere(&alive, 2 + 8, || async {
            let body = slow_body(&plain(400), &alive);
            let (metadata, body) = cipher.seal_with_metadata(body, &context()).await.unwrap();
            let body = body.collect().await.unwrap();
            let entries = metadata.iter().map(|(n, v)| (n.as_str(), v.as_str()));
            let source = Slow { inner: body, alive: alive.clone() };
            let object = cipher.open_with_metadata(entries, source, &context()).await.unwrap();
            assert!(object.into_stream().collect().await.unwrap() == plain(400));
        });
    }
}

#[test]
fn sealing_and_opening_bytes_can_be_dropped_anywhere() {
    let (cipher, alive) = slow_cipher();
    cancel_everywhere(&alive, 4, || async {
        let sealed = cipher.seal(&plain(100), &context()).await.unwrap();
        assert!(cipher.open(&sealed, &context()).await.unwrap() == plain(100));
    });
}

#[test]
fn opening_a_stream_can_be_dropped_anywhere() {
    let (cipher, alive) = slow_cipher();
    let sealed = sealed(400);
    cancel_everywhere(&alive, 2 + 30, || async {
        let body = slow_body(&sealed, &alive);
        let opening = cipher.open_stream(body, &context()).await.unwrap();
        assert!(opening.collect().await.unwrap() == plain(400));
    });
}

#[test]
fn opening_at_random_can_be_dropped_anywhere() {
    let (cipher, alive) = slow_cipher();
    let sealed = sealed(400);
    cancel_everywhere(&alive, 7, || async {
        let source = Slow { inner: sealed.clone(), alive: alive.clone() };
        let object = cipher.open_at(source, &context()).await.unwrap();
        assert_eq!(object.len(), 400);
    });
}

#[test]
fn reading_a_range_can_be_dropped_anywhere_and_the_object_reads_on() {
    let (alive, object) = slow_object(400);
    cancel_everywhere(&alive, 2, || async {
        assert!(object.range(100..300).await.unwrap() == plain(400)[100..300]);
    });
}

#[test]
fn reading_everything_can_be_dropped_anywhere_and_the_object_reads_on() {
    let (alive, object) = slow_object(400);
    cancel_everywhere(&alive, 2, || async {
        assert!(object.clone().into_stream().collect().await.unwrap() == plain(400));
    });
}

/// Not while it waits but between two items, with pieces of 8 MiB on their way.
#[test]
fn a_stream_dropped_between_items_lets_its_source_go() {
    let alive = Alive::default();
    let cipher = cipher().segment_len(1 << 20);
    let (sealed, _) = run(cipher.seal(&vec![7; 9 << 20], &context()));
    let source = Slow { inner: sealed.unwrap(), alive: alive.clone() };
    let (object, _) = run(cipher.open_at(source, &context()));
    let object = object.unwrap();
    assert_eq!(alive.count(), 1);
    for items in [0, 1, 7, 8, 9] {
        let mut stream = object.clone().into_stream();
        for _ in 0..items {
            assert!(run(stream.next()).0.unwrap().unwrap().iter().all(|&b| b == 7));
        }
        drop(stream);
        assert_eq!(alive.count(), 1, "after {items} items");
    }
    drop(object);
    assert_eq!(alive.count(), 0);
}

#[test]
fn a_finished_stream_has_let_its_source_go() {
    let alive = Alive::default();
    let sealing = async {
        let mut sealing = cipher().seal_stream(slow_body(&plain(400), &alive), &context()).await?;
        let mut sealed = vec![];
        while let Some(more) = sealing.next().await {
            sealed.extend_from_slice(&more?);
        }
        assert_eq!(alive.count(), 0);
        assert!(sealing.next().await.is_none(), "it stays at its end");
        cipher().open(&sealed, &context()).await
    };
    assert_eq!(run(sealing).0.unwrap(), plain(400));
}

fn sealed(len: usize) -> Bytes {
    run(cipher().seal(&plain(len), &context())).0.unwrap()
}

fn slow_object(len: usize) -> (Alive, Object) {
    let alive = Alive::default();
    let source = Slow { inner: sealed(len), alive: alive.clone() };
    (alive, run(cipher().open_at(source, &context())).0.unwrap())
}
