//! What is set on a bucket: its policy, its default encryption, its lifecycle.

use clap::Args;
use serde::Serialize;

use super::document::Document;
use super::document::Statement;
use super::names::BucketName;
use super::names::Prefix;
use super::names::SseKey;

/// Print a bucket policy that refuses unencrypted uploads and plain HTTP
///
/// An upload passes only if it asks S3 to encrypt it with the given key, as
/// `waxseal cp --sse aws:kms --sse-kms-key-id ARN` does. That is on S3's side, in
/// addition to what waxseal seals here: the policy cannot see whether an object is
/// sealed. Name the key by its ARN in the upload too, since the header is compared
/// as text.
///
/// An upload in parts says it once, when it begins, and the writer also needs
/// kms:Decrypt on that key: `waxseal policy iam-writer` has it. Ceph 16 does not see
/// the header then and refuses such uploads; nor does it refuse plain HTTP.
#[derive(Args, Debug)]
#[command(after_long_help = BUCKET_EXAMPLES)]
pub(super) struct BucketArgs {
    /// The bucket that the policy is for.
    #[arg(long, value_name = "NAME")]
    bucket: BucketName,
    #[command(flatten)]
    key: SseKeyArgs,
    /// Let uploads pass that say nothing, for default encryption to fill in.
    ///
    /// Uploads that name another key or kind of encryption are still refused (not by
    /// Ceph 16). Set default encryption too: `waxseal policy bucket-encryption`.
    #[arg(long)]
    allow_default_encryption: bool,
}

/// Print a default encryption configuration: SSE-KMS with a bucket key
///
/// S3 then encrypts what is uploaded without asking for it. The bucket key saves
/// KMS calls, and shows the bucket instead of each object in CloudTrail.
#[derive(Args, Debug)]
#[command(after_long_help = ENCRYPTION_EXAMPLES)]
pub(super) struct EncryptionArgs {
    #[command(flatten)]
    key: SseKeyArgs,
}

/// Print a lifecycle configuration that removes abandoned uploads
///
/// Parts of an upload that was neither completed nor aborted cost storage and are
/// in no listing. put-bucket-lifecycle-configuration replaces all rules of the
/// bucket; `waxseal doctor --fix abort-incomplete-uploads` adds this one to them.
#[derive(Args, Debug)]
#[command(after_long_help = LIFECYCLE_EXAMPLES)]
pub(super) struct LifecycleArgs {
    /// Days after its beginning that an upload may take.
    #[arg(long, default_value_t = ABORT_AFTER_DAYS, value_parser = clap::value_parser!(i32).range(1..=365))]
    days: i32,
    /// Only uploads to keys that begin so.
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: Prefix,
}

#[derive(Args, Debug)]
struct SseKeyArgs {
    /// The KMS key that S3 encrypts with: its ARN.
    ///
    /// Servers other than AWS may know keys by plain names.
    #[arg(long, value_name = "ARN")]
    sse_kms_key_id: SseKey,
}

/// As `aws s3api put-bucket-encryption` reads it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Encryption {
    rules: [EncryptionRule; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptionRule {
    apply_server_side_encryption_by_default: ByDefault,
    bucket_key_enabled: bool,
}

#[derive(Debug, Serialize)]
struct ByDefault {
    #[serde(rename = "SSEAlgorithm")]
    algorithm: &'static str,
    #[serde(rename = "KMSMasterKeyID")]
    key: String,
}

/// As `aws s3api put-bucket-lifecycle-configuration` reads it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Lifecycle {
    rules: [LifecycleRule; 1],
}

#[derive(Debug, Serialize)]
struct LifecycleRule {
    #[serde(rename = "ID")]
    id: &'static str,
    #[serde(rename = "Status")]
    status: &'static str,
    #[serde(rename = "Filter")]
    filter: Filter,
    #[serde(rename = "AbortIncompleteMultipartUpload")]
    abort: Abort,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    prefix: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Abort {
    days_after_initiation: i32,
}

impl BucketArgs {
    pub(super) fn document(&self) -> Document {
        let headers =
            if self.allow_default_encryption { Headers::Optional } else { Headers::Demanded };
        Document::new(bucket_statements(&self.bucket, &self.key.sse_kms_key_id, headers))
    }
}

/// Whether an upload must say how it is to be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    Demanded,
    /// Default encryption fills in.
    Optional,
}

