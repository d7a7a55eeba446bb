//! How many objects, bytes and keys.

use std::collections::BTreeMap;
use std::time::Duration;

use waxseal::Body;
use waxseal::CachingKeyring;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::Keyring as _;
use waxseal::WrappedKey;

use crate::below::Below;
use crate::below::context;
use crate::below::open_key;
use crate::below::request;
use crate::below::seal_key;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_first_uses_at_once_are_one_call() {
    let below = Below::new();
    below.takes(Duration::from_millis(50));
    let cache = below.cached();
    let all = (0..1_000).map(|_| {
        let cache = cache.clone();
        tokio::spawn(async move { seal_key(&cache, "acme").await.unwrap() })
    });
    let mut keys = vec![];
    for task in all.collect::<Vec<_>>() {
        keys.push(task.await.unwrap());
    }
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_eq!(below.calls(), 1);
    let metrics = cache.metrics();
    assert_eq!((metrics.misses, metrics.calls), (1, 1));
    assert_eq!(metrics.coalesced + metrics.hits, 999);

    // And of opening.
    let all = (0..1_000).map(|_| {
        let (cache, wrapped) = (cache.clone(), keys[0].clone());
        tokio::spawn(async move { open_key(&cache, &wrapped, "acme").await.map(drop) })
    });
    for task in all.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    assert_eq!(below.calls(), 2);
}

/// Those who waited for a key count as those who find it.
#[tokio::test]
async fn more_first_uses_at_once_than_one_key_may_seal_are_more_calls() {
    let below = Below::new();
    below.takes(Duration::from_millis(5));
    let cache = below.cached_with(|cache| cache.max_objects(3));
    let asking = futures_util::future::join_all((0..10).map(|_| seal_key(&cache, "acme")));
    let mut uses = BTreeMap::<Vec<u8>, u64>::new();
    for key in tokio::time::timeout(Duration::from_secs(5), asking).await.unwrap() {
        *uses.entry(key.unwrap().ciphertext().to_vec()).or_default() += 1;
    }
    assert!(uses.values().all(|&uses| uses <= 3), "{:?}", uses.values());
    assert_eq!(below.calls(), 4);
}

#[tokio::test]
async fn a_hundred_thousand_objects_by_the_thousand_are_a_hundred_calls() {
    let below = Below::new();
    let cache = below.cached_with(|cache| cache.max_objects(1_000));
    let mut uses = BTreeMap::<Vec<u8>, u64>::new();
    for _ in 0..100_000 {
        let key = seal_key(&cache, "acme").await.unwrap();
        *uses.entry(key.ciphertext().to_vec()).or_default() += 1;
    }
    assert_eq!(below.calls(), 100);
    assert_eq!(uses.len(), 100);
    assert!(uses.values().all(|&uses| uses == 1_000));
    let metrics = cache.metrics();
    assert_eq!((metrics.hits, metrics.misses, metrics.wiped), (99_900, 100, 100));
    assert_eq!(metrics.held, 0, "used up, it is wiped at once");
}

/// The same through the cipher; every object opens, and none has the header of another.
#[tokio::test]
async fn objects_under_one_data_key_differ_and_open() {
    let below = Below::new();
    let cipher = EnvelopeCipher::new(below.cached_with(|cache| cache.max_objects(50)));
    let context = context("acme");
    let mut sealed = vec![];
    for _ in 0..200 {
        sealed.push(cipher.seal(b"attack at dawn", &context).await.unwrap());
    }
    assert_eq!(below.calls(), 4);
    for object in &sealed {
        assert_eq!(cipher.open(object, &context).await.unwrap(), "attack at dawn");
    }
    assert_eq!(below.calls(), 8, "each data key is unwrapped once");
    let mut bodies = sealed.iter().map(|object| &object[1024..]).collect::<Vec<_>>();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), 200);
}

