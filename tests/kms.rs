//! What KMS is asked, what of its replies is believed, and what its errors become.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;

use waxseal::{
    EncryptionContext, EnvelopeCipher, Error, ErrorKind, KeyRequest, Keyring as _, KmsKeyring,
    WrappedKey,
};
use waxseal_testkit::{Fault, LocalAws};

struct World {
    aws: LocalAws,
    arn: String,
    context: EncryptionContext,
}

impl World {
    async fn start() -> Self {
        let aws = LocalAws::start().await.unwrap();
        let arn = aws.create_key("alias/orders");
        Self { aws, arn, context: EncryptionContext::from([("tenant", "acme")]) }
    }

    fn cipher(&self, key: &str) -> EnvelopeCipher {
        EnvelopeCipher::new(KmsKeyring::new(self.aws.kms(), key))
    }

    async fn sealed(&self) -> bytes::Bytes {
        self.cipher(&self.arn).seal(b"attack at dawn", &self.context).await.unwrap()
    }

    async fn open(&self, key: &str, sealed: &[u8]) -> Result<bytes::Bytes, Error> {
        self.cipher(key).open(sealed, &self.context).await
    }
}

#[tokio::test]
async fn sealing_is_one_generate_data_key_and_opening_one_decrypt() {
    let world = World::start().await;
    world.aws.reset_calls();
    let sealed = world.cipher("alias/orders").seal(b"x", &world.context).await.unwrap();
    world.open("alias/orders", &sealed).await.unwrap();
    let calls = world.aws.calls();
    let named: Vec<_> = calls.iter().map(|c| (&*c.operation, c.key.as_deref())).collect();
    assert_eq!(
        named,
        [("GenerateDataKey", Some("alias/orders")), ("Decrypt", Some("alias/orders"))],
        "KMS is told the configured name, whatever is stored"
    );
    assert_eq!(calls[0].input["KeySpec"], "AES_256");
    for call in calls.iter() {
        assert_eq!(call.input["EncryptionContext"], serde_json::json!({ "tenant": "acme" }));
    }
}

#[tokio::test]
async fn the_whole_stored_context_goes_to_kms() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    world.aws.reset_calls();
    let cipher = world.cipher(&world.arn);
    cipher.open(&sealed, &EncryptionContext::new()).await.unwrap();
    let input = &world.aws.calls()[0].input;
    assert_eq!(input["EncryptionContext"], serde_json::json!({ "tenant": "acme" }));
}

/// An object cannot make a reader use another key, nor ask KMS about it.
#[tokio::test]
async fn a_stored_key_is_only_matched_against_the_configured_one() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    let other = world.aws.create_key("alias/other");
    world.aws.reset_calls();
    for configured in [&*other, other.rsplit('/').next().unwrap()] {
        let error = world.open(configured, &sealed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyAccess, "{error}");
        assert!(error.to_string().contains(&world.arn), "{error}");
    }
    assert_eq!(world.aws.calls().len(), 0, "no call for a key that is not configured");
    // An alias may mean any key: KMS is asked for the alias, and refuses.
    let error = world.open("alias/other", &sealed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert_eq!(world.aws.calls()[0].key.as_deref(), Some("alias/other"));
    assert!(world.open("alias/orders", &sealed).await.is_ok());
}

