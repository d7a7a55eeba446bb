//! `waxseal key show`

use std::collections::BTreeMap;

use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::types::KeySpec;
use aws_sdk_kms::types::KeyState;
use aws_sdk_kms::types::MultiRegionKey;
use clap::Args;
use serde::Serialize;

use crate::aws::Aws;
use crate::exit::Failure;

use super::Found;
use super::OneKeyArgs;
use super::Report;
use super::date;
use super::failure::failed;
use super::failure::is_forbidden;
use super::line;
use super::listed;
use super::rotation::Status;

/// Show a key: its state, names, rotation, replicas, tags and grants
///
/// What you are not permitted to see is left out, and said to be.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    key: OneKeyArgs,
}

/// The fields of `--json`, in this order.
#[derive(Debug, Serialize)]
struct Shown {
    key_id: String,
    arn: String,
    aliases: Option<Vec<String>>,
    description: String,
    state: String,
    deletion_date: Option<String>,
    manager: String,
    spec: String,
    usage: String,
    origin: String,
    created: Option<String>,
    multi_region: Option<MultiRegion>,
    rotation: Option<Status>,
    tags: Option<BTreeMap<String, String>>,
    grants: Option<usize>,
    not_permitted: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct MultiRegion {
    primary: String,
    replicas: Vec<String>,
}

pub(super) async fn run(args: ShowArgs) -> Result<(), Failure> {
    let OneKeyArgs { key, output } = args.key;
    let cannot = format!("cannot show {key}");
    let key = Found::find(&key, &Aws::new(output.aws), &cannot).await?;
    let mut shown = Shown::new(&key);
    shown.look(&key, &cannot).await?;
    shown.print(output.json)
}

impl Shown {
    /// What KMS says of the key itself.
    fn new(key: &Found) -> Self {
        let metadata = &key.metadata;
        let arns = |keys: &[MultiRegionKey]| {
            keys.iter().filter_map(|key| key.arn().map(str::to_owned)).collect()
        };
        let multi_region = metadata.multi_region_configuration().map(|config| MultiRegion {
            primary: config.primary_key().and_then(MultiRegionKey::arn).unwrap_or("").to_owned(),
            replicas: arns(config.replica_keys()),
        });
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            key_id: metadata.key_id().to_owned(),
            arn: key.arn().to_owned(),
            aliases: None,
            description: text(metadata.description()),
            state: key.state().to_owned(),
            deletion_date: metadata.deletion_date().map(date),
            manager: text(metadata.key_manager().map(|manager| manager.as_str())),
            spec: text(metadata.key_spec().map(KeySpec::as_str)),
            usage: text(metadata.key_usage().map(|usage| usage.as_str())),
            origin: text(metadata.origin().map(|origin| origin.as_str())),
            created: metadata.creation_date().map(date),
            multi_region,
            rotation: None,
            tags: None,
            grants: None,
            not_permitted: vec![],
        }
    }

    /// What has to be asked for besides, each with a permission of its own.
    async fn look(&mut self, key: &Found, cannot: &str) -> Result<(), Failure> {
        let Found { kms, arn, metadata } = key;
        let aliases = kms.list_aliases().key_id(arn).into_paginator().items().send();
        let aliases = aliases.collect::<Result<Vec<_>, _>>().await;
        let aliases = self.permitted(cannot, "ListAliases", aliases)?;
        self.aliases =
            aliases.map(|all| all.into_iter().filter_map(|alias| alias.alias_name).collect());
        let tags = kms.list_resource_tags().key_id(arn).into_paginator().items().send();
        let tags = tags.collect::<Result<Vec<_>, _>>().await;
        let tags = self.permitted(cannot, "ListResourceTags", tags)?;
        self.tags =
            tags.map(|all| all.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect());
        let is_rotatable = metadata.key_spec() == Some(&KeySpec::SymmetricDefault)
            && matches!(metadata.key_state(), Some(KeyState::Enabled | KeyState::Disabled));
        if is_rotatable {
            let status = kms.get_key_rotation_status().key_id(arn).send().await;
            let status = self.permitted(cannot, "GetKeyRotationStatus", status)?;
            self.rotation = status.as_ref().map(Status::from);
        }
        let grants = kms.list_grants().key_id(arn).into_paginator().items().send();
        let grants = grants.collect::<Result<Vec<_>, _>>().await;
        self.grants = self.permitted(cannot, "ListGrants", grants)?.map(|all| all.len());
        Ok(())
    }

