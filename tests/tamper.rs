//! What was altered does not open: every bit, every cut, every append, every exchange of parts,
//! through every door.
//!
//! Each refusal has its kind, and what a stream let out before it is exactly the plaintext of the
//! segments in front of the damage. Every test also shows that the untouched object opens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "support/doors.rs"]
mod doors;
#[path = "support/floe_message.rs"]
mod floe_message;

#[path = "tamper/bindings.rs"]
mod bindings;
#[path = "tamper/bits.rs"]
mod bits;
#[path = "tamper/callers.rs"]
mod callers;
#[path = "tamper/formats.rs"]
mod formats;
#[path = "tamper/lengths.rs"]
mod lengths;
#[path = "tamper/metadata.rs"]
mod metadata;
#[path = "tamper/one_data_key.rs"]
mod one_data_key;
#[path = "tamper/one_shot.rs"]
mod one_shot;
#[path = "tamper/sample.rs"]
mod sample;
#[path = "tamper/segments.rs"]
mod segments;
#[path = "tamper/stored.rs"]
mod stored;
