//! A KMS and an S3 with a key and a bucket in them.

use std::io::Write as _;

use aws_sdk_s3::config::BehaviorVersion;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::Region;
use waxseal::{EncryptionContext, EnvelopeCipher, KmsKeyring, S3EncryptionClient};
use waxseal_testkit::LocalAws;

pub(crate) struct World {
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) key_arn: String,
    pub(crate) bucket: String,
    /// Ours, which run as long as this; `None` for moto.
    servers: Option<(LocalAws, Option<waxseal_testkit::Server>)>,
}

impl World {
    pub(crate) fn cipher(&self) -> EnvelopeCipher {
        EnvelopeCipher::new(KmsKeyring::new(self.kms.clone(), &self.key_arn))
    }

    /// Parts of 5 MiB, the least that S3 takes.
    pub(crate) fn client(&self) -> S3EncryptionClient {
        S3EncryptionClient::new(self.s3.clone(), self.cipher()).part_len(0)
    }

    /// Our own server; `None` if it is moto.
    pub(crate) fn aws(&self) -> Option<&LocalAws> {
        self.servers.as_ref().map(|(aws, _)| aws)
    }

    /// The key, as every server takes it: moto changes no key that is named by its ARN.
    pub(crate) fn key_id(&self) -> &str {
        self.key_arn.rsplit('/').next().unwrap()
    }

    pub(crate) fn context(&self) -> EncryptionContext {
        EncryptionContext::from([("tenant", "acme"), ("naïve", "a=b & c")])
    }

    /// The stored bytes and metadata, as anybody who can read the bucket sees them.
    pub(crate) async fn stored(&self, key: &str) -> Stored {
        let reply = self.s3.get_object().bucket(&self.bucket).key(key).send().await.unwrap();
        let metadata = reply.metadata().cloned().unwrap_or_default();
        Stored { metadata, body: reply.body.collect().await.unwrap().to_vec() }
    }

    /// Stores bytes and metadata, as anybody who can write to the bucket may.
    pub(crate) async fn store(&self, key: &str, stored: &Stored) {
        let put = self.s3.put_object().bucket(&self.bucket).key(key);
        let put = put.set_metadata(Some(stored.metadata.clone()));
        put.body(stored.body.clone().into()).send().await.unwrap();
    }
}

#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) metadata: std::collections::HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

pub(crate) async fn in_process() -> World {
    let aws = LocalAws::start().await.unwrap();
    let (kms, s3) = (aws.kms(), aws.s3());
    World::new(kms, s3, Some((aws, None))).await
}

pub(crate) async fn loopback() -> World {
    let aws = LocalAws::start().await.unwrap();
    let server = aws.serve().await.unwrap();
    let (kms, s3) = (server.kms(), server.s3());
    World::new(kms, s3, Some((aws, Some(server)))).await
}

/// The moto server of `WAXSEAL_MOTO`; says past the harness's capture when there is none.
pub(crate) async fn moto(test: &str) -> Option<World> {
    let Ok(endpoint) = std::env::var("WAXSEAL_MOTO") else {
        assert!(std::env::var_os("CI").is_none(), "CI must set WAXSEAL_MOTO");
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: `{test}` against moto needs WAXSEAL_MOTO=<endpoint of moto_server>"
        );
        return None;
    };
    let credentials = Credentials::new("test", "test", None, None, "test");
    let kms = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials.clone())
        .endpoint_url(&endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .build();
    let s3 = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .endpoint_url(&endpoint)
        .force_path_style(true)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .build();
    let kms = aws_sdk_kms::Client::from_conf(kms);
    Some(World::new(kms, aws_sdk_s3::Client::from_conf(s3), None).await)
}

impl World {
    async fn new(
        kms: aws_sdk_kms::Client,
        s3: aws_sdk_s3::Client,
        servers: Option<(LocalAws, Option<waxseal_testkit::Server>)>,
    ) -> Self {
        let key = kms.create_key().send().await.unwrap();
        let key_arn = key.key_metadata().unwrap().arn().unwrap().to_owned();
        // A server may be shared by tests: the key's id makes the bucket this test's own.
        let bucket = format!("b-{}", key_arn.rsplit('/').next().unwrap());
        s3.create_bucket().bucket(&bucket).send().await.unwrap();
        Self { kms, s3, key_arn, bucket, servers }
    }
}
