//! Streams, keyrings and sources that are never ready at once, and whose futures are counted.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use futures_util::Stream;
use waxseal::DataKey;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::ReadAt;
use waxseal::SecretKey;
use waxseal::WrappedKey;
use waxseal::async_trait;

/// Counts what is alive: every stream and future here holds a clone of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alive(Arc<()>);

impl Alive {
    /// Streams, keyrings, sources and their futures that were not dropped yet.
    pub(crate) fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// Is pending, and wakes its task, before every item and before the end.
pub(crate) struct Reluctant<S> {
    items: S,
    ready: bool,
    _alive: Alive,
}

impl<S> Reluctant<S> {
    pub(crate) fn new(items: S, alive: &Alive) -> Self {
        Self { items, ready: false, _alive: alive.clone() }
    }
}

impl<S: Stream + Unpin> Stream for Reluctant<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.ready = !self.ready;
        if self.ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.items).poll_next(cx)
    }
}

/// Is pending once.
async fn pause(alive: &Alive) {
    let _alive = alive.clone();
    let mut paused = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A keyring or source each of whose futures is pending once before and once after its work.
#[derive(Debug)]
pub(crate) struct Slow<T> {
    pub(crate) inner: T,
    pub(crate) alive: Alive,
}

#[async_trait]
impl<K: Keyring> Keyring for Slow<K> {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> waxseal::Result<DataKey> {
        pause(&self.alive).await;
        let key = self.inner.generate_data_key(request).await;
        pause(&self.alive).await;
        key
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> waxseal::Result<SecretKey> {
        pause(&self.alive).await;
        let key = self.inner.unwrap_data_key(wrapped, request).await;
        pause(&self.alive).await;
        key
    }
}

#[async_trait]
impl<R: ReadAt> ReadAt for Slow<R> {
    async fn sealed_len(&self) -> waxseal::Result<u64> {
        pause(&self.alive).await;
        self.inner.sealed_len().await
    }

    async fn read_at(&self, sealed: Range<u64>) -> waxseal::Result<Bytes> {
        pause(&self.alive).await;
        let bytes = self.inner.read_at(sealed).await;
        pause(&self.alive).await;
        bytes
    }
}

/// Polls `future` until it is ready; says how often it was pending.
pub(crate) fn run<F: Future>(future: F) -> (F::Output, usize) {
    let mut future = std::pin::pin!(future);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for pending in 0.. {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return (output, pending);
        }
    }
    unreachable!("it is ready at some time")
}

/// Polls `future` `polls` times, in which it must not become ready, and drops it.
pub(crate) fn cancel(future: impl Future, polls: usize) {
    let mut future = std::pin::pin!(future);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for poll in 0..polls {
        assert!(future.as_mut().poll(&mut cx).is_pending(), "ready at poll {poll} of {polls}");
    }
}
