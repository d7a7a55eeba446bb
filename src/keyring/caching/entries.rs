//! What is kept, and for how much longer. Nothing here waits or asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::future::Shared;
use futures_util::future::WeakShared;
use tokio::time::Instant;

use crate::context::EncryptionContext;
use crate::crypto;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring::DataKey;
use crate::keyring::KeyUse;
use crate::keyring::WrappedKey;
use crate::keyring::caching::Limits;
use crate::keyring::caching::stamp::Stamp;
use crate::keyring::caching::vault::Kept;
use crate::keyring::caching::vault::Vault;

/// What requests have in common that may share a data key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EntryKey {
    pub(super) partition: Arc<str>,
    pub(super) context: EncryptionContext,
    pub(super) key_use: KeyUse,
    pub(super) is_signed: bool,
    /// `None` to seal.
    pub(super) wrapped: Option<Arc<[WrappedKey]>>,
}

/// What a cache did, counted from its beginning.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheMetrics {
    /// Requests served from what was there.
    pub hits: u64,
    /// Requests that had to ask the keyring below and wait for it.
    pub misses: u64,
    /// Requests served by what was asked for another one, whether it gave a key or failed.
    pub coalesced: u64,
    /// Calls of the keyring below, those in the background included.
    pub calls: u64,
    /// Data keys wiped: too old, used up, replaced, refused, lost, pushed out or cleared.
    pub wiped: u64,
    /// Data keys there now.
    pub held: u64,
}

/// The answer to a request.
pub(super) enum Taken {
    /// A key, and whether it is to be replaced in the background, until when.
    Key(DataKey, Option<Instant>),
    Failed(Error),
    /// Another request asks for the same key.
    Join(Asking),
    /// Nobody asks.
    Start,
}

/// A call of the keyring below, carried on by whoever waits for it, and dropped with the last.
pub(super) type Asking = Shared<Answer>;

type Answer = BoxFuture<'static, Result<Arc<DataKey>, Arc<Error>>>;

/// The data keys by what they are for.
pub(super) struct Entries {
    limits: Limits,
    pub(super) vault: Vault,
    slots: HashMap<EntryKey, Slot>,
    /// No key is due before.
    soonest: Option<Instant>,
    stamp: Stamp,
    epoch: u64,
    uses: u64,
    metrics: CacheMetrics,
}

#[derive(Default)]
struct Slot {
    live: Option<Live>,
    /// When it was asked for, and what answers.
    asking: Option<(Instant, WeakShared<Answer>)>,
    /// The answer to all until then.
    failure: Option<(Error, Instant)>,
}

struct Live {
    data_key: Kept,
    expires: Instant,
    refresh: Instant,
    objects_left: u64,
    bytes_left: u64,
    last_use: u64,
}

