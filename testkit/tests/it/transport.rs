//! The two ways to reach a [`LocalAws`], so that each test can be run over both.

use waxseal_testkit::LocalAws;
use waxseal_testkit::Server;

/// An AWS of its own, and one way to it.
pub(crate) struct Transport {
    pub(crate) aws: LocalAws,
    /// Loopback HTTP if there is a server, otherwise in process.
    pub(crate) server: Option<Server>,
}

/// An AWS reached in process and one reached by HTTP.
pub(crate) async fn both() -> [Transport; 2] {
    let (direct, served) = (LocalAws::start().await.unwrap(), LocalAws::start().await.unwrap());
    let server = served.serve().await.unwrap();
    [Transport { aws: direct, server: None }, Transport { aws: served, server: Some(server) }]
}

impl Transport {
    pub(crate) fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::from_conf(self.kms_config().build())
    }

    pub(crate) fn kms_in(&self, region: &'static str) -> aws_sdk_kms::Client {
        let region = aws_sdk_kms::config::Region::new(region);
        aws_sdk_kms::Client::from_conf(self.kms_config().region(region).build())
    }

    pub(crate) fn kms_config(&self) -> aws_sdk_kms::config::Builder {
        self.server.as_ref().map_or_else(|| self.aws.kms_config(), Server::kms_config)
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(self.s3_config().build())
    }

    pub(crate) fn s3_config(&self) -> aws_sdk_s3::config::Builder {
        self.server.as_ref().map_or_else(|| self.aws.s3_config(), Server::s3_config)
    }
}
