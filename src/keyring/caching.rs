//! Data keys kept for a while, so that a service does not ask for one per object.
//!
//! [`entries`] is the state under one lock and knows no time of its own; [`filling`] asks the
//! keyring below, once for all who wait; [`vault`] is how a key is kept; what stands here is the
//! way in.

mod builder;
mod entries;
mod filling;
#[cfg(all(test, shuttle))]
mod model;
mod stamp;
mod vault;

use std::fmt;
use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub use builder::CachingKeyringBuilder;
pub use entries::CacheMetrics;

use crate::error::Error;
use crate::error::Result;
use crate::keyring::DataKey;
use crate::keyring::KeyRequest;
use crate::keyring::KeyUse;
use crate::keyring::Keyring;
use crate::keyring::Standing;
use crate::keyring::WrappedKey;
use crate::keyring::caching::entries::Entries;
use crate::keyring::caching::entries::EntryKey;
use crate::secret::SecretKey;

#[cfg(not(all(test, shuttle)))]
use std::sync;

#[cfg(all(test, shuttle))]
use shuttle::sync;

use sync::Mutex;
use sync::MutexGuard;

/// Keeps the data keys of another keyring for a while and uses them again.
///
/// Sealing, one data key serves for objects of the same encryption context, until it is
/// `max_age` old, sealed `max_objects` objects or `max_bytes` bytes. Opening, an unwrapped data key
/// is kept until it is `max_age` old. Both are what limits the damage: whoever finds a data key
/// reads what it sealed, and whoever loses access in KMS goes on reading, from this process, for up
/// to `max_age`. Each object still gets keys and nonces of its own, derived from the data key.
///
/// Keys are shared only between requests of the same encryption context, use, demand for a
/// signature and [`partition`](Self::partition), and for opening the same wrapped keys. Requests
/// that come while KMS is asked for the same key wait for that one answer. A key in use is
/// replaced in the background before it is too old, so that no request waits for that. When it is
/// too old, it is wiped, whether or not anything is asked. A key that KMS refuses to serve,
/// because it is disabled, pending deletion, gone or denied, is wiped at once. While the keyring
/// cannot be asked, that error is given for a second to all who ask for the same key. A call that
/// takes longer than ten seconds is not waited for by those who come later: they ask anew.
///
/// In a process that was forked, restored on another machine, or asleep for five seconds or more,
/// nothing that was cached before is used. A cloned virtual machine may not notice: call
/// [`clear`](Self::clear) before a snapshot of one is taken.
///
/// With the feature `locked-memory`, on Linux and if the kernel lets it, data keys are kept
/// encrypted under a key in memory of the kernel, which is neither swapped nor dumped, and decrypted
/// for each use. `docs/key-hygiene.md` says what that does not cover.
///
/// [`Format::OneShot`](crate::Format::OneShot) is not sealed with it: that format has no key of
/// its own for each object.
///
/// Needs a Tokio runtime to refresh and to wipe keys that nobody asks for any more; without one,
/// keys are still not used when they are too old. Cheap to clone; clones share the keys.
///
/// ```
/// # #[tokio::main] async fn main() -> waxseal::Result<()> {
/// use std::time::Duration;
/// use waxseal::{CachingKeyring, EncryptionContext, EnvelopeCipher, KeyFile, LocalKeyring};
///
/// let keyring = CachingKeyring::builder(LocalKeyring::new(KeyFile::generate()?))
///     .max_age(Duration::from_secs(300))
///     .max_objects(1_000)
///     .build()?;
/// let cipher = EnvelopeCipher::new(keyring.clone());
///
/// let context = EncryptionContext::from([("tenant", "acme")]);
/// for _ in 0..100 {
///     cipher.seal(b"attack at dawn", &context).await?;
/// }
/// assert_eq!(keyring.metrics().calls, 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct CachingKeyring {
    shared: Arc<Shared>,
    partition: Arc<str>,
}

struct Shared {
    keyring: Arc<dyn Keyring>,
    limits: Limits,
    entries: Mutex<Entries>,
    /// Wipes on time; stopped when the cache is dropped.
    reaper: std::sync::Mutex<Option<AbortOnDropHandle<()>>>,
    /// Tells the reaper that there is something to wait for.
    arrival: Arc<Notify>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    max_age: Duration,
    max_objects: u64,
    max_bytes: Option<u64>,
    max_entries: usize,
}

