//! Replies of a KMS that lies, or of something between it and us.

use waxseal::{ErrorKind, KeyRequest, Keyring as _};
use waxseal_testkit::Fault;

use crate::world::World;
use crate::world::reply;
use crate::world::with_other_id;

#[tokio::test]
async fn a_reply_with_another_key_or_length_is_refused() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    let arn = world.arn.clone();
    let other = with_other_id(&arn);
    let elsewhere = arn.replace("us-east-1", "eu-west-1");
    let id = arn.rsplit('/').next().unwrap();
    let of = |len: usize, byte: u8| base64(&vec![byte; len]);
    for (plaintext, key_id) in [
        (of(32, 1), ""),
        (of(32, 1), &*other),
        (of(32, 1), &*elsewhere),
        (of(32, 1), "alias/orders"),
        (of(32, 1), id),
        (of(32, 1), "two\nlines"),
        (of(31, 1), &*arn),
        (of(33, 1), &*arn),
        (of(0, 1), &*arn),
        (of(32, 0), &*arn),
    ] {
        let why = format!("{} {key_id}", plaintext.len());
        for name in [&*arn, id] {
            for operation in ["Decrypt", "GenerateDataKey"] {
                world.aws.fail(operation, 1, reply(&plaintext, key_id));
            }
            let opening = world.open(name, &sealed).await.unwrap_err();
            let sealing = world.cipher(name).seal(b"x", &world.context).await.unwrap_err();
            for error in [opening, sealing] {
                let kinds = [ErrorKind::Authentication, ErrorKind::Keyring];
                assert!(kinds.contains(&error.kind()), "{why}: {error}");
                assert!(!error.to_string().contains('\n'), "{why}: {error}");
            }
        }
    }
    // An honest length and key, but not the key that sealed: the header notices.
    world.aws.fail("Decrypt", 1, reply(&of(32, 1), &arn));
    let error = world.open(&world.arn, &sealed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(world.open(&world.arn, &sealed).await.is_ok());
}

/// The key that a reply names is checked for every operation, however the key was named to KMS.
#[tokio::test]
async fn each_operation_refuses_a_reply_with_another_key() {
    let world = World::start().await;
    let (key, wrapped) = world.generate(&world.arn).await;
    let request = KeyRequest::new(&world.context);
    let secret = world.keyring(&world.arn).encrypt(b"x", &world.context).await.unwrap();
    let id = world.arn.rsplit('/').next().unwrap();
    let elsewhere = world.arn.replace("us-east-1", "eu-west-1");
    for name in [&*world.arn, id, "alias/orders"] {
        for lie in ["", "alias/orders", id, &*elsewhere, &*with_other_id(&world.arn)] {
            if name == "alias/orders" && lie == with_other_id(&world.arn) {
                continue; // An alias may mean that key.
            }
            world.aws.on_request({
                let lie = lie.to_owned();
                move |call| {
                    (call.operation != "DescribeKey").then(|| reply(&base64(&[1; 32]), &lie))
                }
            });
            let keyring = world.keyring(name);
            let errors = [
                ("GenerateDataKey", keyring.generate_data_key(&request).await.err()),
                ("Encrypt", keyring.wrap_data_key(&key, &request).await.err()),
                ("Decrypt", world.unwrap(&keyring, std::slice::from_ref(&wrapped)).await.err()),
                ("WithoutPlaintext", keyring.generate_wrapped(&world.context).await.err()),
                ("small Encrypt", keyring.encrypt(b"x", &world.context).await.err()),
                ("small Decrypt", keyring.decrypt(&secret, &world.context).await.err()),
            ];
            for (operation, error) in errors {
                let kind = error.map(|e| e.kind());
                assert_eq!(kind, Some(ErrorKind::Authentication), "{operation}, {name}: {lie}");
            }
        }
        world.aws.clear_faults();
        let keyring = world.keyring(name);
        world.unwrap(&keyring, std::slice::from_ref(&wrapped)).await.unwrap();
        keyring.decrypt(&secret, &world.context).await.unwrap();
    }
}

/// A reply that does not parse may hold the key all the same: no error keeps it.
#[tokio::test]
async fn a_broken_reply_leaves_no_key_in_the_error() {
    let world = World::start().await;
    let key = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";
    let body = format!(r#"{{"Plaintext":"{key}","KeyId":"{}","CiphertextBlob":"!"}}"#, world.arn);
    let content_type = "application/x-amz-json-1.1";
    for operation in ["GenerateDataKey", "Decrypt"] {
        let body = if operation == "Decrypt" { format!("{body} }}") } else { body.clone() };
        world.aws.fail(operation, 10, Fault::Reply { status: 200, content_type, body });
    }
    let sealing = world.cipher(&world.arn).seal(b"x", &world.context).await.unwrap_err();
    world.aws.clear_faults();
    let sealed = world.sealed().await;
    let body = format!("{body} }}");
    world.aws.fail("Decrypt", 10, Fault::Reply { status: 200, content_type, body });
    let opening = world.open(&world.arn, &sealed).await.unwrap_err();
    for error in [sealing, opening] {
        let mut text = format!("{error:?} {error}");
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text += &format!("{error:?} {error}");
            source = error.source();
        }
        assert!(!text.contains(&key[..8]), "{text}");
        assert!(text.contains(&world.arn), "{text}");
    }
}

/// Standard Base64, as JSON carries bytes.
fn base64(bytes: &[u8]) -> String {
    <base64ct::Base64 as base64ct::Encoding>::encode_string(bytes)
}
