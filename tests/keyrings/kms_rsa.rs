//! RSA keys in KMS: what KMS is asked, what of its replies is believed, and every pair of keyrings.

use std::sync::Arc;

use aws_sdk_kms::types::KeySpec;
use aws_sdk_kms::types::KeyUsageType;
use base64ct::Base64;
use base64ct::Encoding as _;
use serde_json::Value;
use serde_json::json;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::KmsKeyring;
use waxseal::KmsRsaKeyring;
use waxseal::LocalKeyring;
use waxseal::MultiKeyring;
use waxseal::RsaKeyring;
use waxseal::SecretKey;
use waxseal::WrappedKey;
use waxseal_testkit::Fault;
use waxseal_testkit::LocalAws;

use crate::rsa_keys::Pair;
use crate::rsa_keys::pem;

struct World {
    aws: LocalAws,
    arn: String,
    public: String,
    keyring: KmsRsaKeyring,
    context: EncryptionContext,
}

impl World {
    async fn start() -> Self {
        let aws = LocalAws::start().await.unwrap();
        let arn = create_key(&aws, KeySpec::Rsa2048).await;
        let reply = aws.kms().get_public_key().key_id(&arn).send().await.unwrap();
        let public = pem("PUBLIC KEY", reply.public_key().unwrap().as_ref());
        let keyring = KmsRsaKeyring::with_public_key(aws.kms(), &arn, &public).unwrap();
        aws.reset_calls();
        let context = EncryptionContext::from([("tenant", "acme")]);
        Self { aws, arn, public, keyring, context }
    }

    /// A data key, and wrapped.
    async fn generated(&self) -> ([u8; 32], WrappedKey) {
        let request = KeyRequest::new(&self.context);
        let made = self.keyring.generate_data_key(&request).await.unwrap();
        (*made.key().expose(), made.wrapped()[0].clone())
    }

    async fn unwrap(&self, wrapped: &WrappedKey) -> Result<[u8; 32], Error> {
        let request = KeyRequest::new(&self.context);
        let key = self.keyring.unwrap_data_key(std::slice::from_ref(wrapped), &request).await?;
        Ok(*key.expose())
    }
}

async fn create_key(aws: &LocalAws, spec: KeySpec) -> String {
    let make = aws.kms().create_key().key_spec(spec).key_usage(KeyUsageType::EncryptDecrypt);
    make.send().await.unwrap().key_metadata.unwrap().arn.unwrap()
}

fn reply(body: Value) -> Fault {
    let body = body.to_string();
    Fault::Reply { status: 200, content_type: "application/x-amz-json-1.1", body }
}

fn holding(wrapped: &WrappedKey, ciphertext: Vec<u8>) -> WrappedKey {
    WrappedKey::new("rsa", wrapped.key_id().unwrap(), ciphertext).unwrap()
}

#[tokio::test]
async fn sealing_asks_kms_for_nothing_and_opening_is_one_decrypt() {
    let world = World::start().await;
    let (key, wrapped) = world.generated().await;
    assert_eq!(world.aws.calls().len(), 0);
    assert_eq!(world.unwrap(&wrapped).await.unwrap(), key);
    let calls = world.aws.calls();
    let [call] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((&*call.operation, call.key.as_deref()), ("Decrypt", Some(&*world.arn)));
    assert_eq!(call.input["EncryptionAlgorithm"], "RSAES_OAEP_SHA_256");
    assert!(call.input.get("EncryptionContext").is_none());
}

#[tokio::test]
async fn a_public_key_that_kms_tells_is_asked_for_once() {
    let world = World::start().await;
    let connected = KmsRsaKeyring::connect(world.aws.kms(), &world.arn).await.unwrap();
    assert_eq!(connected.public_key_id(), world.keyring.public_key_id());
    let cipher = EnvelopeCipher::new(connected);
    let sealed = cipher.seal(b"plain", &world.context).await.unwrap();
    cipher.seal(b"plain", &world.context).await.unwrap();
    assert_eq!(cipher.open(&sealed, &world.context).await.unwrap(), b"plain"[..]);
    assert_eq!((world.aws.count("GetPublicKey"), world.aws.calls().len()), (1, 2));
}

#[tokio::test]
async fn every_size_works_and_what_a_file_s_public_key_wraps_kms_unwraps() {
    let aws = LocalAws::start().await.unwrap();
    for spec in [KeySpec::Rsa2048, KeySpec::Rsa3072, KeySpec::Rsa4096] {
        let arn = create_key(&aws, spec).await;
        let in_kms = KmsRsaKeyring::connect(aws.kms(), &arn).await.unwrap();
        let public = aws.kms().get_public_key().key_id(&arn).send().await.unwrap();
        let local = RsaKeyring::from_public_der(public.public_key().unwrap().as_ref()).unwrap();
        assert_eq!(local.key_id(), in_kms.public_key_id());
        let context = EncryptionContext::from([("tenant", "acme")]);
        let sealed = EnvelopeCipher::new(local).seal(b"plain", &context).await.unwrap();
        let opened = EnvelopeCipher::new(in_kms).open(&sealed, &context).await.unwrap();
        assert_eq!(opened, b"plain"[..]);
    }
}

