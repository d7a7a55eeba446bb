//! What identities may do: policies of IAM for those who seal, open and re-wrap.

use clap::Args;

use super::document::Document;
use super::document::Statement;
use super::names::BucketName;
use super::names::ContextPair;
use super::names::KeyArn;
use super::names::Partition;
use super::names::Prefix;
use crate::exit::Failure;

/// Print an IAM policy for who seals: can write, cannot open
#[derive(Args, Debug)]
#[command(after_long_help = WRITER_EXAMPLES)]
pub(super) struct WriterArgs {
    #[command(flatten)]
    objects: ObjectArgs,
    /// The wrapping key that makes data keys: its ARN.
    ///
    /// Repeat it for more, in the order of --key when sealing: the first one makes
    /// the data key, the others wrap it too.
    #[arg(long, value_name = "ARN", required = true)]
    key: Vec<KeyArn>,
}

/// Print an IAM policy for who opens: can read, cannot write
#[derive(Args, Debug)]
#[command(after_long_help = READER_EXAMPLES)]
pub(super) struct ReaderArgs {
    #[command(flatten)]
    objects: ObjectArgs,
    /// A wrapping key that opens: its ARN. Repeat it for more.
    #[arg(long, value_name = "ARN", required = true)]
    key: Vec<KeyArn>,
    /// Also of versions that were replaced or deleted.
    #[arg(long)]
    versions: bool,
}

/// Print an IAM policy for who re-wraps: neither opens nor sees a data key
///
/// KMS re-encrypts the wrapped data keys. Other destinations than --to-key are denied,
/// whatever other policies grant: else a data key could be re-wrapped under a key of
/// the re-wrapper's own, and opened there.
///
/// An object of which more than one wrapped key goes has to be unwrapped and checked,
/// which this does not allow: it needs kms:Decrypt with the old key and kms:Encrypt
/// with the new one as well.
#[derive(Args, Debug)]
#[command(after_long_help = REWRAPPER_EXAMPLES, override_usage = REWRAPPER_USAGE)]
pub(super) struct RewrapperArgs {
    #[command(flatten)]
    objects: ObjectArgs,
    /// A wrapping key that objects are wrapped under now: its ARN. Repeat it for more.
    #[arg(long, value_name = "ARN", required = true)]
    from_key: Vec<KeyArn>,
    /// The wrapping key to re-wrap under: its ARN. May be the same, after a rotation.
    #[arg(long, value_name = "ARN")]
    to_key: KeyArn,
}

#[derive(Args, Debug)]
struct ObjectArgs {
    /// The bucket with the objects.
    #[arg(long, value_name = "NAME")]
    bucket: BucketName,
    /// Only objects whose keys begin so.
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: Prefix,
    /// Only with this pair in the encryption context; repeat it for more.
    ///
    /// Every pair must be there, and no other: give the ones that objects are sealed
    /// with.
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<ContextPair>,
    /// The KMS key that S3 encrypts with, if it does: its ARN.
    ///
    /// Granted through S3 only (kms:ViaService). That condition is for this key alone:
    /// waxseal calls KMS itself for the wrapping keys, not via S3, and would be
    /// refused under it.
    #[arg(long, value_name = "ARN")]
    sse_kms_key_id: Option<KeyArn>,
}

impl WriterArgs {
    pub(super) fn document(&self) -> Result<Document, Failure> {
        let partition = self.objects.partition(&self.key)?;
        let (first, others) = self.key.split_first().expect("clap demands one");
        let mut statements = vec![self.objects.with_context("MakeDataKeys", WRITE_KEY, [first])];
        if !others.is_empty() {
            statements.push(self.objects.with_context("WrapDataKeysToo", WRAP, others));
        }
        statements.push(self.objects.allow("WriteObjects", WRITE_OBJECTS, partition));
        statements.extend(self.objects.sse("EncryptInS3", SSE_WRITE, partition));
        Ok(Document::new(statements))
    }
}

