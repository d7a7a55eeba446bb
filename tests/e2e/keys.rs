//! The states of a KMS key, and the names it goes by.

use aws_sdk_kms::config::Region;
use waxseal::{
    EnvelopeCipher, ErrorKind, KeyRequest, Keyring, KmsDiscoveryKeyring, KmsKeyring, SecretKey,
    WrappedKey,
};

use crate::world::World;

const ELSEWHERE: &str = "eu-west-1";

/// That `name` neither seals nor opens, because of what one of `texts` says.
async fn refuses(world: &World, name: &str, sealed: &[u8], texts: &[&str]) {
    let cipher = EnvelopeCipher::new(KmsKeyring::new(world.kms.clone(), name));
    let opening = cipher.open(sealed, &world.context()).await.map(|_| ());
    let sealing = cipher.seal(b"x", &world.context()).await.map(|_| ());
    for refused in [opening, sealing] {
        let error = refused.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::KeyAccess, "{name}: {error}");
        assert!(texts.iter().any(|text| error.to_string().contains(text)), "{name}: {error}");
    }
}

async fn opens(world: &World, name: &str, sealed: &[u8]) {
    let cipher = EnvelopeCipher::new(KmsKeyring::new(world.kms.clone(), name));
    let opened = cipher.open(sealed, &world.context()).await;
    assert_eq!(&opened.expect(name)[..], b"attack at dawn");
}

async fn sealed(world: &World) -> bytes::Bytes {
    world.cipher().seal(b"attack at dawn", &world.context()).await.unwrap()
}

/// The alias of the key of a world, which no other world has.
async fn alias(world: &World) -> String {
    let alias = format!("alias/{}", world.key_id());
    let create = world.kms.create_alias().alias_name(&alias).target_key_id(&world.key_arn);
    create.send().await.unwrap();
    alias
}

pub(crate) async fn a_disabled_key_is_not_used(world: &World) {
    let (sealed, alias) = (sealed(world).await, alias(world).await);
    world.kms.disable_key().key_id(world.key_id()).send().await.unwrap();
    for name in [&world.key_arn, &alias] {
        // moto 5.2 goes on using it.
        if world.aws().is_some() {
            refuses(world, name, &sealed, &["the key is disabled"]).await;
        }
    }
    world.kms.enable_key().key_id(world.key_id()).send().await.unwrap();
    opens(world, &world.key_arn, &sealed).await;
    opens(world, &alias, &sealed).await;
}

pub(crate) async fn a_key_pending_deletion_is_not_used(world: &World) {
    let (sealed, alias) = (sealed(world).await, alias(world).await);
    world.kms.schedule_key_deletion().key_id(world.key_id()).send().await.unwrap();
    for name in [&world.key_arn, &alias] {
        // moto 5.2 goes on using it.
        if world.aws().is_some() {
            refuses(world, name, &sealed, &["the key is pending deletion"]).await;
        }
    }
    world.kms.cancel_key_deletion().key_id(world.key_id()).send().await.unwrap();
    world.kms.enable_key().key_id(world.key_id()).send().await.unwrap();
    opens(world, &world.key_arn, &sealed).await;
    opens(world, &alias, &sealed).await;
}

pub(crate) async fn a_denied_key_is_not_used(world: &World) {
    let (sealed, alias) = (sealed(world).await, alias(world).await);
    // moto denies nothing, unless it is started to check every identity.
    if let Some(aws) = world.aws() {
        aws.kms_state().deny(&world.key_arn);
        refuses(world, &world.key_arn, &sealed, &["; allow this caller"]).await;
        refuses(world, &alias, &sealed, &["; allow this caller", "; allow kms:DescribeKey"]).await;
        aws.kms_state().allow(&world.key_arn);
    }
    opens(world, &world.key_arn, &sealed).await;
    opens(world, &alias, &sealed).await;
}

pub(crate) async fn a_key_that_is_not_there_is_not_found(world: &World) {
    let missing = "00000000-0000-4000-8000-000000000000";
    let arn = world.key_arn.replace(world.key_id(), missing);
    let wrapped = [WrappedKey::new("aws-kms", &*arn, [1; 100]).unwrap()];
    let context = world.context();
    let request = KeyRequest::new(&context);
    for name in [missing, &*arn, "alias/not-there"] {
        let keyring = KmsKeyring::new(world.kms.clone(), name);
        for (what, error) in [
            ("generate", keyring.generate_data_key(&request).await.err()),
            ("unwrap", keyring.unwrap_data_key(&wrapped, &request).await.err()),
            ("encrypt", keyring.encrypt(b"x", &context).await.err()),
            ("without plaintext", keyring.generate_wrapped(&context).await.err()),
        ] {
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::KeyAccess, "{what}, {name}: {error}");
            let text = error.to_string();
            assert!(text.contains("the key is not found"), "{what}, {name}: {text}");
            assert!(text.contains(name), "{what}, {name}: {text}");
        }
    }
    opens(world, &world.key_arn, &sealed(world).await).await;
}