impl CachingKeyring {
    /// Settings for a cache of the data keys of `keyring`.
    pub fn builder(keyring: impl Keyring + 'static) -> CachingKeyringBuilder {
        CachingKeyringBuilder::new(Arc::new(keyring))
    }

    /// The same cache for requests that share no data key with those of other partitions, such as
    /// the tenants of a service.
    ///
    /// Limits and [`metrics`](Self::metrics) are those of the whole cache.
    #[must_use]
    pub fn partition(&self, name: impl Into<String>) -> Self {
        Self { partition: name.into().into(), ..self.clone() }
    }

    /// Wipes every data key of all partitions, now. What is being asked for is not kept either.
    ///
    /// An object whose sealing or opening began before has keys of its own, which it keeps.
    pub fn clear(&self) {
        self.shared.entries().clear();
    }

    /// What happened so far, in all partitions.
    pub fn metrics(&self) -> CacheMetrics {
        self.shared.entries().metrics()
    }

    fn key(&self, request: &KeyRequest<'_>, wrapped: Option<&[WrappedKey]>) -> EntryKey {
        EntryKey {
            partition: Arc::clone(&self.partition),
            context: request.context().clone(),
            key_use: request.key_use(),
            is_signed: request.is_signed(),
            wrapped: wrapped.map(Arc::from),
        }
    }
}

#[async_trait]
impl Keyring for CachingKeyring {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        if request.key_use() != KeyUse::Derived {
            return Err(Error::invalid_input(
                "a cached data key must not seal in this format, which uses the data key itself \
                 and not one derived for each object; use the keyring without the cache",
            ));
        }
        // What cannot be counted cannot be limited.
        let countable = match (self.shared.limits.max_bytes, request.plain_len()) {
            (None, _) => Some(0),
            (Some(max), Some(len)) if len <= max => Some(len),
            (Some(_), _) => None,
        };
        let Some(len) = countable else { return self.shared.generate_uncached(request).await };
        self.shared.get(self.key(request, None), len).await
    }

    async fn wrap_data_key(
        &self,
        key: &SecretKey,
        request: &KeyRequest<'_>,
    ) -> Result<Vec<WrappedKey>> {
        self.shared.entries().count_call();
        self.shared.keyring.wrap_data_key(key, request).await
    }

    async fn standing(&self, wrapped: &WrappedKey) -> Result<Standing> {
        self.shared.keyring.standing(wrapped).await
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        if request.key_use() != KeyUse::Derived {
            self.shared.entries().count_call();
            return self.shared.keyring.unwrap_data_key(wrapped, request).await;
        }
        let (key, _) = self.shared.get(self.key(request, Some(wrapped)), 0).await?.into_parts();
        Ok(key)
    }
}

