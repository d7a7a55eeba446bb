//! waxseal
mod context;
mod crypto;
mod error;
pub mod floe;
mod secret;

pub use context::EncryptionContext;
pub use error::{Error, ErrorKind, Result};
pub use secret::SecretKey;
