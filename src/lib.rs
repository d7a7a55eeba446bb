#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    all(feature = "aws-lc", feature = "kms", feature = "s3"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "aws-lc", feature = "kms", feature = "s3")),
    doc = "Client-side envelope encryption; see the README."
)]
//!
//! # Where to begin
//!
//! [`EnvelopeCipher`] seals and opens bytes, streams and anything that is [`ReadAt`];
//! [`S3EncryptionClient`](https://docs.rs/waxseal) does it for objects in S3. Both hold a
//! [`Keyring`]: [`LocalKeyring`], `RsaKeyring`, `KmsKeyring`, your own, or several in a
//! [`MultiKeyring`]. [`Error::kind`] says what to do about a failure.
//!
//! # Runtime
//!
//! Nothing here reads the environment, builds a client or starts a runtime. Files, multipart
//! uploads and a [`MultiKeyring`] need to run within a Tokio runtime, as the AWS SDK does.

// Read in this order: cipher, object, envelope, floe, floe::layout, crypto.
#[cfg(any(feature = "kms", feature = "s3"))]
mod aws;
mod cipher;
mod context;
mod crypto;
mod envelope;
mod error;
mod file;
pub mod floe;
mod key_name;
mod keyring;
mod new_file;
mod object;
mod oneshot;
mod positional;
#[cfg(feature = "s3")]
mod s3;
mod secret;
mod signing;

/// What lets a trait have `async fn`s, for implementations of [`Keyring`], [`ReadAt`] and
/// [`SigningKey`].
pub use async_trait::async_trait;
pub use cipher::{EnvelopeCipher, NewFront, ReadPolicy};
pub use context::EncryptionContext;
pub use envelope::{Binding, Envelope, Format, METADATA_LIMIT, Placement};
pub use error::{Error, ErrorKind, Result};
pub use file::{FileSink, FileTransfer, Transferred};
#[cfg(all(feature = "aws-lc", feature = "kms"))]
pub use keyring::KmsRsaKeyring;
#[cfg(feature = "aws-lc")]
pub use keyring::RsaKeyring;
#[cfg(feature = "kms-http")]
pub use keyring::kms_http_client;
pub use keyring::{
    CacheMetrics, CachingKeyring, CachingKeyringBuilder, DataKey, KeyFile, KeyRequest, KeyUse,
    Keyring, LocalKeyring, MultiKeyring, Rewrap, Rewrapped, Standing, WrappedKey,
};
#[cfg(feature = "kms")]
pub use keyring::{KmsDiscoveryKeyring, KmsKeyring, KmsSigningKey};
pub use new_file::NewFile;
pub use object::{Body, Object, ReadAt};
#[cfg(feature = "s3")]
pub use s3::{
    GetObject, GetOptions, ObjectHead, PutObject, PutOptions, PutOutput, RewrapObject,
    RewrapOutput, RotateObject, S3EncryptionClient, S3Object, SseCustomerKey,
};
#[cfg(feature = "kms")]
pub use secret::SecretBytes;
pub use secret::SecretKey;
pub use signing::{Signature, SigningKey};
