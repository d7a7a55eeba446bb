//! The life of keys, through clients of the real SDK, over both transports.

use std::time::Duration;
use std::time::SystemTime;

use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::primitives::DateTime;
use aws_sdk_kms::types::GrantConstraints;
use aws_sdk_kms::types::GrantOperation;
use aws_sdk_kms::types::KeySpec;
use aws_sdk_kms::types::KeyState;
use aws_sdk_kms::types::KeyUsageType;
use aws_sdk_kms::types::RotationType;
use aws_sdk_kms::types::Tag;

use crate::transport::both;

#[tokio::test]
async fn rotation_has_a_period_a_next_date_and_a_past() {
    for t in both().await {
        let kms = t.kms();
        let key = t.aws.create_key("alias/demo");
        let status = async || kms.get_key_rotation_status().key_id(&key).send().await.unwrap();
        assert!(!status().await.key_rotation_enabled());
        assert_eq!(status().await.next_rotation_date(), None);
        kms.enable_key_rotation().key_id(&key).send().await.unwrap();
        assert_eq!(status().await.rotation_period_in_days(), Some(365));
        let enable = |days| kms.enable_key_rotation().key_id(&key).rotation_period_in_days(days);
        enable(90).send().await.unwrap();
        let on = status().await;
        assert!(on.key_rotation_enabled());
        assert_eq!(on.rotation_period_in_days(), Some(90));
        let due = SystemTime::now() + Duration::from_secs(90 * 86_400);
        let off_by = DateTime::from(due).secs() - on.next_rotation_date().unwrap().secs();
        assert!((0..60).contains(&off_by), "{off_by}");
        for days in [89, 2561] {
            assert_eq!(code(enable(days).send().await), "ValidationException");
        }
        enable(2560).send().await.unwrap();
        kms.disable_key_rotation().key_id(&key).send().await.unwrap();
        assert!(!status().await.key_rotation_enabled());

        kms.rotate_key_on_demand().key_id(&key).send().await.unwrap();
        let past = kms.list_key_rotations().key_id(&key).send().await.unwrap();
        let [rotation] = past.rotations() else { panic!("{past:?}") };
        assert_eq!(rotation.rotation_type(), Some(&RotationType::OnDemand));
        for _ in 1..25 {
            kms.rotate_key_on_demand().key_id(&key).send().await.unwrap();
        }
        let refused = kms.rotate_key_on_demand().key_id(&key).send().await;
        assert_eq!(code(refused), "LimitExceededException");
    }
}

#[tokio::test]
async fn only_enabled_symmetric_primaries_rotate() {
    for t in both().await {
        let (kms, europe) = (t.kms(), t.kms_in("eu-west-1"));
        let refused = async |kms: &Client, key: &str, expected: &str| {
            let enable = kms.enable_key_rotation().key_id(key).send().await;
            assert_eq!(code(enable), expected, "{key}");
            let now = kms.rotate_key_on_demand().key_id(key).send().await;
            assert_eq!(code(now), expected, "{key}");
        };
        refused(&kms, &t.aws.create_signing_key("alias/sign"), "UnsupportedOperationException")
            .await;
        let made = kms.create_key().multi_region(true).send().await.unwrap();
        let key = made.key_metadata().unwrap().key_id();
        kms.replicate_key().key_id(key).replica_region("eu-west-1").send().await.unwrap();
        refused(&europe, key, "UnsupportedOperationException").await;
        // What is set at the primary holds for its replicas.
        kms.enable_key_rotation().key_id(key).send().await.unwrap();
        let there = europe.get_key_rotation_status().key_id(key).send().await.unwrap();
        assert!(there.key_rotation_enabled());
        kms.disable_key().key_id(key).send().await.unwrap();
        refused(&kms, key, "DisabledException").await;
        kms.schedule_key_deletion().key_id(key).send().await.unwrap();
        refused(&kms, key, "KMSInvalidStateException").await;
        refused(&kms, "alias/none", "NotFoundException").await;
    }
}

