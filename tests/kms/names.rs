//! Which key a name means, and that no stored name can change it.

use waxseal::{ErrorKind, KeyRequest, Keyring as _, KmsKeyring, WrappedKey};
use waxseal_testkit::{Fault, LocalAws};

use crate::world::World;
use crate::world::asked;
use crate::world::assert_key_access;
use crate::world::reply;
use crate::world::with_other_id;

/// An object cannot make a reader use another key, nor ask KMS about it.
#[tokio::test]
async fn a_stored_key_is_only_matched_against_the_configured_one() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    let other = world.aws.create_key("alias/other");
    world.aws.reset_calls();
    for configured in [&*other, other.rsplit('/').next().unwrap()] {
        let error = world.open(configured, &sealed).await.unwrap_err();
        assert_key_access(&error, &[&world.arn, configured]);
    }
    assert_eq!(world.asked(), [], "no call for a key that is not configured");
    let error = world.open("alias/other", &sealed).await.unwrap_err();
    assert_key_access(&error, &[&world.arn, &other, "alias/other"]);
    assert_eq!(world.asked(), [asked("DescribeKey", "alias/other")], "nor for one of an alias");
    assert!(world.open("alias/orders", &sealed).await.is_ok());
}

/// An attacker wraps a key of their own under their own KMS key, which lets everybody decrypt.
#[tokio::test]
async fn a_kms_that_decrypts_for_the_attacker_is_not_asked() {
    let world = World::start().await;
    let arn = &*world.arn;
    let id = arn.rsplit('/').next().unwrap();
    let alias_arn = arn.replace(&format!("key/{id}"), "alias/orders");
    world.decrypt_anything();
    for configured in [arn, id, "alias/orders", &*alias_arn] {
        let keyring = world.keyring(configured);
        // Asked for beforehand, so that what is counted is not DescribeKey.
        keyring.generate_data_key(&KeyRequest::new(&world.context)).await.unwrap();
        world.aws.reset_calls();
        for stored in [
            with_other_id(arn),
            arn.replace("111122223333", "999999999999"),
            arn.replace("us-east-1", "eu-west-1"),
            arn.replace("arn:aws:", "arn:aws-cn:"),
            arn.replace(":kms:", ":s3:"),
            arn.replace("key/", "alias/"),
            arn.replace(id, "mrk-1234"),
            format!("{arn}:1"),
            format!("{arn}0"),
            arn.to_uppercase(),
            alias_arn.clone(),
            id.to_owned(),
            "alias/orders".to_owned(),
        ] {
            // A short id says nothing about the account: KMS takes it from the caller.
            if configured == id && stored == arn.replace("111122223333", "999999999999") {
                continue;
            }
            if configured == id && stored == arn.replace("arn:aws:", "arn:aws-cn:") {
                continue;
            }
            let theirs = WrappedKey::new("aws-kms", &*stored, [1; 100]).unwrap();
            let error = world.refusal(&keyring, &[theirs]).await;
            assert_key_access(&error, &[&stored]);
            assert_eq!(world.asked(), [], "{configured} reads {stored}");
        }
        // With the ARN of the reader's key beside it, it is that key which KMS is told.
        let theirs = WrappedKey::new("aws-kms", arn, [1; 100]).unwrap();
        let _ = world.unwrap(&keyring, &[theirs]).await;
        let told = world.asked();
        assert!(told == [asked("Decrypt", arn)] || told == [asked("Decrypt", id)], "{told:?}");
    }
    world.aws.clear_faults();
    let sealed = world.sealed().await;
    world.open(&world.arn, &sealed).await.unwrap();
}

/// KMS takes the account of a short id from the caller, so what replies is not what was stored.
#[tokio::test]
async fn a_short_id_of_another_account_is_noticed_in_the_reply() {
    let world = World::start().await;
    let id = world.arn.rsplit('/').next().unwrap();
    let keyring = world.keyring(id);
    let (_, good) = world.generate(id).await;
    for (from, to) in [("111122223333", "999999999999"), ("arn:aws:", "arn:aws-cn:")] {
        let stored = world.arn.replace(from, to);
        let theirs = WrappedKey::new("aws-kms", stored, good.ciphertext()).unwrap();
        let error = world.refusal(&keyring, &[theirs]).await;
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    }
    world.unwrap(&keyring, &[good]).await.unwrap();
}

#[tokio::test]
async fn an_alias_is_asked_for_once() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    let keyring = world.keyring("alias/orders");
    let cipher = waxseal::EnvelopeCipher::new(keyring.clone());
    world.aws.reset_calls();
    // So slow that all of them need it at the same time.
    world.aws.fail("DescribeKey", 3, Fault::Delay(std::time::Duration::from_millis(50)));
    let open = || cipher.open(&sealed, &world.context);
    tokio::try_join!(open(), open(), open()).unwrap();
    world.aws.clear_faults();
    let clone = waxseal::EnvelopeCipher::new(keyring.clone());
    clone.open(&sealed, &world.context).await.unwrap();
    assert_eq!(world.aws.count("DescribeKey"), 1, "for all openings and clones");
    let arn = &*world.arn;
    assert_eq!(world.asked()[1..], vec![asked("Decrypt", arn); 4], "KMS is told the ARN");

    // Whoever seals is told the ARN and need not ask.
    let cipher = world.cipher("alias/orders");
    let sealed = cipher.seal(b"x", &world.context).await.unwrap();
    cipher.open(&sealed, &world.context).await.unwrap();
    assert_eq!(world.asked(), [asked("GenerateDataKey", "alias/orders"), asked("Decrypt", arn)]);
}

