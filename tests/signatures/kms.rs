//! Signing keys in KMS: what it is asked, what of its replies is believed.

use base64ct::Base64;
use base64ct::Encoding as _;
use bytes::Bytes;
use waxseal::EncryptionContext;
use waxseal::Envelope;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::KmsKeyring;
use waxseal::KmsSigningKey;
use waxseal_testkit::Fault;
use waxseal_testkit::LocalAws;

use crate::people::context;

struct World {
    aws: LocalAws,
    signer: String,
}

impl World {
    async fn start() -> Self {
        let aws = LocalAws::start().await.unwrap();
        aws.create_key("alias/orders");
        let signer = aws.create_signing_key("alias/writers");
        Self { aws, signer }
    }

    fn key(&self, id: &str) -> KmsSigningKey {
        KmsSigningKey::new(self.aws.kms(), id)
    }

    fn cipher(&self) -> EnvelopeCipher {
        let arn = self.aws.create_key("alias/orders"); // found, not made
        EnvelopeCipher::new(KmsKeyring::new(self.aws.kms(), arn))
    }

    async fn seal(&self, signer: &str) -> waxseal::Result<Bytes> {
        self.cipher().sign_with(self.key(signer)).seal(b"x", &context()).await
    }

    /// What came of opening, and KMS's operations for it.
    async fn open(&self, signer: &str, sealed: &[u8]) -> (waxseal::Result<Bytes>, Vec<String>) {
        self.aws.reset_calls();
        let reader = self.cipher().demand_signature(self.key(signer));
        let opened = reader.open(sealed, &EncryptionContext::new()).await;
        (opened, self.aws.calls().into_iter().map(|call| call.operation).collect())
    }
}

#[tokio::test]
async fn sealing_is_one_sign_more_and_opening_one_verify() {
    let world = World::start().await;
    world.aws.reset_calls();
    let sealed = world.seal("alias/writers").await.unwrap();
    let calls = world.aws.calls();
    let operations: Vec<_> = calls.iter().map(|c| c.operation.as_str()).collect();
    assert_eq!(operations, ["GenerateDataKey", "Sign"]);
    let input = &calls[1].input;
    assert_eq!(input["KeyId"], "alias/writers", "KMS is told the configured name");
    assert_eq!(input["MessageType"], "DIGEST");
    assert_eq!(input["SigningAlgorithm"], "ECDSA_SHA_384");
    assert_eq!(Base64::decode_vec(input["Message"].as_str().unwrap()).unwrap().len(), 48);

    let (envelope, _) = Envelope::from_inline(&sealed).unwrap().unwrap();
    let signature = envelope.signature().unwrap();
    assert_eq!((signature.provider(), signature.key_id()), ("aws-kms", world.signer.as_str()));
    let id = world.signer.rsplit('/').next().unwrap();
    for name in ["alias/writers", &*world.signer, id] {
        let (opened, operations) = world.open(name, &sealed).await;
        assert_eq!(opened.unwrap(), &b"x"[..]);
        assert_eq!(operations, ["Verify", "Decrypt"]);
        assert_eq!(world.aws.calls()[0].input["KeyId"], name);
        assert_eq!(world.aws.calls()[0].input["Message"], input["Message"]);
    }
}

#[tokio::test]
async fn a_signature_that_fails_costs_no_decrypt_and_another_signer_no_call_at_all() {
    let world = World::start().await;
    let other = world.aws.create_signing_key("alias/other");
    let (own, rival) =
        (world.seal(&world.signer).await.unwrap(), world.seal(&other).await.unwrap());
    let unsigned = world.cipher().seal(b"x", &context()).await.unwrap();
    assert!(world.open(&world.signer, &own).await.0.is_ok());
    // Under an alias the id stored may be the right one: KMS decides.
    let claims_own = replaced(&rival, &other, &world.signer);
    for (name, sealed, operations) in [
        (&*world.signer, &rival, &[][..]),
        (&*world.signer, &unsigned, &[]),
        (&*world.signer, &claims_own, &["Verify"]),
        ("alias/writers", &rival, &["Verify"]),
        ("alias/writers", &claims_own, &["Verify"]),
    ] {
        let (opened, asked) = world.open(name, sealed).await;
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{name}: {error}");
        assert_eq!(asked, operations, "{name}");
    }
    let error = world.open(&world.signer, &rival).await.0.unwrap_err().to_string();
    assert!(error.contains(&other) && error.contains(&world.signer), "{error}");
    // The same key, by the name of another provider.
    let (_, at) = Envelope::from_inline(&own).unwrap().unwrap();
    let text = std::str::from_utf8(&own[..at]).unwrap();
    let renamed = text.replace("signature aws-kms ", "signature azz-kms ");
    let renamed = [renamed.as_bytes(), &own[at..]].concat();
    let (opened, asked) = world.open(&world.signer, &renamed).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Authentication);
    assert!(asked.is_empty());
}

