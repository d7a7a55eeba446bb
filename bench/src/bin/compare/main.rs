//! Compares whole processes on files: waxseal beside `cp`, the bare cipher and other tools.
//!
//! Every run is a process of its own, as a user would start it, so start-up, key handling and
//! file I/O all count. `bench/compare` builds what is needed and runs this.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

use crate::facts::Facts;
use crate::files::Files;
use crate::measure::Runner;
use crate::programs::Programs;
use crate::report::Report;

mod chart;
mod facts;
mod files;
mod floor;
mod measure;
mod programs;
mod report;
mod size;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Measure whole processes: waxseal beside cp, the bare cipher and other tools.
///
/// Seals and opens a file of random data in the page cache, to a new file and to
/// /dev/null, with waxseal and with whatever it finds of age, rage, openssl, gpg and
/// rclone. All take turns, so a slow minute of the machine hits them alike; every
/// figure is the median of the runs. Each program must give the file back before it
/// is measured. Keys and files live in a temporary folder that is deleted at the end.
#[derive(Debug, Parser)]
#[command(
    name = "bench/compare",
    override_usage = "bench/compare [OPTIONS]",
    after_help = EXAMPLES,
    after_long_help = format!("{READING}\n\n{EXAMPLES}"),
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    max_term_width = 80
)]
struct Cli {
    /// Bytes to seal: 1GiB, 64MiB, 65536.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size::parse)]
    size: u64,
    /// Runs of each program.
    #[arg(long, value_name = "N", default_value = "5")]
    runs: NonZeroU32,
    /// Where the temporary folder goes; this decides which file system is measured.
    ///
    /// Wants free space for four times the size. Without it, the system's folder for
    /// temporary files.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Leave the other tools out: cp, the bare cipher and waxseal only.
    #[arg(long)]
    no_peers: bool,
    /// Write the tables to a file, as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Draw the wall times to a file, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Another waxseal than the release build beside this program.
    #[arg(long, value_name = "PROGRAM")]
    waxseal: Option<PathBuf>,
    #[command(subcommand)]
    hidden: Option<Hidden>,
}

/// What this program runs itself as.
#[derive(Debug, Subcommand)]
enum Hidden {
    /// Read a file and seal it with the bare cipher, to nowhere.
    #[command(hide = true)]
    Floor { file: PathBuf },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.hidden {
        Some(Hidden::Floor { file }) => floor::run(file),
        None => compare(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(cli: &Cli) -> Result<()> {
    for file in [&cli.markdown, &cli.svg].into_iter().flatten() {
        check_folder(file)?;
    }
    let runs = cli.runs.get();
    let runner = Runner::new()?;
    let files = Files::new(cli.dir.as_deref(), cli.size)?;
    let mut programs = Programs::find(files.folder(), cli.waxseal.as_deref(), !cli.no_peers)?;
    let facts = Facts::gather(cli.size, runs, files.folder(), &programs);
    eprintln!("checking that each program gives the file back");
    programs.check(&runner, &files)?;
    let results = runner.measure(&programs, &files, runs)?;
    let report = Report::new(facts, &results, programs.skipped());

    std::io::stdout().write_all(report.text().as_bytes())?;
    if let Some(file) = &cli.markdown {
        write(file, &report.markdown())?;
    }
    if let Some(file) = &cli.svg {
        write(file, &chart::draw(&report)?)?;
    }
    Ok(())
}

/// Fails before the minutes of measuring, not after.
fn check_folder(file: &Path) -> Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("there is no folder {}", folder.display()).into())
        }
        _ => Ok(()),
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).map_err(|e| format!("cannot write {}: {e}", file.display()).into())
}

const READING: &str = "\
Reading the tables:
  wall s    seconds from start to exit: the median of the runs; least and most
  CPU s     seconds of all its threads, in the program and in the kernel; median
  MiB       the most memory it held in any run; never less than the 4 or 5 of
            this program, which starts it
  x cp      wall seconds over those of cp
  x floor   wall seconds over those of the floor: two threads of one process,
            each reads its own half of the file by 1 MiB and seals pieces of
            64 KiB in place with AES-256-GCM of aws-lc-rs, and writes nothing

None waits for the disk but `waxseal --sync` and `cp, then sync`. On file systems
that clone (Btrfs, XFS) cp copies nothing and ratios to it tell nothing: compare
with the floor, or give another --dir. The last line tells how many
cores other processes used while a program ran: on a busy machine programs with
two threads look slower than they are, so measure when it is idle.";

const EXAMPLES: &str = "\
Examples:
  bench/compare
  bench/compare --size 64MiB --runs 1                   # does it work at all?
  bench/compare --no-peers --dir /dev/shm               # without the disk
  bench/compare --markdown compare.md --svg compare.svg";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
