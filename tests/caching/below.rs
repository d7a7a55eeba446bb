//! The keyring below the cache: a local one that counts, takes its time, and fails on demand.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use waxseal::CachingKeyring;
use waxseal::CachingKeyringBuilder;
use waxseal::DataKey;
use waxseal::EncryptionContext;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::KeyRequest;
use waxseal::KeyUse;
use waxseal::Keyring;
use waxseal::LocalKeyring;
use waxseal::Result;
use waxseal::SecretKey;
use waxseal::WrappedKey;
use waxseal::async_trait;

#[derive(Debug)]
pub(crate) struct Below {
    keys: LocalKeyring,
    calls: AtomicU64,
    signed_calls: AtomicU64,
    behaviour: Mutex<Behaviour>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Behaviour {
    delay: Duration,
    failure: Option<ErrorKind>,
}

impl Below {
    pub(crate) fn new() -> Arc<Self> {
        let keys = LocalKeyring::new(KeyFile::generate().unwrap());
        let (calls, signed_calls) = <(AtomicU64, AtomicU64)>::default();
        Arc::new(Self { keys, calls, signed_calls, behaviour: Mutex::default() })
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// How often for envelopes that are signed.
    pub(crate) fn signed_calls(&self) -> u64 {
        self.signed_calls.load(Ordering::SeqCst)
    }

    /// How long it takes from now on.
    pub(crate) fn takes(&self, delay: Duration) {
        self.behaviour.lock().unwrap().delay = delay;
    }

    /// How it fails from now on.
    pub(crate) fn fails(&self, failure: impl Into<Option<ErrorKind>>) {
        self.behaviour.lock().unwrap().failure = failure.into();
    }

    /// A cache above it that keeps keys for 100 seconds.
    pub(crate) fn cached(self: &Arc<Self>) -> CachingKeyring {
        self.cached_with(|cache| cache)
    }

    pub(crate) fn cached_with(
        self: &Arc<Self>,
        settings: impl FnOnce(CachingKeyringBuilder) -> CachingKeyringBuilder,
    ) -> CachingKeyring {
        let builder = CachingKeyring::builder(Arc::clone(self)).max_age(MAX_AGE);
        settings(builder).build().unwrap()
    }

    async fn answer(&self, request: &KeyRequest<'_>) -> Result<()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.signed_calls.fetch_add(request.is_signed().into(), Ordering::SeqCst);
        let behaviour = *self.behaviour.lock().unwrap();
        if behaviour.delay.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep_until(Instant::now() + behaviour.delay).await;
        }
        behaviour.failure.map_or(Ok(()), |kind| Err(Error::new(kind, "asked for by a test")))
    }
}

#[async_trait]
impl Keyring for Below {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        self.answer(request).await?;
        self.keys.generate_data_key(request).await
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        self.answer(request).await?;
        self.keys.unwrap_data_key(wrapped, request).await
    }
}

pub(crate) fn context(tenant: &str) -> EncryptionContext {
    EncryptionContext::from([("tenant", tenant)])
}

/// A request as sealing and opening FLOE objects makes it.
pub(crate) fn request(context: &EncryptionContext) -> KeyRequest<'_> {
    KeyRequest::new(context).with_key_use(KeyUse::Derived)
}

/// Asks to seal, and says which data key it got by its wrapped form.
pub(crate) async fn seal_key(keyring: &CachingKeyring, tenant: &str) -> Result<WrappedKey> {
    let context = context(tenant);
    let data_key = keyring.generate_data_key(&request(&context)).await?;
    Ok(data_key.wrapped()[0].clone())
}

pub(crate) async fn open_key(
    keyring: &CachingKeyring,
    wrapped: &WrappedKey,
    tenant: &str,
) -> Result<SecretKey> {
    let context = context(tenant);
    keyring.unwrap_data_key(std::slice::from_ref(wrapped), &request(&context)).await
}

pub(crate) const MAX_AGE: Duration = Duration::from_secs(100);
