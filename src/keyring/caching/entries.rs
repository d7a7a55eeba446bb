//! What is kept, and for how much longer. Nothing here waits or asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::context::EncryptionContext;
use crate::crypto;
use crate::error::Error;
use crate::error::ErrorKind;
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
    /// A key, which is also to be replaced soon if there is a turn.
    Key(DataKey, Option<Turn>),
    Failed(Error),
    /// The keyring below is to be asked, when it is one's turn.
    Ask(Turn),
}

/// A place among those who wait for one key.
pub(super) struct Turn {
    pub(super) lock: Arc<tokio::sync::Mutex<()>>,
    /// Failures that came before.
    failures: u64,
    /// Nothing asked for in an earlier epoch is kept.
    epoch: u64,
}

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
    lock: Arc<tokio::sync::Mutex<()>>,
    failures: u64,
    failure: Option<(Error, Instant)>,
    last_use: u64,
}

struct Live {
    data_key: Kept,
    expires: Instant,
    refresh: Instant,
    is_refreshing: bool,
    objects_left: u64,
    bytes_left: u64,
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
            self.soonest =
                self.slots.values().filter_map(|s| s.live.as_ref()?.expires.into()).min();
        }
    }

    #[cfg(test)]
    pub(super) fn pretend_a_break(&mut self) {
        self.stamp.pretend_a_break();
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.soonest
    }

    pub(super) fn clear(&mut self) {
        self.epoch += 1;
        self.wipe_where(|_, _| true);
    }

    pub(super) fn metrics(&self) -> CacheMetrics {
        let held = self.slots.values().filter(|slot| slot.live.is_some()).count();
        CacheMetrics { held: held as u64, ..self.metrics }
    }

    pub(super) fn count_call(&mut self) {
        self.metrics.calls += 1;
    }

    pub(super) fn count_miss(&mut self) {
        self.metrics.misses += 1;
        self.metrics.calls += 1;
    }

    /// Takes one use, of `len` bytes. `turn` is given by those who waited for it.
    pub(super) fn take(
        &mut self,
        key: &EntryKey,
        len: u64,
        turn: Option<&Turn>,
        now: Instant,
    ) -> Taken {
        if !self.slots.contains_key(key) {
            self.make_room(now);
        }
        self.uses += 1;
        let slot = self.slots.entry(key.clone()).or_default();
        slot.last_use = self.uses;
        let recently = slot.failure.as_ref().is_some_and(|(_, until)| now < *until);
        let enough = slot.live.as_ref().filter(|live| live.bytes_left >= len);
        let data_key = enough.and_then(|live| live.data_key.get(&self.vault));
        if data_key.is_none() && slot.live.take().is_some() {
            self.metrics.wiped += 1;
        }
        if let (Some(live), Some(data_key)) = (&mut slot.live, data_key) {
            match turn {
                None => self.metrics.hits += 1,
                Some(_) => self.metrics.coalesced += 1,
            }
            let is_due = live.refresh <= now && !live.is_refreshing && !recently;
            live.is_refreshing |= is_due;
            self.metrics.wiped += u64::from(slot.use_once(len));
            let refresh = is_due && slot.live.is_some();
            return Taken::Key(data_key, refresh.then(|| slot.turn(self.epoch)));
        }
        let failed_since = turn.is_some_and(|turn| turn.failures < slot.failures);
        if let Some((error, _)) = slot.failure.as_ref().filter(|_| recently || failed_since) {
            self.metrics.coalesced += 1;
            return Taken::Failed(error.share());
        }
        Taken::Ask(slot.turn(self.epoch))
    }

    /// Whether the key that a turn in the background is for is still to be replaced.
    pub(super) fn is_due(&self, key: &EntryKey, now: Instant) -> bool {
        let live = self.slots.get(key).and_then(|slot| slot.live.as_ref());
        live.is_some_and(|live| live.refresh <= now)
    }

    /// Keeps an answer that was asked for at `asked`, unless everything was cleared since.
    pub(super) fn keep(&mut self, key: &EntryKey, turn: &Turn, data_key: &DataKey, asked: Instant) {
        let Some(slot) = self.slots.get_mut(key).filter(|_| turn.epoch == self.epoch) else {
            return;
        };
        slot.failure = None;
        let expires = asked + self.limits.max_age;
        let live = Live {
            data_key: self.vault.put(data_key),
            expires,
            refresh: asked + refresh_after(self.limits.max_age),
            is_refreshing: false,
            objects_left: if key.wrapped.is_none() { self.limits.max_objects } else { u64::MAX },
            bytes_left: self.limits.max_bytes.unwrap_or(u64::MAX),
        };
        self.metrics.wiped += u64::from(slot.live.replace(live).is_some());
        self.soonest = Some(self.soonest.map_or(expires, |soonest| soonest.min(expires)));
    }

    /// Counts the use of the one who asked for the key that was just kept.
    pub(super) fn count_first_use(&mut self, key: &EntryKey, turn: &Turn, len: u64) {
        if let Some(slot) = self.slots.get_mut(key).filter(|_| turn.epoch == self.epoch) {
            self.metrics.wiped += u64::from(slot.use_once(len));
        }
    }

    /// Notes that asking failed, and drops what must not be used after that.
    pub(super) fn fail(&mut self, key: &EntryKey, error: &Error, now: Instant) {
        let can_retry = error.kind() == ErrorKind::Keyring;
        if let Some(slot) = self.slots.get_mut(key) {
            slot.failures += 1;
            let until = if can_retry { now + RETRY_AFTER } else { now };
            slot.failure = Some((error.share(), until));
            slot.live.iter_mut().for_each(|live| live.is_refreshing = false);
        }
        if !can_retry {
            self.wipe_where(|other, _| other == key);
        }
        if let Some(refused) = error.refused_key() {
            self.wipe_where(|other, live| {
                let wrapped = live.data_key.wrapped();
                wrapped.iter().any(|wrapped| wrapped.key_id().is_some_and(|id| refused.has_id(id)))
                    && (refused.for_all || other.context == key.context)
            });
        }
    }

    fn wipe_where(&mut self, dropped: impl Fn(&EntryKey, &Live) -> bool) {
        for (key, slot) in &mut self.slots {
            if slot.live.as_ref().is_some_and(|live| dropped(key, live)) {
                slot.live = None;
                self.metrics.wiped += 1;
            }
        }
    }

    /// Makes room for one more: of what holds no key, else of the one not used for longest.
    fn make_room(&mut self, now: Instant) {
        if self.slots.len() < self.limits.max_entries {
            return;
        }
        let failed = |slot: &Slot| slot.failure.as_ref().is_some_and(|(_, until)| now < *until);
        self.slots.retain(|_, slot| slot.live.is_some() || slot.is_waited_for() || failed(slot));
        while self.slots.len() >= self.limits.max_entries {
            let idle = self.slots.iter().filter(|(_, slot)| !slot.is_waited_for());
            let Some(oldest) =
                idle.min_by_key(|(_, slot)| slot.last_use).map(|(key, _)| key.clone())
            else {
                return;
            };
            let slot = self.slots.remove(&oldest);
            self.metrics.wiped += u64::from(slot.is_some_and(|slot| slot.live.is_some()));
        }
    }
}

impl Slot {
    fn turn(&self, epoch: u64) -> Turn {
        Turn { lock: Arc::clone(&self.lock), failures: self.failures, epoch }
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

    fn is_waited_for(&self) -> bool {
        Arc::strong_count(&self.lock) > 1
    }
}

/// Early enough for the call and a few retries; not at one moment for keys of one moment.
fn refresh_after(max_age: Duration) -> Duration {
    let mut random = [0];
    // Without randomness nothing is sealed anyway.
    let _ = crypto::fill_random(&mut random);
    max_age * 3 / 4 + max_age / 8 * u32::from(random[0]) / 256
}

/// How long a failure is the answer to those who ask for the same key.
const RETRY_AFTER: Duration = Duration::from_secs(1);
