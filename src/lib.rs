//! waxseal
#[cfg(any(feature = "kms", feature = "s3"))]
mod aws;
mod context;
mod crypto;
mod envelope;
mod error;
pub mod floe;
mod keyring;
mod oneshot;
mod secret;

pub use async_trait::async_trait;
pub use context::EncryptionContext;
pub use envelope::{Binding, Envelope, Format, METADATA_LIMIT, Placement};
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "kms")]
pub use keyring::KmsKeyring;
pub use keyring::{DataKey, KeyFile, Keyring, LocalKeyring, WrappedKey};
pub use secret::SecretKey;
