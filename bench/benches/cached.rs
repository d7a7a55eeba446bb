//! Objects per second under data keys that take 5 ms to get, kept and not, and how often they are
//! asked for.
//!
//!     cargo bench -p waxseal-bench --bench cached
//!
//! The floor is sealing with a data key at hand, which no cache can beat.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

#[path = "support/contest.rs"]
mod contest;

use std::time::Duration;

use bytes::Bytes;
use criterion::Criterion;
use futures_util::future::join_all;
use waxseal::CachingKeyring;
use waxseal::DataKey;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::Result;
use waxseal::SecretKey;
use waxseal::WrappedKey;
use waxseal::async_trait;
use waxseal_bench::Aim;
use waxseal_bench::Entrant;
use waxseal_bench::FixedKey;
use waxseal_bench::Race;
use waxseal_bench::Report;
use waxseal_bench::Work;
use waxseal_bench::human;
use waxseal_bench::noise;

use crate::contest::contest;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut report = Report::new("cached");
    for at_once in [1, OBJECTS] {
        race(&mut criterion, &mut report, "seal", at_once);
        race(&mut criterion, &mut report, "open", at_once);
    }
    criterion.final_summary();
    report.finish();
}

/// As far away as KMS is within a Region.
#[derive(Debug)]
struct Distant;

impl Distant {
    async fn answer(&self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[async_trait]
impl Keyring for Distant {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        self.answer().await;
        FixedKey.generate_data_key(request).await
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        self.answer().await;
        FixedKey.unwrap_data_key(wrapped, request).await
    }
}

fn race(criterion: &mut Criterion, report: &mut Report, verb: &'static str, at_once: usize) {
    let cache = CachingKeyring::builder(Distant).max_age(Duration::from_secs(300));
    let cache = cache.max_objects(1_000).build().unwrap();
    let entrant = |name, cipher| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let sealed = runtime.block_on(cipher_of(FixedKey).seal(&noise(LEN), &context())).unwrap();
        Entrant::new(name, Work::Items(OBJECTS as u64), move |_: &mut ()| {
            runtime.block_on(handle(&cipher, verb, at_once, &sealed));
        })
    };
    let title = format!("{verb} objects of {}, {at_once} at a time", human(LEN));
    let race = Race::new(&title, || (), entrant(FLOOR, cipher_of(FixedKey)));
    let entrants = [entrant(KEPT, cipher_of(cache.clone())), entrant(ASKED, cipher_of(Distant))];
    let race = contest(criterion, report, race, entrants);

    let metrics = cache.metrics();
    let objects = metrics.hits + metrics.misses + metrics.coalesced;
    report.note(format!(
        "{title}: {} calls for {objects} objects with the cache, one for each without",
        metrics.calls
    ));
    let (Some(kept), Some(asked)) = (race.seconds(KEPT), race.seconds(ASKED)) else { return };
    report.note(format!(
        "{title}: {:.0} objects a second with the cache, {:.0} without: {:.0} times as many",
        1.0 / kept,
        1.0 / asked,
        asked / kept,
    ));
    if let Some(floor) = race.seconds(FLOOR) {
        let what = format!("{title}, cached, of the time with a key at hand");
        report.aim(&what, Some(kept / floor), "x", Aim::AtMost(1.5));
    }
}

async fn handle(cipher: &EnvelopeCipher, verb: &str, at_once: usize, sealed: &Bytes) {
    let (context, plain) = (context(), [7; LEN]);
    for _ in 0..OBJECTS / at_once {
        let all = (0..at_once).map(|_| async {
            match verb {
                "seal" => cipher.seal(&plain, &context).await.unwrap(),
                _ => cipher.open(sealed, &context).await.unwrap(),
            }
        });
        join_all(all).await;
    }
}

fn cipher_of(keyring: impl Keyring + 'static) -> EnvelopeCipher {
    EnvelopeCipher::new(keyring)
}

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

const LEN: usize = 1 << 10;
const OBJECTS: usize = 32;
const FLOOR: &str = "data key at hand";
const KEPT: &str = "5 ms keyring, cached";
const ASKED: &str = "5 ms keyring";
