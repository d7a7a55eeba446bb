//! Processes in turns, and what they took.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use wait4::Wait4 as _;
use waxseal_bench::Aim;
use waxseal_bench::Report;
use waxseal_bench::is_test;

use crate::client::Task;
use crate::server::Server;

/// What the clients of one length share.
pub(crate) struct Contest {
    pub(crate) server: Server,
    pub(crate) source: PathBuf,
    pub(crate) mib: u64,
    pub(crate) rounds: u64,
}

/// What one process took.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Seconds.
    wall: f64,
    /// Seconds, user and system.
    cpu: f64,
    /// MiB.
    peak: f64,
    /// Seconds that the server took meanwhile.
    server: f64,
}

impl Contest {
    /// Runs one client to its end.
    pub(crate) fn run(&self, task: Task) {
        self.sample(task);
    }

    fn sample(&self, task: Task) -> Sample {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--client", &format!("{task:?}"), &self.server.endpoint]).arg(&self.source);
        let server = self.server.cpu();
        let begin = Instant::now();
        let done = command.spawn().unwrap().wait4().unwrap();
        let wall = begin.elapsed().as_secs_f64();
        assert!(done.status.success(), "{task:?}: {}", done.status);
        let server =
            self.server.cpu().zip(server).map_or(f64::NAN, |(after, before)| after - before);
        let usage = done.rusage;
        let cpu = (usage.utime + usage.stime).as_secs_f64();
        Sample { wall, cpu, peak: usage.maxrss as f64 / f64::from(1 << 20), server }
    }

    /// Ours and the plain one in turns, each first every other time.
    pub(crate) fn race(&self, verb: &'static str, ours: Task, plain: Task) -> Outcome {
        let rounds = (0..self.rounds).map(|round| match round % 2 {
            0 => [self.sample(ours), self.sample(plain)],
            _ => {
                let plain = self.sample(plain);
                [self.sample(ours), plain]
            }
        });
        let outcome = Outcome { verb, mib: self.mib, rounds: rounds.collect() };
        outcome.print();
        outcome
    }
}

/// What ours and the plain one took, round by round.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) verb: &'static str,
    pub(crate) mib: u64,
    rounds: Vec<[Sample; 2]>,
}

impl Outcome {
    /// Peak memory of ours in MiB.
    pub(crate) fn peak(&self) -> f64 {
        median(self.rounds.iter().map(|[ours, _]| ours.peak))
    }

    pub(crate) fn aims(&self, report: &mut Report) {
        let what = format!("{} {} MiB", self.verb, self.mib);
        let wall = Some(self.ratio(|sample| sample.wall));
        report.aim(&format!("{what}, wall"), wall, "of plain", Aim::AtMost(1.10));
        let cpu = Some(self.ratio(|sample| sample.cpu));
        report.aim(&format!("{what}, CPU"), cpu, "of plain", Aim::AtMost(1.25));
        report.aim(&format!("{what}, peak"), Some(self.peak()), "MiB", Aim::AtMost(128.0));
    }

    fn ratio(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.rounds.iter().map(|[ours, plain]| of(ours) / of(plain)))
    }

    fn print(&self) {
        if is_test() {
            return;
        }
        let title = format!("{} {} MiB, {} rounds", self.verb, self.mib, self.rounds.len());
        println!(
            "\n{title:<24}{:>10}{:>10}{:>10}{:>12}",
            "wall s", "CPU s", "peak MiB", "server CPU"
        );
        for (who, i) in [("sealed", 0), ("plain", 1)] {
            let of = |get: fn(&Sample) -> f64| median(self.rounds.iter().map(|both| get(&both[i])));
            let (wall, cpu) = (of(|s| s.wall), of(|s| s.cpu));
            let (peak, server) = (of(|s| s.peak), of(|s| s.server));
            println!("{who:<24}{wall:>10.3}{cpu:>10.3}{peak:>10.1}{server:>12.2}");
        }
        let [wall, cpu] = [self.ratio(|s| s.wall), self.ratio(|s| s.cpu)];
        let peak = self.ratio(|s| s.peak);
        println!("{:<24}{wall:>10.2}{cpu:>10.2}{peak:>10.2}", "sealed / plain");
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}