#[tokio::test]
async fn a_key_that_may_not_sign_or_verify_is_key_access_and_named() {
    let world = World::start().await;
    let sealed = world.seal(&world.signer).await.unwrap();
    let refused = async |text: &str| {
        let (opened, asked) = world.open(&world.signer, &sealed).await;
        for error in [opened.unwrap_err(), world.seal(&world.signer).await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::KeyAccess, "{error}");
            let shown = error.to_string();
            assert!(shown.contains(&world.signer) && shown.contains(text), "{shown}");
        }
        assert_eq!(asked, ["Verify"]);
    };
    let (kms, key) = (world.aws.kms(), &world.signer);
    kms.disable_key().key_id(key).send().await.unwrap();
    refused("DisabledException").await;
    kms.enable_key().key_id(key).send().await.unwrap();
    kms.schedule_key_deletion().key_id(key).send().await.unwrap();
    refused("KMSInvalidStateException").await;
    kms.cancel_key_deletion().key_id(key).send().await.unwrap();
    kms.enable_key().key_id(key).send().await.unwrap();
    world.aws.kms_state().deny(key);
    refused("AccessDeniedException").await;
    world.aws.kms_state().allow(key);
    assert!(world.open(key, &sealed).await.0.is_ok());

    // Readers need no right to sign, writers none to verify.
    world.aws.kms_state().deny_operation(key, "Sign");
    assert!(world.open(key, &sealed).await.0.is_ok());
    world.aws.kms_state().allow(key);
    world.aws.kms_state().deny_operation(key, "Verify");
    assert!(world.seal(key).await.is_ok());

    let error = world.seal("alias/orders").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess, "{error}");
    assert!(error.to_string().contains("use a key of ECC_NIST_P384"), "{error}");
}

#[tokio::test]
async fn a_reply_about_another_key_or_without_a_signature_is_refused() {
    let world = World::start().await;
    let sealed = world.seal(&world.signer).await.unwrap();
    let lie = |operation: &str, body: String| {
        world.aws.clear_faults();
        let content_type = "application/x-amz-json-1.1";
        world.aws.fail(operation, 10, Fault::Reply { status: 200, content_type, body });
    };
    let (own, other) = (&world.signer, world.aws.create_signing_key("alias/other"));
    for (body, kind) in [
        (format!(r#"{{"KeyId":"{other}","Signature":"AQID"}}"#), ErrorKind::Authentication),
        (r#"{"Signature":"AQID"}"#.to_owned(), ErrorKind::Authentication),
        (format!(r#"{{"KeyId":"{own}"}}"#), ErrorKind::Keyring),
    ] {
        lie("Sign", body.clone());
        let error = world.seal(own).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body}: {error}");
    }
    for (name, body) in [
        (&**own, format!(r#"{{"KeyId":"{other}","SignatureValid":true}}"#)),
        (own, r#"{"SignatureValid":true}"#.to_owned()),
        (own, format!(r#"{{"KeyId":"{own}","SignatureValid":false}}"#)),
        (own, format!(r#"{{"KeyId":"{own}"}}"#)),
        // An alias may mean any key, but not another than the one that is said to have signed.
        ("alias/writers", format!(r#"{{"KeyId":"{other}","SignatureValid":true}}"#)),
    ] {
        lie("Verify", body.clone());
        let (opened, asked) = world.open(name, &sealed).await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::Authentication, "{body}");
        assert_eq!(asked, ["Verify"], "{body}");
    }
    world.aws.clear_faults();
    assert!(world.open(own, &sealed).await.0.is_ok());
}

#[tokio::test]
async fn an_alias_that_points_elsewhere_no_longer_verifies() {
    let world = World::start().await;
    let sealed = world.seal("alias/writers").await.unwrap();
    let other = world.aws.create_signing_key("alias/other");
    let update = world.aws.kms().update_alias().alias_name("alias/writers");
    update.target_key_id(other).send().await.unwrap();
    let (opened, asked) = world.open("alias/writers", &sealed).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Authentication);
    assert_eq!(asked, ["Verify"]);
    assert!(world.open(&world.signer, &sealed).await.0.is_ok());
}

/// The object with another text of the same length in its envelope.
fn replaced(sealed: &[u8], from: &str, to: &str) -> Bytes {
    assert_eq!(from.len(), to.len());
    let (_, at) = Envelope::from_inline(sealed).unwrap().unwrap();
    let text = std::str::from_utf8(&sealed[..at]).unwrap();
    assert!(text.contains(from));
    Bytes::from([text.replace(from, to).as_bytes(), &sealed[at..]].concat())
}