impl ReaderArgs {
    pub(super) fn document(&self) -> Result<Document, Failure> {
        let partition = self.objects.partition(&self.key)?;
        let mut statements = vec![
            self.objects.with_context("OpenDataKeys", READ_KEY, &self.key),
            describe(&self.key),
            self.objects.allow("ReadObjects", READ_OBJECTS, partition),
        ];
        if self.versions {
            let action = &["s3:GetObjectVersion"];
            statements.push(self.objects.allow("ReadVersions", action, partition));
        }
        statements.extend(self.objects.sse("DecryptInS3", SSE_READ, partition));
        Ok(Document::new(statements))
    }
}

impl RewrapperArgs {
    pub(super) fn document(&self) -> Result<Document, Failure> {
        let to = std::slice::from_ref(&self.to_key);
        let partition = self.objects.partition(self.from_key.iter().chain(to))?;
        let mut from = self.objects.with_context("RewrapFrom", REWRAP_FROM, &self.from_key);
        let mut into = self.objects.with_context("RewrapTo", REWRAP_TO, to);
        if self.from_key == to {
            from = from.when("Bool", "kms:ReEncryptOnSameKey", "true");
            into = into.when("Bool", "kms:ReEncryptOnSameKey", "true");
        }
        let mut described = self.from_key.clone();
        described.extend(to.iter().filter(|to| !self.from_key.contains(to)).cloned());
        let mut statements = vec![
            from,
            into,
            Statement::deny("DenyOtherDestinations", REWRAP_TO).on_all_but([self.to_key.as_str()]),
            describe(&described),
            self.objects.list("FindObjects", "s3:ListBucket", partition),
            self.objects.allow("RewriteEnvelopes", REWRAP_OBJECTS, partition),
        ];
        statements.extend(self.objects.sse("CopyInS3", SSE_WRITE, partition));
        Ok(Document::new(statements))
    }
}

impl ObjectArgs {
    /// The one that all keys are in.
    fn partition<'a>(
        &'a self,
        keys: impl IntoIterator<Item = &'a KeyArn>,
    ) -> Result<Partition, Failure> {
        check_context(&self.context)?;
        let mut partitions = keys.into_iter().chain(&self.sse_kms_key_id).map(|key| key.partition);
        let first = partitions.next().expect("clap demands one");
        if partitions.all(|partition| partition == first) {
            return Ok(first);
        }
        Err(Failure::usage("the keys are in different partitions of AWS")
            .remedy("print a policy for each partition"))
    }

    fn allow(&self, sid: &'static str, action: &[&'static str], partition: Partition) -> Statement {
        let (bucket, prefix) = (self.bucket.as_str(), self.prefix.literal());
        let objects = format!("arn:{}:s3:::{bucket}/{prefix}*", partition.name());
        Statement::allow(sid, action).on([objects])
    }

    fn list(&self, sid: &'static str, action: &'static str, partition: Partition) -> Statement {
        let bucket = format!("arn:{}:s3:::{}", partition.name(), self.bucket.as_str());
        let list = Statement::allow(sid, &[action]).on([bucket]);
        if self.prefix.is_empty() {
            return list;
        }
        list.when("StringLike", "s3:prefix", format!("{}*", self.prefix.literal()))
    }

    fn with_context<'a>(
        &self,
        sid: &'static str,
        action: &[&'static str],
        keys: impl IntoIterator<Item = &'a KeyArn>,
    ) -> Statement {
        let statement = Statement::allow(sid, action).on(keys.into_iter().map(KeyArn::as_str));
        bound(statement, &self.context)
    }

    /// What S3 does with its own key in the name of the caller.
    fn sse(
        &self,
        sid: &'static str,
        action: &[&'static str],
        partition: Partition,
    ) -> Option<Statement> {
        let key = self.sse_kms_key_id.as_ref()?;
        let bucket = format!("arn:{}:s3:::{}", partition.name(), self.bucket.as_str());
        // With a bucket key S3 gives the bucket as encryption context, without one the object.
        let objects = format!("{bucket}/*");
        let statement = Statement::allow(sid, action)
            .on([key.as_str()])
            .when("StringEquals", "kms:ViaService", partition.s3_service(&key.region))
            .when_one_of("StringLike", "kms:EncryptionContext:aws:s3:arn", [bucket, objects]);
        Some(statement)
    }
}

