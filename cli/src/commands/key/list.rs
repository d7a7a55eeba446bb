//! `waxseal key list`

use std::collections::BTreeMap;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::TryStreamExt as _;
use futures_util::stream;
use serde::Serialize;

use crate::aws::Aws;
use crate::exit::Failure;
use crate::report::printable;

use super::Report;
use super::ReportArgs;
use super::failure::failed;
use super::failure::is_forbidden;
use super::failure::is_not_found;

/// List the keys of this account in one Region
///
/// Those that AWS services keep for themselves are left out.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct ListArgs {
    #[command(flatten)]
    output: ReportArgs,
}

/// An entry of `--json`; its fields in this order.
#[derive(Debug, Serialize)]
struct Entry {
    key_id: String,
    arn: String,
    aliases: Vec<String>,
    state: Option<String>,
    spec: Option<String>,
    multi_region: Option<bool>,
    description: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List(Vec<Entry>);

pub(super) async fn run(args: ListArgs) -> Result<(), Failure> {
    let kms = &Aws::new(args.output.aws).kms_here().await?;
    let aliases = kms.list_aliases().into_paginator().items().send();
    let aliases = aliases.collect::<Result<Vec<_>, _>>().await;
    let mut names = BTreeMap::<_, Vec<_>>::new();
    for alias in aliases.map_err(|e| failed(CANNOT, "ListAliases", e))? {
        if let (Some(name), Some(key)) = (alias.alias_name, alias.target_key_id) {
            names.entry(key).or_default().push(name);
        }
    }
    let keys = kms.list_keys().into_paginator().items().send();
    let keys = keys.collect::<Result<Vec<_>, _>>().await;
    let keys = keys.map_err(|e| failed(CANNOT, "ListKeys", e))?;
    let describe = async |key: aws_sdk_kms::types::KeyListEntry| {
        let key_id = key.key_id.unwrap_or_default();
        let found = match kms.describe_key().key_id(&key_id).send().await {
            Ok(found) => found.key_metadata,
            // Deleted meanwhile.
            Err(error) if is_not_found(&error) => return Ok(None),
            Err(error) if is_forbidden(&error) => None,
            Err(error) => return Err(failed(CANNOT, "DescribeKey", error)),
        };
        if found.as_ref().is_some_and(|key| key.key_manager().is_some_and(|m| m.as_str() == "AWS"))
        {
            return Ok(None);
        }
        let found = found.as_ref();
        Ok(Some(Entry {
            arn: key.key_arn.unwrap_or_default(),
            aliases: names.get(&key_id).cloned().unwrap_or_default(),
            state: found.and_then(|f| Some(f.key_state()?.as_str().to_owned())),
            spec: found.and_then(|f| Some(f.key_spec()?.as_str().to_owned())),
            multi_region: found.and_then(|f| f.multi_region()),
            description: found.and_then(|f| f.description().map(str::to_owned)),
            key_id,
        }))
    };
    let entries = stream::iter(keys).map(describe).buffered(CONCURRENT);
    let entries: Vec<Option<Entry>> = entries.try_collect().await?;
    List(entries.into_iter().flatten().collect()).print(args.output.json)
}

impl Report for List {
    fn to_text(&self) -> String {
        let state = |entry: &Entry| printable(entry.state.as_deref().unwrap_or("(not permitted)"));
        let id_width = self.0.iter().map(|entry| entry.key_id.len()).max().unwrap_or(0);
        let state_width = self.0.iter().map(|entry| state(entry).len()).max().unwrap_or(0);
        let line = |entry: &Entry| {
            let aliases = entry.aliases.join(", ");
            let (id, state) = (printable(&entry.key_id), state(entry));
            let line = format!("{id:id_width$}  {state:state_width$}  {}", printable(&aliases));
            format!("{}\n", line.trim_end())
        };
        self.0.iter().map(line).collect()
    }
}

const CANNOT: &str = "cannot list the keys";
/// KMS answers hundreds of these a second for an account.
const CONCURRENT: usize = 8;

const HELP: &str = "\
--json prints an array. Fields of its entries, always present; none will
change its meaning:
  key_id        the id
  arn           the ARN
  aliases       array of names
  state         as `waxseal key show` has it; null if not permitted, like these:
  spec          such as \"SYMMETRIC_DEFAULT\"
  multi_region  whether it can be replicated
  description   text

Examples:
  waxseal key list
  waxseal key list --region eu-west-1 --json | jq -r '.[].arn'";
