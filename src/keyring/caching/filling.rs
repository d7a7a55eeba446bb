//! Asking the keyring below, once for all who wait for the same key.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::error::Result;
use crate::keyring::DataKey;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::keyring::caching::Shared;
use crate::keyring::caching::entries::EntryKey;
use crate::keyring::caching::entries::Taken;
use crate::keyring::caching::entries::Turn;

impl Shared {
    /// A use of the key for `key`, to seal `len` bytes.
    ///
    /// Dropped while it asks, it leaves its turn to the next who waits.
    pub(super) async fn get(self: &Arc<Self>, key: EntryKey, len: u64) -> Result<DataKey> {
        let place = match self.take(&key, len, None)? {
            ControlFlow::Break(data_key) => return Ok(data_key),
            ControlFlow::Continue(turn) => turn,
        };
        let _held = place.lock.lock().await;
        // Whoever had the turn before may have got the key, or failed, for all who waited.
        let turn = match self.take(&key, len, Some(&place))? {
            ControlFlow::Break(data_key) => return Ok(data_key),
            ControlFlow::Continue(turn) => turn,
        };
        let asked = Instant::now();
        self.entries().count_miss();
        let answer = ask(&*self.keyring, &key).await;
        let mut entries = self.entries();
        let data_key = answer.inspect_err(|error| entries.fail(&key, error, Instant::now()))?;
        entries.keep(&key, &turn, &data_key, asked);
        entries.count_first_use(&key, &turn, len);
        drop(entries);
        self.start_reaper();
        Ok(data_key)
    }

    /// A key for one object only.
    pub(super) async fn generate_uncached(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        self.entries().count_miss();
        self.keyring.generate_data_key(request).await
    }

    /// The key if it is there, else a place among those who wait for it.
    fn take(
        self: &Arc<Self>,
        key: &EntryKey,
        len: u64,
        place: Option<&Turn>,
    ) -> Result<ControlFlow<DataKey, Turn>> {
        let taken = self.entries().take(key, len, place, Instant::now());
        match taken {
            Taken::Ask(turn) => Ok(ControlFlow::Continue(turn)),
            Taken::Failed(error) => Err(error),
            Taken::Key(data_key, refresh) => {
                refresh.into_iter().for_each(|turn| self.refresh(key.clone(), turn));
                Ok(ControlFlow::Break(data_key))
            }
        }
    }

    /// Replaces a key that is still good, while it goes on being used.
    fn refresh(self: &Arc<Self>, key: EntryKey, turn: Turn) {
        let Ok(runtime) = Handle::try_current() else { return };
        let keyring = Arc::clone(&self.keyring);
        // Held weakly: with the last cache its keys go, whatever is being asked.
        let cache = Arc::downgrade(self);
        runtime.spawn(async move {
            let _held = turn.lock.lock().await;
            let asked = Instant::now();
            match cache.upgrade() {
                Some(shared) if shared.entries().is_due(&key, asked) => {
                    shared.entries().count_call();
                }
                _ => return,
            }
            let answer = ask(&*keyring, &key).await;
            let Some(shared) = cache.upgrade() else { return };
            let mut entries = shared.entries();
            match answer {
                Ok(data_key) => entries.keep(&key, &turn, &data_key, asked),
                Err(error) => entries.fail(&key, &error, Instant::now()),
            }
        });
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
