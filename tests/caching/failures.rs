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

/// A request that is dropped while it asks leaves its call to those who wait for it.
#[tokio::test(start_paused = true)]
async fn a_dropped_request_holds_nobody_up() {
    let below = Below::new();
    below.takes(Duration::from_secs(9));
    let cache = below.cached();
    let first = tokio::time::timeout(Duration::from_secs(1), seal_key(&cache, "acme"));
    let (first, second) = tokio::join!(first, seal_key(&cache, "acme"));
    assert!(first.is_err());
    assert!(second.is_ok());
    assert_eq!(below.calls(), 1);
}

/// As in a `select!` whose other branch goes on for hours.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_polled_any_more_holds_nobody_up() {
    let below = Below::new();
    below.takes(Duration::from_secs(1));
    let cache = below.cached();
    let mut parked = Box::pin(seal_key(&cache, "acme"));
    assert!(futures_util::poll!(&mut parked).is_pending());
    let second = tokio::time::timeout(Duration::from_secs(5), seal_key(&cache, "acme"));
    assert!(second.await.unwrap().is_ok());
    assert!(parked.await.is_ok());
    assert_eq!(below.calls(), 1);
}

/// With nobody left who waits, a call is dropped, and the next request makes its own.
#[tokio::test(start_paused = true)]
async fn a_call_ends_with_the_last_who_waits() {
    let below = Below::new();
    below.takes(Duration::from_secs(3600));
    let cache = below.cached();
    let asking = tokio::time::timeout(Duration::from_secs(1), seal_key(&cache, "acme"));
    assert!(asking.await.is_err());
    below.takes(Duration::from_secs(1));
    assert!(seal_key(&cache, "acme").await.is_ok());
    assert_eq!(below.calls(), 2);
}

/// A connection that never answers: neither who waits nor a key that is being replaced keeps
/// others from asking anew.
#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_not_waited_for_by_all() {
    let below = Below::new();
    let cache = below.cached();
    seal_key(&cache, "acme").await.unwrap();
    advance(MAX_AGE * 9 / 10).await;
    below.takes(Duration::from_secs(1_000_000));
    seal_key(&cache, "acme").await.unwrap(); // begins to replace it
    tokio::task::yield_now().await;
    let hanging = tokio::spawn({
        let cache = cache.clone();
        async move { seal_key(&cache, "other").await }
    });
    tokio::task::yield_now().await;
    below.takes(Duration::from_secs(1));
    advance(Duration::from_secs(11)).await;
    for tenant in ["acme", "other"] {
        let asking = tokio::time::timeout(Duration::from_secs(5), seal_key(&cache, tenant));
        assert!(asking.await.unwrap().is_ok(), "{tenant}");
    }
    assert_eq!(below.calls(), 5);
    hanging.abort();
}

/// The answer of a call that was taken for stuck is for the one who waited so long.
#[tokio::test(start_paused = true)]
async fn a_late_answer_does_not_replace_a_newer_one() {
    let below = Below::new();
    let cache = below.cached();
    below.takes(Duration::from_secs(30));
    let slow = tokio::spawn({
        let cache = cache.clone();
        async move { seal_key(&cache, "acme").await }
    });
    tokio::task::yield_now().await;
    below.takes(Duration::from_secs(1));
    advance(Duration::from_secs(11)).await;
    let newer = seal_key(&cache, "acme").await.unwrap();
    assert_ne!(slow.await.unwrap().unwrap(), newer);
    assert_eq!(seal_key(&cache, "acme").await.unwrap(), newer);
    assert_eq!((below.calls(), cache.metrics().held), (2, 1));
}

/// In an outage, and for forged objects, what is asked for and not got pushes out no key.
#[tokio::test(start_paused = true)]
async fn what_fails_pushes_nothing_out() {
    for kind in [ErrorKind::Keyring, ErrorKind::Authentication] {
        let below = Below::new();
        let cache = below.cached_with(|cache| cache.max_entries(10));
        for tenant in 0..9 {
            seal_key(&cache, &format!("warm {tenant}")).await.unwrap();
        }
        below.fails(kind);
        below.takes(Duration::from_millis(5));
        let tenants: Vec<_> = (0..1_000).map(|i| format!("cold {i}")).collect();
        let asking = tenants.iter().map(|tenant| seal_key(&cache, tenant));
        assert!(futures_util::future::join_all(asking).await.iter().all(Result::is_err));
        let calls = below.calls();
        for tenant in 0..9 {
            seal_key(&cache, &format!("warm {tenant}")).await.unwrap();
        }
        assert_eq!((below.calls(), cache.metrics().held), (calls, 9), "{kind:?}");
    }
}
