//! Which calls are made, and what they say.

use std::sync::Arc;

use waxseal::{
    EncryptionContext, EnvelopeCipher, ErrorKind, KeyRequest, Keyring as _, KmsKeyring, ReadPolicy,
    WrappedKey,
};

use crate::world::World;
use crate::world::asked;

#[tokio::test]
async fn sealing_is_one_generate_data_key_and_opening_one_decrypt() {
    let world = World::start().await;
    world.aws.reset_calls();
    let sealed = world.cipher(&world.arn).seal(b"x", &world.context).await.unwrap();
    world.open(&world.arn, &sealed).await.unwrap();
    let calls = world.aws.calls();
    assert_eq!(calls[0].input["KeySpec"], "AES_256");
    for call in calls.iter() {
        assert_eq!(call.input["EncryptionContext"], serde_json::json!({ "tenant": "acme" }));
        assert!(call.input.get("GrantTokens").is_none(), "none unless they are given");
    }
    let arn = &*world.arn;
    assert_eq!(world.asked(), [asked("GenerateDataKey", arn), asked("Decrypt", arn)]);
    let id = arn.rsplit('/').next().unwrap();
    let sealed = world.cipher(id).seal(b"x", &world.context).await.unwrap();
    world.open(id, &sealed).await.unwrap();
    assert_eq!(world.asked(), [asked("GenerateDataKey", id), asked("Decrypt", id)]);
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

#[tokio::test]
async fn grant_tokens_go_with_every_call() {
    let world = World::start().await;
    let keyring = world.keyring("alias/orders").grant_tokens(["one", "two"]);
    let request = KeyRequest::new(&world.context);
    let (key, wrapped) = world.generate(&world.arn).await;
    world.aws.reset_calls();
    world.unwrap(&keyring, &[wrapped]).await.unwrap();
    keyring.generate_data_key(&request).await.unwrap();
    keyring.wrap_data_key(&key, &request).await.unwrap();
    keyring.generate_wrapped(&world.context).await.unwrap();
    let secret = keyring.encrypt(b"secret", &world.context).await.unwrap();
    keyring.decrypt(&secret, &world.context).await.unwrap();
    let calls = world.aws.calls();
    for call in &calls {
        let tokens = serde_json::json!(["one", "two"]);
        assert_eq!(call.input["GrantTokens"], tokens, "{}", call.operation);
    }
    let operations: Vec<_> = calls.iter().map(|call| &*call.operation).collect();
    assert_eq!(
        operations,
        [
            "DescribeKey",
            "Decrypt",
            "GenerateDataKey",
            "Encrypt",
            "GenerateDataKeyWithoutPlaintext",
            "Encrypt",
            "Decrypt",
        ]
    );
}

/// More bytes than KMS takes are altered bytes, and do not keep a good key from being tried.
#[tokio::test]
async fn an_oversized_wrapped_key_costs_no_call() {
    let world = World::start().await;
    let keyring = world.keyring(&world.arn);
    let (key, good) = world.generate(&world.arn).await;
    let huge = WrappedKey::new("aws-kms", &*world.arn, vec![1; 6145]).unwrap();
    world.aws.reset_calls();
    let refused = world.refusal(&keyring, std::slice::from_ref(&huge)).await;
    assert_eq!(refused.kind(), ErrorKind::Authentication);
    assert_eq!(world.asked(), []);
    let opened = world.unwrap(&keyring, &[huge, good]).await.unwrap();
    assert_eq!(opened.expose(), key.expose());
    let largest = WrappedKey::new("aws-kms", &*world.arn, vec![1; 6144]).unwrap();
    world.refusal(&keyring, &[largest]).await;
    assert_eq!(world.aws.count("Decrypt"), 2, "KMS is asked about as much as it takes");
}

/// Unwrapping costs one call for each wrapped key that names the configured key, of at most 16.
#[tokio::test]
async fn kms_is_asked_no_more_often_than_there_are_matching_wrapped_keys() {
    let world = World::start().await;
    let other = world.aws.create_key("alias/other");
    let (key, good) = world.generate(&world.arn).await;
    let bad = |arn: &str| WrappedKey::new("aws-kms", arn, [1; 100]).unwrap();
    let foreign = WrappedKey::new("local", &*world.arn, [1; 60]).unwrap();
    for name in [&*world.arn, "alias/orders"] {
        for (matching, others) in [(0, 16), (1, 15), (5, 3), (16, 0)] {
            let keyring = world.keyring(name);
            // An alias costs one more call once, for which this keyring has paid.
            world.unwrap(&keyring, std::slice::from_ref(&good)).await.unwrap();
            world.aws.reset_calls();
            let mut wrapped = vec![bad(&other); others];
            wrapped.push(foreign.clone());
            wrapped.extend(vec![bad(&world.arn); matching]);
            world.refusal(&keyring, &wrapped).await;
            assert_eq!(world.aws.calls().len(), matching, "{name}, {matching} of {others}");
            if let Some(last) = wrapped.last_mut() {
                *last = good.clone();
            }
            let opened = world.unwrap(&keyring, &wrapped).await.unwrap();
            assert_eq!(opened.expose(), key.expose(), "the good one is found behind the others");
        }
    }
    // An envelope holds no more than 16, and a reader may allow fewer.
    let sealing = |count: usize| {
        let (secret, wrapped) = (key.expose().to_vec(), vec![good.clone(); count]);
        let keyring = Wrapped { secret, wrapped };
        async move { EnvelopeCipher::new(keyring).seal(b"x", &EncryptionContext::new()).await }
    };
    assert!(sealing(17).await.is_err());
    let sealed = sealing(16).await.unwrap();
    world.aws.reset_calls();
    let frugal = world.cipher(&world.arn).read_policy(ReadPolicy::default().max_wrapped_keys(2));
    assert!(frugal.open(&sealed, &EncryptionContext::new()).await.is_err());
    assert_eq!(world.asked(), []);
    assert!(world.cipher(&world.arn).open(&sealed, &EncryptionContext::new()).await.is_err());
    assert_eq!(world.aws.calls().len(), 16, "wrapped in another context");
}

/// Seals with a key that was made elsewhere.
#[derive(Debug)]
struct Wrapped {
    secret: Vec<u8>,
    wrapped: Vec<WrappedKey>,
}

#[waxseal::async_trait]
impl waxseal::Keyring for Wrapped {
    async fn generate_data_key(&self, _: &KeyRequest<'_>) -> waxseal::Result<waxseal::DataKey> {
        let key = waxseal::SecretKey::try_from(&*self.secret)?;
        Ok(waxseal::DataKey::new(key, self.wrapped.clone()))
    }

    async fn unwrap_data_key(
        &self,
        _: &[WrappedKey],
        _: &KeyRequest<'_>,
    ) -> waxseal::Result<waxseal::SecretKey> {
        waxseal::SecretKey::try_from(&*self.secret)
    }
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
    let keyring = KmsKeyring::new(world.aws.kms(), &world.arn);
    for context in [&reserved, &huge] {
        let made = keyring.generate_wrapped(context).await.err();
        let encrypted = keyring.encrypt(b"x", context).await.err();
        let decrypted = keyring.decrypt(&[1; 100], context).await.err();
        for error in [made, encrypted, decrypted] {
            assert_eq!(error.map(|e| e.kind()), Some(ErrorKind::InvalidInput));
        }
    }
    assert_eq!(world.aws.calls().len(), 0);
    cipher.open(&sealed, &world.context).await.unwrap();
    assert_eq!(world.aws.calls().len(), 1);
}