impl fmt::Debug for CachingKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachingKeyring")
            .field("keyring", &self.shared.keyring)
            .field("limits", &self.shared.limits)
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// What is kept, without what must not be used any more. Never held across an `await`.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        // A panic elsewhere cannot have left a key half changed here.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.expire(Instant::now());
        entries
    }

    /// Sees to it that keys are wiped on time.
    fn start_reaper(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        // It ends with its runtime, which need not be this one.
        if reaper.as_ref().is_some_and(|task| !task.is_finished()) {
            return self.arrival.notify_one();
        }
        let (cache, arrival) = (Arc::downgrade(self), Arc::clone(&self.arrival));
        *reaper = Some(AbortOnDropHandle::new(runtime.spawn(async move {
            loop {
                let Some(shared) = cache.upgrade() else { return };
                let next = shared.entries().next_change();
                drop(shared);
                let arrival = arrival.notified();
                match next {
                    Some(next) => drop(tokio::time::timeout_at(next, arrival).await),
                    None => arrival.await,
                }
            }
        })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::EncryptionContext;
    use crate::keyring::KeyFile;
    use crate::keyring::LocalKeyring;

    const AGE: Duration = Duration::from_secs(10);

    fn cache() -> CachingKeyring {
        let below = LocalKeyring::new(KeyFile::generate().unwrap());
        CachingKeyring::builder(below).max_age(AGE).build().unwrap()
    }

    async fn seal(cache: &CachingKeyring, tenant: &str) {
        let context = EncryptionContext::from([("tenant", tenant)]);
        let request = KeyRequest::new(&context).with_key_use(KeyUse::Derived);
        cache.generate_data_key(&request).await.unwrap();
    }

    async fn pass(time: Duration) {
        tokio::time::sleep_until(Instant::now() + time).await;
    }

    /// Without the look that itself wipes what is too old.
    fn held(cache: &CachingKeyring) -> u64 {
        cache.shared.entries.lock().unwrap().metrics().held
    }

    #[tokio::test(start_paused = true)]
    async fn idle_keys_are_wiped_on_time() {
        let cache = cache();
        seal(&cache, "a").await;
        pass(AGE / 2).await;
        seal(&cache, "b").await;
        pass(AGE / 2 - Duration::from_millis(2)).await;
        assert_eq!(held(&cache), 2);
        pass(Duration::from_millis(4)).await;
        assert_eq!(held(&cache), 1);
        pass(AGE / 2).await;
        assert_eq!(held(&cache), 0);
        // And after a time with nothing to wait for.
        pass(AGE * 3 + AGE / 3).await;
        seal(&cache, "a").await;
        pass(AGE + Duration::from_millis(2)).await;
        assert_eq!(held(&cache), 0);
    }

    /// Asked for first and answered last, it is due before the one that is waited for.
    #[tokio::test(start_paused = true)]
    async fn a_key_that_came_late_is_wiped_on_time() {
        let below = Arc::new(Slow::default());
        let cache = CachingKeyring::builder(Arc::clone(&below)).max_age(AGE).build().unwrap();
        *below.0.lock().unwrap() = AGE / 2;
        let slow = cache.clone();
        let slow = tokio::spawn(async move { seal(&slow, "a").await });
        tokio::task::yield_now().await;
        *below.0.lock().unwrap() = Duration::ZERO;
        pass(AGE / 10).await;
        seal(&cache, "b").await;
        slow.await.unwrap();
        assert_eq!(held(&cache), 2);
        pass(AGE / 2 + Duration::from_millis(2)).await;
        assert_eq!(held(&cache), 1);
        pass(AGE / 10).await;
        assert_eq!(held(&cache), 0);
    }

    #[derive(Debug, Default)]
    struct Slow(std::sync::Mutex<Duration>);

    #[async_trait]
    impl Keyring for Slow {
        async fn generate_data_key(&self, _: &KeyRequest<'_>) -> Result<DataKey> {
            let delay = *self.0.lock().unwrap();
            pass(delay).await;
            Ok(DataKey::new(SecretKey::random()?, vec![WrappedKey::new("slow", "k", [1])?]))
        }

        async fn unwrap_data_key(&self, _: &[WrappedKey], _: &KeyRequest<'_>) -> Result<SecretKey> {
            Err(Error::new(crate::error::ErrorKind::Keyring, "later"))
        }
    }

    /// The runtime that the first keys were made in need not live as long as the cache.
    #[test]
    fn a_new_runtime_wipes_too() {
        let cache = cache();
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_time().start_paused(true).build().unwrap()
        };
        runtime().block_on(seal(&cache, "a"));
        runtime().block_on(async {
            seal(&cache, "b").await;
            pass(AGE + Duration::from_millis(2)).await;
            assert_eq!(held(&cache), 0);
        });
    }

    #[tokio::test]
    async fn nothing_is_used_after_a_fork_or_a_break() {
        let cache = cache();
        seal(&cache, "a").await;
        seal(&cache, "a").await;
        assert_eq!(cache.metrics().calls, 1);
        cache.shared.entries.lock().unwrap().pretend_a_break();
        assert_eq!(cache.metrics().held, 0);
        seal(&cache, "a").await;
        assert_eq!(cache.metrics().calls, 2);
    }

    /// However many ask meanwhile, one task replaces a key.
    #[tokio::test(start_paused = true)]
    async fn a_key_to_be_replaced_costs_one_task() {
        let cache = cache();
        seal(&cache, "a").await;
        tokio::time::advance(AGE * 9 / 10).await;
        let context = EncryptionContext::from([("tenant", "a")]);
        let request = KeyRequest::new(&context).with_key_use(KeyUse::Derived);
        for _ in 0..100 {
            let answer = cache.generate_data_key(&request);
            assert!(futures_util::FutureExt::now_or_never(answer).is_some_and(|key| key.is_ok()));
        }
        // With the one that wipes.
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 2);
    }

    /// A call that hangs is given up where nobody waits for it.
    #[tokio::test(start_paused = true)]
    async fn a_replacement_that_hangs_ends() {
        let below = Arc::new(Slow::default());
        let cache = CachingKeyring::builder(Arc::clone(&below)).max_age(AGE).build().unwrap();
        seal(&cache, "a").await;
        pass(AGE * 9 / 10).await;
        *below.0.lock().unwrap() = AGE * 1_000;
        seal(&cache, "a").await;
        let tasks = tokio::runtime::Handle::current().metrics();
        assert_eq!(tasks.num_alive_tasks(), 2);
        pass(AGE * 2).await;
        assert_eq!(tasks.num_alive_tasks(), 1);
    }

    /// Requests that were dropped leave nothing that adds up.
    #[tokio::test(start_paused = true)]
    async fn dropped_requests_leave_little() {
        let below = Arc::new(Slow::default());
        *below.0.lock().unwrap() = AGE;
        let cache = CachingKeyring::builder(below).max_age(AGE).max_entries(10).build().unwrap();
        for tenant in 0..1_000 {
            let tenant = tenant.to_string();
            let dropped = seal(&cache, &tenant);
            assert!(futures_util::FutureExt::now_or_never(dropped).is_none());
        }
        assert!(cache.shared.entries.lock().unwrap().slot_count() <= 21);
    }

    /// Nor does one that could not be opened for now, after its second.
    #[tokio::test(start_paused = true)]
    async fn a_failure_is_forgotten_on_time() {
        let below = Arc::new(Slow::default());
        let cache = CachingKeyring::builder(below).max_age(AGE).build().unwrap();
        let wrapped = [WrappedKey::new("slow", "k", [1]).unwrap()];
        let context = EncryptionContext::new();
        let request = KeyRequest::new(&context).with_key_use(KeyUse::Derived);
        assert!(cache.unwrap_data_key(&wrapped, &request).await.is_err());
        let slots = || cache.shared.entries.lock().unwrap().slot_count();
        assert_eq!(slots(), 1);
        pass(Duration::from_millis(1_002)).await;
        assert_eq!(slots(), 0);
    }

    #[tokio::test]
    async fn a_refused_object_leaves_nothing() {
        let cache = cache();
        let forged = [WrappedKey::new("local", "k", vec![7; 8192]).unwrap()];
        let context = EncryptionContext::new();
        let request = KeyRequest::new(&context).with_key_use(KeyUse::Derived);
        assert!(cache.unwrap_data_key(&forged, &request).await.is_err());
        assert_eq!(cache.shared.entries.lock().unwrap().slot_count(), 0);
    }

    #[tokio::test]
    async fn the_last_cache_takes_its_keys_and_its_task_with_it() {
        let cache = cache();
        seal(&cache, "a").await;
        let key = {
            let context = EncryptionContext::from([("tenant", "a")]);
            let request = KeyRequest::new(&context).with_key_use(KeyUse::Derived);
            cache.generate_data_key(&request).await.unwrap().into_parts().0
        };
        // With the feature the cache keeps none to share.
        let is_kept = || key.is_shared() || cfg!(feature = "locked-memory");
        assert!(is_kept());
        let shared = Arc::downgrade(&cache.shared);
        let other = cache.partition("other");
        drop(cache);
        assert!(is_kept() && shared.upgrade().is_some());
        drop(other);
        assert!(!key.is_shared() && shared.upgrade().is_none());
        let tasks = tokio::runtime::Handle::current().metrics();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(tasks.num_alive_tasks(), 0);
    }
}
