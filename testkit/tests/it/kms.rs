//! The KMS through clients of the real SDK, over both transports.

use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use aws_sdk_kms::types::EncryptionAlgorithmSpec;
use aws_sdk_kms::types::KeyState;
use aws_sdk_kms::types::KeyUsageType;
use aws_sdk_kms::types::MultiRegionKeyType;
use aws_sdk_kms::types::Tag;

use waxseal_testkit::kms::Kms;

use crate::transport::both;

#[tokio::test]
async fn a_data_key_decrypts_to_itself() {
    for t in both().await {
        let kms = t.kms();
        let key = t.aws.create_key("alias/demo");
        let made = kms.generate_data_key().key_id("alias/demo").key_spec(DataKeySpec::Aes256);
        let made = made.encryption_context("tenant", "a").send().await.unwrap();
        assert_eq!(made.key_id(), Some(key.as_str()));
        assert_eq!(made.plaintext().unwrap().as_ref().len(), 32);
        assert!(made.request_id().is_some());

        let opened = kms.decrypt().ciphertext_blob(made.ciphertext_blob().unwrap().clone());
        let opened = opened.encryption_context("tenant", "a").send().await.unwrap();
        assert_eq!(opened.plaintext(), made.plaintext());
        assert_eq!(opened.key_id(), Some(key.as_str()));
        assert_eq!(opened.encryption_algorithm(), Some(&EncryptionAlgorithmSpec::SymmetricDefault));
    }
}

#[tokio::test]
async fn data_keys_have_the_length_asked_for() {
    for t in both().await {
        let kms = t.kms();
        t.aws.create_key("alias/demo");
        let made = kms.generate_data_key().key_id("alias/demo").key_spec(DataKeySpec::Aes128);
        assert_eq!(made.send().await.unwrap().plaintext().unwrap().as_ref().len(), 16);
        let made = kms.generate_data_key().key_id("alias/demo").number_of_bytes(1024);
        assert_eq!(made.send().await.unwrap().plaintext().unwrap().as_ref().len(), 1024);
        let made = kms.generate_data_key_without_plaintext().key_id("alias/demo");
        let made = made.key_spec(DataKeySpec::Aes256).send().await.unwrap();
        let opened = kms.decrypt().ciphertext_blob(made.ciphertext_blob().unwrap().clone());
        assert_eq!(opened.send().await.unwrap().plaintext().unwrap().as_ref().len(), 32);
        let random = kms.generate_random().number_of_bytes(7).send().await.unwrap();
        assert_eq!(random.plaintext().unwrap().as_ref().len(), 7);
    }
}

#[tokio::test]
async fn a_key_is_found_by_id_arn_alias_and_alias_arn() {
    for t in both().await {
        let kms = t.kms();
        let arn = t.aws.create_key("alias/demo");
        let id = arn.rsplit('/').next().unwrap();
        let alias_arn = "arn:aws:kms:us-east-1:111122223333:alias/demo";
        for name in [id, &arn, "alias/demo", alias_arn] {
            let sealed = kms.encrypt().key_id(name).plaintext(Blob::new("x")).send().await.unwrap();
            assert_eq!(sealed.key_id(), Some(arn.as_str()));
            let opened =
                kms.decrypt().key_id(name).ciphertext_blob(sealed.ciphertext_blob.unwrap());
            assert_eq!(opened.send().await.unwrap().plaintext().unwrap().as_ref(), b"x");
        }
        for name in ["alias/none", "arn:aws:kms:us-east-1:111122223333:key/none", "none"] {
            assert_eq!(describe_code(&kms, name).await, "NotFoundException", "{name}");
        }
        let elsewhere = arn.replace("us-east-1", "eu-west-1");
        assert_eq!(describe_code(&kms, &elsewhere).await, "NotFoundException");
    }
}

