//! Over the real SDK client: what KMS says about a key reaches the keys it wrapped.

use std::time::Duration;

use waxseal::CachingKeyring;
use waxseal::DataKey;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::KmsKeyring;
use waxseal::Result;
use waxseal::SecretKey;
use waxseal::WrappedKey;
use waxseal::async_trait;
use waxseal_testkit::Fault;
use waxseal_testkit::LocalAws;

use crate::below::context;

struct World {
    aws: LocalAws,
    arn: String,
    cache: CachingKeyring,
    cipher: EnvelopeCipher,
}

impl World {
    /// With keys for sealing and opening of three tenants in the cache.
    async fn start(key: &str) -> Self {
        let aws = LocalAws::start().await.unwrap();
        let arn = aws.create_key("alias/orders");
        let keyring = KmsKeyring::new(aws.kms(), if key == "ARN" { &arn } else { key });
        let cache = CachingKeyring::builder(keyring).max_age(Duration::from_secs(300));
        let cache = cache.build().unwrap();
        let cipher = EnvelopeCipher::new(cache.clone());
        let world = Self { aws, arn, cache, cipher };
        for tenant in ["a", "b", "c"] {
            world.round_trip(tenant).await.unwrap();
        }
        assert_eq!(world.cache.metrics().held, 6);
        world
    }

    async fn round_trip(&self, tenant: &str) -> Result<()> {
        let sealed = self.cipher.seal(b"x", &context(tenant)).await?;
        self.cipher.open(&sealed, &context(tenant)).await.map(drop)
    }
}

#[tokio::test]
async fn a_disabled_key_takes_all_that_it_wrapped_with_it() {
    for name in ["ARN", "alias/orders", "arn:aws:kms:us-east-1:111122223333:alias/orders"] {
        let world = World::start(name).await;
        world.aws.kms().disable_key().key_id(&world.arn).send().await.unwrap();
        assert!(world.round_trip("a").await.is_ok(), "nothing has asked KMS since");
        let error = world.round_trip("new tenant").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyAccess);
        assert_eq!(world.cache.metrics().held, 0, "{name}");
        assert_eq!(world.round_trip("a").await.unwrap_err().kind(), ErrorKind::KeyAccess);
        world.aws.kms().enable_key().key_id(&world.arn).send().await.unwrap();
        assert!(world.round_trip("a").await.is_ok());
    }
}

/// Two wrapping keys below one cache, by tenant.
#[derive(Debug)]
struct TwoKeys {
    a: KmsKeyring,
    others: KmsKeyring,
}

impl TwoKeys {
    fn of(&self, request: &KeyRequest<'_>) -> &KmsKeyring {
        if request.context().get("tenant") == Some("a") { &self.a } else { &self.others }
    }
}

#[async_trait]
impl Keyring for TwoKeys {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        self.of(request).generate_data_key(request).await
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        self.of(request).unwrap_data_key(wrapped, request).await
    }
}

#[tokio::test]
async fn a_disabled_key_leaves_what_another_wrapped() {
    let aws = LocalAws::start().await.unwrap();
    let arns = [aws.create_key("alias/a"), aws.create_key("alias/others")];
    let [a, others] = arns.each_ref().map(|arn| KmsKeyring::new(aws.kms(), arn));
    let cache = CachingKeyring::builder(TwoKeys { a, others }).max_age(Duration::from_secs(300));
    let cache = cache.build().unwrap();
    let world =
        World { cipher: EnvelopeCipher::new(cache.clone()), aws, arn: String::new(), cache };
    for tenant in ["a", "b", "c"] {
        world.round_trip(tenant).await.unwrap();
    }
    world.aws.kms().disable_key().key_id(&arns[1]).send().await.unwrap();
    assert!(world.round_trip("d").await.is_err());
    assert_eq!(world.cache.metrics().held, 2);
    let calls = world.cache.metrics().calls;
    assert!(world.round_trip("a").await.is_ok());
    assert_eq!(world.cache.metrics().calls, calls);
    assert!(world.round_trip("b").await.is_err());
}

