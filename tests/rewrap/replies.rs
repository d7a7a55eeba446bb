//! Replies to ReEncrypt of a KMS that lies, or of something between it and us.

use serde_json::json;
use waxseal::ErrorKind;
use waxseal_testkit::Fault;

use crate::world::World;

fn reply(source: &str, key: &str, ciphertext: &str) -> Fault {
    let body = json!({ "SourceKeyId": source, "KeyId": key, "CiphertextBlob": ciphertext });
    Fault::Reply { status: 200, content_type: "application/x-amz-json-1.1", body: body.to_string() }
}

#[tokio::test]
async fn a_reply_of_other_keys_is_refused() {
    let world = World::start().await;
    let sealed = world.sealed(world.keyring(&world.old)).await;
    let (old, new) = (&*world.old, &*world.new);
    let third = world.aws.create_key("alias/third");
    let elsewhere = new.replace("us-east-1", "eu-west-1");
    for (source, key, ciphertext) in [
        (&*third, new, "AQID"),
        ("", new, "AQID"),
        ("alias/old", new, "AQID"),
        (old, &*third, "AQID"),
        (old, &*elsewhere, "AQID"),
        (old, old, "AQID"),
        (old, "", "AQID"),
        (old, new, ""),
    ] {
        world.aws.fail("ReEncrypt", 1, reply(source, key, ciphertext));
        let error = world.front(&sealed, &world.rewrap()).await.unwrap_err();
        let kinds = [ErrorKind::Authentication, ErrorKind::Keyring];
        assert!(kinds.contains(&error.kind()), "{source} {key}: {error}");
    }
    world.aws.fail("ReEncrypt", 1, reply(old, new, "AQID"));
    assert!(world.front(&sealed, &world.rewrap()).await.unwrap().is_some(), "the honest one");
}

#[tokio::test]
async fn an_alias_means_the_key_that_it_meant() {
    let world = World::start().await;
    let sealed = world.sealed(world.keyring(&world.old)).await;
    // KMS says that it used another key than the one that the alias is known to mean.
    let third = world.aws.create_key("alias/third");
    let rewrap = waxseal::Rewrap::new(world.keyring("alias/old"), world.keyring("alias/new"));
    world.aws.fail("ReEncrypt", 1, reply(&third, &world.new, "AQID"));
    let error = world.front(&sealed, &rewrap).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(world.front(&sealed, &rewrap).await.unwrap().is_some());
}

#[tokio::test]
async fn a_bare_id_means_the_key_that_is_stored() {
    let world = World::start().await;
    let sealed = world.sealed(world.keyring(&world.old)).await;
    let id = world.old.rsplit('/').next().unwrap();
    let rewrap = waxseal::Rewrap::new(world.keyring(id), world.keyring(&world.new));
    // The same id in another account.
    let elsewhere = world.old.replace(waxseal_testkit::ACCOUNT, "999999999999");
    assert_ne!(elsewhere, world.old);
    world.aws.fail("ReEncrypt", 1, reply(&elsewhere, &world.new, "AQID"));
    let error = world.front(&sealed, &rewrap).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(world.front(&sealed, &rewrap).await.unwrap().is_some());
}
