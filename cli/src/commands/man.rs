//! `waxseal man`: manual pages, made of what `--help` says.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use clap::Command;
use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::args::Cli;
use crate::exit::Failure;
use crate::output::cannot_write;
use crate::report::print;

/// Print the manual page, or write those of all commands
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// Write a page for each command into this folder, which is made if need be.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: ManArgs) -> Result<(), Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    match args.out {
        Some(folder) => write(&command, &folder),
        None => print(&page(&command)),
    }
}

fn write(command: &Command, folder: &Path) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let name = path.display().to_string();
        move |error| cannot_write(&name, error)
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let path = folder.join(format!("{}.1", title(command)));
    std::fs::write(&path, page(command)).map_err(failed(&path))?;
    command.get_subcommands().try_for_each(|command| write(command, folder))
}

fn page(command: &Command) -> String {
    let man = Man::new(command.clone()).title(title(command)).source(SOURCE);
    let mut page = vec![];
    man.render(&mut page).expect("memory takes all");
    let page = String::from_utf8(page).expect("manual pages are text");
    // Examples and tables keep their lines, which fit a terminal if they begin further left.
    page.replace("\n.SH EXTRA\n", "\n.SH NOTES\n.in 2\n.nf\n")
}

/// `waxseal-cp` for `waxseal cp`, as the pages refer to each other.
fn title(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}

const SOURCE: &str = concat!("waxseal ", env!("CARGO_PKG_VERSION"));

const EXAMPLES: &str = "\
Examples:
  waxseal man | man -l -

  For `man waxseal` and `man waxseal-cp`:
    waxseal man --out ~/.local/share/man/man1";
