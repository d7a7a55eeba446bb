//! Who may have the same data key.

use waxseal::Binding;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::Format;
use waxseal::KeyRequest;
use waxseal::Keyring as _;
use waxseal::ReadPolicy;

use crate::below::Below;
use crate::below::context;
use crate::below::open_key;
use crate::below::request;
use crate::below::seal_key;

#[tokio::test]
async fn only_like_requests_share_a_data_key() {
    let below = Below::new();
    let cache = below.cached();
    let (acme, rival) = (context("acme"), context("rival"));
    let more = EncryptionContext::from([("tenant", "acme"), ("table", "orders")]);
    let other = cache.partition("other");
    let requests = [
        (&cache, request(&acme)),
        (&cache, request(&rival)),
        (&cache, request(&more)),
        (&cache, request(&acme).with_signed(true)),
        (&other, request(&acme)),
    ];
    let mut keys = vec![];
    for (cache, request) in &requests {
        keys.push(cache.generate_data_key(request).await.unwrap());
    }
    assert_eq!(below.calls(), 5);
    for (i, (cache, request)) in requests.iter().enumerate() {
        let again = cache.generate_data_key(request).await.unwrap();
        assert_eq!(again.wrapped(), keys[i].wrapped());
        assert!(
            keys.iter()
                .enumerate()
                .all(|(j, key)| { (key.key().expose() == again.key().expose()) == (i == j) })
        );
    }
    assert_eq!(below.calls(), 5);
    // Opening asks, even for what this cache sealed itself, and keeps answers as strictly.
    for (i, (cache, request)) in requests.iter().enumerate() {
        for _ in 0..2 {
            let key = cache.unwrap_data_key(keys[i].wrapped(), request).await.unwrap();
            assert_eq!(key.expose(), keys[i].key().expose());
        }
        assert_eq!(below.calls(), 6 + i as u64);
    }
    assert_eq!(cache.metrics().held, 10);
    assert_eq!(below.signed_calls(), 2, "the keyring below is told what the key is for");
}

#[tokio::test]
async fn a_clone_shares_and_a_partition_of_the_same_name_too() {
    let below = Below::new();
    let cache = below.cached();
    let first = seal_key(&cache.partition("a"), "acme").await.unwrap();
    assert_eq!(seal_key(&cache.partition("a").clone(), "acme").await.unwrap(), first);
    assert_ne!(seal_key(&cache.partition("b"), "acme").await.unwrap(), first);
    assert_ne!(seal_key(&cache, "acme").await.unwrap(), first);
}

/// It uses the data key itself: a second object under it would repeat the pair of key and nonce
/// sooner or later, and a warm key would be one without commitment.
#[tokio::test]
async fn one_shot_is_not_sealed_from_a_cache_and_not_kept_when_opened() {
    let below = Below::new();
    let cache = below.cached();
    let context = context("acme");
    let cached = EnvelopeCipher::new(cache.clone()).format(Format::OneShot);
    let error = cached.seal_with_metadata("x", &context).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("without the cache"), "{error}");
    let careful = cache.generate_data_key(&KeyRequest::new(&context)).await;
    assert!(careful.is_err(), "a request that does not say is taken for one");
    assert_eq!(below.calls(), 0);

    let plain = EnvelopeCipher::new(below.clone()).format(Format::OneShot);
    let (metadata, body) = plain.seal_with_metadata("x", &context).await.unwrap();
    let body = body.collect().await.unwrap();
    for _ in 0..2 {
        let metadata = metadata.iter().map(|(name, value)| (&**name, &**value));
        let object = cached.open_with_metadata(metadata, body.clone(), &context).await.unwrap();
        assert_eq!(object.len(), 1);
    }
    assert_eq!(below.calls(), 3);
    assert_eq!(cache.metrics().held, 0);
}

/// A strict reader and a lax one share a cache: what the lax one opened is not thereby open to the
/// strict one. (CVE-2026-6550: a cache that did not tell policies apart.)
#[tokio::test]
async fn a_warm_key_opens_nothing_that_the_policy_refuses() {
    let below = Below::new();
    let cache = below.cached();
    let lax = EnvelopeCipher::new(cache.clone());
    let (acme, none) = (context("acme"), EncryptionContext::new());
    let floe = lax.seal(b"x", &acme).await.unwrap();
    let one_shot = EnvelopeCipher::new(below.clone()).format(Format::OneShot);
    let (metadata, body) = one_shot.seal_with_metadata("x", &acme).await.unwrap();
    let body = body.collect().await.unwrap();
    let open_one_shot = async |cipher: &EnvelopeCipher| {
        let metadata = metadata.iter().map(|(name, value)| (&**name, &**value));
        cipher.open_with_metadata(metadata, body.clone(), &acme).await.map(drop)
    };
    assert!(lax.open(&floe, &none).await.is_ok());
    assert!(open_one_shot(&lax).await.is_ok());
    let warm = below.calls();

    let with = |policy| lax.clone().read_policy(policy);
    let strict = with(ReadPolicy::default().formats([Format::Floe]));
    assert_eq!(open_one_shot(&strict).await.unwrap_err().kind(), ErrorKind::Format);
    assert!(strict.open(&floe, &acme).await.is_ok());
    for (strict, kind) in [
        (with(ReadPolicy::default().formats([Format::OneShot])), ErrorKind::Format),
        (with(ReadPolicy::default().exact_context(true)), ErrorKind::Authentication),
        (with(ReadPolicy::default().max_wrapped_keys(0)), ErrorKind::Format),
        (with(ReadPolicy::default().segment_lens(1..=2)), ErrorKind::Format),
        (lax.clone().binding(Binding::Label("l".into())), ErrorKind::Format),
    ] {
        assert_eq!(strict.open(&floe, &none).await.unwrap_err().kind(), kind);
    }
    assert!(lax.open(&floe, &none).await.is_ok());
    assert_eq!(below.calls(), warm, "all of it from a warm cache");
}

/// The header commits to the data key: a warm key of another object does not open this one.
#[tokio::test]
async fn wrapped_keys_of_another_object_do_not_open_it() {
    let below = Below::new();
    let cache = below.cached_with(|cache| cache.max_objects(1));
    let cipher = EnvelopeCipher::new(cache.clone());
    let context = context("acme");
    let a = cipher.seal(b"a", &context).await.unwrap();
    let b = cipher.seal(b"b", &context).await.unwrap();
    for object in [&a, &b] {
        cipher.open(object, &context).await.unwrap();
    }
    let spliced = [&a[..1024], &b[1024..]].concat();
    let error = cipher.open(&spliced, &context).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
}

/// What is opened with one wrapped key is not found under another that only looks like it.
#[tokio::test]
async fn every_byte_of_the_wrapped_key_counts() {
    let below = Below::new();
    let cache = below.cached();
    let good = seal_key(&cache, "acme").await.unwrap();
    open_key(&cache, &good, "acme").await.unwrap();
    for at in 0..good.ciphertext().len() {
        let mut altered = good.ciphertext().to_vec();
        altered[at] ^= 1;
        let altered = waxseal::WrappedKey::new("local", good.key_id().unwrap(), altered).unwrap();
        assert!(open_key(&cache, &altered, "acme").await.is_err(), "byte {at}");
    }
    let renamed = waxseal::WrappedKey::new("local", "renamed", good.ciphertext()).unwrap();
    assert!(open_key(&cache, &renamed, "acme").await.is_err());
    assert!(open_key(&cache, &good, "acme").await.is_ok());
}