/// Aliases are resolved without an encryption context.
fn describe(keys: &[KeyArn]) -> Statement {
    Statement::allow("ResolveAliases", DESCRIBE).on(keys.iter().map(KeyArn::as_str))
}

/// Each pair must be in the encryption context, and no other key.
pub(super) fn bound(statement: Statement, context: &[ContextPair]) -> Statement {
    if context.is_empty() {
        return statement;
    }
    let pair = |statement: Statement, pair: &ContextPair| {
        let key = format!("kms:EncryptionContext:{}", pair.key);
        statement.when("StringEquals", key, pair.literal_value())
    };
    let keys = context.iter().map(|pair| pair.key.as_str());
    context.iter().fold(statement, pair).when_one_of(
        "ForAllValues:StringEquals",
        "kms:EncryptionContextKeys",
        keys,
    )
}

/// Condition names know no case: keys that differ in it only would be one condition.
pub(super) fn check_context(context: &[ContextPair]) -> Result<(), Failure> {
    for (i, pair) in context.iter().enumerate() {
        if context[..i].iter().any(|other| other.key.eq_ignore_ascii_case(&pair.key)) {
            return Err(Failure::usage(format!("--context gives {:?} twice", pair.key))
                .remedy("give each context key once; policies do not tell A from a"));
        }
    }
    Ok(())
}

pub(super) const WRITE_KEY: &[&str] = &["kms:GenerateDataKey"];
pub(super) const WRAP: &[&str] = &["kms:Encrypt"];
pub(super) const READ_KEY: &[&str] = &["kms:Decrypt"];
pub(super) const DESCRIBE: &[&str] = &["kms:DescribeKey"];
pub(super) const REWRAP_FROM: &[&str] = &["kms:ReEncryptFrom"];
pub(super) const REWRAP_TO: &[&str] = &["kms:ReEncryptTo"];
/// S3 decrypts to go on with an upload in parts.
pub(super) const SSE_WRITE: &[&str] = &["kms:GenerateDataKey", "kms:Decrypt"];
const SSE_READ: &[&str] = &["kms:Decrypt"];
const WRITE_OBJECTS: &[&str] = &["s3:PutObject", "s3:AbortMultipartUpload"];
const READ_OBJECTS: &[&str] = &["s3:GetObject"];
/// S3 tells nobody else of a lock, and the copy would have none.
const REWRAP_OBJECTS: &[&str] = &[
    "s3:GetObject",
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:GetObjectTagging",
    "s3:PutObject",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
    "s3:PutObjectTagging",
    "s3:AbortMultipartUpload",
];

const WRITER_EXAMPLES: &str = "\
Examples:
  key=$(aws kms describe-key --key-id alias/example-reports \\
      --query KeyMetadata.Arn --output text)
  waxseal policy iam-writer --bucket example-reports --prefix daily/ \\
      --key $key --context tenant=acme > p.json
  aws iam put-role-policy --role-name writer --policy-name write \\
      --policy-document file://p.json";

const READER_EXAMPLES: &str = "\
Examples:
  key=$(aws kms describe-key --key-id alias/example-reports \\
      --query KeyMetadata.Arn --output text)
  waxseal policy iam-reader --bucket example-reports --key $key > p.json
  aws iam put-role-policy --role-name reader --policy-name read \\
      --policy-document file://p.json";

/// On two lines, to fit 80 columns.
const REWRAPPER_USAGE: &str = "waxseal policy iam-rewrapper [OPTIONS] --bucket <NAME>\n           \
     --from-key <ARN> --to-key <ARN>";

const REWRAPPER_EXAMPLES: &str = "\
Examples:
  keys=arn:aws:kms:eu-west-1:111122223333:key
  waxseal policy iam-rewrapper --bucket example-reports \\
      --from-key $keys/1234abcd-12ab-34cd-56ef-1234567890ab \\
      --to-key $keys/0987dcba-09fe-87dc-65ba-ab0987654321 > p.json
  aws iam put-role-policy --role-name rewrapper --policy-name rewrap \\
      --policy-document file://p.json";
