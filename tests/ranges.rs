//! Ranges of an object are slices of its plaintext, fetch only the segments they need, and never
//! turn a source's failure into data.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "support/doors.rs"]
mod doors;
#[path = "support/fixed_key.rs"]
mod fixed_key;
#[path = "support/reference.rs"]
mod reference;
#[path = "support/sources.rs"]
mod sources;

#[path = "ranges/aligned.rs"]
mod aligned;
#[path = "ranges/faults.rs"]
mod faults;
#[path = "ranges/fetches.rs"]
mod fetches;
#[path = "ranges/sample.rs"]
mod sample;
#[path = "ranges/slices.rs"]
mod slices;
