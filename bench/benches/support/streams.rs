//! A hundred streams at once on two workers, beside one stream and two plain threads.

use std::sync::Arc;

use bytes::Bytes;
use criterion::Criterion;
use tokio::runtime::Runtime;
use waxseal::Body;
use waxseal_bench::Entrant;
use waxseal_bench::Race;
use waxseal_bench::Report;
use waxseal_bench::Work;
use waxseal_bench::drain;
use waxseal_bench::is_test;
use waxseal_bench::sized;

use crate::contest::contest;

/// What the streams read: as many sources for ours as for the floor.
pub(crate) struct Sources {
    pub(crate) ours: Vec<Bytes>,
    pub(crate) floor: Vec<Bytes>,
}

/// Runs `start` on every source, one after another, and on a hundred at once.
///
/// `floor` does the work of one stream on the thread it is called on.
pub(crate) fn race<Start, Started>(
    criterion: &mut Criterion,
    report: &mut Report,
    verb: &str,
    sources: impl Fn() -> Sources + 'static,
    floor: impl Fn(&Bytes) + Sync + 'static,
    start: Start,
) where
    Start: Fn(Bytes) -> Started + Clone + Send + 'static,
    Started: Future<Output = waxseal::Result<Body>> + Send,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).build();
    let runtime = Arc::new(runtime.unwrap());
    let at_once = if is_test() { 4 } else { AT_ONCE };
    let work = |streams: usize| Work::Bytes((streams * stream_len()) as u64);

    let two_threads = move |sources: &mut Sources| {
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                let (sources, floor) = (&sources.floor, &floor);
                let mine = (worker..at_once).step_by(WORKERS);
                scope.spawn(move || mine.for_each(|i| floor(&sources[i % sources.len()])));
            }
        });
    };
    let floor = Entrant::new("two threads, copy + raw", work(at_once), two_threads);
    let (one_start, one_runtime) = (start.clone(), runtime.clone());
    let one = Entrant::new(ONE, work(SOURCES), move |sources: &mut Sources| {
        for source in &sources.ours {
            run(&one_runtime, &one_start, [source.clone()]);
        }
    });
    let many = Entrant::new(MANY, work(at_once), move |sources: &mut Sources| {
        run(&runtime, &start, sources.ours.iter().cycle().take(at_once).cloned());
    });

    let title = format!("{verb} 100 streams of 16 MiB at once, segments of 64 KiB");
    let race = contest(criterion, report, Race::new(&title, sources, floor), [one, many]);
    if let (Some(one), Some(many)) = (race.gib_per_second(ONE), race.gib_per_second(MANY)) {
        let per_core = many / WORKERS as f64;
        let of_one = per_core / one;
        report.note(format!(
            "100 streams: {many:.2} GiB/s; a core {per_core:.2}, or {of_one:.2} of one stream"
        ));
    }
}

/// Spawns a task per source and waits for all. They take turns: a body lets the executor have its
/// way every now and then.
fn run<Start, Started>(runtime: &Runtime, start: &Start, sources: impl IntoIterator<Item = Bytes>)
where
    Start: Fn(Bytes) -> Started + Clone + Send + 'static,
    Started: Future<Output = waxseal::Result<Body>> + Send,
{
    let tasks: Vec<_> = sources
        .into_iter()
        .map(|source| {
            let start = start.clone();
            runtime.spawn(async move {
                drain(start(source).await.unwrap()).await;
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Bytes of plaintext in a stream.
pub(crate) fn stream_len() -> usize {
    sized(16 << 20)
}

/// Each of 16 MiB: 256 MiB, as in the cold case.
pub(crate) const SOURCES: usize = 16;
const WORKERS: usize = 2;
const AT_ONCE: usize = 100;
const ONE: &str = "one stream";
const MANY: &str = "100 streams";
