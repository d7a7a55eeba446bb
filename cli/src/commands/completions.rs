//! `waxseal completions`: what a shell needs to complete command lines.

use clap::Args;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Failure;
use crate::report::print;

/// Print a script that completes command lines in a shell
///
/// Each user loads it once, or the package installs it for all.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: CompletionsArgs) -> Result<(), Failure> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "waxseal", &mut script);
    print(&String::from_utf8(script).expect("scripts are text"))
}

const EXAMPLES: &str = "\
Examples:
  Bash:
    mkdir -p ~/.local/share/bash-completion/completions
    waxseal completions bash \\
        > ~/.local/share/bash-completion/completions/waxseal

  Zsh, in a folder of $fpath:
    waxseal completions zsh > ~/.zfunc/_waxseal

  Fish:
    waxseal completions fish > ~/.config/fish/completions/waxseal.fish";