impl Entries {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            vault: Vault::new(),
            slots: HashMap::new(),
            soonest: None,
            stamp: Stamp::now(),
            epoch: 0,
            uses: 0,
            metrics: CacheMetrics::default(),
        }
    }

    /// Wipes what must not be used any more.
    pub(super) fn expire(&mut self, now: Instant) {
        if !self.stamp.is_unbroken() {
            self.stamp = Stamp::now();
            self.clear();
        }
        if self.soonest.is_some_and(|soonest| soonest <= now) {
            self.wipe_where(|_, live| live.expires <= now);
            self.sweep(now);
            self.soonest = self.slots.values().filter_map(Slot::next_change).min();
        }
    }

    #[cfg(test)]
    pub(super) fn pretend_a_break(&mut self) {
        self.stamp.pretend_a_break();
    }

    #[cfg(test)]
    pub(super) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn next_change(&self) -> Option<Instant> {
        self.soonest
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn clear(&mut self) {
        self.epoch += 1;
        self.wipe_where(|_, _| true);
        // What is being asked for is for those who wait already.
        self.slots.clear();
        self.soonest = None;
    }

    pub(super) fn metrics(&self) -> CacheMetrics {
        CacheMetrics { held: self.held() as u64, ..self.metrics }
    }

    pub(super) fn count_call(&mut self) {
        self.metrics.calls += 1;
    }

    pub(super) fn count_miss(&mut self) {
        self.metrics.misses += 1;
    }

    /// Takes one use, of `len` bytes. `is_new`: the request was not counted yet.
    pub(super) fn take(&mut self, key: &EntryKey, len: u64, is_new: bool, now: Instant) -> Taken {
        let new = u64::from(is_new);
        self.uses += 1;
        let Some(slot) = self.slots.get_mut(key) else {
            self.metrics.misses += new;
            return Taken::Start;
        };
        let asking = slot.joinable(now);
        let recently = slot.failure.as_ref().filter(|(_, until)| now < *until);
        let enough = slot.live.as_ref().filter(|live| live.bytes_left >= len);
        let data_key = enough.and_then(|live| live.data_key.get(&self.vault));
        if data_key.is_none() && slot.live.take().is_some() {
            self.metrics.wiped += 1;
        }
        if let (Some(live), Some(data_key)) = (&mut slot.live, data_key) {
            self.metrics.hits += new;
            live.last_use = self.uses;
            let is_due = live.refresh <= now && asking.is_none() && recently.is_none();
            let expires = live.expires;
            let is_used_up = slot.use_once(len);
            self.metrics.wiped += u64::from(is_used_up);
            return Taken::Key(data_key, (is_due && !is_used_up).then_some(expires));
        }
        if let Some((error, _)) = recently {
            self.metrics.coalesced += new;
            return Taken::Failed(error.share());
        }
        match asking {
            Some(asking) => {
                self.metrics.coalesced += new;
                Taken::Join(asking)
            }
            None => {
                self.metrics.misses += new;
                Taken::Start
            }
        }
    }

    /// Notes what answers for `key` from now on.
    pub(super) fn started(&mut self, key: &EntryKey, asking: &Asking, asked: Instant) {
        if self.slots.len() > 2 * self.limits.max_entries {
            // What holds no key, recent failures included: objects come from anywhere.
            self.sweep(asked + RETRY_AFTER);
        }
        let slot = self.slots.entry(key.clone()).or_default();
        slot.asking = asking.downgrade().map(|asking| (asked, asking));
    }

    /// Keeps an answer that was asked for at `asked`, of which `first_use` bytes are used already,
    /// unless everything was cleared since.
    pub(super) fn keep(
        &mut self,
        key: &EntryKey,
        data_key: &DataKey,
        (asked, epoch): (Instant, u64),
        first_use: Option<u64>,
    ) {
        let expires = asked + self.limits.max_age;
        let slot = self.slots.get(key);
        // A call that was taken for stuck may come after the one that was made instead.
        let is_late = slot.and_then(|slot| slot.live.as_ref()).is_some_and(|l| l.expires > expires);
        if epoch != self.epoch || is_late {
            return;
        }
        self.make_room(key);
        let live = Live {
            data_key: self.vault.put(data_key),
            expires,
            refresh: asked + refresh_after(self.limits.max_age),
            objects_left: if key.wrapped.is_none() { self.limits.max_objects } else { u64::MAX },
            bytes_left: self.limits.max_bytes.unwrap_or(u64::MAX),
            last_use: self.uses,
        };
        let slot = self.slots.entry(key.clone()).or_default();
        let replaced = slot.live.replace(live).is_some();
        // Nobody may join a call that was answered: the key may be used up by then.
        (slot.asking, slot.failure) = (None, None);
        let is_used_up = first_use.is_some_and(|len| slot.use_once(len));
        self.metrics.wiped += u64::from(replaced) + u64::from(is_used_up);
        self.change_at(expires);
    }

    /// Notes that asking failed, and drops what must not be used after that.
    pub(super) fn fail(&mut self, key: &EntryKey, error: &Error, now: Instant) {
        let can_retry = error.kind() == ErrorKind::Keyring;
        if let Some(slot) = self.slots.get_mut(key) {
            slot.asking = None;
            slot.failure = can_retry.then(|| (error.share(), now + RETRY_AFTER));
        }
        if can_retry {
            self.change_at(now + RETRY_AFTER);
        } else {
            self.wipe_where(|other, _| other == key);
        }
        for refused in error.refused_keys() {
            self.wipe_where(|other, live| {
                let wrapped = live.data_key.wrapped();
                wrapped.iter().any(|wrapped| wrapped.key_id().is_some_and(|id| refused.has_id(id)))
                    && (refused.for_all || other.context == key.context)
            });
        }
        if self.slots.get(key).is_some_and(|slot| slot.is_empty(now)) {
            self.slots.remove(key);
        }
    }

    fn held(&self) -> usize {
        self.slots.values().filter(|slot| slot.live.is_some()).count()
    }

    fn change_at(&mut self, at: Instant) {
        self.soonest = Some(self.soonest.map_or(at, |soonest| soonest.min(at)));
    }

    fn wipe_where(&mut self, dropped: impl Fn(&EntryKey, &Live) -> bool) {
        for (key, slot) in &mut self.slots {
            if slot.live.as_ref().is_some_and(|live| dropped(key, live)) {
                slot.live = None;
                self.metrics.wiped += 1;
            }
        }
    }

    /// Forgets what says nothing any more.
    fn sweep(&mut self, now: Instant) {
        self.slots.retain(|_, slot| !slot.is_empty(now));
    }

    /// Makes room for the key of `key`: that of the one not used for longest.
    fn make_room(&mut self, key: &EntryKey) {
        while self.held() >= self.limits.max_entries {
            let others = self.slots.iter().filter(|(other, _)| *other != key);
            let oldest = others
                .filter_map(|(other, slot)| Some((slot.live.as_ref()?.last_use, other)))
                .min_by_key(|(last_use, _)| *last_use);
            let Some(oldest) = oldest.map(|(_, other)| other.clone()) else { return };
            self.wipe_where(|other, _| *other == oldest);
        }
    }
}

