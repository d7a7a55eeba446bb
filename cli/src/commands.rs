//! The subcommands, one a file.

pub(crate) mod cat;
pub(crate) mod cp;
pub(crate) mod doctor;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod open;
pub(crate) mod policy;
pub(crate) mod seal;

use crate::args::Cli;
use crate::args::Command;
use crate::exit::Failure;

/// Runs the subcommand.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let verbosity = cli.verbosity;
    match cli.command {
        Command::Seal(args) => seal::run(args, verbosity).await,
        Command::Open(args) => open::run(args, verbosity).await,
        Command::Cp(args) => cp::run(args, verbosity).await,
        Command::Cat(args) => cat::run(args, verbosity).await,
        Command::Inspect(args) => inspect::run(args, verbosity).await,
        Command::Keygen(args) => keygen::run(args, verbosity),
        Command::Policy(args) => policy::run(args),
        Command::Doctor(args) => doctor::run(args).await,
    }
}
