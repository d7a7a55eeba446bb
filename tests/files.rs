//! Local files: what threads make of them is what a stream makes of them, and what fails leaves
//! nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "files/faults.rs"]
mod faults;
#[path = "files/new_file.rs"]
mod new_file;
#[path = "files/round_trips.rs"]
mod round_trips;
#[path = "files/sample.rs"]
mod sample;
#[path = "files/tampered.rs"]
mod tampered;