#[tokio::test]
async fn the_encryption_context_must_be_exactly_the_same() {
    for t in both().await {
        let kms = t.kms();
        t.aws.create_key("alias/demo");
        let sealed = kms.encrypt().key_id("alias/demo").plaintext(Blob::new("x"));
        let sealed = sealed.encryption_context("a", "1").encryption_context("b", "2");
        let blob = sealed.send().await.unwrap().ciphertext_blob.unwrap();
        let open = |pairs: &[(&str, &str)]| {
            let mut request = kms.decrypt().ciphertext_blob(blob.clone());
            for (name, value) in pairs {
                request = request.encryption_context(*name, *value);
            }
            request.send()
        };
        open(&[("b", "2"), ("a", "1")]).await.unwrap();
        for wrong in [
            &[][..],
            &[("a", "1")],
            &[("a", "1"), ("b", "3")],
            &[("a", "2"), ("b", "1")],
            &[("a", "1"), ("B", "2")],
            &[("a", "1"), ("b", "2"), ("c", "")],
        ] {
            let error = open(wrong).await.unwrap_err().into_service_error();
            assert!(error.is_invalid_ciphertext_exception(), "{wrong:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_damaged_ciphertext_is_refused() {
    let t = &both().await[0];
    t.aws.create_key("alias/demo");
    let sealed = t.kms().encrypt().key_id("alias/demo").plaintext(Blob::new("x"));
    let sealed = sealed.send().await.unwrap().ciphertext_blob.unwrap().into_inner();
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        let opened = t.kms().decrypt().ciphertext_blob(Blob::new(altered)).send().await;
        assert_eq!(code(opened), "InvalidCiphertextException", "byte {at}");
    }
}

#[tokio::test]
async fn another_key_is_the_incorrect_key() {
    for t in both().await {
        let kms = t.kms();
        t.aws.create_key("alias/a");
        t.aws.create_key("alias/b");
        let sealed = kms.encrypt().key_id("alias/a").plaintext(Blob::new("x"));
        let blob = sealed.send().await.unwrap().ciphertext_blob.unwrap();
        let opened = kms.decrypt().key_id("alias/b").ciphertext_blob(blob.clone()).send().await;
        assert_eq!(code(opened), "IncorrectKeyException");
        let moved = kms.re_encrypt().source_key_id("alias/b").destination_key_id("alias/a");
        assert_eq!(code(moved.ciphertext_blob(blob).send().await), "IncorrectKeyException");
    }
}

#[tokio::test]
async fn a_ciphertext_of_another_account_is_denied() {
    let [a, b] = &both().await[..] else { unreachable!() };
    a.aws.create_key("alias/demo");
    let sealed = a.kms().encrypt().key_id("alias/demo").plaintext(Blob::new("x"));
    let blob = sealed.send().await.unwrap().ciphertext_blob.unwrap();
    let opened = b.kms().decrypt().ciphertext_blob(blob).send().await;
    assert_eq!(code(opened), "AccessDeniedException");
}

#[tokio::test]
async fn re_encrypt_changes_key_and_context() {
    for t in both().await {
        let kms = t.kms();
        let (a, b) = (t.aws.create_key("alias/a"), t.aws.create_key("alias/b"));
        let sealed = kms.encrypt().key_id(&a).plaintext(Blob::new("x"));
        let sealed = sealed.encryption_context("v", "1").send().await.unwrap();
        let moved = kms
            .re_encrypt()
            .ciphertext_blob(sealed.ciphertext_blob.unwrap())
            .source_encryption_context("v", "1")
            .destination_key_id("alias/b")
            .destination_encryption_context("v", "2");
        let moved = moved.send().await.unwrap();
        assert_eq!((moved.source_key_id(), moved.key_id()), (Some(a.as_str()), Some(b.as_str())));
        let opened = kms.decrypt().key_id(&b).encryption_context("v", "2");
        let opened = opened.ciphertext_blob(moved.ciphertext_blob.unwrap()).send().await.unwrap();
        assert_eq!(opened.plaintext().unwrap().as_ref(), b"x");
    }
}

#[tokio::test]
async fn rotation_keeps_old_ciphertexts_readable() {
    for t in both().await {
        let kms = t.kms();
        t.aws.create_key("alias/demo");
        let mut blobs = vec![];
        for round in 0..3_u8 {
            let sealed = kms.encrypt().key_id("alias/demo").plaintext(Blob::new([round]));
            blobs.push(sealed.send().await.unwrap().ciphertext_blob.unwrap());
            kms.rotate_key_on_demand().key_id("alias/demo").send().await.unwrap();
        }
        let mut materials = vec![];
        for (round, blob) in blobs.into_iter().enumerate() {
            let opened = kms.decrypt().ciphertext_blob(blob).send().await.unwrap();
            assert_eq!(usize::from(opened.plaintext().unwrap().as_ref()[0]), round);
            materials.push(opened.key_material_id().unwrap().to_owned());
        }
        materials.dedup();
        assert_eq!(materials.len(), 3);
        let status = kms.get_key_rotation_status().key_id("alias/demo").send().await.unwrap();
        assert!(!status.key_rotation_enabled());
    }
}

#[tokio::test]
async fn a_disabled_key_works_again_once_enabled() {
    for t in both().await {
        let kms = t.kms();
        let key = t.aws.create_key("alias/demo");
        let sealed = kms.encrypt().key_id(&key).plaintext(Blob::new("x")).send().await.unwrap();
        let blob = sealed.ciphertext_blob.unwrap();
        kms.disable_key().key_id(&key).send().await.unwrap();
        assert_eq!(state(&kms, &key).await, KeyState::Disabled);
        let error = kms.decrypt().ciphertext_blob(blob.clone()).send().await.unwrap_err();
        let error = error.into_service_error();
        assert!(error.is_disabled_exception());
        assert_eq!(error.message(), Some(format!("{key} is disabled.").as_str()));
        let made = kms.generate_data_key().key_id(&key).key_spec(DataKeySpec::Aes256).send().await;
        assert_eq!(code(made), "DisabledException");
        let rotated = kms.rotate_key_on_demand().key_id(&key).send().await;
        assert_eq!(code(rotated), "DisabledException");
        kms.enable_key().key_id(&key).send().await.unwrap();
        kms.decrypt().ciphertext_blob(blob).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_key_pending_deletion_is_in_an_invalid_state() {
    for t in both().await {
        let kms = t.kms();
        let key = t.aws.create_key("alias/demo");
        let sealed = kms.encrypt().key_id(&key).plaintext(Blob::new("x")).send().await.unwrap();
        let gone = kms.schedule_key_deletion().key_id(&key).pending_window_in_days(7);
        let gone = gone.send().await.unwrap();
        assert_eq!(gone.key_state(), Some(&KeyState::PendingDeletion));
        assert!(gone.deletion_date().is_some());
        let opened = kms.decrypt().ciphertext_blob(sealed.ciphertext_blob.unwrap()).send().await;
        assert_eq!(code(opened), "KMSInvalidStateException");
        let enabled = kms.enable_key().key_id(&key).send().await;
        assert_eq!(code(enabled), "KMSInvalidStateException");
        kms.cancel_key_deletion().key_id(&key).send().await.unwrap();
        assert_eq!(state(&kms, &key).await, KeyState::Disabled);
        let again = kms.cancel_key_deletion().key_id(&key).send().await;
        assert_eq!(code(again), "KMSInvalidStateException");
    }
}

#[tokio::test]
async fn limits_are_validated() {
    for t in both().await {
        let kms = t.kms();
        t.aws.create_key("alias/demo");
        let seal =
            |len: usize| kms.encrypt().key_id("alias/demo").plaintext(Blob::new(vec![0; len]));
        seal(4096).send().await.unwrap();
        let error = seal(4097).send().await.unwrap_err().into_service_error();
        assert_eq!(error.code(), Some("ValidationException"));
        assert_eq!(
            error.message(),
            Some(
                "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: \
                 Member must have length less than or equal to 4096"
            )
        );
        seal(1).encryption_context("k", "v".repeat(8191)).send().await.unwrap();
        let large = seal(1).encryption_context("k", "v".repeat(8192)).send().await;
        assert_eq!(code(large), "ValidationException");
        let make = || kms.generate_data_key().key_id("alias/demo");
        for request in [
            make(),
            make().number_of_bytes(0),
            make().number_of_bytes(1025),
            make().number_of_bytes(32).key_spec(DataKeySpec::Aes256),
            make().key_spec("AES_192".into()),
        ] {
            assert_eq!(code(request.send().await), "ValidationException");
        }
        let gone = kms.schedule_key_deletion().key_id("alias/demo").pending_window_in_days(6);
        assert_eq!(code(gone.send().await), "ValidationException");
    }
}

#[tokio::test]
async fn a_denied_key_is_refused_until_allowed() {
    for t in both().await {
        let kms = t.kms();
        let key = t.aws.create_key("alias/demo");
        let sealed = kms.encrypt().key_id(&key).plaintext(Blob::new("x")).send().await.unwrap();
        let blob = sealed.ciphertext_blob.unwrap();
        t.aws.kms_state().deny_operation("alias/demo", "Decrypt");
        let opened = kms.decrypt().ciphertext_blob(blob.clone()).send().await;
        assert_eq!(code(opened), "AccessDeniedException");
        kms.encrypt().key_id(&key).plaintext(Blob::new("x")).send().await.unwrap();
        t.aws.kms_state().deny(&key);
        assert_eq!(describe_code(&kms, &key).await, "AccessDeniedException");
        t.aws.kms_state().allow(&key);
        kms.decrypt().ciphertext_blob(blob).send().await.unwrap();
    }
}

#[tokio::test]
async fn keys_keep_what_they_were_made_with() {
    for t in both().await {
        let kms = t.kms();
        let tag = Tag::builder().tag_key("team").tag_value("a").build().unwrap();
        let made =
            kms.create_key().description("for tests").tags(tag.clone()).send().await.unwrap();
        let made = made.key_metadata().unwrap();
        let arn = format!("arn:aws:kms:us-east-1:111122223333:key/{}", made.key_id());
        assert_eq!(made.arn(), Some(arn.as_str()));
        let found = kms.describe_key().key_id(&arn).send().await.unwrap();
        assert_eq!(found.key_metadata(), Some(made));
        assert_eq!(made.description(), Some("for tests"));
        assert_eq!(made.key_usage(), Some(&KeyUsageType::EncryptDecrypt));
        assert!(made.enabled() && made.creation_date().is_some());
        let tags = kms.list_resource_tags().key_id(&arn).send().await.unwrap();
        assert_eq!(tags.tags(), [tag]);
        let signing = kms.create_key().key_usage(KeyUsageType::SignVerify).send().await;
        assert_eq!(code(signing), "UnsupportedOperationException");
    }
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    for t in both().await {
        let kms = t.kms();
        for _ in 0..5 {
            kms.create_key().send().await.unwrap();
        }
        let pages = kms.list_keys().limit(2).into_paginator().send();
        let pages: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
        assert_eq!(pages.iter().map(|page| page.keys().len()).collect::<Vec<_>>(), [2, 2, 1]);
        let wrong = kms.list_keys().marker("nonsense").send().await;
        assert_eq!(code(wrong), "InvalidMarkerException");
    }
}

#[tokio::test]
async fn aliases_are_made_moved_listed_and_deleted() {
    for t in both().await {
        let kms = t.kms();
        let (a, b) = (t.aws.create_key("alias/a"), t.aws.create_key("alias/b"));
        let make = |alias: &str| kms.create_alias().alias_name(alias).target_key_id(&a).send();
        make("alias/more/A-1_2").await.unwrap();
        let error = make("alias/a").await.unwrap_err().into_service_error();
        assert!(error.is_already_exists_exception());
        assert_eq!(
            error.message(),
            Some(
                "An alias with the name arn:aws:kms:us-east-1:111122223333:alias/a already exists"
            )
        );
        assert_eq!(code(make("alias/a:b").await), "InvalidAliasNameException");
        assert_eq!(code(make("name").await), "ValidationException");
        assert_eq!(code(make("alias/aws/s3").await), "NotAuthorizedException");

        let listed = kms.list_aliases().key_id(&a).send().await.unwrap();
        let names: Vec<_> =
            listed.aliases().iter().filter_map(|alias| alias.alias_name()).collect();
        assert_eq!(names, ["alias/a", "alias/more/A-1_2"]);
        kms.update_alias().alias_name("alias/a").target_key_id(&b).send().await.unwrap();
        let found = kms.describe_key().key_id("alias/a").send().await.unwrap();
        assert_eq!(found.key_metadata().unwrap().arn(), Some(b.as_str()));
        kms.delete_alias().alias_name("alias/a").send().await.unwrap();
        assert_eq!(describe_code(&kms, "alias/a").await, "NotFoundException");
        let again = kms.delete_alias().alias_name("alias/a").send().await;
        assert_eq!(code(again), "NotFoundException");
        let moved = kms.update_alias().alias_name("alias/a").target_key_id(&b).send().await;
        assert_eq!(code(moved), "NotFoundException");
        let chained =
            kms.create_alias().alias_name("alias/c").target_key_id("alias/b").send().await;
        assert_eq!(code(chained), "ValidationException");
    }
}

#[tokio::test]
async fn a_replica_opens_what_the_primary_sealed() {
    for t in both().await {
        let (kms, europe) = (t.kms(), t.kms_in("eu-west-1"));
        let made = kms.create_key().multi_region(true).send().await.unwrap();
        let id = made.key_metadata().unwrap().key_id().to_owned();
        assert!(id.starts_with("mrk-"));
        assert_eq!(describe_code(&europe, &id).await, "NotFoundException");
        let copy =
            kms.replicate_key().key_id(&id).replica_region("eu-west-1").send().await.unwrap();
        let copy = copy.replica_key_metadata().unwrap();
        assert_eq!(copy.arn().unwrap(), format!("arn:aws:kms:eu-west-1:111122223333:key/{id}"));
        let regions = copy.multi_region_configuration().unwrap();
        assert_eq!(regions.multi_region_key_type(), Some(&MultiRegionKeyType::Replica));
        assert_eq!(regions.replica_keys().len(), 1);

        kms.rotate_key_on_demand().key_id(&id).send().await.unwrap();
        let sealed = kms.encrypt().key_id(&id).plaintext(Blob::new("x")).send().await.unwrap();
        let opened = europe.decrypt().ciphertext_blob(sealed.ciphertext_blob.unwrap());
        assert_eq!(opened.send().await.unwrap().key_id(), copy.arn());
        let twice = kms.replicate_key().key_id(&id).replica_region("eu-west-1").send().await;
        assert_eq!(code(twice), "AlreadyExistsException");
        let single = t.aws.create_key("alias/demo");
        let copied = kms.replicate_key().key_id(single).replica_region("eu-west-1").send().await;
        assert_eq!(code(copied), "UnsupportedOperationException");
    }
}

#[test]
fn malformed_requests_are_named() {
    let kms = Kms::new();
    let refused = |target: &str, body: &str, code: &str| {
        let (status, reply) = kms.handle(target, body.as_bytes());
        assert_eq!((status, reply.contains(code)), (400, true), "{target} {body}: {reply}");
    };
    refused("TrentService.DeriveSharedSecret", "{}", "UnknownOperationException");
    refused("Other.Decrypt", "{}", "UnknownOperationException");
    refused("TrentService.Decrypt", "[", "SerializationException");
    refused("TrentService.Decrypt", "{\"CiphertextBlob\": \"?\"}", "SerializationException");
    refused("TrentService.Decrypt", "{\"CiphertextBlob\": 1}", "SerializationException");
    refused("TrentService.Decrypt", "{}", "Value null at 'ciphertextBlob'");
    refused("TrentService.Encrypt", "{}", "Value null at 'keyId'");
    refused("TrentService.DescribeKey", "{\"KeyId\": \"\"}", "ValidationException");
}

#[tokio::test]
async fn keys_in_a_data_dir_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || waxseal_testkit::LocalAws::builder().data_dir(dir.path()).start().await;
    let first = start().await.unwrap();
    let key = first.create_key("alias/demo");
    first.kms().rotate_key_on_demand().key_id(&key).send().await.unwrap();
    let sealed = first.kms().encrypt().key_id(&key).plaintext(Blob::new("x")).send().await.unwrap();
    let gone = first.create_key("alias/gone");
    first.kms().schedule_key_deletion().key_id(&gone).send().await.unwrap();
    let before = first.kms().describe_key().key_id(&gone).send().await.unwrap();

    let second = start().await.unwrap();
    assert_eq!(second.create_key("alias/demo"), key);
    let blob = sealed.ciphertext_blob.unwrap();
    second.kms().decrypt().ciphertext_blob(blob).send().await.unwrap();
    let after = second.kms().describe_key().key_id(&gone).send().await.unwrap();
    assert_eq!(after.key_metadata(), before.key_metadata());

    std::fs::write(dir.path().join(".kms.json"), "{").unwrap();
    start().await.unwrap_err();
}

/// The error code of a call that must fail.
fn code<T, E, R>(result: Result<T, SdkError<E, R>>) -> String
where
    T: std::fmt::Debug,
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    result.expect_err("must fail").code().unwrap_or_default().to_owned()
}

async fn describe_code(kms: &Client, key: &str) -> String {
    code(kms.describe_key().key_id(key).send().await)
}

async fn state(kms: &Client, key: &str) -> KeyState {
    let found = kms.describe_key().key_id(key).send().await.unwrap();
    found.key_metadata().unwrap().key_state().unwrap().clone()
}
