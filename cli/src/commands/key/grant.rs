//! `waxseal key grant`

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_kms::types::GrantConstraints;
use aws_sdk_kms::types::GrantListEntry;
use aws_sdk_kms::types::GrantOperation;
use clap::Args;
use clap::Subcommand;
use serde::Serialize;

use crate::args::Verbosity;
use crate::args::context;
use crate::aws::Aws;
use crate::exit::Failure;

use super::Found;
use super::OneKeyArgs;
use super::Report;
use super::date;
use super::failure::failed;
use super::failure::is_unanswered;
use super::line;
use super::once;

/// Let others use a key, and take that back
///
/// A grant names one principal and what it may do with the key, beside key policy
/// and IAM; it only ever adds rights. It suits rights for a time, or for one
/// tenant: bind it with --context.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES, disable_help_subcommand = true)]
pub(super) struct GrantCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Let a principal use a key
///
/// KMS takes up to five minutes until the grant is known everywhere. Until then
/// its token stands for it: whoever uses the key gives the token along. A token
/// is not secret, and gives no rights to anybody else.
#[derive(Args, Debug)]
#[command(after_long_help = CREATE_HELP)]
struct CreateArgs {
    #[command(flatten)]
    key: OneKeyArgs,
    /// Who may use it: the ARN of a role or user.
    #[arg(long, value_name = "ARN")]
    grantee: Principal,
    /// What it may do, as KMS calls it: Decrypt, GenerateDataKey, Encrypt,
    /// ReEncryptFrom, ReEncryptTo, DescribeKey, Sign, Verify, GetPublicKey, ...
    ///
    /// Repeat it, or separate with commas. Readers need Decrypt; writers
    /// GenerateDataKey; a name by alias takes DescribeKey too.
    #[arg(long, value_name = "OP", required = true, value_delimiter = ',')]
    operation: Vec<Operation>,
    /// Only with an encryption context that has this pair; repeat it for more.
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<String>,
    /// Only with exactly the pairs of --context, and no others.
    #[arg(long, requires = "context")]
    exact_context: bool,
    /// Who may give the grant up besides: the ARN of a role or user.
    #[arg(long, value_name = "ARN")]
    retiring: Option<Principal>,
    /// A name: the same grant made again under it stays one.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// List the grants of a key
///
/// A grant that was just made or revoked takes up to five minutes to show.
#[derive(Args, Debug)]
#[command(after_long_help = LIST_HELP)]
struct ListArgs {
    #[command(flatten)]
    key: OneKeyArgs,
    /// Only those of this principal.
    #[arg(long, value_name = "ARN")]
    grantee: Option<Principal>,
}

/// Take a grant back
///
/// For up to five minutes the principal may still use the key, and longer what
/// it has cached. If that is too long, disable the key.
#[derive(Args, Debug)]
#[command(after_long_help = REVOKE_HELP)]
struct RevokeArgs {
    #[command(flatten)]
    key: OneKeyArgs,
    /// The id that `waxseal key grant list` shows.
    #[arg(value_name = "GRANT_ID")]
    grant_id: String,
}

/// An ARN, or the name of a service of AWS.
#[derive(Clone, Debug)]
struct Principal(String);

impl FromStr for Principal {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_arn = text.starts_with("arn:") && text.splitn(6, ':').count() == 6;
        if is_arn || text.ends_with(".amazonaws.com") {
            return Ok(Self(text.to_owned()));
        }
        Err("want an ARN such as arn:aws:iam::111122223333:role/reader")
    }
}

/// An operation that a grant can allow.
#[derive(Clone, Debug)]
struct Operation(GrantOperation);

impl FromStr for Operation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        GrantOperation::try_parse(text)
            .map(Self)
            .map_err(|_| format!("want one of {}", GrantOperation::values().join(", ")))
    }
}

/// The fields of `grant create --json`, in this order.
#[derive(Debug, Serialize)]
struct Created {
    arn: String,
    grant_id: String,
    grant_token: String,
}

