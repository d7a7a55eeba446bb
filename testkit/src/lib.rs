//! Doubles of AWS KMS and Amazon S3 for the tests and examples of `waxseal`.
//!
//! [`LocalAws`] holds both services: a KMS of our own, and `s3s-fs` behind a layer that mends
//! where it differs from Amazon S3. Clients of the real AWS SDK reach it without a socket;
//! other programs reach it over loopback HTTP through [`LocalAws::serve`], or over TLS through
//! [`LocalAws::serve_tls`]. All ways run the same code, so all are recorded ([`Call`]) and can be
//! made to fail ([`Fault`]).
//!
//! Nothing here is secure: keys lie in memory or in a plain file, and KMS requests are not
//! authenticated.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use waxseal_testkit::LocalAws;
//!
//! let aws = LocalAws::start().await?;
//! let key = aws.create_key("alias/demo");
//! aws.create_bucket("demo");
//!
//! aws.s3().put_object().bucket("demo").key("a").body(b"hello".to_vec().into()).send().await?;
//! let described = aws.kms().describe_key().key_id("alias/demo").send().await?;
//! assert_eq!(described.key_metadata().and_then(|key| key.arn()), Some(key.as_str()));
//! assert_eq!((aws.count("PutObject"), aws.count("DescribeKey")), (1, 1));
//! # Ok(())
//! # }
//! ```

// Read in this order: aws, http, record, fault, kms, s3.
mod aws;
mod fault;
mod http;
mod record;
mod s3;
mod sdk;
mod server;
mod tls;

pub mod kms;
#[cfg(target_os = "linux")]
pub mod memory;

pub use aws::{Builder, LocalAws};
pub use fault::Fault;
pub use record::{Call, Service};
pub use s3::OpenUpload;
pub use sdk::{ACCESS_KEY_ID, ACCOUNT, REGION, SECRET_ACCESS_KEY};
pub use server::Server;