impl Slot {
    /// The call to wait for, unless it seems stuck.
    fn joinable(&self, now: Instant) -> Option<Asking> {
        let (asked, asking) = self.asking.as_ref()?;
        asking.upgrade().filter(|_| now < *asked + STUCK_AFTER)
    }

    fn is_empty(&self, now: Instant) -> bool {
        self.live.is_none()
            && self.asking.as_ref().is_none_or(|(_, asking)| asking.upgrade().is_none())
            && self.failure.as_ref().is_none_or(|(_, until)| *until <= now)
    }

    fn next_change(&self) -> Option<Instant> {
        let expires = self.live.as_ref().map(|live| live.expires);
        let until = self.failure.as_ref().map(|(_, until)| *until);
        expires.into_iter().chain(until).min()
    }

    /// Takes a use of the key off what is left, and with the last one the key: whether it did.
    fn use_once(&mut self, len: u64) -> bool {
        let Some(live) = &mut self.live else { return false };
        live.objects_left -= 1; // never 0 before: then the key is gone
        live.bytes_left = live.bytes_left.saturating_sub(len);
        if live.objects_left > 0 {
            return false;
        }
        self.live = None;
        true
    }
}

/// Early enough for the call and a few retries; not at one moment for keys of one moment.
fn refresh_after(max_age: Duration) -> Duration {
    let mut random = [0];
    // Without randomness nothing is sealed anyway.
    let _ = crypto::fill_random(&mut random);
    max_age * 3 / 4 + max_age / 8 * u32::from(random[0]) / 256
}

/// How long others join a call. Later ones ask anew, in case it never ends.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(10);
/// How long a failure is the answer to those who ask for the same key.
const RETRY_AFTER: Duration = Duration::from_secs(1);
