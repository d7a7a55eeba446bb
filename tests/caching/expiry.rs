//! How long, with time that tests move.

use std::time::Duration;

use tokio::time::Instant;
use tokio::time::advance;

use crate::below::Below;
use crate::below::MAX_AGE;
use crate::below::open_key;
use crate::below::seal_key;

const MOMENT: Duration = Duration::from_millis(2);

#[tokio::test(start_paused = true)]
async fn a_key_is_used_until_it_is_max_age_old_and_no_longer() {
    let below = Below::new();
    let cache = below.cached();
    let sealed = seal_key(&cache, "acme").await.unwrap();
    open_key(&cache, &sealed, "acme").await.unwrap();
    assert_eq!(below.calls(), 2);
    // Seldom asked, it is not replaced in the background.
    advance(MAX_AGE / 2).await;
    assert_eq!(seal_key(&cache, "acme").await.unwrap(), sealed);
    open_key(&cache, &sealed, "acme").await.unwrap();
    assert_eq!(below.calls(), 2);
    advance(MAX_AGE / 2).await;
    assert_ne!(seal_key(&cache, "acme").await.unwrap(), sealed);
    open_key(&cache, &sealed, "acme").await.unwrap();
    assert_eq!(below.calls(), 4);
    assert_eq!(cache.metrics().wiped, 2);
}

/// Its age begins when it was asked for: it cannot have been revoked before that.
#[tokio::test(start_paused = true)]
async fn the_time_of_the_call_counts() {
    let below = Below::new();
    below.takes(MAX_AGE / 2);
    let cache = below.cached();
    seal_key(&cache, "acme").await.unwrap();
    assert_eq!(cache.metrics().held, 1);
    advance(MAX_AGE / 2).await;
    assert_eq!(cache.metrics().held, 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_in_use_is_replaced_before_and_nobody_waits() {
    let below = Below::new();
    let cache = below.cached();
    let first = seal_key(&cache, "acme").await.unwrap();
    open_key(&cache, &first, "acme").await.unwrap();
    below.takes(Duration::from_secs(5));
    let began = Instant::now();
    let mut keys = vec![first.clone()];
    for second in 1..=1_000 {
        let before = Instant::now();
        keys.push(seal_key(&cache, "acme").await.unwrap());
        open_key(&cache, &first, "acme").await.unwrap();
        assert!(before.elapsed() < MOMENT, "nobody waits for the keyring");
        tokio::time::sleep_until(began + Duration::from_secs(second)).await;
    }
    keys.dedup();
    // A key every 75 to 88 seconds and the 5 of the call, on both sides.
    assert!((11..=13).contains(&keys.len()), "{}", keys.len());
    let metrics = cache.metrics();
    assert_eq!(metrics.misses, 2);
    assert!((22..=28).contains(&metrics.calls), "{metrics:?}");
    assert_eq!(metrics.calls, below.calls());
    assert_eq!(metrics.held, 2);
}

/// However many ask while a key is being replaced, it is asked for once.
#[tokio::test(start_paused = true)]
async fn a_key_is_replaced_once() {
    let below = Below::new();
    let cache = below.cached();
    let first = seal_key(&cache, "acme").await.unwrap();
    advance(MAX_AGE * 9 / 10).await;
    below.takes(Duration::from_secs(1));
    for _ in 0..100 {
        assert_eq!(seal_key(&cache, "acme").await.unwrap(), first);
        tokio::task::yield_now().await;
    }
    advance(Duration::from_secs(2)).await;
    tokio::task::yield_now().await;
    assert_ne!(seal_key(&cache, "acme").await.unwrap(), first);
    assert_eq!(below.calls(), 2);
}

/// What was to be replaced and is gone is not asked for.
#[tokio::test(start_paused = true)]
async fn nothing_is_replaced_after_clearing() {
    let below = Below::new();
    let cache = below.cached();
    for calls in 1..=2 {
        seal_key(&cache, "acme").await.unwrap();
        advance(MAX_AGE * 9 / 10).await;
        seal_key(&cache, "acme").await.unwrap();
        cache.clear();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!((below.calls(), cache.metrics().held), (calls, 0));
    }
}

/// Its call being on its way, a request that comes too late for the old key waits for that one.
#[tokio::test(start_paused = true)]
async fn a_late_request_waits_for_the_call_that_is_under_way() {
    let below = Below::new();
    let cache = below.cached();
    let first = seal_key(&cache, "acme").await.unwrap();
    below.takes(MAX_AGE / 10);
    advance(MAX_AGE * 19 / 20).await;
    seal_key(&cache, "acme").await.unwrap();
    tokio::task::yield_now().await;
    advance(MAX_AGE / 20).await;
    assert_ne!(seal_key(&cache, "acme").await.unwrap(), first);
    assert_eq!(below.calls(), 2);
    assert_eq!(cache.metrics().coalesced, 1);
}