#[tokio::test]
async fn an_alias_that_moved_seals_under_its_new_key() {
    let world = World::start().await;
    let (cipher, reader) = (world.cipher("alias/orders"), world.cipher("alias/orders"));
    let old = cipher.seal(b"old", &world.context).await.unwrap();
    reader.open(&old, &world.context).await.unwrap();
    let next = world.aws.create_key("alias/next");
    let moved = world.aws.kms().update_alias().alias_name("alias/orders").target_key_id(&next);
    moved.send().await.unwrap();
    world.aws.reset_calls();

    let new = cipher.seal(b"new", &world.context).await.unwrap();
    assert_eq!(&cipher.open(&new, &world.context).await.unwrap()[..], b"new");
    assert_eq!(world.asked(), [asked("GenerateDataKey", "alias/orders"), asked("Decrypt", &next)]);
    let error = cipher.open(&old, &world.context).await.unwrap_err();
    assert_key_access(&error, &[&world.arn, &next]);
    assert_eq!(world.asked(), [], "the key of the alias is known not to have sealed it");
    assert_eq!(&world.open(&world.arn, &old).await.unwrap()[..], b"old");
    world.aws.reset_calls();

    // A keyring that only opens keeps the key that it was told.
    assert_eq!(&reader.open(&old, &world.context).await.unwrap()[..], b"old");
    let error = reader.open(&new, &world.context).await.unwrap_err();
    assert_key_access(&error, &[&world.arn, &next]);
    assert_eq!(&world.open("alias/orders", &new).await.unwrap()[..], b"new");
}

#[tokio::test]
async fn an_alias_that_may_not_be_described_says_how_to_do_without() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    world.aws.kms_state().deny_operation(&world.arn, "DescribeKey");
    world.aws.reset_calls();
    let error = world.open("alias/orders", &sealed).await.unwrap_err();
    let remedies = ["allow kms:DescribeKey", "or name the key by its ARN"];
    assert_key_access(&error, &["alias/orders", "AccessDenied", remedies[0], remedies[1]]);
    assert_eq!(world.asked(), [asked("DescribeKey", "alias/orders")], "and no Decrypt");
    assert!(world.open(&world.arn, &sealed).await.is_ok(), "that remedy helps");
    // What seals knows the key, and what names no key has nothing to compare.
    let cipher = world.cipher("alias/orders");
    let sealed = cipher.seal(b"x", &world.context).await.unwrap();
    assert!(cipher.open(&sealed, &world.context).await.is_ok());
    let cipher = world.cipher("alias/orders").format(waxseal::Format::OneShot);
    let (metadata, body) = cipher.seal_with_metadata("x", &world.context).await.unwrap();
    let pairs = metadata.iter().map(|(name, value)| (&**name, &**value));
    let body = body.collect().await.unwrap();
    let reader = world.cipher("alias/orders").format(waxseal::Format::OneShot);
    world.aws.reset_calls();
    let opened = reader.open_with_metadata(pairs, body, &world.context).await;
    assert!(opened.is_ok(), "{:?}", opened.err());
    assert_eq!(world.asked(), [asked("Decrypt", "alias/orders")]);
}

/// A failed question is asked again by the next who needs the answer.
#[tokio::test]
async fn a_failed_description_is_not_remembered() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    let cipher = world.cipher("alias/orders");
    world.aws.fail("DescribeKey", 1, Fault::kms_error(400, "AccessDeniedException"));
    assert!(cipher.open(&sealed, &world.context).await.is_err());
    assert!(cipher.open(&sealed, &world.context).await.is_ok());
}

/// Region, account and partition of an alias ARN must be those of the key that KMS says it means.
#[tokio::test]
async fn an_alias_arn_means_a_key_of_its_own_account_and_region() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    let alias = "arn:aws:kms:us-east-1:111122223333:alias/orders";
    for (from, to) in [
        ("111122223333", "999999999999"),
        ("us-east-1", "eu-west-1"),
        ("arn:aws:", "arn:aws-cn:"),
        ("key/", "alias/"),
    ] {
        let wrong = world.arn.replace(from, to);
        world.aws.fail("DescribeKey", 1, reply("AAAA", &wrong));
        world.aws.reset_calls();
        let error = world.open(alias, &sealed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(error.to_string().contains(&wrong), "{error}");
        assert_eq!(world.asked(), [asked("DescribeKey", alias)], "and no Decrypt");
    }
    assert!(world.open(alias, &sealed).await.is_ok());
    world.aws.reset_calls();
    // An alias of another account costs not even that.
    let theirs = alias.replace("111122223333", "999999999999");
    let error = world.open(&theirs, &sealed).await.unwrap_err();
    assert_key_access(&error, &[&theirs, &world.arn]);
    assert_eq!(world.asked(), []);
}

/// A stored name of another kind of keyring, or none that KMS could know, is not for KMS.
#[tokio::test]
async fn wrapped_keys_of_other_keyrings_cost_no_call() {
    let world = World::start().await;
    let aws: &LocalAws = &world.aws;
    let foreign = WrappedKey::new("local", &*world.arn, [1; 60]).unwrap();
    for configured in [&*world.arn, "alias/orders"] {
        aws.reset_calls();
        let keyring = KmsKeyring::new(aws.kms(), configured);
        let error = world.refusal(&keyring, std::slice::from_ref(&foreign)).await;
        assert_key_access(&error, &["local"]);
        assert_eq!(world.asked(), []);
    }
}
