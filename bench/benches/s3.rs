//! Put to and get from S3 on loopback, beside the AWS SDK's own unencrypted transfers.
//!
//!     cargo bench -p waxseal-bench --features s3 --bench s3
//!     WAXSEAL_BENCH_MIB="1024 8192" cargo bench -p waxseal-bench --features s3 --bench s3
//!
//! Every transfer is a process of its own, so that wall time, CPU time and peak memory are those of
//! the client alone; ours and the plain one take turns. Both send or fetch 8 MiB at a time, four at
//! once, with the same checksum, over what they take for TLS, see `client::WithoutTls`. The server
//! is the testkit's, in another process: puts go to a bucket that reads and keeps nothing, gets
//! come from a file. Twice as much disk as the largest size is needed, in the folder for temporary
//! files.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

#[path = "s3/client.rs"]
mod client;
#[path = "s3/contest.rs"]
mod contest;
#[path = "s3/server.rs"]
mod server;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use tempfile::TempDir;
use waxseal_bench::Aim;
use waxseal_bench::Report;
use waxseal_bench::is_test;
use waxseal_bench::noise;

use crate::client::Task;
use crate::contest::Contest;
use crate::contest::Outcome;
use crate::server::Server;

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--server", folder] => server::run(folder),
        ["--client", task, endpoint, file] => client::run(task.parse().unwrap(), endpoint, file),
        _ => race(),
    }
}

/// Measures every size, or shows with a small one that everything works.
fn race() {
    let mut report = Report::new("s3");
    let outcomes: Vec<_> = sizes().into_iter().map(race_of).collect();
    for outcome in outcomes.iter().flatten() {
        outcome.aims(&mut report);
    }
    // Memory must not depend on the length; below a GiB the allocator has not settled.
    let settled: Vec<_> = outcomes.iter().filter(|[put, _]| put.mib >= 1024).collect();
    for [small, large] in settled.array_windows() {
        for (small, large) in small.iter().zip(large.iter()) {
            let what = format!("{} {} MiB, peak", small.verb, large.mib);
            let ratio = Some(large.peak() / small.peak());
            report.aim(&what, ratio, &format!("of that of {} MiB", small.mib), Aim::AtMost(1.10));
        }
    }
    report.finish();
}

/// The outcomes of put and get of so many MiB.
fn race_of(mib: u64) -> [Outcome; 2] {
    let folder = TempDir::new().unwrap();
    let source = folder.path().join("source");
    write_source(&source, mib);
    let server = Server::start(&folder.path().join("server"));
    let contest = Contest { server, source, mib, rounds: if is_test() { 1 } else { rounds(mib) } };
    // What is got later. The plain client gets the same sealed bytes.
    contest.run(Task::Fill);
    if is_test() {
        contest.run(Task::Check);
    }
    [("put", Task::Put, Task::PlainPut), ("get", Task::Get, Task::PlainGet)]
        .map(|(verb, ours, plain)| contest.race(verb, ours, plain))
}

fn write_source(path: &Path, mib: u64) {
    let unit = noise(1 << 20);
    let mut file = File::create(path).unwrap();
    (0..mib).for_each(|_| file.write_all(&unit).unwrap());
}

/// Lengths in MiB, ascending.
fn sizes() -> Vec<u64> {
    if is_test() {
        return vec![16];
    }
    let named = std::env::var("WAXSEAL_BENCH_MIB").unwrap_or("256 1024".to_owned());
    let mut sizes: Vec<_> = named.split_whitespace().map(|mib| mib.parse().unwrap()).collect();
    sizes.sort_unstable();
    sizes
}

fn rounds(mib: u64) -> u64 {
    (5 * 1024 / mib).clamp(3, 9)
}
