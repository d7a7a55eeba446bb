//! Opening under whichever key sealed, within named accounts.

use waxseal::{
    EnvelopeCipher, ErrorKind, Format, KeyRequest, Keyring as _, KmsDiscoveryKeyring, SecretKey,
    WrappedKey,
};
use waxseal_testkit::Fault;

use crate::world::World;
use crate::world::asked;
use crate::world::assert_key_access;
use crate::world::reply;
use crate::world::with_other_id;

const ACCOUNT: &str = "111122223333";

impl World {
    fn discovery(&self) -> KmsDiscoveryKeyring {
        KmsDiscoveryKeyring::new(self.aws.kms(), "aws", [ACCOUNT]).unwrap()
    }
}

#[tokio::test]
async fn it_opens_what_any_key_of_its_accounts_sealed() {
    let world = World::start().await;
    let other = world.aws.create_key("alias/other");
    let accounts = ["999999999999", ACCOUNT];
    let keyring = KmsDiscoveryKeyring::new(world.aws.kms(), "aws", accounts).unwrap();
    let reader = EnvelopeCipher::new(keyring);
    for name in [&*world.arn, "alias/orders", &*other, "alias/other"] {
        let sealed = world.cipher(name).seal(b"x", &world.context).await.unwrap();
        world.aws.reset_calls();
        assert_eq!(&reader.open(&sealed, &world.context).await.unwrap()[..], b"x");
        let arn = if name.contains("other") || name == other { &other } else { &world.arn };
        assert_eq!(world.asked(), [asked("Decrypt", arn)], "the stored key, and only that");
    }
}

/// A KMS that decrypts whatever it is given is not asked about keys outside of the filter.
#[tokio::test]
async fn a_key_outside_of_the_filter_is_not_asked_for() {
    let world = World::start().await;
    let (_, good) = world.generate(&world.arn).await;
    let id = world.arn.rsplit('/').next().unwrap();
    world.decrypt_anything();
    for stored in [
        world.arn.replace(ACCOUNT, "999999999999"),
        world.arn.replace(ACCOUNT, "11112222333"),
        world.arn.replace(ACCOUNT, "1111222233334"),
        world.arn.replace(ACCOUNT, ""),
        world.arn.replace("arn:aws:", "arn:aws-cn:"),
        world.arn.replace("us-east-1", "eu-west-1"),
        world.arn.replace("key/", "alias/"),
        world.arn.replace(":kms:", ":s3:"),
        world.arn.replace("us-east-1", "us-east-1:111122223333:x"),
        format!("{}:1", world.arn),
        id.to_owned(),
        "alias/orders".to_owned(),
    ] {
        world.aws.reset_calls();
        let theirs = WrappedKey::new("aws-kms", &*stored, [1; 100]).unwrap();
        let error = world.refusal(&world.discovery(), &[theirs]).await;
        assert_key_access(&error, &[&stored, "partition aws", ACCOUNT, "us-east-1"]);
        assert_eq!(world.asked(), [], "{stored}");
    }
    let local = WrappedKey::new("local", &*world.arn, [1; 60]).unwrap();
    world.refusal(&world.discovery(), &[local]).await;
    assert_eq!(world.asked(), [], "another kind of keyring");
    world.aws.clear_faults();
    world.unwrap(&world.discovery(), &[good]).await.unwrap();
}

#[tokio::test]
async fn a_reply_with_another_key_is_refused() {
    let world = World::start().await;
    let (key, wrapped) = world.generate(&world.arn).await;
    let wrapped = [wrapped];
    let plaintext = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let elsewhere = world.arn.replace("us-east-1", "eu-west-1");
    for lie in ["", "alias/orders", &*with_other_id(&world.arn), &*elsewhere] {
        world.aws.fail("Decrypt", 1, reply(plaintext, lie));
        let error = world.refusal(&world.discovery(), &wrapped).await;
        assert_eq!(error.kind(), ErrorKind::Authentication, "{lie}: {error}");
    }
    let opened = world.unwrap(&world.discovery(), &wrapped).await.unwrap();
    assert_eq!(opened.expose(), key.expose());
}

