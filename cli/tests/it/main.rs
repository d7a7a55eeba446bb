//! The command as its users see it: a process with arguments, pipes, files, signals and codes.

// Clippy exempts tests, but not the functions they share.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod aws_errors;
mod files;
mod keys;
mod outputs;
mod passphrases;
mod ranges;
mod s3;
mod several_keys;
mod signals;
mod signing;
mod support;
mod terminal;
mod usage;
