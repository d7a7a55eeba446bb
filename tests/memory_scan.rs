//! What is left of keys in the memory of a process that uses the library as it is: nothing, but
//! for base64 in the buffers of the SDK.
//!
//! `cargo test --test memory_scan -- --nocapture` prints the table of `docs/key-hygiene.md`:
//! copies at each checkpoint, and after a `+` halves of copies. The process is scanned from
//! outside. See `memory_scan_wiping.rs` for the same with the settings of the command.

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

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::parent::Promise;

#[test]
fn keys_are_gone_but_for_buffers_of_the_sdk() {
    if child::is_me() {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
        return child::run(http);
    }
    parent::scan("keys_are_gone_but_for_buffers_of_the_sdk", &Promise::Base64PerCall(3));
}
