//! A KMS with an old and a new key, a bucket, and what a test does with them.

use std::collections::BTreeMap;

use aws_sdk_kms::config::Region;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_sdk_s3::types::ChecksumMode;
use aws_sdk_s3::types::ObjectLockLegalHoldStatus;
use aws_sdk_s3::types::ObjectLockMode;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_sdk_s3::types::StorageClass;
use bytes::Bytes;
use waxseal::{
    EncryptionContext, EnvelopeCipher, KeyFile, KmsKeyring, LocalKeyring, NewFront, Placement,
    Rewrap, S3EncryptionClient,
};
use waxseal_testkit::{Call, LocalAws};

pub(crate) const MIB: usize = 1 << 20;

pub(crate) struct World {
    pub(crate) aws: LocalAws,
    /// ARNs.
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) context: EncryptionContext,
}

impl World {
    pub(crate) async fn start() -> Self {
        let aws = LocalAws::start().await.unwrap();
        let (old, new) = (aws.create_key("alias/old"), aws.create_key("alias/new"));
        aws.create_bucket("bucket");
        Self { aws, old, new, context: EncryptionContext::from([("tenant", "acme")]) }
    }

    pub(crate) fn keyring(&self, key: &str) -> KmsKeyring {
        KmsKeyring::new(self.aws.kms(), key)
    }

    pub(crate) fn keyring_there(&self, key: &str) -> KmsKeyring {
        let config = self.aws.kms_config().region(Region::from_static("eu-west-1"));
        KmsKeyring::new(aws_sdk_kms::Client::from_conf(config.build()), key)
    }

    /// The ARN of a new key in eu-west-1.
    pub(crate) fn far_key(&self) -> String {
        let made = self.aws.kms_state().handle_in("eu-west-1", "TrentService.CreateKey", b"{}").1;
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    /// From the old key to the new one.
    pub(crate) fn rewrap(&self) -> Rewrap {
        Rewrap::new(self.keyring(&self.old), self.keyring(&self.new))
    }

    pub(crate) async fn sealed(&self, keyring: impl waxseal::Keyring + 'static) -> Bytes {
        EnvelopeCipher::new(keyring).seal(b"attack at dawn", &self.context).await.unwrap()
    }

    pub(crate) async fn open(
        &self,
        keyring: impl waxseal::Keyring + 'static,
        sealed: &[u8],
    ) -> waxseal::Result<Bytes> {
        EnvelopeCipher::new(keyring).open(sealed, &self.context).await
    }

    pub(crate) async fn front(
        &self,
        sealed: &[u8],
        rewrap: &Rewrap,
    ) -> waxseal::Result<Option<NewFront>> {
        // The keyring of the cipher is not asked.
        cipher().rewrap_inline(sealed, &self.context, rewrap).await
    }

    /// `sealed`, re-wrapped.
    pub(crate) async fn rewrapped(&self, sealed: &[u8], rewrap: &Rewrap) -> Vec<u8> {
        let front = self.front(sealed, rewrap).await.unwrap().unwrap();
        [front.envelope(), &sealed[front.replaces()..]].concat()
    }

    pub(crate) fn client(&self, key: &str, placement: Placement) -> S3EncryptionClient {
        let cipher = EnvelopeCipher::new(self.keyring(key));
        let client = S3EncryptionClient::new(self.aws.s3(), cipher).placement(placement);
        client.part_len(5 * MIB).copy_at_once(5 << 20)
    }

    /// Stores `len` bytes under the old key, with everything that S3 can keep of an object.
    pub(crate) async fn put(&self, name: &str, len: usize, placement: Placement) -> Vec<u8> {
        let plain = plain(len);
        let cipher = EnvelopeCipher::new(self.keyring(&self.old));
        let (metadata, sealed) = match placement {
            Placement::Metadata => {
                let body = Bytes::from(plain.clone());
                let (metadata, body) =
                    cipher.seal_with_metadata(body, &self.context).await.unwrap();
                (metadata, body.collect().await.unwrap())
            }
            _ => (vec![], cipher.seal(&plain, &self.context).await.unwrap()),
        };
        let mut request = self.aws.s3().put_object().bucket("bucket").key(name);
        for (name, value) in metadata {
            request = request.metadata(name, value);
        }
        request
            .body(sealed.into())
            .metadata("origin", "billing")
            .bucket_key_enabled(true)
            .cache_control("max-age=60")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .content_disposition("attachment")
            .content_encoding("gzip")
            .content_language("de")
            .content_type("text/csv")
            .expires(DateTime::from_secs(2_000_000_000))
            .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On)
            .object_lock_mode(ObjectLockMode::Governance)
            .object_lock_retain_until_date(DateTime::from_secs(2_000_000_000))
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id("alias/at-rest")
            .storage_class(StorageClass::StandardIa)
            .tagging("project=a%20b&owner=me")
            .website_redirect_location("/elsewhere")
            .send()
            .await
            .unwrap();
        self.aws.reset_calls();
        plain
    }

    pub(crate) async fn get(&self, key: &str, name: &str) -> waxseal::Result<Bytes> {
        let client = self.client(key, Placement::Metadata);
        let object = client.get_object("bucket", name, &self.context).send().await?;
        object.into_stream().collect().await
    }

    /// Everything that S3 says of an object but its ETag, times, and envelope.
    pub(crate) async fn kept(&self, name: &str) -> String {
        let s3 = self.aws.s3();
        let head = s3.head_object().bucket("bucket").key(name);
        let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        let tags = s3.get_object_tagging().bucket("bucket").key(name).send().await.unwrap();
        format!("{} {:?}", described(&head), tags.tag_set())
    }

    /// Operations that S3 was asked for.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.operation).collect()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.aws.calls().into_iter().filter(|call| call.bucket.is_some()).collect()
    }
}

fn described(head: &HeadObjectOutput) -> String {
    let mut metadata: BTreeMap<_, _> = head.metadata().unwrap().clone().into_iter().collect();
    metadata.retain(|name, _| !name.starts_with("waxseal-key-"));
    format!(
        "{metadata:?} {:?}",
        [
            format!("{:?}", head.bucket_key_enabled()),
            format!("{:?}", head.cache_control()),
            format!("{:?}", head.content_disposition()),
            format!("{:?}", head.content_encoding()),
            format!("{:?}", head.content_language()),
            format!("{:?}", head.content_type()),
            format!("{:?}", head.expires_string()),
            format!("{:?}", head.object_lock_legal_hold_status()),
            format!("{:?}", head.object_lock_mode()),
            format!("{:?}", head.object_lock_retain_until_date()),
            format!("{:?}", head.server_side_encryption()),
            format!("{:?}", head.ssekms_key_id()),
            format!("{:?}", head.storage_class()),
            format!("{:?}", head.website_redirect_location()),
        ]
    )
}

/// A cipher whose keyring has no key that anything is under.
pub(crate) fn cipher() -> EnvelopeCipher {
    EnvelopeCipher::new(local())
}

pub(crate) fn local() -> LocalKeyring {
    LocalKeyring::new(KeyFile::generate().unwrap())
}

pub(crate) fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}
