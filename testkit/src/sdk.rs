//! How the SDK clients of this crate are set up, for either transport.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_s3::config::BehaviorVersion;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::retry::RetryPartition;

/// What clients need to find one pretended AWS.
#[derive(Clone, Debug)]
pub(crate) struct Sdk {
    http_client: SharedHttpClient,
    endpoint: String,
    /// Names the retry quota. The SDK shares one quota per service and process, which the
    /// faults of one test would use up for all the others.
    partition: String,
}

impl Sdk {
    pub(crate) fn new(http_client: SharedHttpClient, endpoint: impl Into<String>) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let partition = format!("testkit-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        Self { http_client, endpoint: endpoint.into(), partition }
    }

    pub(crate) fn kms_config(&self) -> aws_sdk_kms::config::Builder {
        aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(credentials())
            .endpoint_url(&self.endpoint)
            .http_client(self.http_client.clone())
            .region(Region::new(REGION))
            .retry_config(quick_retries())
            .retry_partition(RetryPartition::new(format!("{}-kms", self.partition)))
    }

    pub(crate) fn s3_config(&self) -> aws_sdk_s3::config::Builder {
        aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(credentials())
            .endpoint_url(&self.endpoint)
            .force_path_style(true)
            .http_client(self.http_client.clone())
            .region(Region::new(REGION))
            .retry_config(quick_retries())
            .retry_partition(RetryPartition::new(format!("{}-s3", self.partition)))
    }
}

fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "waxseal-testkit")
}

/// Three attempts as by default, but no test waits for them.
fn quick_retries() -> RetryConfig {
    RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(2))
}

/// The account that owns everything.
pub const ACCOUNT: &str = "111122223333";

/// The region that clients of this crate use.
pub const REGION: &str = "us-east-1";

/// The only access key that S3 accepts.
pub const ACCESS_KEY_ID: &str = "test";

/// The secret of [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "test";
