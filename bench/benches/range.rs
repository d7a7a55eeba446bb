//! Ranges of an object in a file: what is fetched, and how long it takes.
//!
//!     cargo bench -p waxseal-bench --bench range
//!
//! Warm: the object is open and its file in the page cache. Cold: the file is dropped from the
//! page cache before every range (as far as its file system lets us), and the object is opened
//! anew. The floor reads the plaintext's number of bytes with one `pread`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

#[path = "support/contest.rs"]
mod contest;

use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use criterion::Criterion;
use futures_util::StreamExt as _;
use rustix::fs::Advice;
use tokio::runtime::Runtime;
use waxseal::Body;
use waxseal::EncryptionContext;
use waxseal::Object;
use waxseal::ReadAt;
use waxseal::async_trait;
use waxseal_bench::Aim;
use waxseal_bench::Entrant;
use waxseal_bench::Race;
use waxseal_bench::Report;
use waxseal_bench::Work;
use waxseal_bench::cipher;
use waxseal_bench::human;
use waxseal_bench::noise;
use waxseal_bench::sized;

use crate::contest::contest;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut report = Report::new("range");
    let runtime = Arc::new(tokio::runtime::Builder::new_current_thread().build().unwrap());
    for len in [64 * MIB, 1024 * MIB] {
        let stored = Stored::new(&runtime, len);
        fetches(&mut report, &stored, len);
        for asked in ASKED {
            warm(&mut criterion, &report, &stored, len, asked);
            cold(&mut criterion, &report, &stored, len, asked);
        }
    }
    criterion.final_summary();
    report.finish();
}

/// A sealed object in a file of a temporary folder.
struct Stored {
    runtime: Arc<Runtime>,
    source: Counted,
    plain_len: u64,
    _folder: tempfile::TempDir,
}

impl Stored {
    fn new(runtime: &Arc<Runtime>, len: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealed");
        let mut file = File::create(&path).unwrap();
        let plain = Bytes::from(noise(sized(len).min(MIB)));
        let pieces = std::iter::repeat_n(plain.clone(), sized(len) / plain.len());
        let pieces = pieces.map(Ok::<_, std::io::Error>);
        let plain = Body::from_stream(futures_util::stream::iter(pieces));
        runtime.block_on(async {
            let cipher = cipher(SEGMENT_LEN);
            let mut sealed = cipher.seal_stream(plain, &EncryptionContext::new()).await.unwrap();
            while let Some(item) = sealed.next().await {
                file.write_all(&item.unwrap()).unwrap();
            }
        });
        // Only clean pages can be dropped.
        file.sync_all().unwrap();
        let source = Counted { file: Arc::new(File::open(path).unwrap()), counts: Arc::default() };
        Self { runtime: runtime.clone(), source, plain_len: sized(len) as u64, _folder: folder }
    }

    fn open(&self) -> Object {
        self.runtime.block_on(open(&self.source))
    }

    /// The same places in every run: random, but always those.
    fn ranges(&self, asked: usize) -> Vec<Range<u64>> {
        let asked = (asked as u64).min(self.plain_len);
        let random = noise(PLACES * 8);
        let random = random.chunks_exact(8).map(|n| u64::from_le_bytes(n.try_into().unwrap()));
        let starts = random.map(|n| n % (self.plain_len - asked + 1));
        starts.map(|start| start..start + asked).collect()
    }
}

async fn open(source: &Counted) -> Object {
    cipher(SEGMENT_LEN).open_at(source.clone(), &EncryptionContext::new()).await.unwrap()
}

/// A file that counts what is read of it.
#[derive(Clone)]
struct Counted {
    file: Arc<File>,
    counts: Arc<Counts>,
}

struct Fetched {
    requests: u64,
    bytes: u64,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Counted {
    /// What was read since the last time.
    fn take(&self) -> Fetched {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Fetched { requests: take(&self.counts.requests), bytes: take(&self.counts.bytes) }
    }
}

#[async_trait]
impl ReadAt for Counted {
    async fn sealed_len(&self) -> waxseal::Result<u64> {
        self.file.sealed_len().await
    }

