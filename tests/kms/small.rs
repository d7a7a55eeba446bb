//! Small secrets, without a data key.

use waxseal::{EncryptionContext, ErrorKind};

use crate::world::World;
use crate::world::asked;
use crate::world::assert_key_access;

#[tokio::test]
async fn a_small_secret_goes_through_kms_and_back() {
    let world = World::start().await;
    for name in [&*world.arn, "alias/orders", world.arn.rsplit('/').next().unwrap()] {
        let keyring = world.keyring(name);
        world.aws.reset_calls();
        for len in [1, 32, 4096] {
            let secret = vec![0; len];
            let ciphertext = keyring.encrypt(&secret, &world.context).await.unwrap();
            assert!(ciphertext.len() > len);
            let again = keyring.decrypt(&ciphertext, &world.context).await.unwrap();
            assert_eq!(again.expose(), secret, "{len} bytes");
            assert_eq!(world.asked(), [asked("Encrypt", name), asked("Decrypt", name)]);
        }
    }
}

#[tokio::test]
async fn a_small_secret_has_1_to_4096_bytes() {
    let world = World::start().await;
    let keyring = world.keyring(&world.arn);
    world.aws.reset_calls();
    for len in [0, 4097, 100_000] {
        let error = keyring.encrypt(&vec![1; len], &world.context).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{len} bytes: {error}");
        assert!(error.to_string().contains("4096"), "{error}");
    }
    for len in [0, 6145] {
        let error = keyring.decrypt(&vec![1; len], &world.context).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{len} bytes: {error}");
    }
    assert_eq!(world.asked(), [], "KMS is not asked");
    let largest = keyring.encrypt(&[1; 4096], &world.context).await.unwrap();
    assert_eq!(keyring.decrypt(&largest, &world.context).await.unwrap().expose(), [1; 4096]);
    world.aws.fail("Decrypt", 1, crate::world::reply("", &world.arn));
    let error = keyring.decrypt(&largest, &world.context).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Keyring, "a reply without a secret: {error}");
}

#[tokio::test]
async fn a_small_secret_decrypts_under_its_own_key_and_context_only() {
    let world = World::start().await;
    let other = world.aws.create_key("alias/other");
    let keyring = world.keyring(&world.arn);
    let ciphertext = keyring.encrypt(b"secret", &world.context).await.unwrap();
    let mut altered = ciphertext.clone();
    *altered.last_mut().unwrap() ^= 1;
    let rival = EncryptionContext::from([("tenant", "rival")]);
    for error in [
        keyring.decrypt(&altered, &world.context).await.err(),
        keyring.decrypt(&ciphertext, &rival).await.err(),
        keyring.decrypt(&ciphertext, &EncryptionContext::new()).await.err(),
        world.keyring(&other).decrypt(&ciphertext, &world.context).await.err(),
        world.keyring("alias/other").decrypt(&ciphertext, &world.context).await.err(),
    ] {
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(error.to_string().starts_with("the secret does not decrypt"), "{error}");
    }
    world.aws.kms_state().deny(&world.arn);
    let error = keyring.decrypt(&ciphertext, &world.context).await.err().unwrap();
    assert_key_access(&error, &[&world.arn, "AccessDenied"]);
    world.aws.kms_state().allow(&world.arn);
    let opened = keyring.decrypt(&ciphertext, &world.context).await.unwrap();
    assert_eq!(opened.expose(), b"secret");
}
