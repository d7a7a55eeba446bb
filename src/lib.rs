//! waxseal
#[cfg(any(feature = "kms", feature = "s3"))]
mod aws;
mod cipher;
mod context;
mod crypto;
mod envelope;
mod error;
pub mod floe;
mod keyring;
mod object;
mod oneshot;
#[cfg(feature = "s3")]
mod s3;
mod secret;

pub use async_trait::async_trait;
pub use cipher::{EnvelopeCipher, ReadPolicy};
pub use context::EncryptionContext;
pub use envelope::{Binding, Envelope, Format, METADATA_LIMIT, Placement};
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "kms")]
pub use keyring::KmsKeyring;
pub use keyring::{DataKey, KeyFile, Keyring, LocalKeyring, WrappedKey};
pub use object::{Body, Object, ReadAt};
#[cfg(feature = "s3")]
pub use s3::{
    GetObject, GetOptions, ObjectHead, PutObject, PutOptions, PutOutput, S3EncryptionClient,
    S3Object, SseCustomerKey,
};
pub use secret::SecretKey;
