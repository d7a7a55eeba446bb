//! Asking the keyring below, once for all who wait for the same key.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::Weak;

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::error::Error;
use crate::error::Result;
use crate::keyring::DataKey;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::keyring::caching::Shared;
use crate::keyring::caching::entries::Asking;
use crate::keyring::caching::entries::Entries;
use crate::keyring::caching::entries::EntryKey;
use crate::keyring::caching::entries::STUCK_AFTER;
use crate::keyring::caching::entries::Taken;

impl Shared {
    /// A use of the key for `key`, to seal `len` bytes.
    ///
    /// Dropped or not polled any more while it asks, it holds up nobody: whoever waits for the same
    /// call carries it on.
    pub(super) async fn get(self: &Arc<Self>, key: EntryKey, len: u64) -> Result<DataKey> {
        let mut is_new = true;
        loop {
            let (asking, is_own) = match self.take(&key, len, is_new)? {
                ControlFlow::Break(data_key) => return Ok(data_key),
                ControlFlow::Continue(asking) => asking,
            };
            is_new = false;
            let answer = asking.await.map_err(|error| error.share())?;
            // The use of the one who asked is counted already. The others take theirs, if any is
            // left.
            if is_own {
                return Ok(answer.share());
            }
        }
    }

    /// A key for one object only.
    pub(super) async fn generate_uncached(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        self.entries().count_miss();
        self.entries().count_call();
        self.keyring.generate_data_key(request).await
    }

    /// The key if it is there, else the call to wait for, and whether this request began it.
    fn take(
        self: &Arc<Self>,
        key: &EntryKey,
        len: u64,
        is_new: bool,
    ) -> Result<ControlFlow<DataKey, (Asking, bool)>> {
        let mut entries = self.entries();
        match entries.take(key, len, is_new, Instant::now()) {
            Taken::Failed(error) => Err(error),
            Taken::Join(asking) => Ok(ControlFlow::Continue((asking, false))),
            Taken::Start => {
                let asking = self.begin(&mut entries, key, Some(len));
                Ok(ControlFlow::Continue((asking, true)))
            }
            Taken::Key(data_key, refresh) => {
                if let (Some(expires), Ok(runtime)) = (refresh, Handle::try_current()) {
                    let asking = self.begin(&mut entries, key, None);
                    let (cache, epoch) = (Arc::downgrade(self), entries.epoch());
                    runtime.spawn(async move {
                        if cache.upgrade().is_some_and(|shared| shared.entries().epoch() == epoch) {
                            // Longer than that it is only for those who wait for it.
                            let until = expires.max(Instant::now() + STUCK_AFTER);
                            let _ = timeout_at(until, asking).await;
                        }
                    });
                }
                Ok(ControlFlow::Break(data_key))
            }
        }
    }

    /// Begins a call, which is carried on as it is polled.
    fn begin(
        self: &Arc<Self>,
        entries: &mut Entries,
        key: &EntryKey,
        first_use: Option<u64>,
    ) -> Asking {
        let (asked, epoch) = (Instant::now(), entries.epoch());
        // Held weakly: with the last cache its keys go, whatever is being asked.
        let cache = Arc::downgrade(self);
        let (keyring, own_key) = (Arc::clone(&self.keyring), key.clone());
        let asking = async move {
            count_call(&cache);
            let answer = ask(&*keyring, &own_key).await;
            settle(&cache, &own_key, answer, (asked, epoch), first_use)
        };
        let asking = asking.boxed().shared();
        entries.started(key, &asking, asked);
        asking
    }
}

async fn ask(keyring: &dyn Keyring, key: &EntryKey) -> Result<DataKey> {
    let request = KeyRequest::new(&key.context).with_key_use(key.key_use);
    let request = request.with_signed(key.is_signed);
    match &key.wrapped {
        None => keyring.generate_data_key(&request).await,
        Some(wrapped) => {
            let data_key = keyring.unwrap_data_key(wrapped, &request).await?;
            Ok(DataKey { key: data_key, wrapped: Arc::clone(wrapped) })
        }
    }
}

fn count_call(cache: &Weak<Shared>) {
    if let Some(shared) = cache.upgrade() {
        shared.entries().count_call();
    }
}

/// Keeps an answer, or what follows from its failure.
fn settle(
    cache: &Weak<Shared>,
    key: &EntryKey,
    answer: Result<DataKey>,
    asked: (Instant, u64),
    first_use: Option<u64>,
) -> Result<Arc<DataKey>, Arc<Error>> {
    if let Some(shared) = cache.upgrade() {
        let mut entries = shared.entries();
        match &answer {
            Ok(data_key) => entries.keep(key, data_key, asked, first_use),
            Err(error) => entries.fail(key, error, Instant::now()),
        }
        drop(entries);
        shared.start_reaper();
    }
    answer.map(Arc::new).map_err(Arc::new)
}