/// The one-shot layout names no key, so the filter could not hold.
#[tokio::test]
async fn what_names_no_key_is_refused() {
    let world = World::start().await;
    let writer = world.cipher(&world.arn).format(Format::OneShot);
    let (metadata, body) = writer.seal_with_metadata("x", &world.context).await.unwrap();
    let pairs = || metadata.iter().map(|(name, value)| (&**name, &**value));
    let body = body.collect().await.unwrap();
    let reader = EnvelopeCipher::new(world.discovery()).format(Format::OneShot);
    world.aws.reset_calls();
    let opened = reader.open_with_metadata(pairs(), body.clone(), &world.context).await;
    assert_key_access(&opened.unwrap_err(), &["unnamed"]);
    assert_eq!(world.asked(), []);
    assert!(writer.open_with_metadata(pairs(), body, &world.context).await.is_ok());
}

#[tokio::test]
async fn a_multi_region_key_is_asked_for_in_the_region_of_the_client() {
    let world = World::start().await;
    let made = world.aws.kms().create_key().multi_region(true).send().await.unwrap();
    let here = made.key_metadata().unwrap().arn().unwrap().to_owned();
    let there = here.replace("us-east-1", "eu-west-1");
    let replicate = world.aws.kms().replicate_key().key_id(&here).replica_region("eu-west-1");
    replicate.send().await.unwrap();
    let (key, multi) = world.generate(&here).await;
    let (_, single) = world.generate(&world.arn).await;
    let keyring = KmsDiscoveryKeyring::new(world.kms_in("eu-west-1"), "aws", [ACCOUNT]).unwrap();
    world.aws.reset_calls();
    let opened = world.unwrap(&keyring, &[single.clone(), multi]).await.unwrap();
    assert_eq!(opened.expose(), key.expose());
    assert_eq!(world.asked(), [asked("Decrypt", &there)]);
    assert_key_access(&world.refusal(&keyring, &[single]).await, &[&world.arn]);
    assert_eq!(world.asked(), []);
}

/// A key that does not let the caller in does not keep the next from being tried; once each.
#[tokio::test]
async fn each_key_is_asked_once() {
    let world = World::start().await;
    let denied = world.aws.create_key("alias/denied");
    let (_, theirs) = world.generate(&denied).await;
    let (key, good) = world.generate(&world.arn).await;
    world.aws.kms_state().deny(&denied);
    let altered = WrappedKey::new("aws-kms", &*world.arn, [1; 100]).unwrap();
    world.aws.reset_calls();
    let all = [altered.clone(), theirs.clone(), good.clone()];
    let opened = world.unwrap(&world.discovery(), &all).await.unwrap();
    assert_eq!(opened.expose(), key.expose());
    assert_eq!(world.aws.calls().len(), 3);
    let error = world.refusal(&world.discovery(), &[altered, theirs]).await;
    assert_key_access(&error, &[&denied, "AccessDenied"]);
    let many = vec![WrappedKey::new("aws-kms", &*world.arn, [1; 100]).unwrap(); 16];
    world.aws.reset_calls();
    world.refusal(&world.discovery(), &many).await;
    assert_eq!(world.aws.calls().len(), 16);
    // What is not about the key is not asked again with the next.
    world.aws.fail("Decrypt", 10, Fault::Drop);
    world.aws.reset_calls();
    let error = world.refusal(&world.discovery(), &[good.clone(), good]).await;
    assert_eq!(error.kind(), ErrorKind::Keyring, "{error}");
    assert_eq!(world.aws.calls().len(), 3, "the SDK's own attempts");
}

#[tokio::test]
async fn it_seals_nothing() {
    let world = World::start().await;
    let request = KeyRequest::new(&world.context);
    let keyring = world.discovery();
    world.aws.reset_calls();
    let key = SecretKey::random().unwrap();
    let errors = [
        keyring.generate_data_key(&request).await.err(),
        keyring.wrap_data_key(&key, &request).await.err(),
    ];
    for error in errors {
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("KmsKeyring"), "{error}");
    }
    assert_eq!(world.asked(), []);
}

#[tokio::test]
async fn it_needs_accounts() {
    let world = World::start().await;
    for (partition, accounts) in [
        ("aws", &[][..]),
        ("", &[ACCOUNT]),
        ("aws", &[""]),
        ("aws", &["*"]),
        ("aws", &[ACCOUNT, "1111-2222-3333"]),
    ] {
        let made = KmsDiscoveryKeyring::new(world.aws.kms(), partition, accounts.to_vec());
        let kind = made.err().map(|e| e.kind());
        assert_eq!(kind, Some(ErrorKind::InvalidInput), "{partition} {accounts:?}");
    }
    assert!(KmsDiscoveryKeyring::new(world.aws.kms(), "aws", [ACCOUNT]).is_ok());
}
