//! `waxseal key alias`

use clap::Args;
use serde::Serialize;

use crate::args::Verbosity;
use crate::aws::Aws;
use crate::exit::Code;
use crate::exit::Failure;

use super::Found;
use super::KeyName;
use super::Report;
use super::ReportArgs;
use super::failure::failed;
use super::failure::is_not_found;
use super::line;
use super::name::AliasName;

/// Give a key an alias, or move an alias to another key
///
/// Whoever names the alias then seals with the new key. What was sealed before
/// names its key by ARN and still needs that one: keep it. For up to a minute
/// KMS may still take the alias for the old key.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct AliasArgs {
    /// The alias, new or not.
    #[arg(value_name = "alias/NAME")]
    alias: AliasName,
    /// The key that it is to name: another alias, key id or ARN.
    #[arg(value_name = "KEY")]
    key: KeyName,
    /// Move an alias that names another key.
    #[arg(long = "move")]
    moves: bool,
    #[command(flatten)]
    output: ReportArgs,
}

/// The fields of `--json`, in this order.
#[derive(Debug, Serialize)]
struct Named {
    alias: String,
    arn: String,
    moved_from: Option<String>,
    changed: bool,
}

pub(super) async fn run(args: AliasArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let AliasArgs { alias, key, moves, output } = args;
    let cannot = format!("cannot give {key} the alias {alias}");
    let aws = Aws::new(output.aws);
    let key = Found::find(&key, &aws, &cannot).await?;
    // Where the key is: aliases are of one Region.
    let now = match key.kms.describe_key().key_id(alias.as_str()).send().await {
        Ok(found) => found.key_metadata.and_then(|metadata| metadata.arn),
        Err(error) if is_not_found(&error) => None,
        Err(error) => return Err(failed(cannot, "DescribeKey", error)),
    };
    let changed = now.as_deref() != Some(key.arn());
    match &now {
        Some(_) if !changed => {}
        Some(now) if !moves => {
            return Err(Failure::new(Code::Key, format!("{alias} names {now}, and was not moved"))
                .known("alias-in-use")
                .remedy(format!(
                    "give --move if it shall name {} from now on; what {now} sealed still needs it",
                    key.arn()
                )));
        }
        Some(_) => {
            let update = key.kms.update_alias().alias_name(alias.as_str());
            let done = update.target_key_id(key.arn()).send().await;
            done.map_err(|e| failed(cannot, "UpdateAlias", e))?;
        }
        None => {
            let create = key.kms.create_alias().alias_name(alias.as_str());
            let done = create.target_key_id(key.arn()).send().await;
            done.map_err(|e| failed(cannot, "CreateAlias", e))?;
        }
    }
    let moved_from = now.filter(|_| changed);
    if let Some(old) = &moved_from {
        verbosity.note(format_args!("keep {old}: what it sealed still needs it"));
    }
    let named = Named { alias: alias.to_string(), arn: key.arn().to_owned(), moved_from, changed };
    named.print(output.json)
}

impl Report for Named {
    fn to_text(&self) -> String {
        let mut text = line("alias", &self.alias) + &line("key", &self.arn);
        match &self.moved_from {
            Some(old) => text += &line("moved from", old),
            None if !self.changed => text += &line("unchanged", "it named this key already"),
            None => {}
        }
        text
    }
}

const HELP: &str = "\
Fields of --json, always present; none will change its meaning:
  alias       as given
  arn         the key that it names now
  moved_from  the ARN of the key that it named before; null if none
  changed     false if it named this key already

Examples:
  waxseal key alias alias/orders 1234abcd-12ab-34cd-56ef-1234567890ab

  Seal with a new key from now on, and re-wrap what the old one sealed later:
    waxseal key alias --move alias/orders alias/orders-2027";
