//! One piece of work for each of many objects: several at a time, one failing without the others.

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
    /// Does `work` with each of `items`. `done` is what it does, as in "re-wrapped".
    ///
    /// # Errors
    ///
    /// That of the only object; that of the list; if any of several objects failed, one with the
    /// code of the first.
    pub(crate) async fn run(
        &self,
        items: Items<'_>,
        done: &str,
        verbosity: Verbosity,
        work: impl AsyncFn(&Item) -> Result<Done, Failure>,
    ) -> Result<(), Failure> {
        let progress = ObjectProgress::new(verbosity);
        let mut report = Report { dry_run: self.dry_run, ..Report::default() };
        let mut changed = 0_u64;
        let mut failure = None;
        let mut list_failure = None;
        let work = &work;
        let outcomes = items.map(async |item| match item {
            Ok(item) => Ok((work(&item).await, item)),
            Err(failure) => Err(failure),
        });
        let mut outcomes = std::pin::pin!(outcomes.buffer_unordered(self.jobs.into()));
        let mut held = None;
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
                    changed += 1;
                    if other_names > 0 && !verbosity.quiet {
                        let left = format!("warning: {name}: other names of the file (hard links)");
                        let stay = "stay as they are, under the old key";
                        progress.print(|| note(format_args!("{left}, {other_names}, {stay}")));
                    }
                    if self.dry_run && !self.json {
                        let line = format!("would be {done} {how}: {name}\n");
                        progress.print(|| report::print(&line))?;
                    }
                    say(&format!("{}{done} {how}:", if self.dry_run { "would be " } else { "" }));
                    if self.json {
                        report.changed.push(Changed { object, how });
                    }
                }
                Ok(Done::Already) => {
                    report.already += 1;
                    say("nothing to do:");
                }
                Ok(Done::NotSealed) => {
                    report.not_sealed += 1;
                    say("not sealed:");
                }
                Err(failed) => {
                    let reason = failed.reason();
                    report.failed.push(Failed { object, reason });
                    failure.get_or_insert(failed.code());
                    // One that is alone is told at the end, with its remedy.
                    if let Some((name, failed)) = held.replace((name, failed)) {
                        say_failed(&progress, &name, &failed);
                    }
                }
            }
            progress.add(report.failed.len());
        }
        drop(progress);
        if self.json {
            report::print(&report::to_json(&report))?;
        }
        let all = changed + report.already + report.not_sealed + report.failed.len() as u64;
        verbosity.note(format_args!(
            "{}{done} {changed}, nothing to do {}, not sealed {}, failed {}",
            if self.dry_run { "would be " } else { "" },
            report.already,
            report.not_sealed,
            report.failed.len()
        ));
        match (held, list_failure, failure) {
            (held, Some(failure), _) => {
                held.inspect(|(name, failed)| say_failed_plainly(name, failed));
                Err(failure)
            }
            (Some((_, only)), None, _) if all == 1 => Err(only),
            (Some((name, failed)), None, Some(code)) => {
                say_failed_plainly(&name, &failed);
                let what = format!("{} of {all} objects failed", report.failed.len());
                Err(Failure::new(code, what).remedy(AGAIN))
            }
            _ => Ok(()),
        }
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
