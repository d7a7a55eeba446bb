//! `waxseal key enable` and `disable`

use clap::Args;
use serde::Serialize;

use crate::args::Verbosity;
use crate::aws::Aws;
use crate::exit::Failure;

use super::Found;
use super::OneKeyArgs;
use super::Report;
use super::failure::failed;
use super::line;
use super::listed;

/// Let a key be used again
#[derive(Args, Debug)]
#[command(after_long_help = ENABLE_HELP)]
pub(super) struct EnableArgs {
    #[command(flatten)]
    key: OneKeyArgs,
}

/// Stop all use of a key, until it is enabled again
///
/// Nothing is sealed or opened with it while it is disabled, by anybody; who has
/// cached a data key can use that one until it expires. Nothing is lost: `waxseal
/// key enable` undoes it. So this is what to try before a deletion, for a week or
/// for as long as the rarest reader takes.
#[derive(Args, Debug)]
#[command(after_long_help = DISABLE_HELP)]
pub(super) struct DisableArgs {
    #[command(flatten)]
    key: OneKeyArgs,
}

/// The fields of `--json`, in this order.
#[derive(Debug, Serialize)]
struct Changed {
    arn: String,
    state: &'static str,
    aliases: Vec<String>,
    replicas: Vec<String>,
}

pub(super) async fn enable(args: EnableArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot enable {key}");
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    let aliases = key.aliases(&cannot).await?;
    let done = key.kms.enable_key().key_id(key.metadata.key_id()).send().await;
    done.map_err(|e| failed(cannot, "EnableKey", e))?;
    verbosity.note(format_args!("it may take a minute until it can be used everywhere"));
    Changed::new(&key, "Enabled", aliases).print(output.json)
}

pub(super) async fn disable(args: DisableArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot disable {key}");
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    let aliases = key.aliases(&cannot).await?;
    let done = key.kms.disable_key().key_id(key.metadata.key_id()).send().await;
    done.map_err(|e| failed(cannot, "DisableKey", e))?;
    verbosity.note(format_args!(
        "within a minute it seals and opens nothing, whatever alias names it; undo: waxseal key \
         enable {}",
        key.arn()
    ));
    let changed = Changed::new(&key, "Disabled", aliases);
    if key.metadata.multi_region() == Some(true) {
        verbosity.note(format_args!("it is a multi-Region key: elsewhere it stays as it is"));
    }
    changed.print(output.json)
}

impl Changed {
    fn new(key: &Found, state: &'static str, aliases: Vec<String>) -> Self {
        Self { arn: key.arn().to_owned(), state, aliases, replicas: key.replicas() }
    }
}

impl Report for Changed {
    fn to_text(&self) -> String {
        let mut text = line("key", &self.arn) + &line("state", self.state);
        text += &line("aliases", &listed(&self.aliases));
        if !self.replicas.is_empty() {
            text += &line("replicas", &listed(&self.replicas));
        }
        text
    }
}

/// For both of them.
macro_rules! help {
    ($examples:literal) => {
        concat!(
            "\
Fields of --json, always present; none will change its meaning:
  arn       the key
  state     \"Enabled\" or \"Disabled\"
  aliases   array of the names that lead to it
  replicas  array of the ARNs of its replicas, which are not changed

Examples:
",
            $examples
        )
    };
}

const ENABLE_HELP: &str = help!("  waxseal key enable alias/orders");
const DISABLE_HELP: &str = help!("  waxseal key disable alias/orders");
