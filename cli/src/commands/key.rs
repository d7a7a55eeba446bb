//! `waxseal key`: makes KMS keys and manages them.

mod alias;
mod create;
mod deletion;
mod failure;
mod grant;
mod list;
mod name;
mod replicate;
mod rotation;
mod show;
mod state;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::types::KeyMetadata;
use clap::Args;
use clap::Subcommand;
use serde::Serialize;

pub(crate) use name::KeyName;

use crate::args::AwsArgs;
use crate::args::Verbosity;
use crate::aws::Aws;
use crate::exit::Failure;
use crate::report::print;
use crate::report::printable;
use crate::report::to_json;

use failure::failed;

/// Make KMS keys and manage them
///
/// A KEY is a key id, key ARN, alias name (alias/orders) or alias ARN, with or
/// without the `aws-kms:` or `aws-kms-rsa:` that --key of other commands has in
/// front. An ARN leads to the key in its own Region; of a multi-Region key, to
/// that replica alone.
///
/// KMS takes up to a minute, rarely more, until a change is known everywhere.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct KeyCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(Box<create::CreateArgs>),
    Show(show::ShowArgs),
    List(list::ListArgs),
    Alias(alias::AliasArgs),
    EnableRotation(rotation::EnableArgs),
    DisableRotation(rotation::DisableArgs),
    RotateNow(rotation::NowArgs),
    Enable(state::EnableArgs),
    Disable(state::DisableArgs),
    ScheduleDeletion(deletion::ScheduleArgs),
    CancelDeletion(deletion::CancelArgs),
    Replicate(replicate::ReplicateArgs),
    Grant(grant::GrantCommand),
}

/// Which key, and how to talk about it.
#[derive(Args, Debug)]
struct OneKeyArgs {
    /// The key: alias/NAME, key id or ARN.
    #[arg(value_name = "KEY")]
    key: KeyName,
    #[command(flatten)]
    output: ReportArgs,
}

#[derive(Args, Debug)]
struct ReportArgs {
    /// Print JSON; `--help` has its fields.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: AwsArgs,
}

pub(crate) async fn run(command: KeyCommand, verbosity: Verbosity) -> Result<(), Failure> {
    match command.action {
        Action::Create(args) => create::run(*args, verbosity).await,
        Action::Show(args) => show::run(args).await,
        Action::List(args) => list::run(args).await,
        Action::Alias(args) => alias::run(args, verbosity).await,
        Action::EnableRotation(args) => rotation::enable(args).await,
        Action::DisableRotation(args) => rotation::disable(args).await,
        Action::RotateNow(args) => rotation::now(args, verbosity).await,
        Action::Enable(args) => state::enable(args, verbosity).await,
        Action::Disable(args) => state::disable(args, verbosity).await,
        Action::ScheduleDeletion(args) => deletion::schedule(args, verbosity).await,
        Action::CancelDeletion(args) => deletion::cancel(args, verbosity).await,
        Action::Replicate(args) => replicate::run(args, verbosity).await,
        Action::Grant(args) => grant::run(args, verbosity).await,
    }
}

/// What a command has to say of what it found or did.
trait Report: Serialize + Sized {
    fn to_text(&self) -> String;

    fn print(&self, json: bool) -> Result<(), Failure> {
        print(&if json { to_json(self) } else { self.to_text() })
    }
}

/// A key that was found, and a client of its Region.
#[derive(Debug)]
struct Found {
    kms: Client,
    arn: String,
    metadata: KeyMetadata,
}

impl Found {
    /// # Errors
    ///
    /// `Code::Key` if it is not found or may not be seen, `what` being what could not be done.
    async fn find(name: &KeyName, aws: &Aws, what: &str) -> Result<Self, Failure> {
        let kms = aws.kms_of(name.as_str()).await?;
        // Most operations that change a key take no alias, and messages shall say which key it was.
        let found = kms.describe_key().key_id(name.as_str()).send().await;
        let found = found.map_err(|e| failed(what, "DescribeKey", e))?;
        let metadata =
            found.key_metadata.ok_or_else(|| failure::unreadable(what, "DescribeKey"))?;
        let arn = arn(&metadata, what, "DescribeKey")?;
        Ok(Self { kms, arn, metadata })
    }

    fn arn(&self) -> &str {
        &self.arn
    }

    fn state(&self) -> &str {
        self.metadata.key_state().map_or("", |state| state.as_str())
    }

    /// The names of its aliases, as far as they may be listed.
    async fn aliases(&self, what: &str) -> Result<Vec<String>, Failure> {
        let pages = self.kms.list_aliases().key_id(self.arn()).into_paginator().items().send();
        let aliases = pages.collect::<Result<Vec<_>, _>>().await;
        let aliases = aliases.map_err(|e| failed(what, "ListAliases", e))?;
        Ok(aliases.into_iter().filter_map(|alias| alias.alias_name).collect())
    }

    /// The ARNs of the replicas of a primary multi-Region key.
    fn replicas(&self) -> Vec<String> {
        let multi_region = self.metadata.multi_region_configuration();
        let is_primary = multi_region
            .and_then(|m| m.primary_key()?.arn())
            .is_some_and(|primary| primary == self.arn());
        let replicas = multi_region.filter(|_| is_primary).map(|m| m.replica_keys());
        let arn = |key: &aws_sdk_kms::types::MultiRegionKey| key.arn().map(str::to_owned);
        replicas.unwrap_or_default().iter().filter_map(arn).collect()
    }
}

/// The ARN in a reply to `operation`, for `what`. It stands in commands that are printed to be
/// pasted, so that it must be a plain word.
fn arn(metadata: &KeyMetadata, what: &str, operation: &str) -> Result<String, Failure> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b":/_-".contains(&b);
    let arn = metadata.arn().filter(|arn| arn.starts_with("arn:") && arn.bytes().all(is_plain));
    arn.map(str::to_owned).ok_or_else(|| failure::unreadable(what, operation))
}

/// Settings of a request that is sent once: repeated after a lost reply, it would be done twice.
fn once() -> aws_sdk_kms::config::Builder {
    aws_sdk_kms::Config::builder().retry_config(RetryConfig::disabled())
}

/// A line of a report.
fn line(name: &str, value: &str) -> String {
    format!("{name:<16}{}\n", printable(value))
}

/// Names in a report, or that there are none.
fn listed(names: &[String]) -> String {
    if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
}

/// A moment as reports show it: RFC 3339 in UTC.
fn date(moment: &aws_sdk_kms::primitives::DateTime) -> String {
    let seconds = aws_sdk_kms::primitives::DateTime::from_secs(moment.secs());
    seconds.fmt(aws_sdk_kms::primitives::DateTimeFormat::DateTime).unwrap_or_default()
}

const EXAMPLES: &str = "\
Examples:
  waxseal key create --alias alias/orders --enable-rotation
  waxseal key show alias/orders
  waxseal key schedule-deletion alias/old --recursive s3://backups/

`waxseal key COMMAND --help` has more, with the fields of --json.";
