//! The policy of a KMS key: who may administer it, and who may use it.

use clap::Args;

use super::document::Document;
use super::document::Statement;
use super::iam;
use super::names::AccountId;
use super::names::AccountRoot;
use super::names::ContextPair;
use super::names::PrincipalArn;
use super::names::ServiceName;
use crate::exit::Failure;

/// Print a key policy that separates administration from use
///
/// Administrators cannot encrypt, decrypt or make grants; users cannot change the
/// key. An administrator can change this policy, though, and so allow himself:
/// CloudTrail shows it as PutKeyPolicy.
///
/// The key policy decides first. What IAM policies grant counts only as far as the
/// key policy lets the account root do it: see --account-root.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct KeyPolicyArgs {
    /// The account of the key, 12 digits.
    #[arg(long, value_name = "ID")]
    account: AccountId,
    /// Who administers the key: the ARN of a role or user. Repeat it for more.
    ///
    /// KMS refuses a policy that the caller could not change again, so be one of them.
    #[arg(long, value_name = "ARN", required = true)]
    admin: Vec<PrincipalArn>,
    /// Who seals with the key. Repeat it for more.
    #[arg(long, value_name = "ARN")]
    writer: Vec<PrincipalArn>,
    /// Who opens with the key. Repeat it for more.
    #[arg(long, value_name = "ARN")]
    reader: Vec<PrincipalArn>,
    /// Who re-wraps from or to the key. Repeat it for more.
    ///
    /// Limit the destinations too: `waxseal policy iam-rewrapper`.
    #[arg(long, value_name = "ARN")]
    rewrapper: Vec<PrincipalArn>,
    /// What the account root, and so IAM policies, may do with the key.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "administer")]
    account_root: AccountRoot,
    /// Let writers and readers make grants for services of AWS, such as backup.
    #[arg(long)]
    aws_service_grants: bool,
    /// Use only with this pair in the encryption context; repeat it for more.
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "via_service")]
    context: Vec<ContextPair>,
    /// Use only through this service, such as s3.eu-west-1.amazonaws.com.
    ///
    /// For a key that S3 encrypts with (--sse-kms-key-id). Never for a wrapping key:
    /// waxseal calls KMS itself, not via S3, and would be refused.
    #[arg(long, value_name = "SERVICE")]
    via_service: Option<ServiceName>,
}

impl KeyPolicyArgs {
    pub(super) fn document(&self) -> Result<Document, Failure> {
        iam::check_context(&self.context)?;
        let partition = self.admin[0].partition;
        let everybody = self.admin.iter().chain(self.users()).chain(&self.rewrapper);
        if everybody.into_iter().any(|principal| principal.partition != partition) {
            return Err(Failure::usage("the principals are in different partitions of AWS")
                .remedy("a key can be used within its partition only"));
        }
        let root = format!("arn:{}:iam::{}:root", partition.name(), self.account.as_str());
        let root = |sid, action| Statement::allow(sid, action).aws(vec![root]);
        let mut statements = match self.account_root {
            AccountRoot::Administer => vec![root("AccountAdministers", ADMINISTER)],
            AccountRoot::All => vec![root("AccountDoesAll", &["kms:*"])],
            AccountRoot::None => vec![],
        };
        statements.push(Statement::allow("Administer", ADMINISTER).principals(&self.admin));
        statements.extend(self.usage());
        if self.aws_service_grants && self.users().next().is_some() {
            let grant = Statement::allow("GrantToServices", GRANTS).principals(self.users());
            statements.push(grant.when("Bool", "kms:GrantIsForAWSResource", "true"));
        }
        Ok(Document::new(statements))
    }

    /// What is allowed, and perhaps a mistake.
    pub(super) fn warning(&self) -> Option<String> {
        if self.admin.iter().any(|admin| admin.account == self.account) {
            return None;
        }
        let account = self.account.as_str();
        Some(match self.account_root {
            AccountRoot::None => {
                format!("no --admin is of {account}: nobody in that account could manage the key")
            }
            _ => format!(
                "no --admin is of {account}: in that account only those could manage the key whom \
                 its IAM policies let"
            ),
        })
    }

    fn users(&self) -> impl Iterator<Item = &PrincipalArn> {
        let new = |reader: &&PrincipalArn| !self.writer.contains(reader);
        self.writer.iter().chain(self.reader.iter().filter(new))
    }

    fn usage(&self) -> impl Iterator<Item = Statement> {
        let (seal, open) = match &self.via_service {
            // S3 decrypts to go on with an upload in parts.
            Some(_) => (iam::SSE_WRITE.to_vec(), iam::READ_KEY.to_vec()),
            None => ([iam::WRITE_KEY, iam::WRAP].concat(), iam::READ_KEY.to_vec()),
        };
        let rewrap = match &self.via_service {
            Some(_) => iam::SSE_WRITE.to_vec(),
            None => [iam::REWRAP_FROM, iam::REWRAP_TO].concat(),
        };
        let users = [
            ("Seal", seal, &self.writer),
            ("Open", open, &self.reader),
            ("Rewrap", rewrap, &self.rewrapper),
        ];
        let named = users.into_iter().filter(|(_, _, who)| !who.is_empty());
        let uses = named.map(|(sid, action, who)| {
            let statement = Statement::allow(sid, &action).principals(who);
            match &self.via_service {
                Some(service) => statement.when("StringEquals", "kms:ViaService", service.as_str()),
                None => iam::bound(statement, &self.context),
            }
        });
        let mut describers: Vec<_> = self.reader.iter().collect();
        describers.extend(self.rewrapper.iter().filter(|who| !self.reader.contains(who)));
        let describes = self.via_service.is_none() && !describers.is_empty();
        let describe = || Statement::allow("ResolveAliases", iam::DESCRIBE).principals(describers);
        uses.chain(describes.then(describe)).collect::<Vec<_>>().into_iter()
    }
}

/// Without `kms:CreateGrant`, which the consoles' default has: a grant to oneself is use.
const ADMINISTER: &[&str] = &[
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ReplicateKey",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
    "kms:UpdatePrimaryRegion",
];
const GRANTS: &[&str] = &["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"];

const EXAMPLES: &str = "\
Examples:
  id=arn:aws:iam::111122223333:role
  waxseal policy key --account 111122223333 --admin $id/key-admin \\
      --writer $id/writer --reader $id/reader > p.json
  aws kms put-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab \\
      --policy-name default --policy file://p.json

  A key for S3 to encrypt with, of no use outside S3:
    waxseal policy key --account 111122223333 --admin $id/key-admin \\
        --writer $id/writer --reader $id/reader \\
        --via-service s3.eu-west-1.amazonaws.com > p.json";
