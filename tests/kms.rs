//! What KMS is asked, what of its replies is believed, and what its errors become.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "kms/discovery.rs"]
mod discovery;
#[path = "kms/errors.rs"]
mod errors;
#[path = "kms/names.rs"]
mod names;
#[path = "kms/regions.rs"]
mod regions;
#[path = "kms/replies.rs"]
mod replies;
#[path = "kms/requests.rs"]
mod requests;
#[path = "kms/small.rs"]
mod small;
#[path = "kms/world.rs"]
mod world;
#[path = "kms/wrapped.rs"]
mod wrapped;
