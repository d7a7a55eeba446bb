//! What a failure below means for those who ask, and for what is kept.

use std::time::Duration;

use tokio::time::advance;
use waxseal::ErrorKind;

use crate::below::Below;
use crate::below::MAX_AGE;
use crate::below::open_key;
use crate::below::seal_key;

#[tokio::test]
async fn all_who_wait_get_the_one_failure() {
    let below = Below::new();
    below.takes(Duration::from_millis(20));
    for kind in [ErrorKind::Keyring, ErrorKind::KeyAccess] {
        below.fails(kind);
        let cache = below.cached();
        let before = below.calls();
        let waiting = (0..100).map(|_| seal_key(&cache, "acme"));
        for answer in futures_util::future::join_all(waiting).await {
            let error = answer.unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (kind, "asked for by a test".into()));
        }
        assert_eq!(below.calls() - before, 1, "{kind:?}");
        below.fails(None);
        assert!(seal_key(&below.cached(), "acme").await.is_ok());
    }
}

/// One second without asking, for those who ask for the same key.
#[tokio::test(start_paused = true)]
async fn a_keyring_that_cannot_be_asked_is_left_alone_for_a_second() {
    let below = Below::new();
    let cache = below.cached();
    below.fails(ErrorKind::Keyring);
    for _ in 0..10 {
        let error = seal_key(&cache, "acme").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Keyring);
    }
    assert_eq!(below.calls(), 1);
    assert!(seal_key(&cache, "other").await.is_err());
    assert_eq!(below.calls(), 2);
    below.fails(None);
    assert!(seal_key(&cache, "acme").await.is_err(), "the second is not over");
    advance(Duration::from_secs(1)).await;
    assert!(seal_key(&cache, "acme").await.is_ok());
    assert_eq!(below.calls(), 3);
}

/// A refusal is told to those who waited, and asked again by the next.
#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let below = Below::new();
    let cache = below.cached();
    for kind in [ErrorKind::KeyAccess, ErrorKind::Authentication] {
        below.fails(kind);
        assert_eq!(seal_key(&cache, "acme").await.unwrap_err().kind(), kind);
    }
    below.fails(None);
    assert!(seal_key(&cache, "acme").await.is_ok());
    assert_eq!(below.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_outlives_an_outage_until_it_is_too_old() {
    let below = Below::new();
    let cache = below.cached();
    let first = seal_key(&cache, "acme").await.unwrap();
    advance(MAX_AGE * 9 / 10).await;
    below.fails(ErrorKind::Keyring);
    for _ in 0..5 {
        assert_eq!(seal_key(&cache, "acme").await.unwrap(), first);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(below.calls(), 2, "one try, then a second of rest");
    advance(Duration::from_secs(1)).await;
    assert_eq!(seal_key(&cache, "acme").await.unwrap(), first);
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert_eq!(below.calls(), 3);
    advance(MAX_AGE / 10).await;
    assert_eq!(seal_key(&cache, "acme").await.unwrap_err().kind(), ErrorKind::Keyring);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_when_it_is_to_be_replaced_is_wiped_at_once() {
    let below = Below::new();
    let cache = below.cached();
    let first = seal_key(&cache, "acme").await.unwrap();
    open_key(&cache, &first, "acme").await.unwrap();
    seal_key(&cache, "other").await.unwrap();
    advance(MAX_AGE * 9 / 10).await;
    below.fails(ErrorKind::KeyAccess);
    assert_eq!(seal_key(&cache, "acme").await.unwrap(), first);
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(cache.metrics().held, 2);
    assert_eq!(seal_key(&cache, "acme").await.unwrap_err().kind(), ErrorKind::KeyAccess);
    assert!(seal_key(&cache, "other").await.is_ok(), "another context was not refused");
}

/// Objects come from anywhere: one that does not open costs the others nothing.
#[tokio::test]
async fn a_forged_object_wipes_nothing() {
    let below = Below::new();
    let cache = below.cached();
    let good = seal_key(&cache, "acme").await.unwrap();
    open_key(&cache, &good, "acme").await.unwrap();
    let other_key = waxseal::WrappedKey::new("local", "other", good.ciphertext()).unwrap();
    let mut altered = good.ciphertext().to_vec();
    altered[20] ^= 1;
    let altered = waxseal::WrappedKey::new("local", good.key_id().unwrap(), altered).unwrap();
    let kind = |answer: waxseal::Result<_>| answer.map(drop).unwrap_err().kind();
    assert_eq!(kind(open_key(&cache, &other_key, "acme").await), ErrorKind::KeyAccess);
    assert_eq!(kind(open_key(&cache, &altered, "acme").await), ErrorKind::Authentication);
    assert_eq!(cache.metrics().held, 2);
    let calls = below.calls();
    open_key(&cache, &good, "acme").await.unwrap();
    assert_eq!(below.calls(), calls);
}

/// A request that is dropped while it asks leaves its turn to the next.
#[tokio::test(start_paused = true)]
async fn a_dropped_request_holds_nobody_up() {
    let below = Below::new();
    below.takes(Duration::from_secs(10));
    let cache = below.cached();
    let first = tokio::time::timeout(Duration::from_secs(1), seal_key(&cache, "acme"));
    let (first, second) = tokio::join!(first, seal_key(&cache, "acme"));
    assert!(first.is_err());
    assert!(second.is_ok());
    assert_eq!(below.calls(), 2);
}