#[tokio::test]
async fn whatever_was_altered_is_refused_alike() {
    let world = World::start().await;
    let (_, wrapped) = world.generated().await;
    let mut texts = vec![];
    for i in 0..256 {
        let mut flipped = wrapped.ciphertext().to_vec();
        flipped[i] ^= 1;
        let error = world.unwrap(&holding(&wrapped, flipped)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        texts.push(error.to_string());
    }
    let asked = world.aws.calls().len();
    for len in [1, 255, 257, 6144, 8192] {
        let error = world.unwrap(&holding(&wrapped, vec![1; len])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        texts.push(error.to_string());
    }
    assert_eq!(world.aws.calls().len(), asked, "another length is not asked about");
    let other = EncryptionContext::from([("tenant", "rival")]);
    let request = KeyRequest::new(&other);
    let refused = world.keyring.unwrap_data_key(std::slice::from_ref(&wrapped), &request).await;
    let error = refused.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    texts.push(error.to_string());
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    // A bad one does not hinder a good one.
    let bad = holding(&wrapped, vec![1; 256]);
    let both = [holding(&wrapped, vec![1; 255]), bad, wrapped];
    let request = KeyRequest::new(&world.context);
    world.keyring.unwrap_data_key(&both, &request).await.unwrap();
}

#[tokio::test]
async fn a_stored_name_is_only_matched_against_the_configured_key() {
    let world = World::start().await;
    let (_, wrapped) = world.generated().await;
    let other = create_key(&world.aws, KeySpec::Rsa2048).await;
    let other = KmsRsaKeyring::connect(world.aws.kms(), other).await.unwrap();
    world.aws.reset_calls();
    let request = KeyRequest::new(&world.context);
    let kms = WrappedKey::new("aws-kms", wrapped.key_id().unwrap(), wrapped.ciphertext()).unwrap();
    for (keyring, wrapped) in [(&other, &wrapped), (&world.keyring, &kms)] {
        let refused = keyring.unwrap_data_key(std::slice::from_ref(wrapped), &request).await;
        assert_eq!(refused.err().unwrap().kind(), ErrorKind::KeyAccess);
    }
    assert_eq!(world.aws.calls().len(), 0, "no call for a key that is not configured");
}

#[tokio::test]
async fn a_decrypt_reply_of_another_key_or_with_other_bytes_is_refused() {
    let world = World::start().await;
    let (_, wrapped) = world.generated().await;
    world.unwrap(&wrapped).await.unwrap();
    let true_payload = {
        let call = world.aws.kms().decrypt().key_id(&world.arn);
        let call = call.encryption_algorithm("RSAES_OAEP_SHA_256".into());
        let blob = aws_sdk_kms::primitives::Blob::new(wrapped.ciphertext());
        let reply = call.ciphertext_blob(blob).send().await.unwrap();
        reply.plaintext.unwrap().into_inner()
    };
    assert_eq!(true_payload.len(), 64);
    let other = world.arn.replace(&world.arn[world.arn.len() - 4..], "0000");
    let altered = |i: usize| {
        let mut payload = true_payload.clone();
        payload[i] ^= 1;
        payload
    };
    for (key_id, payload) in [
        (&*other, true_payload.clone()),
        ("alias/x", true_payload.clone()),
        ("", true_payload.clone()),
        (&*world.arn, altered(0)),
        (&*world.arn, altered(63)),
        (&*world.arn, true_payload[..32].to_vec()),
        (&*world.arn, true_payload[..63].to_vec()),
        (&*world.arn, [&true_payload[..], &[0]].concat()),
        (&*world.arn, vec![0; 64]),
        (&*world.arn, vec![]),
    ] {
        let mut body = json!({ "Plaintext": Base64::encode_string(&payload) });
        if !key_id.is_empty() {
            body["KeyId"] = key_id.into();
        }
        world.aws.fail("Decrypt", 1, reply(body));
        let error = world.unwrap(&wrapped).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{key_id}: {error}");
    }
    let body = json!({ "KeyId": world.arn, "Plaintext": Base64::encode_string(&true_payload) });
    world.aws.fail("Decrypt", 1, reply(body));
    world.unwrap(&wrapped).await.unwrap();
}

#[tokio::test]
async fn a_key_of_another_kind_is_not_connected_to() {
    let world = World::start().await;
    let (kms, arn) = (world.aws.kms(), &world.arn);
    let public = pem_body(&world.public);
    let good = json!({
        "KeyId": arn, "PublicKey": public, "KeyUsage": "ENCRYPT_DECRYPT",
        "EncryptionAlgorithms": ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"],
    });
    let other = arn.replace(&arn[arn.len() - 4..], "0000");
    for (member, value, kind) in [
        ("KeyUsage", json!("SIGN_VERIFY"), ErrorKind::KeyAccess),
        ("EncryptionAlgorithms", json!(["RSAES_OAEP_SHA_1"]), ErrorKind::KeyAccess),
        ("EncryptionAlgorithms", json!([]), ErrorKind::KeyAccess),
        ("PublicKey", json!("AAAA"), ErrorKind::Keyring),
        ("PublicKey", Value::Null, ErrorKind::Keyring),
        ("KeyId", json!(other), ErrorKind::Authentication),
        ("KeyId", Value::Null, ErrorKind::Authentication),
    ] {
        let mut body = good.clone();
        body[member] = value;
        world.aws.fail("GetPublicKey", 1, reply(body));
        let error = KmsRsaKeyring::connect(kms.clone(), arn).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{member}: {error}");
    }
    world.aws.fail("GetPublicKey", 1, reply(good));
    KmsRsaKeyring::connect(kms.clone(), arn).await.unwrap();
    let symmetric = Fault::kms_error(400, "UnsupportedOperationException");
    world.aws.fail("GetPublicKey", 1, symmetric);
    let error = KmsRsaKeyring::connect(kms.clone(), arn).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert!(error.to_string().contains("is not an RSA key"), "{error}");
    assert!(KmsRsaKeyring::with_public_key(kms, arn, "hello").is_err());
}

fn pem_body(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

#[tokio::test]
async fn refusals_of_kms_name_the_key() {
    let world = World::start().await;
    let (_, wrapped) = world.generated().await;
    world.aws.kms_state().deny(&world.arn);
    let error = world.unwrap(&wrapped).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert!(error.to_string().contains(&world.arn), "{error}");
    let error = KmsRsaKeyring::connect(world.aws.kms(), &world.arn).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    world.aws.fail("Decrypt", 3, Fault::kms_error(500, "KMSInternalException"));
    assert_eq!(world.unwrap(&wrapped).await.unwrap_err().kind(), ErrorKind::Keyring);
}

/// Each kind with each other kind, both ways round: both wrap, and either opens.
#[tokio::test]
async fn every_pair_of_keyrings_seals_and_either_opens() {
    let world = World::start().await;
    let key = |id| KeyFile::from_key(id, SecretKey::random().unwrap()).unwrap();
    let kms = |alias| KmsKeyring::new(world.aws.kms(), world.aws.create_key(alias));
    let keyrings: [(&str, Arc<dyn Keyring>); 6] = [
        ("local", Arc::new(LocalKeyring::new(key("one")))),
        ("local", Arc::new(LocalKeyring::new(key("two")))),
        ("aws-kms", Arc::new(kms("alias/one"))),
        ("aws-kms", Arc::new(kms("alias/two"))),
        ("rsa", Arc::new(Pair::new().private())),
        ("rsa", Arc::new(world.keyring.clone())),
    ];
    let context = &world.context;
    for (i, (a, first)) in keyrings.iter().enumerate() {
        for (j, (b, second)) in keyrings.iter().enumerate().filter(|(j, _)| *j != i) {
            let both = MultiKeyring::new(Arc::clone(first)).and(Arc::clone(second));
            let made = both.generate_data_key(&KeyRequest::new(context)).await.unwrap();
            let kinds: Vec<_> = made.wrapped().iter().map(WrappedKey::provider).collect();
            assert_eq!(kinds, [*a, *b]);
            let cipher = EnvelopeCipher::new(both);
            let sealed = cipher.seal(b"plain", context).await.unwrap();
            for (n, (_, keyring)) in keyrings.iter().enumerate() {
                world.aws.reset_calls();
                let opened = EnvelopeCipher::new(Arc::clone(keyring)).open(&sealed, context).await;
                if n == i || n == j {
                    assert_eq!(opened.unwrap(), b"plain"[..]);
                    continue;
                }
                assert_eq!(opened.unwrap_err().kind(), ErrorKind::KeyAccess);
                assert_eq!(world.aws.calls().len(), 0, "asked about the keys of others");
            }
            let other = EncryptionContext::from([("tenant", "rival")]);
            let error = cipher.open(&sealed, &other).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication);
        }
    }
}
