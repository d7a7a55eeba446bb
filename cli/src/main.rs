//! The `waxseal` command: seals and opens files and S3 objects.
//!
//! Each subcommand reads its arguments, opens its ends and makes one call of the library. Read in
//! this order: `args`, `commands`, `objects`, `dependents`, `keys`, `signing`, `aws`, `input`,
//! `output`, `report`, `exit`, `errors`, `signals`, `hygiene`.

mod args;
mod aws;
mod commands;
mod dependents;
mod errors;
mod exit;
mod hygiene;
mod input;
mod keys;
mod many;
mod objects;
mod output;
mod passphrase;
mod place;
mod progress;
mod report;
mod sealed_file;
mod signals;
mod signing;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::exit::Failure;

fn main() -> ExitCode {
    hygiene::begin();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::io("cannot start", error).report(),
    };
    let done = runtime.block_on(signals::guard(commands::run(cli)));
    // Not waited for: a read of a terminal or a pipe may never end.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
