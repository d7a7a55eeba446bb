//! Data keys that others made, and wrapped keys for others to use.

use waxseal::{
    DataKey, EncryptionContext, EnvelopeCipher, ErrorKind, KeyRequest, Keyring, SecretKey,
    WrappedKey,
};

use crate::world::World;
use crate::world::asked;

#[tokio::test]
async fn a_data_key_that_another_made_is_wrapped_by_one_encrypt() {
    let world = World::start().await;
    let key = SecretKey::random().unwrap();
    let request = KeyRequest::new(&world.context);
    for name in [&*world.arn, "alias/orders"] {
        let keyring = world.keyring(name);
        world.aws.reset_calls();
        let wrapped = keyring.wrap_data_key(&key, &request).await.unwrap();
        let input = world.aws.calls()[0].input.clone();
        assert_eq!(input["EncryptionContext"], serde_json::json!({ "tenant": "acme" }));
        assert_eq!(world.asked(), [asked("Encrypt", name)]);
        assert_eq!(wrapped.len(), 1);
        assert_eq!((wrapped[0].provider(), wrapped[0].key_id()), ("aws-kms", Some(&*world.arn)));
        let opened = world.unwrap(&keyring, &wrapped).await.unwrap();
        assert_eq!(opened.expose(), key.expose());
        assert_eq!(world.asked(), [asked("Decrypt", &world.arn)], "the reply named the key");
        let rival = EncryptionContext::from([("tenant", "rival")]);
        let refused = keyring.unwrap_data_key(&wrapped, &KeyRequest::new(&rival)).await;
        assert_eq!(refused.err().map(|e| e.kind()), Some(ErrorKind::Authentication));
    }
}

/// Made by one who may not decrypt, used by one who may.
#[tokio::test]
async fn a_wrapped_key_is_made_without_its_plaintext() {
    let world = World::start().await;
    let maker = world.keyring("alias/orders");
    world.aws.kms_state().deny_operation(&world.arn, "Decrypt");
    world.aws.kms_state().deny_operation(&world.arn, "GenerateDataKey");
    world.aws.reset_calls();
    let wrapped = maker.generate_wrapped(&world.context).await.unwrap();
    let calls = world.aws.calls();
    assert_eq!(calls.len(), 1);
    // Whatever its parameters, this operation replies without a plaintext.
    assert_eq!(calls[0].operation, "GenerateDataKeyWithoutPlaintext");
    assert_eq!(calls[0].input["KeySpec"], "AES_256");
    assert_eq!(calls[0].input["EncryptionContext"], serde_json::json!({ "tenant": "acme" }));
    let body = calls[0].input.to_string();
    let target = format!("TrentService.{}", calls[0].operation);
    let (status, reply) = world.aws.kms_state().handle(&target, body.as_bytes());
    assert!(status == 200 && !reply.contains("Plaintext"), "{reply}");
    assert_eq!((wrapped.provider(), wrapped.key_id()), ("aws-kms", Some(&*world.arn)));
    let wrapped = [wrapped];
    let refused = world.refusal(&maker, &wrapped).await;
    assert_eq!(refused.kind(), ErrorKind::KeyAccess, "the maker may not read");

    world.aws.kms_state().allow(&world.arn);
    let reader = world.keyring(&world.arn);
    let key = world.unwrap(&reader, &wrapped).await.unwrap();
    let again = world.unwrap(&reader, &wrapped).await.unwrap();
    assert_eq!(key.expose(), again.expose());
    let other = maker.generate_wrapped(&world.context).await.unwrap();
    let other = world.unwrap(&reader, &[other]).await.unwrap();
    assert_ne!(key.expose(), other.expose(), "each is a key of its own");

    let ahead = Ahead { key: key.expose().to_vec(), wrapped: wrapped.to_vec() };
    let sealed = EnvelopeCipher::new(ahead).seal(b"made ahead", &world.context).await.unwrap();
    assert_eq!(&world.open(&world.arn, &sealed).await.unwrap()[..], b"made ahead");
}

/// Seals with one key that was made ahead.
#[derive(Debug)]
struct Ahead {
    key: Vec<u8>,
    wrapped: Vec<WrappedKey>,
}

#[waxseal::async_trait]
impl Keyring for Ahead {
    async fn generate_data_key(&self, _: &KeyRequest<'_>) -> waxseal::Result<DataKey> {
        Ok(DataKey::new(SecretKey::try_from(&*self.key)?, self.wrapped.clone()))
    }

    async fn unwrap_data_key(
        &self,
        _: &[WrappedKey],
        _: &KeyRequest<'_>,
    ) -> waxseal::Result<SecretKey> {
        SecretKey::try_from(&*self.key)
    }
}
