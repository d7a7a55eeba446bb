//! Settings of buckets, which are kept and given back.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
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
use aws_sdk_s3::types::TransitionDefaultMinimumObjectSize;
use aws_sdk_s3::types::VersioningConfiguration;

use crate::transport::both;

/// The code with which a call fails.
macro_rules! code {
    ($call:expr) => {
        $call
            .bucket("lake")
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .code()
            .map(str::to_owned)
    };
}

#[tokio::test]
async fn a_new_bucket_has_none() {
    for t in both().await {
        t.aws.create_bucket("lake");
        let s3 = t.s3();
        let code = |code: &str| Some(code.to_owned());
        assert_eq!(
            code!(s3.get_bucket_encryption()),
            code("ServerSideEncryptionConfigurationNotFoundError")
        );
        assert_eq!(code!(s3.get_bucket_policy()), code("NoSuchBucketPolicy"));
        assert_eq!(
            code!(s3.get_bucket_lifecycle_configuration()),
            code("NoSuchLifecycleConfiguration")
        );
        assert_eq!(
            code!(s3.get_public_access_block()),
            code("NoSuchPublicAccessBlockConfiguration")
        );
        let versioning = s3.get_bucket_versioning().bucket("lake").send().await.unwrap();
        assert_eq!(versioning.status(), None);
        let missing = s3.get_bucket_policy().bucket("absent").send().await.unwrap_err();
        assert_eq!(missing.into_service_error().code(), Some("NoSuchBucket"));
    }
}

#[tokio::test]
async fn what_is_set_comes_back_and_goes() {
    for t in both().await {
        t.aws.create_bucket("lake");
        let s3 = t.s3();
        put_encryption(&s3).await;
        let got = s3.get_bucket_encryption().bucket("lake").send().await.unwrap();
        let rules = got.server_side_encryption_configuration().unwrap().rules();
        let by_default = rules[0].apply_server_side_encryption_by_default().unwrap();
        assert_eq!(by_default.kms_master_key_id(), Some("k"));
        assert_eq!(rules[0].bucket_key_enabled(), Some(true));
        s3.delete_bucket_encryption().bucket("lake").send().await.unwrap();
        assert!(code!(s3.get_bucket_encryption()).is_some());

        put_lifecycle(&s3).await;
        let got = s3.get_bucket_lifecycle_configuration().bucket("lake").send().await.unwrap();
        let abort = got.rules()[0].abort_incomplete_multipart_upload().unwrap();
        assert_eq!(abort.days_after_initiation(), Some(3));
        assert_eq!(
            got.transition_default_minimum_object_size(),
            Some(&TransitionDefaultMinimumObjectSize::VariesByStorageClass)
        );

        let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny"}]}"#;
        s3.put_bucket_policy().bucket("lake").policy(policy).send().await.unwrap();
        let got = s3.get_bucket_policy().bucket("lake").send().await.unwrap();
        assert_eq!(got.policy(), Some(policy));
        s3.delete_bucket_policy().bucket("lake").send().await.unwrap();
        assert!(code!(s3.get_bucket_policy()).is_some());

        let block = PublicAccessBlockConfiguration::builder().block_public_acls(true).build();
        let put = s3.put_public_access_block().bucket("lake");
        put.public_access_block_configuration(block.clone()).send().await.unwrap();
        let got = s3.get_public_access_block().bucket("lake").send().await.unwrap();
        let got = got.public_access_block_configuration().unwrap();
        assert_eq!(got.block_public_acls(), Some(true));

        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let put = s3.put_bucket_versioning().bucket("lake").versioning_configuration(on);
        put.send().await.unwrap();
        let got = s3.get_bucket_versioning().bucket("lake").send().await.unwrap();
        assert_eq!(got.status(), Some(&BucketVersioningStatus::Enabled));
    }
}

#[tokio::test]
async fn what_is_no_such_document_is_refused() {
    for t in both().await {
        t.aws.create_bucket("lake");
        let s3 = t.s3();
        for policy in ["", "{}", "[]", r#"{"Statement":[]}"#] {
            let put = s3.put_bucket_policy().policy(policy);
            assert_eq!(code!(put).as_deref(), Some("MalformedPolicy"), "{policy:?}");
        }
        assert!(code!(s3.get_bucket_policy()).is_some());
    }
}

#[tokio::test]
async fn every_object_has_one_version() {
    for t in both().await {
        t.aws.create_bucket("lake");
        let s3 = t.s3();
        for key in ["a/1", "a/2", "b"] {
            s3.put_object().bucket("lake").key(key).send().await.unwrap();
        }
        let list = || s3.list_object_versions().bucket("lake");
        let first = list().max_keys(2).send().await.unwrap();
        let next = list().set_key_marker(first.next_key_marker().map(str::to_owned));
        let next = next.send().await.unwrap();
        let keys: Vec<_> =
            first.versions().iter().chain(next.versions()).filter_map(|v| v.key()).collect();
        assert_eq!(keys, ["a/1", "a/2", "b"]);
        assert_eq!((first.is_truncated(), next.is_truncated()), (Some(true), Some(false)));
        let version = &first.versions()[0];
        assert_eq!((version.version_id(), version.is_latest()), (Some("null"), Some(true)));
        let folder = list().prefix("a/").send().await.unwrap();
        assert_eq!(folder.versions().len(), 2);
        assert_eq!(t.aws.count("ListObjectVersions"), 3);
    }
}

#[tokio::test]
async fn an_upload_says_when_it_began() {
    for t in both().await {
        t.aws.create_bucket("lake");
        let s3 = t.s3();
        s3.create_multipart_upload().bucket("lake").key("k").send().await.unwrap();
        let listed = s3.list_multipart_uploads().bucket("lake").send().await.unwrap();
        assert!(listed.uploads()[0].initiated().is_some());
    }
}

async fn put_encryption(s3: &Client) {
    let by_default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id("k");
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by_default.build().unwrap())
        .bucket_key_enabled(true);
    let configuration = ServerSideEncryptionConfiguration::builder().rules(rule.build());
    let put = s3.put_bucket_encryption().bucket("lake");
    let put = put.server_side_encryption_configuration(configuration.build().unwrap());
    put.send().await.unwrap();
}

async fn put_lifecycle(s3: &Client) {
    let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(3).build();
    let rule = LifecycleRule::builder()
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .abort_incomplete_multipart_upload(abort);
    let configuration = BucketLifecycleConfiguration::builder().rules(rule.build().unwrap());
    let put = s3.put_bucket_lifecycle_configuration().bucket("lake");
    let put = put.lifecycle_configuration(configuration.build().unwrap());
    let varies = TransitionDefaultMinimumObjectSize::VariesByStorageClass;
    put.transition_default_minimum_object_size(varies).send().await.unwrap();
}
