//! A local keyring that answers as it is told, and counts.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;
use waxseal::DataKey;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::LocalKeyring;
use waxseal::Result;
use waxseal::SecretKey;
use waxseal::WrappedKey;
use waxseal::async_trait;

#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    keys: LocalKeyring,
    answer: Answer,
    counts: Arc<Counts>,
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Works,
    Fails(ErrorKind, &'static str),
    /// Works once it is given a permit.
    Waits(Arc<Semaphore>),
    WrapsNothing,
}

#[derive(Debug, Default)]
struct Counts {
    wraps: AtomicUsize,
    unwraps: AtomicUsize,
    /// Unwraps that have begun and neither ended nor were dropped.
    open: AtomicUsize,
}

struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scripted {
    /// A keyring whose wrapping key has this id.
    pub(crate) fn new(id: &str) -> Self {
        let keys = KeyFile::from_key(id, SecretKey::random().unwrap()).unwrap();
        Self { keys: keys.into(), answer: Answer::Works, counts: Arc::default() }
    }

    /// The same wrapping key behind another answer, counted anew.
    pub(crate) fn answering(&self, answer: Answer) -> Self {
        Self { keys: self.keys.clone(), answer, counts: Arc::default() }
    }

    pub(crate) fn wraps(&self) -> usize {
        self.counts.wraps.load(Ordering::SeqCst)
    }

    pub(crate) fn unwraps(&self) -> usize {
        self.counts.unwraps.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    async fn answer(&self) -> Result<()> {
        match &self.answer {
            Answer::Works | Answer::WrapsNothing => Ok(()),
            Answer::Fails(kind, text) => Err(Error::new(*kind, *text)),
            Answer::Waits(permits) => {
                permits.acquire().await.unwrap().forget();
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Keyring for Scripted {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        self.counts.wraps.fetch_add(1, Ordering::SeqCst);
        self.answer().await?;
        self.keys.generate_data_key(request).await
    }

    async fn wrap_data_key(
        &self,
        key: &SecretKey,
        request: &KeyRequest<'_>,
    ) -> Result<Vec<WrappedKey>> {
        self.counts.wraps.fetch_add(1, Ordering::SeqCst);
        self.answer().await?;
        let wrapped = self.keys.wrap_data_key(key, request).await?;
        Ok(if matches!(self.answer, Answer::WrapsNothing) { vec![] } else { wrapped })
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        self.counts.unwraps.fetch_add(1, Ordering::SeqCst);
        self.counts.open.fetch_add(1, Ordering::SeqCst);
        let _open = Open(&self.counts.open);
        self.answer().await?;
        self.keys.unwrap_data_key(wrapped, request).await
    }
}
