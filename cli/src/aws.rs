//! AWS clients: the standard chain of configuration, with what must not be left to it.
//!
//! Loaded when first asked for, so that what needs no AWS asks it for nothing.

mod failed;
mod watch;

use std::net::IpAddr;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::ConfigLoader;
use aws_config::Region;
use aws_config::SdkConfig;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::imds;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_sdk_kms::config::ConfigBag;
use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::config::Intercept;
use aws_sdk_kms::config::ProvideCredentials;
use aws_sdk_kms::config::RuntimeComponents;
use aws_sdk_kms::config::SharedHttpClient;
use aws_sdk_kms::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_kms::error::BoxError;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::config::ResponseChecksumValidation;
use aws_smithy_http_client::tls;
use aws_types::service_config::ServiceConfigKey;
use tokio::sync::OnceCell;

pub(crate) use failed::failed;
pub(crate) use watch::Watch;

use crate::args::AwsArgs;
use crate::exit::Code;
use crate::exit::Failure;

/// Makes clients of one configuration.
#[derive(Debug)]
pub(crate) struct Aws {
    args: AwsArgs,
    config: OnceCell<SdkConfig>,
    watch: Option<Watch>,
}

impl Aws {
    pub(crate) fn new(args: AwsArgs) -> Self {
        Self { args, config: OnceCell::new(), watch: None }
    }

    /// The same, with every request of its clients seen by `watch`.
    pub(crate) fn watched(self, watch: Watch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// The Region that is configured, if any.
    ///
    /// # Errors
    ///
    /// `Code::Usage` if it cannot be one.
    pub(crate) async fn region(&self) -> Result<Option<String>, Failure> {
        Ok(self.loaded().await?.region().map(ToString::to_string))
    }

    /// What signs requests, if the chain of credentials finds any.
    ///
    /// # Errors
    ///
    /// `Code::Key` if there are none.
    pub(crate) async fn credentials(&self) -> Result<Credentials, Failure> {
        let what = "no credentials were found";
        let Some(provider) = self.loaded().await?.credentials_provider() else {
            return Err(Failure::new(Code::Key, what));
        };
        provider.provide_credentials().await.map_err(|e| Failure::new(Code::Key, what).because(e))
    }

    /// A client of the Region of the KMS key `key`: the one in its ARN, or else the configured one.
    /// That one also for a multi-Region key, which has replicas to be asked for nearby.
    ///
    /// # Errors
    ///
    /// `Code::Key` if neither names a Region.
    pub(crate) async fn kms(&self, key: &str) -> Result<aws_sdk_kms::Client, Failure> {
        let config = self.loaded().await?;
        let of_arn = arn_region(key)
            .filter(|(_, is_multi_region)| !is_multi_region || config.region().is_none());
        let region = match of_arn {
            Some((region, _)) => checked(region)?,
            None => configured_region(config, Code::Key)?,
        };
        let mut config = aws_sdk_kms::config::Builder::from(config)
            .region(Region::new(region.to_owned()))
            .http_client(waxseal::kms_http_client())
            .interceptor(NoPlainHttp);
        if let Some(watch) = &self.watch {
            config = config.interceptor(watch.clone());
        }
        Ok(aws_sdk_kms::Client::from_conf(config.build()))
    }

    /// # Errors
    ///
    /// `Code::Store` if no Region is set.
    pub(crate) async fn s3(&self) -> Result<aws_sdk_s3::Client, Failure> {
        let config = self.loaded().await?;
        configured_region(config, Code::Store)?;
        let mut builder = aws_sdk_s3::config::Builder::from(config);
        if has_own_s3_endpoint(config) {
            // Other servers know neither bucket host names nor the newer checksums, for which the
            // AEAD makes up: damage is found on opening.
            builder = builder
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        if let Some(watch) = &self.watch {
            builder = builder.interceptor(watch.clone());
        }
        Ok(aws_sdk_s3::Client::from_conf(builder.build()))
    }

    async fn loaded(&self) -> Result<&SdkConfig, Failure> {
        let config = self.config.get_or_init(|| load(&self.args)).await;
        if let Some(region) = config.region() {
            checked(region.as_ref())?; // those who hand out credentials are asked there too
        }
        Ok(config)
    }
}

fn configured_region(config: &SdkConfig, code: Code) -> Result<&str, Failure> {
    config
        .region()
        .map(AsRef::as_ref)
        .ok_or_else(|| Failure::new(code, "no AWS Region is set").known("no-region"))
}

/// It becomes part of a host name.
fn checked(region: &str) -> Result<&str, Failure> {
    if is_region(region) {
        return Ok(region);
    }
    Err(Failure::usage(format!("{region:?} is not an AWS Region"))
        .remedy("a Region looks like eu-west-1"))
}

/// The Region in the ARN of a KMS key or alias, and whether it is a multi-Region key.
fn arn_region(name: &str) -> Option<(&str, bool)> {
    let mut parts = name.splitn(6, ':');
    let mut part = || parts.next();
    let ("arn", _, "kms", region) = (part()?, part()?, part()?, part()?) else { return None };
    let (_account, resource) = (part()?, part()?);
    Some((region, resource.starts_with("key/mrk-")))
}

async fn load(args: &AwsArgs) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .build_https();
    let provider = ProviderConfig::default().with_http_client(http.clone());
    let region = region_chain(args, &provider);
    let mut credentials = DefaultCredentialsChain::builder()
        .configure(provider.clone())
        .imds_client(imds_client(&provider))
        .region(region_chain(args, &provider));
    if let Some(profile) = &args.profile {
        credentials = credentials.profile_name(profile);
    }
    let mut loader = base(http)
        .region(region)
        .credentials_provider(credentials.build().await)
        .identity_cache(IdentityCache::lazy().build()); // one for KMS and S3
    if let Some(profile) = &args.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &args.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

fn base(http: SharedHttpClient) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest()).http_client(http)
}

