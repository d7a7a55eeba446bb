//! `waxseal explain`: the sections of `docs/errors.md`.

use std::fmt::Write as _;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::errors;
use crate::exit::Failure;
use crate::report::print;

/// Say what an error means and what to do about it
///
/// Errors end with the code to give here.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// The code of an error; without it, all of them are listed.
    #[arg(
        value_name = "CODE", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(errors::codes())
    )]
    code: Option<String>,
}

pub(crate) fn run(args: ExplainArgs) -> Result<(), Failure> {
    match args.code {
        Some(code) => {
            let section = errors::section(&code).expect("one of the codes");
            print(&format!("{code}\n\n{section}\n"))
        }
        None => print(&list()),
    }
}

/// Codes and the first sentence of each.
fn list() -> String {
    errors::sections().fold(String::new(), |mut text, (code, section)| {
        let first = section.split([':', '.', '\n']).next().unwrap_or_default();
        let _ = writeln!(text, "{code:<22}{first}");
        text
    })
}

const EXAMPLES: &str = "\
Examples:
  All codes, each with a word about it:
    waxseal explain

  What is behind one, and how to mend it:
    waxseal explain key-disabled";
