//! Plaintext, a cipher whose data key is at hand, and a way to run what never waits.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;

use bytes::Bytes;
use futures_util::StreamExt as _;
use waxseal::Body;
use waxseal::DataKey;
use waxseal::EnvelopeCipher;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::SecretKey;
use waxseal::WrappedKey;
use waxseal::async_trait;

use crate::report::is_test;

/// Every data key is `[1; 32]`, so that no keyring is measured.
#[derive(Clone, Copy, Debug)]
pub struct FixedKey;

impl FixedKey {
    /// The bytes of the key.
    pub const BYTES: [u8; 32] = [1; 32];

    /// The key.
    pub fn secret() -> SecretKey {
        SecretKey::try_from(&Self::BYTES[..]).unwrap()
    }
}

#[async_trait]
impl Keyring for FixedKey {
    async fn generate_data_key(&self, _: &KeyRequest<'_>) -> waxseal::Result<DataKey> {
        Ok(DataKey::new(Self::secret(), vec![WrappedKey::new("fixed", "one", [0])?]))
    }

    async fn unwrap_data_key(
        &self,
        _: &[WrappedKey],
        _: &KeyRequest<'_>,
    ) -> waxseal::Result<SecretKey> {
        Ok(Self::secret())
    }
}

/// A cipher with the data key at hand.
pub fn cipher(segment_len: usize) -> EnvelopeCipher {
    EnvelopeCipher::new(FixedKey).segment_len(u32::try_from(segment_len).unwrap())
}

/// Bytes of plaintext in a full segment.
pub fn plain_len(segment_len: usize) -> usize {
    segment_len - 32
}

/// A length that a benchmark names: less of it if nothing is measured.
pub fn sized(len: usize) -> usize {
    if is_test() { len.min(4 << 20) } else { len }
}

/// `65536` as `64 KiB`.
pub fn human(len: usize) -> String {
    match len {
        0..1024 => format!("{len} B"),
        1024..1_048_576 => format!("{} KiB", len >> 10),
        _ => format!("{} MiB", len >> 20),
    }
}

/// Bytes that are all written: pages of zeros would be one page of memory many times over.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The outcome of a future that waits for nothing but its next turn: no runtime is measured.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let turn = Arc::new(Turn::default());
    let waker = turn.clone().into();
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return outcome;
        }
        assert!(turn.0.swap(false, Ordering::Relaxed), "everything is in memory");
    }
}

/// Whether the future asked for another turn.
#[derive(Default)]
struct Turn(AtomicBool);

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads a body to its end, dropping each item, and returns the number of bytes.
pub async fn drain(mut body: Body) -> u64 {
    let mut len = 0;
    while let Some(item) = body.next().await {
        let item: Bytes = item.unwrap();
        len += item.len() as u64;
    }
    len
}
