//! The rules of the source tree: imports point down, and what only one place may name, only one
//! place names.
//!
//! Rust allows cycles between modules, so only a test can forbid them. Each rule is also shown to
//! find what breaks it, planted in a copy of `src`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Lowest first. A module may use itself, its own layer and the layers above it in this list.
///
/// `secret` and `crypto` are one layer: keys are drawn from the backend's randomness, and the
/// backend takes keys.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["context", "aws", "key_name", "new_file", "positional"],
    &["secret", "crypto"],
    &["floe", "oneshot"],
    &["signing"],
    &["keyring"],
    &["envelope"],
    &["object"],
    &["cipher"],
    &["file", "s3"],
];

/// Layers whose modules may use each other; in the others a module may use itself only.
const SHARED: &[[&str; 2]] = &[["secret", "crypto"]];

/// Words that only some files may hold, outside comments.
const RESERVED: &[(&str, &[&str])] = &[
    ("aws_lc_rs", &["crypto.rs", "crypto/"]),
    ("aes_gcm", &["crypto.rs", "crypto/"]),
    ("Blob", &["keyring/kms.rs", "keyring/kms/"]),
    ("unsafe", &[]),
];

const LONGEST_FILE: usize = 500;

#[test]
fn dependencies_point_down() {
    assert_eq!(upward_imports(&package().join("src")), [""; 0]);
}

#[test]
fn every_module_has_a_layer() {
    let lib = fs::read_to_string(package().join("src/lib.rs")).unwrap();
    let modules = lib
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let mut count = 0;
    for module in modules {
        assert!(layer_of(module).is_some(), "{module} is in no layer");
        count += 1;
    }
    assert_eq!(count, LAYERS.concat().len(), "a layer names a module that is gone");
}

#[test]
fn what_one_place_may_name_is_named_nowhere_else() {
    assert_eq!(misplaced_words(&package().join("src")), [""; 0]);
}

#[test]
fn files_are_short_and_none_is_called_mod() {
    assert_eq!(bad_files(package()), [""; 0]);
}

#[test]
fn an_upward_import_is_found() {
    for (file, line, found) in [
        ("floe/layout.rs", "use crate::object::Body;", "floe/layout.rs: crate::object"),
        ("floe.rs", "fn f() { crate::keyring::local(); }", "floe.rs: crate::keyring"),
        ("error.rs", "use crate::secret::SecretKey;", "error.rs: crate::secret"),
        ("oneshot.rs", "use crate::floe::Header;", "oneshot.rs: crate::floe"),
        ("context.rs", "use crate::crypto;", "context.rs: crate::crypto"),
        ("cipher.rs", "use crate::s3::GetObject;", "cipher.rs: crate::s3"),
        ("keyring.rs", "use crate::SecretKey;", "keyring.rs: crate::SecretKey"),
        ("object.rs", "use crate::{cipher, error};", "object.rs: crate::"),
        ("object.rs", "pub(in crate::cipher) fn f() {}", "object.rs: crate::cipher"),
    ] {
        let copy = altered_copy(file, line);
        assert_eq!(upward_imports(copy.path()), [found], "{line}");
    }
    let copy = altered_copy("floe.rs", "// crate::object is above; so is [`x`](crate::Object)");
    assert_eq!(upward_imports(copy.path()), [""; 0], "a comment");
    let copy = altered_copy("s3.rs", "use crate::error::Error;");
    assert_eq!(upward_imports(copy.path()), [""; 0], "a downward import");
}

#[test]
fn a_word_in_the_wrong_place_is_found() {
    for (file, line, found) in [
        ("floe.rs", "use aws_lc_rs::aead;", "floe.rs: aws_lc_rs"),
        ("keyring/local.rs", "use aes_gcm::Aes256Gcm;", "keyring/local.rs: aes_gcm"),
        ("s3/get.rs", "use aws_sdk_s3::primitives::Blob;", "s3/get.rs: Blob"),
        ("crypto/aws_lc.rs", "fn f() { unsafe { g() } }", "crypto/aws_lc.rs: unsafe"),
    ] {
        let copy = altered_copy(file, line);
        assert_eq!(misplaced_words(copy.path()), [found], "{line}");
    }
    for (file, line) in [
        ("crypto/aws_lc.rs", "use aws_lc_rs::aead;"),
        ("floe.rs", "// unsafe"),
        ("floe.rs", "Blobs"),
    ] {
        assert_eq!(misplaced_words(altered_copy(file, line).path()), [""; 0], "{line}");
    }
}

#[test]
fn a_long_file_and_one_called_mod_are_found() {
    let copy = altered_copy("error.rs", &"// line\n".repeat(LONGEST_FILE));
    fs::create_dir(copy.path().join("new")).unwrap();
    fs::write(copy.path().join("new/mod.rs"), "").unwrap();
    let lines = fs::read_to_string(copy.path().join("error.rs")).unwrap().lines().count();
    let mut found = bad_files(copy.path());
    found.sort();
    assert_eq!(found, [format!("error.rs: {lines} lines"), "new/mod.rs: called mod".to_owned()]);
}

/// `file: crate::module` for every path into a layer that is not below.
fn upward_imports(src: &Path) -> Vec<String> {
    let mut found = vec![];
    for (name, code) in code_below(src) {
        let module = name.split('/').next().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue; // it gathers all of them
        }
        let layer = layer_of(module).unwrap_or_else(|| panic!("{name} is in no layer"));
        for used in code.split("crate::").skip(1) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            let shared = |pair: &[&str; 2]| pair.contains(&module) && pair.contains(&used);
            let below = layer_of(used).is_some_and(|other| other < layer);
            if used != module && !below && !SHARED.iter().any(shared) {
                found.push(format!("{name}: crate::{used}"));
            }
        }
    }
    found
}

/// `file: word` for every reserved word outside its place.
fn misplaced_words(src: &Path) -> Vec<String> {
    let mut found = vec![];
    for (name, code) in code_below(src) {
        for (word, places) in RESERVED {
            // A folder stands for what is in it.
            let allowed =
                places.iter().any(|p| name == *p || p.ends_with('/') && name.starts_with(p));
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            if !allowed && words.any(|w| w == *word) {
                found.push(format!("{name}: {word}"));
            }
        }
    }
    found
}

fn bad_files(root: &Path) -> Vec<String> {
    let mut found = vec![];
    for (name, text) in files_below(root) {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            found.push(format!("{name}: {lines} lines"));
        }
        if name.rsplit('/').next() == Some("mod.rs") {
            found.push(format!("{name}: called mod"));
        }
    }
    found
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Name and text, without the lines that are comments, of every Rust file.
fn code_below(root: &Path) -> Vec<(String, String)> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let mut files = files_below(root);
    for (_, text) in &mut files {
        *text = text.lines().filter(is_code).collect::<Vec<_>>().join("\n");
    }
    files
}

/// Name, from `root`, and text of every Rust file but those that Cargo made.
fn files_below(root: &Path) -> Vec<(String, String)> {
    let mut files = vec![];
    collect(root, &mut files);
    assert!(files.len() > 10, "{} is not the source", root.display());
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            (name, text)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}

/// A copy of `src` with `line` at the end of `file`.
fn altered_copy(file: &str, line: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (name, text) in files_below(&package().join("src")) {
        let path = copy.path().join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let more = if name == file { line } else { "" };
        fs::write(path, format!("{text}\n{more}\n")).unwrap();
    }
    copy
}
