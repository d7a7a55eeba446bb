//! Notes which compiler built the benchmarks, for their reports.

use std::process::Command;

fn main() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-V").output();
    let version = version.map(|v| String::from_utf8_lossy(&v.stdout).trim().to_owned());
    let version = version.unwrap_or_else(|_| "an unknown compiler".to_owned());
    println!("cargo:rustc-env=WAXSEAL_BENCH_RUSTC={version}");
    println!("cargo:rerun-if-changed=build.rs");
}