/// What refuses uploads that are not encrypted with `key`, and all requests in clear.
pub(crate) fn bucket_statements(
    bucket: &BucketName,
    key: &SseKey,
    headers: Headers,
) -> Vec<Statement> {
    let bucket_arn = format!("arn:{}:s3:::{}", key.partition().name(), bucket.as_str());
    let objects = format!("{bucket_arn}/*");
    let deny_put = |sid| Statement::deny(sid, &["s3:PutObject"]).everybody().on([objects.clone()]);
    let other = |sid, header, value: &str| deny_put(sid).when("StringNotEquals", header, value);
    let (other_kind, other_key) = (
        other("DenyOtherEncryption", SSE_HEADER, "aws:kms"),
        other("DenyOtherKey", SSE_KEY_HEADER, key.as_str()),
    );
    let mut statements = vec![
        Statement::deny("DenyPlainHttp", &["s3:*"])
            .everybody()
            .on([bucket_arn, objects.clone()])
            .when("Bool", "aws:SecureTransport", "false"),
    ];
    // A header that is missing is unequal to everything on AWS, and equal on some servers.
    match headers {
        Headers::Demanded => statements.extend([
            deny_put("DenyMissingEncryption").when("Null", SSE_HEADER, "true"),
            other_kind,
            deny_put("DenyMissingKey").when("Null", SSE_KEY_HEADER, "true"),
            other_key,
        ]),
        // SSE-KMS without a key means the one AWS manages, not that of the default encryption.
        Headers::Optional => statements.extend([
            other_kind.when("Null", SSE_HEADER, "false"),
            deny_put("DenyMissingKey").when("StringEquals", SSE_HEADER, "aws:kms").when(
                "Null",
                SSE_KEY_HEADER,
                "true",
            ),
            other_key.when("Null", SSE_KEY_HEADER, "false"),
        ]),
    }
    statements
}

impl EncryptionArgs {
    pub(super) fn document(&self) -> Encryption {
        let key = self.key.sse_kms_key_id.as_str().to_owned();
        let by_default = ByDefault { algorithm: "aws:kms", key };
        let rule = EncryptionRule {
            apply_server_side_encryption_by_default: by_default,
            bucket_key_enabled: true,
        };
        Encryption { rules: [rule] }
    }
}

impl LifecycleArgs {
    pub(super) fn document(&self) -> Lifecycle {
        let rule = LifecycleRule {
            id: ABORT_RULE_ID,
            status: "Enabled",
            filter: Filter { prefix: self.prefix.as_str().to_owned() },
            abort: Abort { days_after_initiation: self.days },
        };
        Lifecycle { rules: [rule] }
    }
}

/// The name of the rule, by which it is found again.
pub(crate) const ABORT_RULE_ID: &str = "abort-incomplete-uploads";
/// Days. Longer than any upload of waxseal lasts, short enough not to cost much.
pub(crate) const ABORT_AFTER_DAYS: i32 = 7;
const SSE_HEADER: &str = "s3:x-amz-server-side-encryption";
const SSE_KEY_HEADER: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";

const BUCKET_EXAMPLES: &str = "\
Examples:
  key=$(aws kms describe-key --key-id alias/example-s3 \\
      --query KeyMetadata.Arn --output text)
  waxseal policy bucket --bucket example-logs --sse-kms-key-id $key > p.json
  aws s3api put-bucket-policy --bucket example-logs --policy file://p.json

  Check it: the first upload is refused, the second one passes.
    aws s3 cp report.pdf s3://example-logs/
    waxseal cp --sse aws:kms --sse-kms-key-id $key report.pdf \\
        s3://example-logs/";

const ENCRYPTION_EXAMPLES: &str = "\
Examples:
  key=$(aws kms describe-key --key-id alias/example-s3 \\
      --query KeyMetadata.Arn --output text)
  waxseal policy bucket-encryption --sse-kms-key-id $key > e.json
  aws s3api put-bucket-encryption --bucket example-logs \\
      --server-side-encryption-configuration file://e.json";

const LIFECYCLE_EXAMPLES: &str = "\
Examples:
  waxseal policy lifecycle --days 3 > l.json
  aws s3api put-bucket-lifecycle-configuration --bucket example-logs \\
      --lifecycle-configuration file://l.json";
