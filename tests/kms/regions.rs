//! Keys of one Region, and multi-Region keys in two.

use waxseal::{EnvelopeCipher, KmsKeyring, WrappedKey};

use crate::world::World;
use crate::world::asked;
use crate::world::assert_key_access;

const HERE: &str = "us-east-1";
const THERE: &str = "eu-west-1";

/// A multi-Region key with a replica: its ARNs here and there.
async fn replicated(world: &World) -> (String, String) {
    let made = world.aws.kms().create_key().multi_region(true).send().await.unwrap();
    let here = made.key_metadata().unwrap().arn().unwrap().to_owned();
    let replicate = world.aws.kms().replicate_key().key_id(&here).replica_region(THERE);
    replicate.send().await.unwrap();
    (here.clone(), here.replace(HERE, THERE))
}

fn cipher(world: &World, region: &'static str, name: &str) -> EnvelopeCipher {
    EnvelopeCipher::new(KmsKeyring::new(world.kms_in(region), name))
}

#[tokio::test]
async fn what_was_sealed_in_one_region_opens_in_another() {
    let world = World::start().await;
    let (here, there) = replicated(&world).await;
    let id = here.rsplit('/').next().unwrap();
    for (region, arn) in [(HERE, &*here), (THERE, &*there)] {
        let alias = world.kms_in(region).create_alias().alias_name("alias/shared");
        alias.target_key_id(arn).send().await.unwrap();
    }
    let alias_there = there.replace(&format!("key/{id}"), "alias/shared");
    for sealer in [&*here, &*there, id, "alias/shared"] {
        world.aws.reset_calls();
        let sealed = cipher(&world, HERE, sealer).seal(b"x", &world.context).await.unwrap();
        let named = if sealer == there { &here } else { sealer };
        assert_eq!(world.asked(), [asked("GenerateDataKey", named)]);
        for reader in [&*here, &*there, id, "alias/shared", &*alias_there] {
            let reading = cipher(&world, THERE, reader);
            world.aws.reset_calls();
            let opened = reading.open(&sealed, &world.context).await;
            assert_eq!(&opened.unwrap()[..], b"x", "{sealer} for {reader}");
            let named = if reader == id { id } else { &there };
            let decrypt = asked("Decrypt", named);
            assert_eq!(world.asked().last(), Some(&decrypt), "the replica of this Region");
        }
        assert!(cipher(&world, HERE, &here).open(&sealed, &world.context).await.is_ok());
    }
}

#[tokio::test]
async fn a_replica_is_not_another_key_nor_in_a_region_without_one() {
    let world = World::start().await;
    let (here, there) = replicated(&world).await;
    let (other, _) = replicated(&world).await;
    let sealed = cipher(&world, HERE, &here).seal(b"x", &world.context).await.unwrap();
    world.aws.reset_calls();
    for name in [&*other, &*here.replace("111122223333", "999999999999")] {
        let error = cipher(&world, THERE, name).open(&sealed, &world.context).await.unwrap_err();
        assert_key_access(&error, &[&here]);
    }
    assert_eq!(world.asked(), [], "a key that is not configured");
    let elsewhere = cipher(&world, "ap-south-1", &here);
    let error = elsewhere.open(&sealed, &world.context).await.unwrap_err();
    assert_key_access(&error, &["NotFoundException", "ap-south-1", "Region"]);
    assert!(cipher(&world, THERE, &there).open(&sealed, &world.context).await.is_ok());
}

/// The replica that was asked for must be the one that answers.
#[tokio::test]
async fn a_reply_from_another_replica_is_refused() {
    let world = World::start().await;
    let (here, there) = replicated(&world).await;
    let (_, wrapped) = world.generate(&here).await;
    let wrapped = [wrapped];
    for name in [&*here, here.rsplit('/').next().unwrap()] {
        let keyring = KmsKeyring::new(world.kms_in(THERE), name);
        let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
        world.aws.fail("Decrypt", 1, crate::world::reply(key, &here));
        let error = world.refusal(&keyring, &wrapped).await;
        assert_eq!(error.kind(), waxseal::ErrorKind::Authentication, "{error}");
        world.aws.fail("Decrypt", 1, crate::world::reply(key, &there));
        assert!(world.unwrap(&keyring, &wrapped).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_of_one_region_is_used_in_no_other() {
    let world = World::start().await;
    let arn = &*world.arn;
    let id = arn.rsplit('/').next().unwrap();
    let sealed = world.sealed().await;
    world.aws.reset_calls();
    let alias_arn = arn.replace(&format!("key/{id}"), "alias/orders");
    for name in [arn, &*alias_arn] {
        let there = cipher(&world, THERE, name);
        let opening = there.open(&sealed, &world.context).await.unwrap_err();
        let sealing = there.seal(b"x", &world.context).await.unwrap_err();
        for error in [opening, sealing] {
            assert_key_access(&error, &[name, THERE, "use a client of its Region"]);
        }
    }
    for name in [id, "alias/orders"] {
        let there = cipher(&world, THERE, name);
        let error = there.open(&sealed, &world.context).await.unwrap_err();
        assert_key_access(&error, &[name, arn, THERE]);
    }
    assert_eq!(world.asked(), [], "what is in another Region is not asked for");
    assert!(world.open(arn, &sealed).await.is_ok());
    // A client without a Region calls nobody.
    let config = world.aws.kms_config().region(None).build();
    let keyring = KmsKeyring::new(aws_sdk_kms::Client::from_conf(config), arn);
    world.aws.reset_calls();
    let stored = WrappedKey::new("aws-kms", arn, [1; 100]).unwrap();
    assert_key_access(&world.refusal(&keyring, &[stored]).await, &["Region"]);
    assert_eq!(world.asked(), []);
}