/// Replies of a KMS that lies, or of something between it and us.
#[tokio::test]
async fn a_reply_with_another_key_or_length_is_refused() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    let arn = world.arn.clone();
    let other = arn.replace(&arn[arn.len() - 4..], "0000");
    let reply = |plaintext: &str, key_id: &str| {
        let mut body = serde_json::json!({ "CiphertextBlob": "AAAA", "Plaintext": plaintext });
        if !key_id.is_empty() {
            body["KeyId"] = key_id.into();
        }
        let body = body.to_string();
        Fault::Reply { status: 200, content_type: "application/x-amz-json-1.1", body }
    };
    let of = |len: usize, byte: u8| {
        let bytes = vec![byte; len];
        <base64ct::Base64 as base64ct::Encoding>::encode_string(&bytes)
    };
    for (plaintext, key_id) in [
        (of(32, 1), ""),
        (of(32, 1), &*other),
        (of(32, 1), "alias/orders"),
        (of(31, 1), &*arn),
        (of(33, 1), &*arn),
        (of(0, 1), &*arn),
        (of(32, 0), &*arn),
    ] {
        let why = format!("{} {key_id}", plaintext.len());
        for operation in ["Decrypt", "GenerateDataKey"] {
            world.aws.fail(operation, 1, reply(&plaintext, key_id));
        }
        let error = world.open(&world.arn, &sealed).await.unwrap_err();
        let kinds = [ErrorKind::Authentication, ErrorKind::Keyring];
        assert!(kinds.contains(&error.kind()), "{why}: {error}");
        let error = world.cipher(&world.arn).seal(b"x", &world.context).await.unwrap_err();
        assert!(kinds.contains(&error.kind()), "{why}: {error}");
    }
    // An honest length and key, but not the key that sealed: the header notices.
    world.aws.fail("Decrypt", 1, reply(&of(32, 1), &arn));
    let error = world.open(&world.arn, &sealed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(world.open(&world.arn, &sealed).await.is_ok());
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

/// More bytes than KMS takes are altered bytes, and do not keep a good key from being tried.
#[tokio::test]
async fn an_oversized_wrapped_key_costs_no_call() {
    let world = World::start().await;
    let keyring = KmsKeyring::new(world.aws.kms(), &world.arn);
    let request = KeyRequest::new(&world.context);
    let good = keyring.generate_data_key(&request).await.unwrap();
    let huge = WrappedKey::new("aws-kms", &*world.arn, vec![1; 7000]).unwrap();
    world.aws.reset_calls();
    let refused = keyring.unwrap_data_key(std::slice::from_ref(&huge), &request).await;
    assert_eq!(refused.err().map(|e| e.kind()), Some(ErrorKind::Authentication));
    assert_eq!(world.aws.calls().len(), 0);
    let both = [huge, good.wrapped()[0].clone()];
    let key = keyring.unwrap_data_key(&both, &request).await;
    assert!(key.is_ok_and(|key| key.expose() == good.key().expose()));
}

#[tokio::test]
async fn each_error_of_kms_has_its_kind_and_remedy_and_no_retry_where_none_helps() {
    use ErrorKind::{Authentication, KeyAccess, Keyring};
    let world = World::start().await;
    let sealed = world.sealed().await;
    for (status, code, kind, remedy, calls) in [
        (400, "AccessDeniedException", KeyAccess, "key policy", 1),
        (400, "DisabledException", KeyAccess, "enable the key", 1),
        (400, "KMSInvalidStateException", KeyAccess, "cancel the deletion", 1),
        (400, "NotFoundException", KeyAccess, "Region", 1),
        (400, "InvalidKeyUsageException", KeyAccess, "symmetric", 1),
        (400, "ExpiredTokenException", KeyAccess, "credentials", 1),
        (400, "UnrecognizedClientException", KeyAccess, "credentials", 1),
        (400, "InvalidCiphertextException", Authentication, "", 1),
        (400, "IncorrectKeyException", Authentication, "", 1),
        (400, "ThrottlingException", Keyring, "Throttling", 3),
        (500, "KMSInternalException", Keyring, "KMSInternal", 3),
        (503, "DependencyTimeoutException", Keyring, "DependencyTimeout", 3),
    ] {
        world.aws.clear_faults();
        world.aws.reset_calls();
        world.aws.fail("Decrypt", 10, Fault::kms_error(status, code));
        let error = world.open(&world.arn, &sealed).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}: {error}");
        assert_eq!(world.aws.count("Decrypt"), calls, "{code}");
        let text = error.to_string();
        assert!(text.contains(remedy), "{code}: {text}");
        if kind != Authentication {
            assert!(text.contains(&world.arn) && text.contains("request id"), "{code}: {text}");
            assert!(std::error::Error::source(&error).is_some(), "{code}: the source is kept");
        }
    }
    world.aws.clear_faults();
    assert!(world.open(&world.arn, &sealed).await.is_ok());
}

#[tokio::test]
async fn key_states_are_obeyed() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    let kms = world.aws.kms();
    let refused = async |text: &str| {
        let error = world.open(&world.arn, &sealed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyAccess, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        let error = world.cipher(&world.arn).seal(b"x", &world.context).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyAccess, "{error}");
    };
    kms.disable_key().key_id(&world.arn).send().await.unwrap();
    refused("DisabledException").await;
    kms.enable_key().key_id(&world.arn).send().await.unwrap();
    kms.schedule_key_deletion().key_id(&world.arn).send().await.unwrap();
    refused("KMSInvalidStateException").await;
    kms.cancel_key_deletion().key_id(&world.arn).send().await.unwrap();
    kms.enable_key().key_id(&world.arn).send().await.unwrap();
    world.aws.kms_state().deny(&world.arn);
    refused("AccessDeniedException").await;
    world.aws.kms_state().allow(&world.arn);
    kms.rotate_key_on_demand().key_id(&world.arn).send().await.unwrap();
    assert!(world.open(&world.arn, &sealed).await.is_ok(), "rotation keeps old keys");
}

#[tokio::test]
async fn an_unreachable_kms_is_a_keyring_error() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    world.aws.fail("Decrypt", 10, Fault::Drop);
    let error = world.open(&world.arn, &sealed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Keyring, "{error}");
    assert!(error.to_string().contains("endpoint"), "{error}");
}

/// What cannot succeed costs no call: it is refused before KMS is asked.
#[tokio::test]
async fn nothing_is_asked_of_kms_for_what_is_refused_anyway() {
    let world = World::start().await;
    let sealed = world.sealed().await;
    world.aws.reset_calls();
    let cipher = Arc::new(world.cipher(&world.arn));
    let rival = EncryptionContext::from([("tenant", "rival")]);
    assert!(cipher.open(&sealed, &rival).await.is_err());
    assert!(cipher.open(&sealed[..1100], &world.context).await.is_err());
    assert!(cipher.open(b"not sealed", &world.context).await.is_err());
    let reserved = EncryptionContext::from([("aws:x", "y")]);
    assert!(cipher.seal(b"x", &reserved).await.is_err());
    let huge = EncryptionContext::from([("k", "v".repeat(9000))]);
    assert!(cipher.seal(b"x", &huge).await.is_err());
    let tiny_segments = (*cipher).clone().segment_len(64);
    assert!(tiny_segments.seal(b"x", &world.context).await.is_err());
    assert_eq!(world.aws.calls().len(), 0);
    cipher.open(&sealed, &world.context).await.unwrap();
    assert_eq!(world.aws.calls().len(), 1);
}
