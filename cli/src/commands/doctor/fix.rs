//! Puts a setting of a bucket right, and keeps what else is set with it.

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use aws_sdk_s3::types::AbortIncompleteMultipartUpload;
use aws_sdk_s3::types::BucketLifecycleConfiguration;
use aws_sdk_s3::types::BucketVersioningStatus;
use aws_sdk_s3::types::ExpirationStatus;
use aws_sdk_s3::types::LifecycleRule;
use aws_sdk_s3::types::LifecycleRuleFilter;
use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_sdk_s3::types::ServerSideEncryptionByDefault;
use aws_sdk_s3::types::ServerSideEncryptionConfiguration;
use aws_sdk_s3::types::ServerSideEncryptionRule;
use aws_sdk_s3::types::VersioningConfiguration;
use serde_json::Value;
use serde_json::json;

use super::Fix;
use super::bucket::Bucket;
use super::bucket::is;
use super::bucket::kind;
use super::bucket::said;
use crate::commands::policy::bucket::ABORT_AFTER_DAYS;
use crate::commands::policy::bucket::ABORT_RULE_ID;
use crate::commands::policy::bucket::Headers;
use crate::commands::policy::bucket::bucket_statements;

/// # Errors
///
/// What S3 said against it.
pub(super) async fn apply(bucket: &Bucket<'_>, fix: Fix) -> Result<(), String> {
    match fix {
        Fix::AbortIncompleteUploads => add_rule(bucket).await,
        Fix::BucketEncryption => set_encryption(bucket).await,
        Fix::BucketPolicy => add_statements(bucket).await,
        Fix::BucketVersioning => enable_versioning(bucket).await,
        Fix::PublicAccess => block_public_access(bucket).await,
        Fix::KeyRotation => unreachable!("that is a fix of keys"),
    }
}

async fn add_rule(bucket: &Bucket<'_>) -> Result<(), String> {
    let get = bucket.s3.get_bucket_lifecycle_configuration().bucket(bucket.name);
    let (mut rules, minimum) = match get.send().await {
        Ok(found) => {
            let minimum = found.transition_default_minimum_object_size;
            (found.rules.unwrap_or_default(), minimum)
        }
        Err(error) if is(&error, "NoSuchLifecycleConfiguration") => (vec![], None),
        Err(error) => return Err(said("GetBucketLifecycleConfiguration", error)),
    };
    rules.retain(|rule| rule.id() != Some(ABORT_RULE_ID));
    let abort = AbortIncompleteMultipartUpload::builder();
    let rule = LifecycleRule::builder()
        .id(ABORT_RULE_ID)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .abort_incomplete_multipart_upload(abort.days_after_initiation(ABORT_AFTER_DAYS).build());
    rules.push(rule.build().expect("it has a status"));
    let rules = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
    let put = bucket.s3.put_bucket_lifecycle_configuration().bucket(bucket.name);
    let put = put.lifecycle_configuration(rules.expect("it has rules"));
    let put = put.set_transition_default_minimum_object_size(minimum);
    put.send().await.map(drop).map_err(|e| said("PutBucketLifecycleConfiguration", e))
}

async fn set_encryption(bucket: &Bucket<'_>) -> Result<(), String> {
    let key = bucket.args.sse_kms_key_id.as_ref().expect("the arguments were checked");
    let get = bucket.s3.get_bucket_encryption().bucket(bucket.name);
    let before = match get.send().await {
        Ok(found) => found.server_side_encryption_configuration.map(|found| found.rules),
        Err(error) if is(&error, "ServerSideEncryptionConfigurationNotFoundError") => None,
        Err(error) => return Err(said("GetBucketEncryption", error)),
    };
    let before = before.and_then(|rules| rules.into_iter().next());
    // Twice encrypted stays so, which takes no bucket key.
    let dsse = ServerSideEncryption::AwsKmsDsse;
    let is_twice = before.as_ref().and_then(kind) == Some(&dsse);
    let by_default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(if is_twice { dsse } else { ServerSideEncryption::AwsKms })
        .kms_master_key_id(key.as_str());
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by_default.build().expect("it has an algorithm"))
        .bucket_key_enabled(!is_twice)
        .set_blocked_encryption_types(before.and_then(|rule| rule.blocked_encryption_types));
    let rules = ServerSideEncryptionConfiguration::builder().rules(rule.build());
    let put = bucket.s3.put_bucket_encryption().bucket(bucket.name);
    let put = put.server_side_encryption_configuration(rules.build().expect("it has a rule"));
    put.send().await.map(drop).map_err(|e| said("PutBucketEncryption", e))
}

async fn add_statements(bucket: &Bucket<'_>) -> Result<(), String> {
    let get = bucket.s3.get_bucket_policy().bucket(bucket.name);
    let mut policy = match get.send().await {
        Ok(found) => serde_json::from_str(found.policy().unwrap_or_default())
            .map_err(|_| "the policy that is there is not JSON".to_owned())?,
        Err(error) if is(&error, "NoSuchBucketPolicy") => {
            json!({ "Version": "2012-10-17", "Statement": [] })
        }
        Err(error) => return Err(said("GetBucketPolicy", error)),
    };
    let args = bucket.args;
    let name = args.bucket.as_ref().expect("the arguments were checked");
    let key = args.sse_kms_key_id.as_ref().expect("the arguments were checked");
    let ours = serde_json::to_value(bucket_statements(name, key, Headers::Optional));
    merge(&mut policy, ours.expect("statements are JSON"));
    let put = bucket.s3.put_bucket_policy().bucket(bucket.name).policy(policy.to_string());
    put.send().await.map(drop).map_err(|e| said("PutBucketPolicy", e))
}

/// Adds statements; those of the same names are replaced, all others stay.
fn merge(policy: &mut Value, ours: Value) {
    let Value::Array(ours) = ours else { unreachable!("statements are a list") };
    let theirs = match policy["Statement"].take() {
        Value::Array(statements) => statements,
        one => vec![one],
    };
    let replaced = |statement: &Value| {
        statement.get("Sid").is_some_and(|sid| ours.iter().any(|our| our["Sid"] == *sid))
    };
    let kept = theirs.into_iter().filter(|statement| !replaced(statement));
    policy["Statement"] = kept.collect::<Vec<_>>().into_iter().chain(ours.clone()).collect();
}

async fn enable_versioning(bucket: &Bucket<'_>) -> Result<(), String> {
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let put = bucket.s3.put_bucket_versioning().bucket(bucket.name).versioning_configuration(on);
    put.send().await.map(drop).map_err(|e| said("PutBucketVersioning", e))
}

async fn block_public_access(bucket: &Bucket<'_>) -> Result<(), String> {
    let all = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let put = bucket.s3.put_public_access_block().bucket(bucket.name);
    let put = put.public_access_block_configuration(all).send().await;
    put.map(drop).map_err(|e| said("PutPublicAccessBlock", e))
}

/// Seconds since 1970.
pub(super) fn days_ago(days: u64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now.saturating_sub(days * 86_400)).unwrap_or(i64::MAX)
}
