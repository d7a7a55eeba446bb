//! One piece of work for each of many objects: several at a time, one failing without the others.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::SystemTime;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::primitives::DateTimeFormat;
use clap::Args;
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::args::Verbosity;
use crate::exit::Failure;
use crate::objects::Item;
use crate::objects::Items;
use crate::progress::ObjectProgress;
use crate::progress::note;
use crate::report;
use crate::report::BAD;
use crate::report::printable;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "How")]
pub(crate) struct ManyArgs {
    /// Do everything but write: say what would change.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave objects that were modified at this time or later.
    ///
    /// In UTC, such as 2026-01-31T00:00:00Z. Continues a run that began then, where
    /// the objects themselves do not tell what is done.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) before: Option<SystemTime>,
    /// How many objects are worked on at a time, 1 to 64.
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Print a JSON object of what was done; `--help` has its fields.
    #[arg(long)]
    json: bool,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Changed {
        /// A word on it.
        how: &'static str,
        /// Of a file: how many hard links to what was there are left.
        other_names: u64,
    },
    /// There was nothing to do.
    Already,
    NotSealed,
}

/// What is done with objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verb {
    /// As in "re-wrapped".
    pub(crate) done: &'static str,
    /// Whether an object itself tells that it is done.
    pub(crate) is_seen: bool,
}

/// The fields of `--json`, in this order. Fields may be added, none changes its meaning.
#[derive(Debug, Default, Serialize)]
struct Report {
    dry_run: bool,
    changed: Vec<Changed>,
    already: u64,
    not_sealed: u64,
    failed: Vec<Failed>,
}

#[derive(Debug, Serialize)]
struct Changed {
    object: String,
    how: &'static str,
}

#[derive(Debug, Serialize)]
struct Failed {
    object: String,
    reason: String,
}

impl ManyArgs {
    /// Does `work` with each of `items`.
    ///
    /// Dropped before its end, it says what was done so far.
    ///
    /// # Errors
    ///
    /// That of the only object; that of the list; if any of several objects failed, one with the
    /// code of the first.
    pub(crate) async fn run(
        &self,
        items: Items<'_>,
        verb: Verb,
        verbosity: Verbosity,
        work: impl AsyncFn(&Item) -> Result<Done, Failure>,
    ) -> Result<(), Failure> {
        let progress = ObjectProgress::new(verbosity);
        // Dropped after the work, which undoes what it can.
        let mut run = Run::new(self, verb, verbosity);
        let has_begun = run.has_begun.clone();
        let mut failure = None;
        let mut list_failure = None;
        let (work, has_begun) = (&work, &has_begun);
        let outcomes = items.map(async |item| match item {
            Ok(item) => {
                has_begun.set(true);
                Ok((work(&item).await, item))
            }
            Err(failure) => Err(failure),
        });
        let mut outcomes = std::pin::pin!(outcomes.buffer_unordered(self.jobs.into()));
        while let Some(outcome) = outcomes.next().await {
            let (outcome, item) = match outcome {
                Ok(done) => done,
                Err(failure) => {
                    list_failure = Some(failure); // the list ends here; what has begun goes on
                    continue;
                }
            };
            let object = item.place.to_string();
            let name = printable(&object);
            let say = |what: &str| {
                if verbosity.verbose {
                    progress.print(|| note(format_args!("{what} {name}")));
                }
            };
            match outcome {
                Ok(Done::Changed { how, other_names }) => {
                    let line = format!("{}{} {how}: {name}", self.would(), verb.done);
                    if other_names > 0 && !verbosity.quiet {
                        let left = format!("warning: {name}: other names of the file (hard links)");
                        let stay = "stay as they are, under the old key";
                        progress.print(|| note(format_args!("{left}, {other_names}, {stay}")));
                    }
                    if self.dry_run && !self.json {
                        let printed = progress.print(|| report::print(&(line + "\n")));
                        printed.inspect_err(|_| run.is_over = true)?;
                    } else if verbosity.verbose {
                        progress.print(|| note(format_args!("{line}")));
                    }
                    run.changed += 1;
                    if self.json {
                        run.report.changed.push(Changed { object, how });
                    }
                }
                Ok(Done::Already) => {
                    run.report.already += 1;
                    say("nothing to do:");
                }
                Ok(Done::NotSealed) => {
                    run.report.not_sealed += 1;
                    say("not sealed:");
                }
                Err(failed) => {
                    let reason = failed.reason();
                    run.report.failed.push(Failed { object, reason });
                    failure.get_or_insert(failed.code());
                    // One that is alone is told at the end, with its remedy.
                    if let Some((name, failed)) = run.held.replace((name, failed)) {
                        say_failed(&progress, &name, &failed);
                    }
                }
            }
            progress.add(run.report.failed.len());
        }
        drop(progress);
        run.is_over = true;
        if self.json {
            report::print(&report::to_json(&run.report))?;
        }
        let (all, failed) = (run.all(), run.report.failed.len());
        if all > 0 || list_failure.is_none() {
            verbosity.note(format_args!("{run}"));
        }
        match (run.held.take(), list_failure, failure) {
            (held, Some(failure), _) => {
                held.inspect(|(name, failed)| say_failed_plainly(name, failed));
                Err(failure)
            }
            (Some((_, only)), None, _) if all == 1 => Err(only),
            (Some((name, last)), None, Some(code)) => {
                say_failed_plainly(&name, &last);
                let what = format!("{failed} of {all} objects failed");
                Err(Failure::new(code, what).remedy(AGAIN))
            }
            _ => Ok(()),
        }
    }

