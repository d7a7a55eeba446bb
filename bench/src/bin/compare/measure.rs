//! Runs programs in turn, and what each run cost.

use std::fs::File;
use std::io::Read as _;
use std::io::Seek as _;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use wait4::Wait4 as _;

use crate::Result;
use crate::facts;
use crate::files;
use crate::files::Files;
use crate::programs::Program;
use crate::programs::Programs;

/// What a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Copy,
    /// Read and seal, and drop it: the floor.
    Read,
    Seal,
    Open,
}

/// Where its result goes; the two parts of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// To a file that was not there.
    File,
    /// To standard output, which is `/dev/null`.
    Null,
}

/// What one run cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    /// User and system time.
    pub(crate) cpu: Duration,
    /// The largest resident set, in bytes.
    ///
    /// Linux passes the peak of the process that starts another on to it, so this is never less
    /// than what this program held: it must stay small.
    pub(crate) peak: u64,
    /// CPU time of all other processes meanwhile.
    pub(crate) others: Duration,
}

/// All runs of one task of one program.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) label: &'static str,
    pub(crate) what: What,
    pub(crate) part: Part,
    pub(crate) samples: Vec<Sample>,
}

/// Starts programs until it is interrupted.
#[derive(Debug)]
pub(crate) struct Runner {
    interrupted: Arc<AtomicBool>,
}

impl Runner {
    /// From now on an interrupt ends the next run instead of this process, which then tidies up.
    pub(crate) fn new() -> Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        Ok(Self { interrupted })
    }

    /// `runs` rounds of all `programs`.
    pub(crate) fn measure(
        &self,
        programs: &Programs,
        files: &Files,
        runs: u32,
    ) -> Result<Vec<Measured>> {
        let mut results = Vec::new();
        for round in 1..=runs {
            eprintln!("round {round} of {runs}");
            for program in programs.all() {
                self.turn(program, files, &mut results)
                    .map_err(|e| format!("{}: {e}", program.label))?;
            }
        }
        Ok(results)
    }

    /// One run of each of its tasks.
    fn turn(&self, program: &Program, files: &Files, results: &mut Vec<Measured>) -> Result<()> {
        files.renew()?;
        for (what, part) in TASKS {
            if let Some(sample) = self.task(program, what, part, files, false)? {
                add(results, program.label, what, part, sample);
            }
            // Before the next sync writes it to the disk for nothing.
            files::remove(&files.opened)?;
        }
        files::remove(&files.sealed)
    }

    /// Fails unless what `program` seals opens to what it was, both ways.
    pub(crate) fn check(&self, program: &Program, files: &Files) -> Result<()> {
        for (what, part) in TASKS {
            let keep = part == Part::Null;
            let done = self.task(program, what, part, files, keep)?.is_some();
            if done && matches!(what, What::Copy | What::Open) && !files.came_back()? {
                return Err("it does not give the file back".into());
            }
        }
        files::remove(&files.opened)?;
        files::remove(&files.sealed)
    }

    /// Runs `program` unless it has no such task. `keep` puts standard output into the file.
    fn task(
        &self,
        program: &Program,
        what: What,
        part: Part,
        files: &Files,
        keep: bool,
    ) -> Result<Option<Sample>> {
        let input = if what == What::Open { &files.sealed } else { &files.plain };
        let output = if what == What::Seal { &files.sealed } else { &files.opened };
        let to_file = (part == Part::File).then_some(output.as_path());
        let Some(mut command) = program.command(what, input, to_file) else { return Ok(None) };
        if keep || to_file.is_some() {
            files::remove(output)?;
        }
        command.stdout(if keep { File::create(output)?.into() } else { Stdio::null() });
        // What the last run left to write must not slow this one.
        rustix::fs::sync();
        if to_file.is_some() {
            files::warm_memory(files)?;
        }
        files::warm(input)?;
        self.run(&mut command).map(Some)
    }

    fn run(&self, command: &mut Command) -> Result<Sample> {
        self.check_interrupt()?;
        let mut messages = tempfile::tempfile()?;
        command.stdin(Stdio::null()).stderr(messages.try_clone()?);
        let busy = facts::busy();
        let start = Instant::now();
        let mut child = command.spawn()?;
        let done = child.wait4()?;
        let wall = start.elapsed();
        let busy = facts::busy().saturating_sub(busy);
        self.check_interrupt()?;
        if !done.status.success() {
            return Err(format!("{}: {}", done.status, text(&mut messages)).into());
        }
        let usage = done.rusage;
        let cpu = usage.utime + usage.stime;
        Ok(Sample { wall, cpu, peak: usage.maxrss, others: busy.saturating_sub(cpu) })
    }

    fn check_interrupt(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) { Err("interrupted".into()) } else { Ok(()) }
    }
}

fn add(results: &mut Vec<Measured>, label: &'static str, what: What, part: Part, sample: Sample) {
    let mut same = results.iter_mut();
    match same.find(|m| m.label == label && m.what == what && m.part == part) {
        Some(measured) => measured.samples.push(sample),
        None => results.push(Measured { label, what, part, samples: vec![sample] }),
    }
}

/// In one line.
fn text(file: &mut File) -> String {
    let mut text = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    read.map_or_else(|e| e.to_string(), |_| text.lines().collect::<Vec<_>>().join("; "))
}

/// In this order: opening needs what sealing to a file left.
const TASKS: [(What, Part); 6] = [
    (What::Copy, Part::File),
    (What::Read, Part::Null),
    (What::Seal, Part::File),
    (What::Open, Part::File),
    (What::Seal, Part::Null),
    (What::Open, Part::Null),
];
