//! The command as its users see it: a process with arguments, pipes, files, signals and codes.

// Clippy exempts tests, but not the functions they share.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

#[cfg(target_os = "linux")]
#[path = "../../../tests/support/derived_keys.rs"]
mod derived_keys;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared with the tests of the library")]
#[path = "../../../tests/support/reference.rs"]
mod reference;

mod aws_errors;
mod ceph;
mod doctor;
#[cfg(target_os = "linux")]
mod error_codes;
mod files;
#[cfg(target_os = "linux")]
mod hygiene;
mod inspect_keys;
mod json;
mod key;
mod key_deletion;
mod key_grants;
mod keys;
mod moto;
mod outputs;
mod pages;
mod passphrases;
mod policy;
mod ranges;
mod regions;
mod rewrap;
mod rotate;
mod s3;
mod secret;
mod several_keys;
mod shells;
mod signals;
mod signing;
mod support;
mod terminal;
mod usage;
