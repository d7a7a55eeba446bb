//! Streams are sealed and opened however they are cut, whenever they are ready, wherever they
//! fail and whenever they are dropped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "support/pending.rs"]
mod pending;

#[path = "streams/cancelled.rs"]
mod cancelled;
#[path = "streams/chunks.rs"]
mod chunks;
#[path = "streams/errors.rs"]
mod errors;
#[path = "streams/readers.rs"]
mod readers;
#[path = "streams/sample.rs"]
mod sample;
#[path = "streams/turns.rs"]
mod turns;