#[tokio::test]
async fn tags_are_replaced_by_name_and_taken_off() {
    for t in both().await {
        let kms = t.kms();
        let key = t.aws.create_key("alias/demo");
        let tag = |name: &str, value: &str| {
            Tag::builder().tag_key(name).tag_value(value).build().unwrap()
        };
        let put = |tag| kms.tag_resource().key_id(&key).tags(tag);
        put(tag("team", "a")).tags(tag("cost", "1")).send().await.unwrap();
        put(tag("team", "b")).send().await.unwrap();
        let listed = kms.list_resource_tags().key_id(&key).send().await.unwrap();
        assert_eq!(listed.tags(), [tag("cost", "1"), tag("team", "b")]);
        kms.untag_resource().key_id(&key).tag_keys("cost").tag_keys("no").send().await.unwrap();
        let listed = kms.list_resource_tags().key_id(&key).send().await.unwrap();
        assert_eq!(listed.tags(), [tag("team", "b")]);
        assert_eq!(code(put(tag("aws:x", "1")).send().await), "TagException");
        assert_eq!(code(put(tag("x", "1")).tags(tag("x", "2")).send().await), "TagException");
        let made = kms.create_key().tags(tag("aws:x", "1")).send().await;
        assert_eq!(code(made), "TagException");
        let many = (0..50).map(|i| tag(&i.to_string(), "")).collect::<Vec<_>>();
        let many = kms.tag_resource().key_id(&key).set_tags(Some(many)).send().await;
        assert_eq!(code(many), "LimitExceededException");
    }
}

#[tokio::test]
async fn a_grant_is_made_once_listed_and_taken_back() {
    for t in both().await {
        let kms = t.kms();
        let key = t.aws.create_key("alias/demo");
        let [alice, bob] =
            ["alice", "bob"].map(|name| format!("arn:aws:iam::111122223333:role/{name}"));
        let subset =
            GrantConstraints::builder().encryption_context_subset("tenant", "acme").build();
        let create = |principal: &str| {
            kms.create_grant()
                .key_id(&key)
                .grantee_principal(principal)
                .operations(GrantOperation::Decrypt)
        };
        let named =
            || create(&alice).name("one").constraints(subset.clone()).retiring_principal(&bob);
        let first = named().send().await.unwrap();
        let again = named().send().await.unwrap();
        assert_eq!(first.grant_id(), again.grant_id());
        assert_ne!(first.grant_token(), again.grant_token());
        let other = create(&bob).send().await.unwrap();
        let third = create(&bob).send().await.unwrap();
        assert_ne!(other.grant_id(), third.grant_id());

        let listed = kms.list_grants().key_id(&key).send().await.unwrap();
        assert_eq!(listed.grants().len(), 3);
        let grant = &listed.grants()[0];
        assert_eq!(grant.grant_id(), first.grant_id());
        assert_eq!(grant.constraints(), Some(&subset));
        assert_eq!(grant.operations(), [GrantOperation::Decrypt]);
        assert_eq!(grant.name(), Some("one"));
        let of_alice = kms.list_grants().key_id(&key).grantee_principal(&alice).send().await;
        assert_eq!(of_alice.unwrap().grants().len(), 1);
        let retirable = kms.list_retirable_grants().retiring_principal(&bob).send().await.unwrap();
        assert_eq!(retirable.grants().len(), 1);

        kms.retire_grant().set_grant_token(again.grant_token).send().await.unwrap();
        let retired = kms.retire_grant().set_grant_token(first.grant_token).send().await;
        assert_eq!(code(retired), "InvalidGrantTokenException");
        let id = other.grant_id.unwrap();
        kms.revoke_grant().key_id(&key).grant_id(&id).send().await.unwrap();
        let revoked = kms.revoke_grant().key_id(&key).grant_id(&id).send().await;
        assert_eq!(code(revoked), "NotFoundException");
        assert_eq!(kms.list_grants().key_id(&key).send().await.unwrap().grants().len(), 1);

        assert_eq!(code(create("alice").send().await), "InvalidArnException");
        let sign = create(&alice).operations(GrantOperation::Sign).send().await;
        assert_eq!(code(sign), "ValidationException");
        kms.disable_key().key_id(&key).send().await.unwrap();
        assert_eq!(code(create(&alice).send().await), "DisabledException");
    }
}

#[tokio::test]
async fn a_key_policy_that_locks_everybody_out_is_refused() {
    for t in both().await {
        let kms = t.kms();
        let key = t.aws.create_key("alias/demo");
        let get = async || kms.get_key_policy().key_id(&key).send().await.unwrap().policy.unwrap();
        let before = get().await;
        assert!(before.contains("arn:aws:iam::111122223333:root"), "{before}");
        let put = |policy: &str| kms.put_key_policy().key_id(&key).policy(policy);
        let policy = |principal: &str, action: &str| {
            format!(
                r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow",
                "Principal": {{"AWS": "{principal}"}}, "Action": "{action}", "Resource": "*"}}}}"#
            )
        };
        let root = "arn:aws:iam::111122223333:root";
        let locks_out = policy("arn:aws:iam::111122223333:role/other", "kms:*");
        let cannot_change = policy(root, "kms:Decrypt");
        for bad in ["", "{", "{}", r#"{"Statement": [{}]}"#, &locks_out, &cannot_change] {
            let code = code(put(bad).send().await);
            assert_eq!(code, "MalformedPolicyDocumentException", "{bad}");
        }
        assert_eq!(get().await, before);
        let made = kms.create_key().policy(&locks_out).send().await;
        assert_eq!(code(made), "MalformedPolicyDocumentException");
        let good = policy(root, "kms:Put*");
        put(&good).send().await.unwrap();
        assert_eq!(get().await, good);
        put(&locks_out).bypass_policy_lockout_safety_check(true).send().await.unwrap();
        assert_eq!(get().await, locks_out);
    }
}

