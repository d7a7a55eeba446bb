//! Ending early without leaving anything behind.
//!
//! The first signal drops the work, which deletes temporary files and begins to abort an upload,
//! and waits a moment for that. The second ends the process at once.

use std::time::Duration;
use std::time::Instant;

use tokio::runtime::Handle;
#[cfg(unix)]
use tokio::signal::unix::Signal;
#[cfg(unix)]
use tokio::signal::unix::SignalKind;
#[cfg(unix)]
use tokio::signal::unix::signal;
use tokio::sync::oneshot;

use crate::exit::Code;
use crate::exit::Failure;

/// Runs `work` to its end or to the first signal.
pub(crate) async fn guard(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    // Before the work begins, so that there is nothing yet that a signal could leave behind.
    let mut signals = Signals::listen().map_err(|e| Failure::io("cannot listen to signals", e))?;
    let (tell, told) = oneshot::channel();
    // A task, so that a second signal counts even while `work` is being dropped.
    tokio::spawn(async move {
        let _ = tell.send(signals.next().await);
        std::process::exit(128 + i32::from(signals.next().await));
    });
    let signal = tokio::select! {
        biased;
        Ok(signal) = told => signal,
        done = work => return done,
    };
    finish_tasks().await;
    Err(Failure::new(Code::Signal(signal), "interrupted"))
}

/// Waits for the tasks that the dropped work left, such as the abort of an upload.
async fn finish_tasks() {
    let deadline = Instant::now() + GRACE;
    // One is the task that waits for a second signal.
    while Handle::current().metrics().num_alive_tasks() > 1 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The signals listened to; `None` for one that is to be ignored.
#[cfg(unix)]
struct Signals {
    hangup: Option<Signal>,
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        let ignored = ignored();
        let listen = |kind: SignalKind| match ignored >> (kind.as_raw_value() - 1) & 1 {
            0 => signal(kind).map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            () = next(&mut self.hangup) => 1,
            () = next(&mut self.interrupt) => 2,
            () = next(&mut self.terminate) => 15,
        }
    }
}

#[cfg(unix)]
async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Signals that whoever started this process wants ignored, as `nohup` does: bit 0 is signal 1.
/// Only Linux tells without `unsafe`.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> u8 {
        self.0.recv().await;
        2
    }
}

/// Longest wait for what is to be undone.
const GRACE: Duration = Duration::from_secs(5);