#[tokio::test]
async fn bytes_are_counted_as_they_are_announced() {
    let below = Below::new();
    let cipher = EnvelopeCipher::new(below.cached_with(|cache| cache.max_bytes(1_000)));
    let context = context("acme");
    let keys = async |objects: Vec<Body>| {
        let before = below.calls();
        for object in objects {
            let sealed = cipher.seal_stream(object, &context).await.unwrap();
            sealed.collect().await.unwrap();
        }
        below.calls() - before
    };
    let of = |len: usize| Body::from(vec![7; len]);
    assert_eq!(keys(vec![of(500), of(300), of(200)]).await, 1);
    assert_eq!(keys(vec![of(1)]).await, 1, "nothing is left of the first key");
    assert_eq!(keys(vec![of(999), of(0)]).await, 0);
    assert_eq!(keys(vec![of(1_000), of(1_000)]).await, 2);
    // A larger one, and one of unknown length, get keys of their own, and leave the others.
    let unknown = || Body::from_reader(&b"abc"[..]);
    assert_eq!(keys(vec![of(600), of(1_001), unknown(), unknown(), of(400)]).await, 4);
    assert_eq!(keys(vec![of(1)]).await, 1);
}

#[tokio::test]
async fn the_key_not_used_for_longest_gives_way() {
    let below = Below::new();
    let cache = below.cached_with(|cache| cache.max_entries(2));
    let calls = async |tenants: &[&str]| {
        let before = below.calls();
        for tenant in tenants {
            seal_key(&cache, tenant).await.unwrap();
        }
        below.calls() - before
    };
    assert_eq!(calls(&["a", "b", "a", "c"]).await, 3);
    assert_eq!((cache.metrics().held, cache.metrics().wiped), (2, 1));
    assert_eq!(calls(&["a", "c"]).await, 0);
    assert_eq!(calls(&["b"]).await, 1);
    // What fails to open pushes nothing out.
    let wrapped = |i: u8| WrappedKey::new("local", "k", [i; 60]).unwrap();
    for i in 0..10 {
        assert!(open_key(&cache, &wrapped(i), "x").await.is_err());
    }
    assert_eq!((cache.metrics().held, calls(&["c", "b"]).await), (2, 0));
    // However many come at once.
    below.takes(Duration::from_millis(5));
    let tenants: Vec<_> = (0..50).map(|i| i.to_string()).collect();
    futures_util::future::join_all(tenants.iter().map(|tenant| seal_key(&cache, tenant))).await;
    assert_eq!(cache.metrics().held, 2);
}

#[tokio::test]
async fn clearing_wipes_and_keeps_nothing_that_was_asked_for_before() {
    let below = Below::new();
    let cache = below.cached();
    let first = seal_key(&cache, "acme").await.unwrap();
    cache.clear();
    assert_eq!((cache.metrics().held, cache.metrics().wiped), (0, 1));
    below.takes(Duration::from_millis(20));
    let (second, ()) = tokio::join!(seal_key(&cache, "acme"), async {
        tokio::task::yield_now().await;
        cache.clear();
    });
    assert_ne!(second.unwrap(), first);
    assert_eq!(cache.metrics().held, 0);
    assert_eq!(below.calls(), 2);
}

#[test]
fn limits_have_their_ranges() {
    let new = || CachingKeyring::builder(Below::new());
    let aged = || new().max_age(Duration::from_secs(86_400));
    assert!(aged().max_objects(1 << 32).build().is_ok());
    for refused in [
        new(),
        new().max_age(Duration::ZERO),
        new().max_age(Duration::from_secs(86_401)),
        new().max_age(Duration::MAX),
        aged().max_objects(0),
        aged().max_objects((1 << 32) + 1),
        aged().max_bytes(0),
        aged().max_entries(0),
    ] {
        assert_eq!(refused.build().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

/// What a keyring below is told is what the cache was told.
#[tokio::test]
async fn the_context_goes_down_and_wrong_ones_come_back() {
    let below = Below::new();
    let cache = below.cached();
    let wrapped = seal_key(&cache, "acme").await.unwrap();
    let (acme, rival) = (context("acme"), context("rival"));
    let key = cache.unwrap_data_key(std::slice::from_ref(&wrapped), &request(&acme)).await;
    assert!(key.is_ok());
    let key = cache.unwrap_data_key(&[wrapped], &request(&rival)).await;
    assert_eq!(key.err().map(|e| e.kind()), Some(ErrorKind::Authentication));
}
