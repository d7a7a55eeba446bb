//! Keyrings: what each wraps it unwraps, alone and together with others, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[cfg(all(feature = "aws-lc", feature = "kms"))]
#[path = "keyrings/kms_rsa.rs"]
mod kms_rsa;
#[path = "keyrings/locked.rs"]
mod locked;
#[path = "keyrings/multi.rs"]
mod multi;
#[cfg(feature = "aws-lc")]
#[path = "keyrings/rsa.rs"]
mod rsa;
#[cfg(feature = "aws-lc")]
#[path = "keyrings/rsa_keys.rs"]
mod rsa_keys;
#[path = "keyrings/scripted.rs"]
mod scripted;
