//! A reader that demands a signature opens what the holder of that key sealed, and asks for no data
//! key of anything else, in every way in which objects are opened.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "signatures/altered.rs"]
mod altered;
#[path = "signatures/demands.rs"]
mod demands;
#[cfg(feature = "kms")]
#[path = "signatures/kms.rs"]
mod kms;
#[path = "signatures/people.rs"]
mod people;
#[path = "signatures/ways.rs"]
mod ways;
