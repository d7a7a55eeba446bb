//! The testkit as its users see it: through clients of the real SDK, over both transports.

// Clippy exempts tests, but not the functions they share.
#![allow(clippy::unwrap_used)]

mod faults;
mod kms;
mod kms_keys;
mod kms_signing;
mod multipart;
mod record;
mod s3;
mod settings;
mod tls;
mod transport;
