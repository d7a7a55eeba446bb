//! Re-wrapping and rotation: what changes, what must not, and what is asked of whom.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "rewrap/keys.rs"]
mod keys;
#[allow(dead_code, reason = "shared with the tests of keyrings")]
#[path = "keyrings/rsa_keys.rs"]
mod rsa_keys;

#[path = "rewrap/replies.rs"]
mod replies;
#[path = "rewrap/rotation.rs"]
mod rotation;
#[path = "rewrap/stored.rs"]
mod stored;
#[path = "rewrap/whole.rs"]
mod whole;
#[path = "rewrap/world.rs"]
mod world;
