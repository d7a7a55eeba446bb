//! Settings of the bucket `demo`, set wrong.

use aws_sdk_kms::Client as Kms;
use aws_sdk_kms::types::KeySpec;
use aws_sdk_kms::types::KeyUsageType;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::BlockedEncryptionTypes;
use aws_sdk_s3::types::BucketLifecycleConfiguration;
use aws_sdk_s3::types::BucketVersioningStatus;
use aws_sdk_s3::types::EncryptionType;
use aws_sdk_s3::types::ExpirationStatus;
use aws_sdk_s3::types::LifecycleExpiration;
use aws_sdk_s3::types::LifecycleRule;
use aws_sdk_s3::types::LifecycleRuleFilter;
use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_sdk_s3::types::ServerSideEncryptionByDefault;
use aws_sdk_s3::types::ServerSideEncryptionConfiguration;
use aws_sdk_s3::types::ServerSideEncryptionRule;
use aws_sdk_s3::types::TransitionDefaultMinimumObjectSize;
use aws_sdk_s3::types::VersioningConfiguration;

pub(super) async fn encrypt(
    s3: &Client,
    kind: ServerSideEncryption,
    key: Option<&str>,
    bucket_key: bool,
) {
    let by_default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(kind)
        .set_kms_master_key_id(key.map(str::to_owned));
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by_default.build().unwrap())
        .bucket_key_enabled(bucket_key);
    let rules = ServerSideEncryptionConfiguration::builder().rules(rule.build());
    let put = s3.put_bucket_encryption().bucket("demo");
    put.server_side_encryption_configuration(rules.build().unwrap()).send().await.unwrap();
}

/// With SSE-C blocked, as new buckets have it.
pub(super) async fn encrypt_without_sse_c(s3: &Client, kind: ServerSideEncryption, key: &str) {
    let by_default =
        ServerSideEncryptionByDefault::builder().sse_algorithm(kind).kms_master_key_id(key);
    let blocked = BlockedEncryptionTypes::builder().encryption_type(EncryptionType::SseC).build();
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by_default.build().unwrap())
        .blocked_encryption_types(blocked);
    let rules = ServerSideEncryptionConfiguration::builder().rules(rule.build());
    let put = s3.put_bucket_encryption().bucket("demo");
    put.server_side_encryption_configuration(rules.build().unwrap()).send().await.unwrap();
}

pub(super) async fn set_versioning(s3: &Client, status: BucketVersioningStatus) {
    let status = VersioningConfiguration::builder().status(status).build();
    let put = s3.put_bucket_versioning().bucket("demo").versioning_configuration(status);
    put.send().await.unwrap();
}

pub(super) async fn unblock_policies(s3: &Client) {
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(false)
        .build();
    let put = s3.put_public_access_block().bucket("demo");
    put.public_access_block_configuration(block).send().await.unwrap();
}

/// A rule of the bucket's owner.
pub(super) async fn expire_rule(s3: &Client) {
    let rule = LifecycleRule::builder()
        .id("theirs")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("tmp/").build())
        .expiration(LifecycleExpiration::builder().days(30).build());
    let rules = BucketLifecycleConfiguration::builder().rules(rule.build().unwrap());
    let put = s3.put_bucket_lifecycle_configuration().bucket("demo");
    let put = put.lifecycle_configuration(rules.build().unwrap());
    let varies = TransitionDefaultMinimumObjectSize::VariesByStorageClass;
    put.transition_default_minimum_object_size(varies).send().await.unwrap();
}

/// The ARN of a new RSA key.
pub(super) async fn rsa_key(kms: &Kms) -> String {
    let made = kms
        .create_key()
        .key_spec(KeySpec::Rsa2048)
        .key_usage(KeyUsageType::EncryptDecrypt)
        .send()
        .await
        .unwrap();
    made.key_metadata().unwrap().arn().unwrap().to_owned()
}