    /// The reply to `operation`; `None` if this caller may not see it.
    fn permitted<T, E>(
        &mut self,
        cannot: &str,
        operation: &'static str,
        reply: Result<T, SdkError<E>>,
    ) -> Result<Option<T>, Failure>
    where
        E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
    {
        match reply {
            Ok(reply) => Ok(Some(reply)),
            Err(error) if is_forbidden(&error) => {
                self.not_permitted.push(operation);
                Ok(None)
            }
            Err(error) => Err(failed(cannot, operation, error)),
        }
    }
}

impl Report for Shown {
    fn to_text(&self) -> String {
        let unseen = |operation: &str| format!("(kms:{operation} is not permitted)");
        let mut text = line("key", &self.arn);
        let aliases = self.aliases.as_deref().map(listed);
        text += &line("aliases", &aliases.unwrap_or_else(|| unseen("ListAliases")));
        if !self.description.is_empty() {
            text += &line("description", &self.description);
        }
        text += &line("state", &self.state);
        if let Some(date) = &self.deletion_date {
            text += &line("deletion", &format!("{date}: nothing it sealed opens after that"));
        }
        text += &line("spec", &format!("{} for {}", self.spec, self.usage));
        text += &line("origin", &format!("{}, manager {}", self.origin, self.manager));
        if let Some(created) = &self.created {
            text += &line("created", created);
        }
        match &self.multi_region {
            Some(keys) => {
                text += &line("primary", &keys.primary);
                text += &line("replicas", &listed(&keys.replicas));
            }
            None => text += &line("multi-Region", "no"),
        }
        match &self.rotation {
            Some(status) => text += &line("rotation", &status.to_text()),
            None if self.not_permitted.contains(&"GetKeyRotationStatus") => {
                text += &line("rotation", &unseen("GetKeyRotationStatus"));
            }
            None => {}
        }
        match &self.tags {
            Some(tags) if tags.is_empty() => text += &line("tags", "(none)"),
            Some(tags) => {
                text.extend(tags.iter().map(|(k, v)| line("tag", &format!("{k}={v}"))));
            }
            None => text += &line("tags", &unseen("ListResourceTags")),
        }
        let grants = self.grants.map(|n| n.to_string());
        text + &line("grants", &grants.unwrap_or_else(|| unseen("ListGrants")))
    }
}

const HELP: &str = "\
Fields of --json, always present; none will change its meaning:
  key_id         the id
  arn            the ARN
  aliases        array of names; null if not permitted
  description    text
  state          \"Enabled\", \"Disabled\", \"PendingDeletion\" and others of KMS
  deletion_date  RFC 3339 in UTC; null unless it is pending
  manager        \"CUSTOMER\", or \"AWS\" for keys of AWS services
  spec           such as \"SYMMETRIC_DEFAULT\", \"RSA_4096\"
  usage          such as \"ENCRYPT_DECRYPT\", \"SIGN_VERIFY\"
  origin         \"AWS_KMS\", or where its secret came from
  created        RFC 3339 in UTC
  multi_region   { primary, replicas } as ARNs; null if it is not one
  rotation       { enabled, period_days, next }; null if not permitted, or if
                 it cannot rotate: asymmetric, or neither enabled nor disabled
  tags           object of strings; null if not permitted
  grants         how many; null if not permitted
  not_permitted  array of the KMS operations that were refused

Examples:
  waxseal key show alias/orders
  waxseal key show --json aws-kms:alias/orders | jq -r .state";
