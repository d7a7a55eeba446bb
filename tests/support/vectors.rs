//! Finds the third-party test vectors, which are not part of this repository.

use std::io::Write as _;
use std::path::PathBuf;

/// The folder `sub` of the vectors in `WAXSEAL_VECTORS`.
///
/// Without the variable the caller has nothing to run: this says so past the test harness's
/// capture of output, and on CI it is a failure.
pub(crate) fn folder(sub: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("WAXSEAL_VECTORS") else {
        assert!(std::env::var_os("CI").is_none(), "CI must set WAXSEAL_VECTORS");
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: the vectors `{sub}` need WAXSEAL_VECTORS=<folder of the vectors>"
        );
        return None;
    };
    let folder = PathBuf::from(root).join(sub);
    assert!(folder.is_dir(), "WAXSEAL_VECTORS has no folder {sub}");
    Some(folder)
}

/// Reads a JSON file of the vectors.
pub(crate) fn json(path: &std::path::Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).expect("the vector file is readable");
    serde_json::from_str(&text).expect("the vector file is JSON")
}

/// Decodes hex in either case, ignoring white space around it.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    base16ct::mixed::decode_vec(text.trim()).expect("the vector holds hex")
}