    async fn read_at(&self, sealed: Range<u64>) -> waxseal::Result<Bytes> {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(sealed.end - sealed.start, Ordering::Relaxed);
        self.file.read_at(sealed).await
    }
}

/// What is fetched for every one of the places, with the object open: no time is taken.
fn fetches(report: &mut Report, stored: &Stored, len: usize) {
    let title = format!("bytes fetched from {}", human(len));
    let head = [&title, "mean", "of those asked for", "most beyond them", "most requests"];
    let mut rows = vec![head.map(str::to_owned)];
    let (mut most_beyond, mut most_requests) = (0.0_f64, 0.0_f64);
    for asked in ASKED {
        let object = stored.open();
        let (mut sum, mut beyond, mut requests) = (0, 0, 0);
        for range in stored.ranges(asked) {
            stored.source.take();
            let plain = stored.runtime.block_on(object.range(range)).unwrap();
            let fetched = stored.source.take();
            sum += fetched.bytes;
            beyond = beyond.max(fetched.bytes - plain.len() as u64);
            requests = requests.max(fetched.requests);
        }
        let mean = sum as f64 / PLACES as f64;
        let beyond = beyond as f64 / SEGMENT_LEN as f64;
        rows.push([
            human(asked),
            format!("{mean:.0}"),
            format!("{:.2}", mean / asked as f64),
            format!("{beyond:.2} segments"),
            requests.to_string(),
        ]);
        most_beyond = most_beyond.max(beyond);
        most_requests = most_requests.max(requests as f64);
    }
    report.rows(&rows);
    let what = |what: &str| format!("{what} a range of {}", human(len));
    report.aim(&what("fetched beyond"), Some(most_beyond), "segments at most", Aim::AtMost(2.0));
    report.aim(&what("asked for"), Some(most_requests), "requests at most", Aim::AtMost(1.0));
}

fn warm(criterion: &mut Criterion, report: &Report, stored: &Stored, len: usize, asked: usize) {
    let title = format!("range of {} from {}, warm", human(asked), human(len));
    let (object, runtime) = (stored.open(), stored.runtime.clone());
    let mut ranges = stored.ranges(asked).into_iter().cycle();
    let ours = Entrant::new("Object::range", Work::Items(1), move |(): &mut ()| {
        runtime.block_on(object.range(ranges.next().unwrap())).unwrap();
    });
    let mut ranges = stored.ranges(asked).into_iter().cycle();
    let (file, runtime) = (stored.source.file.clone(), stored.runtime.clone());
    let mut bytes = vec![0; asked.min(sized(len))];
    let hand_over =
        Entrant::new("pread on the blocking pool", Work::Items(1), move |(): &mut ()| {
            let (file, range) = (file.clone(), ranges.next().unwrap());
            let mut mine = std::mem::take(&mut bytes);
            let read = async {
                tokio::task::spawn_blocking(move || {
                    file.read_exact_at(&mut mine, range.start).unwrap();
                    mine
                })
                .await
            };
            bytes = runtime.block_on(read).unwrap();
        });
    let race = Race::new(&title, || (), pread(stored, asked, false));
    contest(criterion, report, race, [hand_over, ours]);
}

fn cold(criterion: &mut Criterion, report: &Report, stored: &Stored, len: usize, asked: usize) {
    let title = format!("range of {} from {}, cold", human(asked), human(len));
    let (source, runtime) = (stored.source.clone(), stored.runtime.clone());
    let mut ranges = stored.ranges(asked).into_iter().cycle();
    let file = stored.source.file.clone();
    let ours = Entrant::prepared(
        "open_at, Object::range",
        Work::Items(1),
        move |(): &mut ()| drop_from_cache(&file),
        move |(), ()| {
            let range = ranges.next().unwrap();
            let read = async { open(&source).await.range(range).await };
            runtime.block_on(read).unwrap();
        },
    );
    let race = Race::new(&title, || (), pread(stored, asked, true));
    contest(criterion, report, race, [ours]);
}

/// Reads as many bytes as are asked for, into a buffer that is there.
fn pread(stored: &Stored, asked: usize, cold: bool) -> Entrant<()> {
    let mut ranges = stored.ranges(asked).into_iter().cycle();
    let mut bytes = vec![0; asked.min(usize::try_from(stored.plain_len).unwrap())];
    let (file, cold_file) = (stored.source.file.clone(), stored.source.file.clone());
    Entrant::prepared(
        "pread",
        Work::Items(1),
        move |(): &mut ()| {
            if cold {
                drop_from_cache(&cold_file);
            }
        },
        move |(), ()| file.read_exact_at(&mut bytes, ranges.next().unwrap().start).unwrap(),
    )
}

fn drop_from_cache(file: &File) {
    rustix::fs::fadvise(file, 0, None, Advice::DontNeed).unwrap();
}

const ASKED: [usize; 5] = [8, 4 << 10, 64 << 10, MIB, 8 * MIB];
const SEGMENT_LEN: usize = 64 << 10;
const PLACES: usize = 64;
const MIB: usize = 1 << 20;