/// As the SDK's own, but that the instance metadata service is not waited for so long.
fn region_chain(args: &AwsArgs, provider: &ProviderConfig) -> RegionProviderChain {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &args.profile {
        profile = profile.profile_name(name);
    }
    let imds = ImdsRegionProvider::builder()
        .configure(provider)
        .imds_client(imds_client(provider))
        .build();
    RegionProviderChain::first_try(args.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
        .or_else(imds)
}

/// Where there is an instance metadata service it answers in milliseconds; elsewhere nobody does.
fn imds_client(provider: &ProviderConfig) -> imds::Client {
    imds::Client::builder()
        .configure(provider)
        .max_attempts(1)
        .connect_timeout(Duration::from_secs(1))
        .read_timeout(Duration::from_secs(1))
        .operation_timeout(Duration::from_secs(2))
        .build()
}

/// Whether S3 is somewhere else than its Region says, by argument, environment or profile.
fn has_own_s3_endpoint(config: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let own = |key| config.service_config()?.load_config(key);
    config.endpoint_url().is_some() || key.is_ok_and(|key| own(key).is_some())
}

pub(crate) fn is_region(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed)
}

/// Refuses KMS requests in clear, whatever set the endpoint: their replies hold data keys.
#[derive(Debug)]
struct NoPlainHttp;

impl Intercept for NoPlainHttp {
    fn name(&self) -> &'static str {
        "NoPlainHttp"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let uri = context.request().uri();
        if uri.starts_with("https://") || is_loopback(uri) {
            Ok(())
        } else {
            Err(PLAIN_HTTP.into())
        }
    }
}

/// Whether a URL leads to this machine, by its text alone: no name is looked up.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    !authority.contains('@')
        && (host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// The text of that refusal.
pub(crate) const PLAIN_HTTP: &str = "KMS is not asked over plain http:// except on this machine";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in [
            "http://127.0.0.1",
            "http://127.8.9.1:4566/x",
            "http://localhost:1/",
            "http://[::1]:80/",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1@evil.example/",
            "http://localhost@evil.example/",
            "http://localhost.evil.example/",
            "http://evil.example/127.0.0.1",
            "http://evil.example?127.0.0.1",
            "http://10.0.0.1/",
            "http://0.0.0.0/",
            "http://[::2]/",
            "http://127.1/",
            "http://",
            "127.0.0.1",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn an_arn_names_its_region() {
        let arn = |rest: &str| format!("arn:aws:kms:eu-west-1:111122223333:{rest}");
        assert_eq!(arn_region(&arn("key/1")), Some(("eu-west-1", false)));
        assert_eq!(arn_region(&arn("key/mrk-1")), Some(("eu-west-1", true)));
        assert_eq!(arn_region(&arn("alias/mrk-a:b")), Some(("eu-west-1", false)));
        for name in ["1", "mrk-1", "alias/a", "arn:aws:s3:eu-west-1:1:key/1", "arn:aws:kms:x"] {
            assert_eq!(arn_region(name), None, "{name}");
        }
    }

    #[test]
    fn a_region_cannot_lead_to_another_host() {
        assert!(is_region("eu-west-1"));
        for bad in ["", "x@evil.example/", "a.b", "A", "a/b", "a#"] {
            assert!(!is_region(bad), "{bad}");
        }
    }
}
