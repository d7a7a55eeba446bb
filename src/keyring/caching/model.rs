//! The limits in every order of events that a model checker finds.
//!
//!     RUSTFLAGS="--cfg shuttle" cargo test -p waxseal --lib --no-default-features --features aws-lc model

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use shuttle::future::block_on;
use shuttle::future::spawn;
use shuttle::future::yield_now;

use crate::context::EncryptionContext;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring::CachingKeyring;
use crate::keyring::CachingKeyringBuilder;
use crate::keyring::DataKey;
use crate::keyring::KeyRequest;
use crate::keyring::KeyUse;
use crate::keyring::Keyring;
use crate::keyring::WrappedKey;
use crate::secret::SecretKey;

/// Numbers its keys. Other tasks run while it makes one.
#[derive(Debug, Default)]
struct Numbered {
    made: AtomicU64,
    fails: bool,
}

#[async_trait]
impl Keyring for Numbered {
    async fn generate_data_key(&self, _: &KeyRequest<'_>) -> Result<DataKey> {
        yield_now().await;
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        yield_now().await;
        if self.fails {
            return Err(Error::new(ErrorKind::Keyring, "throttled"));
        }
        let wrapped = WrappedKey::new("test", number.to_string(), [1])?;
        Ok(DataKey::new(SecretKey::try_from(&[7; 32][..])?, vec![wrapped]))
    }

    async fn unwrap_data_key(&self, _: &[WrappedKey], _: &KeyRequest<'_>) -> Result<SecretKey> {
        yield_now().await;
        self.made.fetch_add(1, Ordering::SeqCst);
        SecretKey::try_from(&[7; 32][..])
    }
}

type Limited = fn(CachingKeyringBuilder) -> CachingKeyringBuilder;

/// Seals in tasks, several objects each; how often each key was used.
async fn seal(keyring: &CachingKeyring, tasks: usize, objects: usize) -> BTreeMap<String, u64> {
    let tasks = (0..tasks).map(|_| {
        let keyring = keyring.clone();
        spawn(async move {
            let mut used = vec![];
            for _ in 0..objects {
                if let Ok(name) = seal_one(&keyring).await {
                    used.push(name);
                }
            }
            used
        })
    });
    let mut uses = BTreeMap::new();
    for task in tasks.collect::<Vec<_>>() {
        for name in task.await.unwrap() {
            *uses.entry(name).or_default() += 1;
        }
    }
    uses
}

async fn seal_one(keyring: &CachingKeyring) -> Result<String> {
    let context = EncryptionContext::new();
    let request = KeyRequest::new(&context).with_key_use(KeyUse::Derived).with_plain_len(Some(2));
    let data_key = keyring.generate_data_key(&request).await?;
    yield_now().await;
    Ok(data_key.wrapped()[0].key_id().unwrap().to_owned())
}

fn cache(below: &Arc<Numbered>, limited: Limited) -> CachingKeyring {
    let builder = CachingKeyring::builder(Arc::clone(below)).max_age(Duration::from_secs(3600));
    limited(builder).build().unwrap()
}

/// In many random orders, and in those that need few but unlikely changes between tasks.
fn in_every_order(test: fn()) {
    shuttle::check_random(test, 3_000);
    shuttle::check_pct(test, 3_000, 3);
}

#[test]
fn no_key_seals_more_than_its_limit_and_none_is_wasted() {
    fn holds(limited: Limited, uses_per_key: u64) {
        let below = Arc::new(Numbered::default());
        let keyring = cache(&below, limited);
        let uses = block_on(async move { seal(&keyring, 3, 3).await });
        assert!(uses.values().all(|&uses| uses <= uses_per_key), "{uses:?}");
        assert_eq!(uses.values().sum::<u64>(), 9);
        assert_eq!(below.made.load(Ordering::SeqCst), 9_u64.div_ceil(uses_per_key));
    }
    in_every_order(|| holds(|cache| cache.max_objects(2), 2));
    in_every_order(|| holds(|cache| cache.max_objects(1), 1));
    in_every_order(|| holds(|cache| cache.max_bytes(7), 3));
}

#[test]
fn clearing_at_any_moment_breaks_no_limit() {
    in_every_order(|| {
        let below = Arc::new(Numbered::default());
        let keyring = cache(&below, |cache| cache.max_objects(3));
        block_on(async move {
            let clearing = keyring.clone();
            let clears = spawn(async move {
                for _ in 0..2 {
                    yield_now().await;
                    clearing.clear();
                }
            });
            let uses = seal(&keyring, 3, 2).await;
            clears.await.unwrap();
            assert!(uses.values().all(|&uses| uses <= 3), "{uses:?}");
            assert_eq!(uses.values().sum::<u64>(), 6);
            keyring.clear();
            assert_eq!(keyring.metrics().held, 0);
        });
    });
}

#[test]
fn one_failure_is_everybodys_answer() {
    in_every_order(|| {
        let below = Arc::new(Numbered { fails: true, ..Default::default() });
        let keyring = cache(&below, |cache| cache);
        block_on(async move { assert!(seal(&keyring, 4, 2).await.is_empty()) });
        assert_eq!(below.made.load(Ordering::SeqCst), 1);
    });
}

/// A request that is dropped while it asks leaves its turn to the next.
#[test]
fn a_cancelled_request_blocks_nobody() {
    in_every_order(|| {
        let below = Arc::new(Numbered::default());
        let keyring = cache(&below, |cache| cache.max_objects(8));
        block_on(async move {
            let cancelled = keyring.clone();
            let cancels = spawn(async move {
                let mut request = Box::pin(seal_one(&cancelled));
                let mut polls = 0;
                // Polled twice at most, then dropped where it is.
                std::future::poll_fn(|cx| {
                    polls += 1;
                    let done = request.as_mut().poll(cx).is_ready() || polls > 2;
                    if done { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            });
            let uses = seal(&keyring, 2, 2).await;
            cancels.await.unwrap();
            assert_eq!(uses.values().sum::<u64>(), 4);
        });
        assert!(below.made.load(Ordering::SeqCst) <= 2);
    });
}

#[test]
fn the_same_wrapped_key_is_unwrapped_once() {
    in_every_order(|| {
        let below = Arc::new(Numbered::default());
        let keyring = cache(&below, |cache| cache);
        block_on(async move {
            let tasks = (0..4).map(|_| {
                let keyring = keyring.clone();
                spawn(async move {
                    let (context, wrapped) = (EncryptionContext::new(), wrapped());
                    let request = KeyRequest::new(&context).with_key_use(KeyUse::Derived);
                    keyring.unwrap_data_key(&[wrapped], &request).await.map(drop)
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap().unwrap();
            }
        });
        assert_eq!(below.made.load(Ordering::SeqCst), 1);
    });
}

fn wrapped() -> WrappedKey {
    WrappedKey::new("test", "0", [1]).unwrap()
}