    fn would(&self) -> &'static str {
        if self.dry_run { "would be " } else { "" }
    }
}

/// Objects under way and done.
struct Run<'a> {
    many: &'a ManyArgs,
    verb: Verb,
    verbosity: Verbosity,
    began: SystemTime,
    has_begun: Rc<Cell<bool>>,
    is_over: bool,
    changed: u64,
    report: Report,
    /// The last that failed, not told yet.
    held: Option<(String, Failure)>,
}

impl<'a> Run<'a> {
    fn new(many: &'a ManyArgs, verb: Verb, verbosity: Verbosity) -> Self {
        let report = Report { dry_run: many.dry_run, ..Report::default() };
        let (began, has_begun) = (SystemTime::now(), Rc::default());
        Self {
            many,
            verb,
            verbosity,
            began,
            has_begun,
            is_over: false,
            changed: 0,
            report,
            held: None,
        }
    }

    /// How many objects are done.
    fn all(&self) -> u64 {
        let Report { already, not_sealed, failed, .. } = &self.report;
        self.changed + already + not_sealed + failed.len() as u64
    }

    /// What to do when it was interrupted.
    fn again(&self) -> String {
        // In whole seconds, as S3 tells when an object was modified.
        let began = DateTime::from_secs(DateTime::from(self.began).secs());
        match began.fmt(DateTimeFormat::DateTime) {
            Ok(began) if !self.verb.is_seen && self.many.before.is_none() => {
                format!("run it again with --before {began} to go on")
            }
            _ => "run it again to go on".to_owned(),
        }
    }
}

impl fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { already, not_sealed, failed, .. } = &self.report;
        let (would, done, changed) = (self.many.would(), self.verb.done, self.changed);
        write!(f, "{would}{done} {changed}, nothing to do {already}, ")?;
        write!(f, "not sealed {not_sealed}, failed {}", failed.len())
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if self.is_over || !self.has_begun.get() {
            return;
        }
        if let Some((name, failed)) = &self.held {
            say_failed_plainly(name, failed);
        }
        if self.many.json {
            let _ = report::print(&report::to_json(&self.report));
        }
        self.verbosity.note(format_args!("{self}, until now; {}", self.again()));
    }
}

fn say_failed(progress: &ObjectProgress, name: &str, failed: &Failure) {
    progress.print(|| say_failed_plainly(name, failed));
}

/// An error, and so said even with `--quiet`.
fn say_failed_plainly(name: &str, failed: &Failure) {
    let mut stderr = anstream::stderr().lock();
    let reason = printable(&failed.reason());
    let _ = std::io::Write::write_fmt(
        &mut stderr,
        format_args!("waxseal: {BAD}failed{BAD:#}: {name}: {reason}\n"),
    );
}

/// RFC 3339, and not to come: what is done in this run would be done again in the next.
fn time(text: &str) -> Result<SystemTime, String> {
    let time = DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset)
        .ok()
        .and_then(|time| SystemTime::try_from(time).ok())
        .ok_or("want a time such as 2026-01-31T00:00:00Z")?;
    if time > SystemTime::now() {
        return Err("it is in the future".to_owned());
    }
    Ok(time)
}

const AGAIN: &str = "mend what is said of each, and run it again: what is done stays done";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for good in ["2026-01-31T00:00:00Z", "2026-01-31T00:00:00.5Z", "2026-01-31T02:00:00+02:00"]
        {
            assert!(time(good).is_ok(), "{good}");
        }
        assert_eq!(time("2026-01-31T02:00:00+02:00"), time("2026-01-31T00:00:00Z"));
        for bad in ["", "2026-01-31", "yesterday", "9026-01-31T00:00:00Z"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