/// An entry of `grant list --json`; its fields in this order.
#[derive(Debug, Serialize)]
struct Entry {
    grant_id: String,
    name: Option<String>,
    grantee: String,
    retiring: Option<String>,
    operations: Vec<String>,
    context: Option<BTreeMap<String, String>>,
    exact_context: bool,
    created: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List(Vec<Entry>);

/// The fields of `grant revoke --json`, in this order.
#[derive(Debug, Serialize)]
struct Revoked {
    arn: String,
    grant_id: String,
}

pub(super) async fn run(command: GrantCommand, verbosity: Verbosity) -> Result<(), Failure> {
    match command.action {
        Action::Create(args) => create(args, verbosity).await,
        Action::List(args) => list(args).await,
        Action::Revoke(args) => revoke(args, verbosity).await,
    }
}

async fn create(args: CreateArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let pairs = context(&args.context)?;
    let pairs: HashMap<_, _> = pairs.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot make a grant for {key}");
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    let constraints = GrantConstraints::builder();
    let constraints = match args.exact_context {
        _ if pairs.is_empty() => None,
        true => Some(constraints.set_encryption_context_equals(Some(pairs)).build()),
        false => Some(constraints.set_encryption_context_subset(Some(pairs)).build()),
    };
    let operations = args.operation.into_iter().map(|operation| operation.0).collect();
    let request = key
        .kms
        .create_grant()
        .key_id(key.arn())
        .grantee_principal(args.grantee.0)
        .set_operations(Some(operations))
        .set_constraints(constraints)
        .set_retiring_principal(args.retiring.map(|principal| principal.0))
        .set_name(args.name);
    let made = request.customize().config_override(once()).send().await.map_err(|error| {
        let is_unanswered = is_unanswered(&error);
        let failure = failed(cannot, "CreateGrant", error);
        if is_unanswered { failure.and(PERHAPS) } else { failure }
    })?;
    verbosity.note(format_args!(
        "within five minutes it is known everywhere; until then give the token along"
    ));
    let created = Created {
        arn: key.arn().to_owned(),
        grant_id: made.grant_id.unwrap_or_default(),
        grant_token: made.grant_token.unwrap_or_default(),
    };
    created.print(output.json)
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot list the grants of {key}");
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    let request = key.kms.list_grants().key_id(key.arn());
    let request = request.set_grantee_principal(args.grantee.map(|principal| principal.0));
    let grants = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    let grants = grants.map_err(|e| failed(cannot, "ListGrants", e))?;
    List(grants.into_iter().map(Entry::from).collect()).print(output.json)
}

async fn revoke(args: RevokeArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot revoke the grant for {key}");
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    let revoke = key.kms.revoke_grant().key_id(key.arn()).grant_id(&args.grant_id);
    revoke.send().await.map_err(|e| failed(cannot, "RevokeGrant", e))?;
    verbosity.note(format_args!("within five minutes it is of no use anywhere"));
    Revoked { arn: key.arn().to_owned(), grant_id: args.grant_id }.print(output.json)
}

impl From<GrantListEntry> for Entry {
    fn from(grant: GrantListEntry) -> Self {
        let (context, exact_context) = match grant.constraints {
            Some(GrantConstraints { encryption_context_equals: Some(pairs), .. }) => {
                (Some(pairs), true)
            }
            Some(constraints) => (constraints.encryption_context_subset, false),
            None => (None, false),
        };
        Self {
            grant_id: grant.grant_id.unwrap_or_default(),
            name: grant.name.filter(|name| !name.is_empty()),
            grantee: grant.grantee_principal.unwrap_or_default(),
            retiring: grant.retiring_principal,
            operations: grant
                .operations
                .unwrap_or_default()
                .iter()
                .map(|operation| operation.as_str().to_owned())
                .collect(),
            context: context.map(|pairs| pairs.into_iter().collect()),
            exact_context,
            created: grant.creation_date.as_ref().map(date),
        }
    }
}

impl Report for Created {
    fn to_text(&self) -> String {
        line("key", &self.arn) + &line("grant", &self.grant_id) + &line("token", &self.grant_token)
    }
}

impl Report for List {
    fn to_text(&self) -> String {
        if self.0.is_empty() {
            return "no grants\n".to_owned();
        }
        self.0.iter().map(Entry::to_text).collect::<Vec<_>>().join("\n")
    }
}

impl Entry {
    fn to_text(&self) -> String {
        let mut text = line("grant", &self.grant_id);
        text.extend(self.name.iter().map(|name| line("name", name)));
        text += &line("grantee", &self.grantee);
        text.extend(self.retiring.iter().map(|principal| line("retiring", principal)));
        text += &line("operations", &self.operations.join(", "));
        let name = if self.exact_context { "context is" } else { "context has" };
        let pairs = self.context.iter().flatten();
        text.extend(pairs.map(|(k, v)| line(name, &format!("{k}={v}"))));
        text.extend(self.created.iter().map(|date| line("created", date)));
        text
    }
}

impl Report for Revoked {
    fn to_text(&self) -> String {
        line("key", &self.arn) + &line("revoked", &self.grant_id)
    }
}

const PERHAPS: &str = "if the request arrived, the grant was made even so: look at `waxseal key \
     grant list` before you repeat it";

const EXAMPLES: &str = "\
Examples:
  waxseal key grant create alias/orders --operation Decrypt \\
      --grantee arn:aws:iam::111122223333:role/reader --context tenant=acme
  waxseal key grant list alias/orders

`waxseal key grant COMMAND --help` has more, with the fields of --json.";

const CREATE_HELP: &str = "\
Fields of --json, always present; none will change its meaning:
  arn          the key
  grant_id     to revoke it
  grant_token  to be given along while the grant is new

Examples:
  A partner's role opens what was sealed for it, and nothing else:
    waxseal key grant create alias/orders --operation Decrypt \\
        --grantee arn:aws:iam::444455556666:role/partner \\
        --context partner=acme";

const LIST_HELP: &str = "\
--json prints an array. Fields of its entries, always present; none will
change its meaning:
  grant_id       to revoke it
  name           null if it has none
  grantee        who may use the key
  retiring       who may give the grant up; null if nobody else
  operations     array of what KMS calls them
  context        object of the pairs it is bound to; null if it is not
  exact_context  whether the pairs must be all of the context
  created        RFC 3339 in UTC

Examples:
  waxseal key grant list alias/orders
  waxseal key grant list --json alias/orders | jq -r '.[].grant_id'";

const REVOKE_HELP: &str = "\
Fields of --json, always present; none will change its meaning:
  arn       the key
  grant_id  as given

Examples:
  waxseal key grant revoke alias/orders GRANT_ID";
