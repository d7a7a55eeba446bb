//! A cache of data keys: when it asks, what it shares with whom, and when it lets go.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "caching/below.rs"]
mod below;
#[path = "caching/expiry.rs"]
mod expiry;
#[path = "caching/failures.rs"]
mod failures;
#[cfg(feature = "kms")]
#[path = "caching/kms.rs"]
mod kms;
#[path = "caching/limits.rs"]
mod limits;
#[path = "caching/sharing.rs"]
mod sharing;
