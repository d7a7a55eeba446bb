//! The subcommands, one a file.

pub(crate) mod cat;
pub(crate) mod completions;
pub(crate) mod cp;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod keygen;
pub(crate) mod man;
pub(crate) mod open;
pub(crate) mod policy;
pub(crate) mod rewrap;
pub(crate) mod rotate;
pub(crate) mod seal;
pub(crate) mod secret;

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
        Command::Rewrap(args) => rewrap::run(args, verbosity).await,
        Command::Rotate(args) => rotate::run(args, verbosity).await,
        Command::Keygen(args) => keygen::run(args, verbosity),
        Command::Key(args) => key::run(args, verbosity).await,
        Command::Secret(args) => secret::run(args, verbosity).await,
        Command::Policy(args) => policy::run(args, verbosity),
        Command::Doctor(args) => doctor::run(args).await,
        Command::Explain(args) => explain::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }
}