#[tokio::test]
async fn a_primary_waits_for_the_deletion_of_its_replicas() {
    for t in both().await {
        let (kms, europe) = (t.kms(), t.kms_in("eu-west-1"));
        let made = kms.create_key().multi_region(true).send().await.unwrap();
        let key = made.key_metadata().unwrap().key_id();
        let tag = Tag::builder().tag_key("team").tag_value("a").build().unwrap();
        let copy = kms.replicate_key().key_id(key).replica_region("eu-west-1").tags(tag.clone());
        copy.send().await.unwrap();
        let tags = europe.list_resource_tags().key_id(key).send().await.unwrap();
        assert_eq!(tags.tags(), [tag]);
        let scheduled = kms.schedule_key_deletion().key_id(key).send().await.unwrap();
        assert_eq!(scheduled.key_state(), Some(&KeyState::PendingReplicaDeletion));
        assert_eq!(scheduled.deletion_date(), None);
        europe.schedule_key_deletion().key_id(key).send().await.unwrap();
        kms.cancel_key_deletion().key_id(key).send().await.unwrap();
        let found = kms.describe_key().key_id(key).send().await.unwrap();
        assert_eq!(found.key_metadata().unwrap().key_state(), Some(&KeyState::Disabled));
    }
}

#[tokio::test]
async fn an_alias_stays_with_keys_of_its_kind() {
    let t = &both().await[0];
    let kms = t.kms();
    t.aws.create_key("alias/demo");
    let signing = t.aws.create_signing_key("alias/sign");
    let made = kms.create_key().key_spec(KeySpec::Rsa2048).key_usage(KeyUsageType::EncryptDecrypt);
    let rsa = made.send().await.unwrap().key_metadata.unwrap().arn.unwrap();
    for other in [signing, rsa] {
        let moved = kms.update_alias().alias_name("alias/demo").target_key_id(other).send().await;
        assert_eq!(code(moved), "ValidationException");
    }
}

#[tokio::test]
async fn grants_policies_and_rotation_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || waxseal_testkit::LocalAws::builder().data_dir(dir.path()).start().await;
    let first = start().await.unwrap().kms();
    let made = first.create_key().multi_region(true).send().await.unwrap();
    let key = made.key_metadata().unwrap().key_id();
    first.enable_key_rotation().key_id(key).rotation_period_in_days(99).send().await.unwrap();
    first.rotate_key_on_demand().key_id(key).send().await.unwrap();
    first.update_key_description().key_id(key).description("new").send().await.unwrap();
    let grant = first.create_grant().key_id(key).grantee_principal("arn:aws:iam::1:role/x");
    grant.operations(GrantOperation::Encrypt).send().await.unwrap();
    first.replicate_key().key_id(key).replica_region("eu-west-1").send().await.unwrap();
    first.schedule_key_deletion().key_id(key).send().await.unwrap();
    first.cancel_key_deletion().key_id(key).send().await.unwrap();

    let second = start().await.unwrap().kms();
    let status = |kms: Client| kms.get_key_rotation_status().key_id(key).send();
    assert_eq!(status(first.clone()).await.unwrap().rotation_period_in_days(), Some(99));
    let (was, is) = (status(first.clone()).await.unwrap(), status(second.clone()).await.unwrap());
    assert_eq!(is.next_rotation_date(), was.next_rotation_date());
    let past = |kms: Client| kms.list_key_rotations().key_id(key).send();
    let (was, is) = (past(first.clone()).await.unwrap(), past(second.clone()).await.unwrap());
    assert_eq!((is.rotations(), is.rotations().len()), (was.rotations(), 1));
    let grants = |kms: Client| kms.list_grants().key_id(key).send();
    let (was, is) = (grants(first.clone()).await.unwrap(), grants(second.clone()).await.unwrap());
    assert_eq!((is.grants(), is.grants().len()), (was.grants(), 1));
    let policy = |kms: Client| kms.get_key_policy().key_id(key).send();
    let (was, is) = (policy(first).await.unwrap(), policy(second.clone()).await.unwrap());
    assert_eq!(is.policy(), was.policy());
    let found = second.describe_key().key_id(key).send().await.unwrap();
    assert_eq!(found.key_metadata().unwrap().description(), Some("new"));
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