/// What an RSA key wrapped names its public half, and KMS names the key.
#[cfg(feature = "aws-lc")]
#[tokio::test]
async fn a_disabled_rsa_key_takes_all_that_it_wrapped_with_it() {
    use aws_sdk_kms::types::KeySpec;
    use aws_sdk_kms::types::KeyUsageType;
    use waxseal::KmsRsaKeyring;

    let aws = LocalAws::start().await.unwrap();
    let made = aws.kms().create_key().key_spec(KeySpec::Rsa2048);
    let made = made.key_usage(KeyUsageType::EncryptDecrypt).send().await.unwrap();
    let arn = made.key_metadata.unwrap().arn.unwrap();
    let keyring = KmsRsaKeyring::connect(aws.kms(), &arn).await.unwrap();
    let stranger = EnvelopeCipher::new(keyring.clone());
    let cache = CachingKeyring::builder(keyring).max_age(Duration::from_secs(300));
    let cache = cache.build().unwrap();
    let world = World { cipher: EnvelopeCipher::new(cache.clone()), aws, arn, cache };
    for tenant in ["a", "b"] {
        world.round_trip(tenant).await.unwrap();
    }
    assert_eq!(world.cache.metrics().held, 4);
    let other = stranger.seal(b"x", &context("c")).await.unwrap();
    world.aws.kms().disable_key().key_id(&world.arn).send().await.unwrap();
    assert!(world.cipher.open(&other, &context("c")).await.is_err());
    assert_eq!(world.cache.metrics().held, 0);
}

/// One of two cannot be asked, which is what the error says; the other refused all the same.
#[tokio::test]
async fn a_refusal_counts_beside_an_outage() {
    use waxseal::MultiKeyring;

    let aws = LocalAws::start().await.unwrap();
    let arns = [aws.create_key("alias/a"), aws.create_key("alias/b")];
    let [a, b] = arns.each_ref().map(|arn| KmsKeyring::new(aws.kms(), arn));
    let both = MultiKeyring::new(a).and(b);
    let stranger = EnvelopeCipher::new(both.clone());
    let cache = CachingKeyring::builder(both).max_age(Duration::from_secs(300));
    let cache = cache.build().unwrap();
    let [arn, down] = arns;
    let world = World { cipher: EnvelopeCipher::new(cache.clone()), aws, arn, cache };
    world.round_trip("a").await.unwrap();
    let other = stranger.seal(b"x", &context("b")).await.unwrap();
    world.aws.kms().disable_key().key_id(&world.arn).send().await.unwrap();
    world.aws.on_request(move |call| {
        let is_down = call.key.as_deref() == Some(&down);
        is_down.then(|| Fault::kms_error(500, "KMSInternalException"))
    });
    let error = world.cipher.open(&other, &context("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Keyring);
    assert_eq!(world.cache.metrics().held, 0);
}

/// Policies grant by encryption context: what one tenant is denied says nothing about another.
#[tokio::test]
async fn a_denial_takes_the_keys_of_its_context_only() {
    let world = World::start("ARN").await;
    let stranger = EnvelopeCipher::new(KmsKeyring::new(world.aws.kms(), &world.arn));
    let of_b = stranger.seal(b"x", &context("b")).await.unwrap();
    world.aws.on_request(|call| {
        let denied = call.input["EncryptionContext"]["tenant"] == "b";
        denied.then(|| Fault::kms_error(400, "AccessDeniedException"))
    });
    let error = world.cipher.open(&of_b, &context("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert_eq!(world.cache.metrics().held, 4);
    assert!(world.round_trip("b").await.is_err());
    let calls = world.cache.metrics().calls;
    assert!(world.round_trip("a").await.is_ok());
    assert!(world.round_trip("c").await.is_ok());
    assert_eq!(world.cache.metrics().calls, calls);
    world.aws.clear_faults();
    assert!(world.cipher.open(&of_b, &context("b")).await.is_ok());
}

/// An object that names another key makes no call and wipes nothing.
#[tokio::test]
async fn an_object_of_another_key_takes_nothing() {
    let world = World::start("ARN").await;
    let other = world.aws.create_key("alias/other");
    let stranger = EnvelopeCipher::new(KmsKeyring::new(world.aws.kms(), &other));
    let sealed = stranger.seal(b"x", &context("a")).await.unwrap();
    world.aws.kms().disable_key().key_id(&other).send().await.unwrap();
    let error = world.cipher.open(&sealed, &context("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert_eq!(world.cache.metrics().held, 6);
}

#[tokio::test]
async fn a_throttled_kms_is_not_asked_by_everybody() {
    let world = World::start("ARN").await;
    world.aws.reset_calls();
    world.aws.fail("GenerateDataKey", 100, Fault::kms_error(400, "ThrottlingException"));
    let context = context("new tenant");
    let all = (0..100).map(|_| world.cipher.seal(b"x", &context));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Keyring);
    }
    assert_eq!(world.aws.count("GenerateDataKey"), 3, "one request with the SDK's two retries");
    assert!(world.round_trip("a").await.is_ok());
}