pub(crate) async fn a_key_of_another_region_is_not_used(world: &World) {
    let (sealed, alias) = (sealed(world).await, alias(world).await);
    let config = world.kms.config().to_builder().region(Region::from_static(ELSEWHERE));
    let elsewhere = aws_sdk_kms::Client::from_conf(config.build());
    let id = world.key_id();
    let context = world.context();
    for (name, texts) in [
        (&*world.key_arn, ["use a client of its Region"; 2]),
        (id, ["sealed under", "the key is not found"]),
        (&alias, ["sealed under", "the key is not found"]),
    ] {
        let cipher = EnvelopeCipher::new(KmsKeyring::new(elsewhere.clone(), name));
        let opening = cipher.open(&sealed, &context).await.map(|_| ());
        let sealing = cipher.seal(b"x", &context).await.map(|_| ());
        for (refused, text) in [opening, sealing].into_iter().zip(texts) {
            let error = refused.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::KeyAccess, "{name}: {error}");
            assert!(error.to_string().contains(text), "{name}: {error}");
        }
        opens(world, name, &sealed).await;
    }
}

pub(crate) async fn an_alias_that_moved_seals_under_its_new_key(world: &World) {
    let (old, alias) = (sealed(world).await, alias(world).await);
    let next = world.kms.create_key().send().await.unwrap();
    let next = next.key_metadata().unwrap().arn().unwrap().to_owned();
    let cipher = EnvelopeCipher::new(KmsKeyring::new(world.kms.clone(), &alias));
    cipher.open(&old, &world.context()).await.unwrap();
    let moved = world.kms.update_alias().alias_name(&alias).target_key_id(&next);
    moved.send().await.unwrap();
    let new = cipher.seal(b"attack at dawn", &world.context()).await.unwrap();
    for name in [&alias, &next] {
        opens(world, name, &new).await;
    }
    cipher.open(&new, &world.context()).await.unwrap();
    let error = cipher.open(&old, &world.context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess, "{error}");
    let text = error.to_string();
    assert!(text.contains(&world.key_arn) && text.contains(&next), "{text}");
    opens(world, &world.key_arn, &old).await;
}

pub(crate) async fn a_replica_opens_what_its_primary_sealed(world: &World) {
    let made = world.kms.create_key().multi_region(true).send().await.unwrap();
    let arn = made.key_metadata().unwrap().arn().unwrap().to_owned();
    let id = arn.rsplit('/').next().unwrap();
    world.kms.replicate_key().key_id(id).replica_region(ELSEWHERE).send().await.unwrap();
    let config = world.kms.config().to_builder().region(Region::from_static(ELSEWHERE));
    let elsewhere = aws_sdk_kms::Client::from_conf(config.build());
    let here = EnvelopeCipher::new(KmsKeyring::new(world.kms.clone(), &arn));
    let there = EnvelopeCipher::new(KmsKeyring::new(elsewhere, &arn));
    let context = world.context();
    for (sealer, opener) in [(&here, &there), (&there, &here), (&there, &there)] {
        let sealed = sealer.seal(b"x", &context).await.unwrap();
        // moto 5.2 cannot decrypt under any multi-Region key, not even at home.
        if world.aws().is_some() {
            assert_eq!(&opener.open(&sealed, &context).await.unwrap()[..], b"x");
        }
    }
}

pub(crate) async fn every_kind_of_wrapped_key_unwraps(world: &World) {
    let context = world.context();
    let request = KeyRequest::new(&context);
    let alias = alias(world).await;
    let account = world.key_arn.split(':').nth(4).unwrap();
    let discovery = KmsDiscoveryKeyring::new(world.kms.clone(), "aws", [account]).unwrap();
    for name in [&*world.key_arn, world.key_id(), &alias] {
        let keyring = KmsKeyring::new(world.kms.clone(), name).grant_tokens(["none"]);
        let key = SecretKey::random().unwrap();
        let others = keyring.wrap_data_key(&key, &request).await.unwrap();
        let ahead = [keyring.generate_wrapped(&context).await.unwrap()];
        let fresh = keyring.generate_data_key(&request).await.unwrap();
        for wrapped in [&others[..], &ahead, fresh.wrapped()] {
            assert_eq!(wrapped[0].key_id(), Some(&*world.key_arn));
            let opened = keyring.unwrap_data_key(wrapped, &request).await.unwrap();
            let again = discovery.unwrap_data_key(wrapped, &request).await.unwrap();
            assert_eq!(opened.expose(), again.expose());
        }
        let opened = keyring.unwrap_data_key(&others, &request).await.unwrap();
        assert_eq!(opened.expose(), key.expose());
        let small = keyring.encrypt(&[7; 4096], &context).await.unwrap();
        assert_eq!(keyring.decrypt(&small, &context).await.unwrap().expose(), [7; 4096]);
        let rival = waxseal::EncryptionContext::from([("tenant", "rival")]);
        let refused = keyring.decrypt(&small, &rival).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Authentication, "{refused}");
    }
}
