//! What the user sees meanwhile: a bar, notes and a summary, all on standard error.

use std::io::IsTerminal as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use indicatif::BinaryBytes;
use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;
use waxseal::Body;
use waxseal::FileTransfer;

use crate::args::Verbosity;

/// Counts what passes through, and shows it if that is wanted.
#[derive(Debug)]
pub(crate) struct Progress {
    verb: &'static str,
    bar: ProgressBar,
    read: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
    began: Instant,
    verbose: bool,
}

impl Progress {
    /// `verb` as in "sealed"; `total`: plaintext or sealed bytes that will pass, if known.
    pub(crate) fn new(verbosity: Verbosity, verb: &'static str, total: Option<u64>) -> Self {
        let target = if verbosity.shows_progress() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        // A length of 0 is what special files have.
        let total = total.filter(|total| *total > 0);
        let bar = ProgressBar::with_draw_target(total, target);
        let style = ProgressStyle::with_template(if total.is_some() { BAR } else { COUNTER });
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> ").tick_chars("-\\|/ "));
        let (read, written) = Default::default();
        Self { verb, bar, read, written, began: Instant::now(), verbose: verbosity.verbose }
    }

    /// The same body, counted as it is read. Draws nothing before its first bytes.
    pub(crate) fn watch(&self, body: Body) -> Body {
        let (bar, read) = (self.bar.clone(), Arc::clone(&self.read));
        body.progress(move |more| {
            read.fetch_add(more, Ordering::Relaxed);
            bar.inc(more);
        })
    }

    /// The same transfer, counted as it proceeds.
    pub(crate) fn follow(&self, transfer: FileTransfer) -> FileTransfer {
        let bar = self.bar.clone();
        let (read, written) = (Arc::clone(&self.read), Arc::clone(&self.written));
        transfer.progress(move |done| {
            read.fetch_add(done.read, Ordering::Relaxed);
            written.fetch_add(done.written, Ordering::Relaxed);
            bar.inc(done.read);
        })
    }

    /// Bytes that were read.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes that a transfer wrote.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Takes the bar away and prints the summary if that is wanted, of `bytes` of plaintext.
    pub(crate) fn finish(&self, bytes: u64, to: &str) {
        self.bar.finish_and_clear();
        if !self.verbose {
            return;
        }
        let took = self.began.elapsed().max(Duration::from_micros(1));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for people")]
        let rate = (bytes as f64 / took.as_secs_f64()) as u64;
        note(format_args!(
            "{} {bytes} bytes to {to} in {:.2} s ({}/s)",
            self.verb,
            took.as_secs_f64(),
            BinaryBytes(rate)
        ));
    }
}

/// Errors must not be drawn over.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Counts objects, and shows it if that is wanted.
#[derive(Debug)]
pub(crate) struct ObjectProgress {
    bar: ProgressBar,
}

impl ObjectProgress {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let target = if verbosity.shows_progress() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template(OBJECTS);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.tick_chars("-\\|/ "));
        Self { bar }
    }

    /// One more is done; `failed` of all so far were not.
    pub(crate) fn add(&self, failed: usize) {
        if failed > 0 {
            self.bar.set_message(format!("{failed} failed"));
        }
        self.bar.inc(1);
    }

    /// Prints something while nothing is drawn.
    pub(crate) fn print<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

impl Drop for ObjectProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Verbosity {
    fn shows_progress(self) -> bool {
        !self.quiet && !self.no_progress && std::io::stderr().is_terminal()
    }

    /// Tells the user something that is no error.
    pub(crate) fn note(self, text: std::fmt::Arguments<'_>) {
        if !self.quiet {
            note(text);
        }
    }
}

/// A line on standard error, which may be closed.
pub(crate) fn note(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "waxseal: {text}");
}

/// 72 columns at the most.
const BAR: &str =
    "{percent:>3}% [{bar:20}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
const COUNTER: &str = "{spinner} {binary_bytes} {binary_bytes_per_sec} {elapsed}";
const OBJECTS: &str = "{spinner} {human_pos} objects {per_sec} {elapsed} {msg}";
