//! What our code adds to the cipher's instructions: a guard that no busy machine can upset.
//!
//!     cargo test --release -p waxseal-bench --test instructions
//!
//! Counts under callgrind, for streams in memory with segments of 64 KiB, at two lengths: their
//! difference is free of what starting costs. The raw cipher's own count for the same segments is
//! subtracted.
//!
//! Valgrind 3.19 shows a program no AVX-512, so the cipher takes another path here than on the
//! CPU. That path is on both sides of the subtraction.
//!
//! With AWS-LC only: RustCrypto's cipher is generic code, compiled once into the library and once
//! into this package, and the two differ by 2 %, which is as much as we add.
//!
//! One copy of a MiB would be about 100,000 instructions. What is left is a few hundred for a
//! segment; most of those are AWS-LC's, around its cipher.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::ops::RangeInclusive;
use std::process::Command;

/// Instructions added for a MiB sealed: 16,610 on 2026-11-22; 140,031 while each was copied.
const ADDED_BY_SEALING: RangeInclusive<i64> = 12_000..=21_000;
/// Instructions added for a MiB opened: 4,344 on 2026-11-22; 109,644 while each was copied.
const ADDED_BY_OPENING: RangeInclusive<i64> = 3_200..=5_500;

#[test]
#[cfg_attr(any(debug_assertions, not(feature = "aws-lc")), ignore = "needs --release and AWS-LC")]
fn sealing_adds_no_more_instructions_than_it_did() {
    check("seal", "raw-seal", ADDED_BY_SEALING);
}

#[test]
#[cfg_attr(any(debug_assertions, not(feature = "aws-lc")), ignore = "needs --release and AWS-LC")]
fn opening_adds_no_more_instructions_than_it_did() {
    check("open", "raw-open", ADDED_BY_OPENING);
}

fn check(what: &str, raw: &str, band: RangeInclusive<i64>) {
    let (with, cipher) = (per_mib(what), per_mib(raw));
    let added = with - cipher;
    println!(
        "{what}: {with} instructions a MiB, the cipher {cipher}, added {added} (band {band:?})"
    );
    assert!(
        band.contains(&added),
        "{what} adds {added} instructions a MiB, outside {band:?}: if that is meant, or an \
         improvement, change the band in tests/instructions.rs"
    );
}

/// Instructions for one more MiB.
fn per_mib(what: &str) -> i64 {
    let [few, many] = [16, 48].map(|mib| (mib, count(what, mib)));
    (many.1 - few.1) / (many.0 - few.0)
}

fn count(what: &str, mib: i64) -> i64 {
    let folder = tempfile::tempdir().unwrap();
    let mut out_file = std::ffi::OsString::from("--callgrind-out-file=");
    out_file.push(folder.path().join("out"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*measured*"])
        .arg(out_file)
        .arg(env!("CARGO_BIN_EXE_instructions"))
        .args([what, &mib.to_string()])
        // With `rep movsb` valgrind would count an instruction for every byte copied.
        .env("GLIBC_TUNABLES", TUNABLES)
        .output()
        .unwrap_or_else(|e| panic!("cannot run valgrind ({e}): apt-get install valgrind"));
    let log = String::from_utf8_lossy(&output.stderr);
    let collected = log.lines().find_map(|line| line.split_once("Collected : "));
    let count: i64 = match collected {
        Some((_, count)) if output.status.success() => count.trim().parse().unwrap(),
        _ => panic!("valgrind failed: {log}"),
    };
    assert!(count > 0, "callgrind did not find the function `measured`");
    count
}

const TUNABLES: &str = "glibc.cpu.x86_rep_movsb_threshold=0x40000000:\
                        glibc.cpu.x86_non_temporal_threshold=0x40000000";
