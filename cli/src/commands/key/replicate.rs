//! `waxseal key replicate`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::args::Verbosity;
use crate::aws::Aws;
use crate::exit::Code;
use crate::exit::Failure;

use super::Found;
use super::OneKeyArgs;
use super::Report;
use super::arn;
use super::create;
use super::failure::failed;
use super::failure::unreadable;
use super::line;
use super::name::TagPair;

/// Copy a multi-Region key to another Region
///
/// The replica has the same id and secret: what one of them sealed the other
/// opens, so that data replicated to its Region opens there even if this Region
/// is gone. State, aliases, tags, policy and grants are its own.
///
/// The key must have been made with --multi-region, and be the primary.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct ReplicateArgs {
    #[command(flatten)]
    key: OneKeyArgs,
    /// The Region of the replica.
    #[arg(long, value_name = "REGION")]
    to_region: String,
    /// A tag of the replica; repeat it for more.
    #[arg(long, value_name = "NAME=VALUE")]
    tag: Vec<TagPair>,
    /// What people read of the replica. Not secret.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The key policy of the replica, as JSON. Without it IAM decides.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// The fields of `--json`, in this order.
#[derive(Debug, Serialize)]
struct Replica {
    arn: String,
    primary: String,
    state: String,
}

pub(super) async fn run(args: ReplicateArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot replicate {key}");
    let tags = create::tags(&args.tag)?;
    let policy = args.policy.as_deref().map(create::policy).transpose()?;
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    need_primary(&key, &cannot)?;
    let request = key.kms.replicate_key().key_id(key.arn()).replica_region(&args.to_region);
    let request = request.set_tags((!tags.is_empty()).then_some(tags));
    let request = request.set_description(args.description).set_policy(policy);
    let made = request.send().await.map_err(|e| failed(&cannot, "ReplicateKey", e))?;
    let metadata = made.replica_key_metadata.ok_or_else(|| unreadable(&cannot, "ReplicateKey"))?;
    let replica = Replica {
        arn: arn(&metadata, &cannot, "ReplicateKey")?,
        primary: key.arn().to_owned(),
        state: metadata.key_state().map_or("", |state| state.as_str()).to_owned(),
    };
    verbosity.note(format_args!(
        "it can be used once its state is Enabled, within a minute; aliases are not copied: \
         waxseal key alias alias/NAME {}",
        replica.arn
    ));
    replica.print(output.json)
}

fn need_primary(key: &Found, cannot: &str) -> Result<(), Failure> {
    let refused = |why: &str| Failure::new(Code::Key, format!("{cannot}: {why}"));
    let Some(config) = key.metadata.multi_region_configuration() else {
        return Err(refused("it is a key of one Region").remedy(
            "make a new key with `waxseal key create --multi-region`, and re-wrap what this one \
             sealed: a key cannot become one",
        ));
    };
    match config.primary_key().and_then(|primary| primary.arn()) {
        Some(primary) if primary != key.arn() => {
            Err(refused("it is a replica").remedy(format!("name the primary: {primary}")))
        }
        _ => Ok(()),
    }
}

impl Report for Replica {
    fn to_text(&self) -> String {
        line("replica", &self.arn) + &line("primary", &self.primary) + &line("state", &self.state)
    }
}

const HELP: &str = "\
Fields of --json, always present; none will change its meaning:
  arn      the replica
  primary  the ARN of the key that was copied
  state    of the replica: \"Creating\" at first

Examples:
  waxseal key replicate alias/orders --to-region eu-central-1
  waxseal key alias --region eu-central-1 alias/orders \\
      mrk-1234abcd12ab34cd56ef1234567890ab";
