//! What is left of keys in the memory of a process with the settings of the command: nothing.
//!
//! As `memory_scan.rs`, with an allocator that overwrites what is freed and a KMS client that
//! keeps no connection.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "memory_scan/child.rs"]
mod child;
#[path = "support/derived_keys.rs"]
mod derived_keys;
#[path = "memory_scan/parent.rs"]
mod parent;
#[allow(dead_code, reason = "shared with the differential tests")]
#[path = "support/reference.rs"]
mod reference;

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

use crate::parent::Promise;

#[global_allocator]
static HEAP: ZeroAlloc<System> = ZeroAlloc(System);

#[test]
fn keys_are_gone() {
    if child::is_me() {
        return child::run(waxseal::kms_http_client());
    }
    parent::scan("keys_are_gone", &Promise::Nothing);
}
