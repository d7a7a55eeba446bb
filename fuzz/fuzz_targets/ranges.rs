//! Any range of an edited object, from a store that lies: the true bytes or an error.
//!
//! The store claims any length, and may hold something else from some read on. An object that
//! opens has the length of an original; each range of it is that original's, or an error after a
//! true prefix. No read goes past the claimed length. Untouched, every range within is read; where
//! the envelope is in metadata and the store holds still, only the untouched object is read whole.

#![no_main]

use std::ops::Range;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

use arbitrary::Arbitrary;
use bytes::Bytes;
use futures_executor::block_on;
use futures_executor::block_on_stream;
use libfuzzer_sys::fuzz_target;
use waxseal::Body;
use waxseal::ErrorKind;
use waxseal::ReadAt;
use waxseal::Result;
use waxseal::async_trait;
use waxseal_fuzz::Edit;
use waxseal_fuzz::Layout;
use waxseal_fuzz::Sample;
use waxseal_fuzz::cipher;
use waxseal_fuzz::context;
use waxseal_fuzz::edited;

#[derive(Arbitrary, Debug)]
struct Input {
    layout: Layout,
    sample: u8,
    edits: Vec<Edit>,
    claimed_len: Option<u64>,
    /// After this many reads the store holds this sample.
    replaced: Option<(u8, u8)>,
    /// Those below zero stand for offsets near the end of all numbers.
    ranges: Vec<(i16, i16)>,
}

fuzz_target!(|input: Input| {
    let sample = Sample::pick(input.layout, input.sample);
    let stored = edited(input.layout, sample, &input.edits);
    let (held_for, then) = input.replaced.unwrap_or_default();
    let still = input.claimed_len.is_none() && input.replaced.is_none();
    let honest = still && stored == sample.stored;
    let store = Store {
        claimed_len: input.claimed_len.unwrap_or(stored.len() as u64),
        stored,
        replaced: input.replaced.map(|_| Sample::pick(input.layout, then).stored.clone()),
        reads_left: AtomicU8::new(held_for),
    };

    let (cipher, context) = (cipher(), context());
    let Ok(object) = block_on(cipher.open_with_metadata(sample.entries(), store, &context)) else {
        assert!(!honest);
        return;
    };
    let plain = Sample::all(input.layout).iter().map(|sample| &sample.plain);
    let mut plain = plain.filter(|plain| plain.len() as u64 == object.len());
    let plain = plain.next().expect("the length of an original");

    for &(start, end) in input.ranges.iter().take(MOST_RANGES) {
        #[expect(clippy::cast_sign_loss, reason = "meant: see `Input::ranges`")]
        let (start, end) = (i64::from(start) as u64, i64::from(end) as u64);
        let wanted = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
        match (object.range_stream(start..end), plain.get(wanted)) {
            (Ok(body), Some(wanted)) => _ = check(body, wanted, honest),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::InvalidInput),
            (Ok(_), None) => panic!("a range outside the plaintext"),
            (Err(error), Some(_)) => panic!("a range within the plaintext: {error}"),
        }
    }
    let whole = check(object.into_stream(), plain, honest);
    assert!(honest || !whole || !still || input.layout == Layout::Inline);
});

/// Whether `body` came to its end.
fn check(body: Body, wanted: &[u8], honest: bool) -> bool {
    let mut released = vec![];
    for item in block_on_stream(body) {
        let Ok(item) = item else {
            assert!(!honest && wanted.starts_with(&released));
            return false;
        };
        released.extend_from_slice(&item);
    }
    assert_eq!(released, wanted);
    true
}

struct Store {
    claimed_len: u64,
    stored: Bytes,
    replaced: Option<Bytes>,
    reads_left: AtomicU8,
}

#[async_trait]
impl ReadAt for Store {
    async fn sealed_len(&self) -> Result<u64> {
        Ok(self.claimed_len)
    }

    async fn read_at(&self, sealed: Range<u64>) -> Result<Bytes> {
        assert!(sealed.start <= sealed.end && sealed.end <= self.claimed_len);
        let left = self
            .reads_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let held = match &self.replaced {
            Some(replaced) if left.is_err() => replaced,
            _ => &self.stored,
        };
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(held.len());
        Ok(held.slice(within(sealed.start)..within(sealed.end)))
    }
}

const MOST_RANGES: usize = 16;
