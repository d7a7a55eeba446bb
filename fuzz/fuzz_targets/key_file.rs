//! Any file as a key file: no panic, and one that loads has 1 to 64 keys that are kept.
//!
//! Ids differ and are 1 to 64 of `a-z`, `0-9` and `-`. What was loaded, written again and loaded
//! again is the same keys in the same order. Written means synced: run with `TMPDIR` in memory.
//! Locked files are read with a passphrase that is not theirs, at costs that take no time.

#![no_main]

use std::collections::BTreeSet;
use std::io::Write as _;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;
use waxseal::ErrorKind;
use waxseal::KeyFile;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a [u8]),
    Lines(Vec<Line<'a>>),
    Locked { memory: u8, passes: u8, lanes: u8, salt: [u8; 22], sealed: &'a [u8], more: &'a str },
}

#[derive(Arbitrary, Debug)]
enum Line<'a> {
    Any(&'a str),
    Key { id: &'a str, key: [u8; 43] },
    Good(u8),
}

fuzz_target!(|input: Input<'_>| {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&input.bytes()).unwrap();
    // Only these have a cost that is known to be small.
    if matches!(input, Input::Locked { .. }) {
        let error = KeyFile::load_locked(file.path(), b"passphrase").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Format | ErrorKind::KeyAccess), "{error}");
    }
    let is_locked = KeyFile::is_locked(file.path()).unwrap();
    let keys = match KeyFile::load(file.path()) {
        Ok(keys) => keys,
        Err(error) if is_locked => return assert_eq!(error.kind(), ErrorKind::KeyAccess),
        Err(error) => return assert_eq!(error.kind(), ErrorKind::Format),
    };
    assert!((1..=64).contains(&keys.iter().count()));
    assert_eq!(keys.iter().next().unwrap().0, keys.current().0);
    let ids: BTreeSet<_> = keys.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), keys.iter().count());
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    assert!(ids.iter().all(|id| (1..=64).contains(&id.len()) && id.bytes().all(allowed)));

    keys.replace(file.path()).unwrap();
    let again = KeyFile::load(file.path()).unwrap();
    let exposed = |keys: &KeyFile| -> Vec<_> {
        keys.iter().map(|(id, key)| (id.to_owned(), *key.expose())).collect()
    };
    assert_eq!(exposed(&keys), exposed(&again));
});

impl Input<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Raw(bytes) => bytes.to_vec(),
            Self::Lines(lines) => lines.iter().flat_map(Line::bytes).collect(),
            Self::Locked { memory, passes, lanes, salt, sealed, more } => {
                let (salt, sealed) = (base64(salt), base64(sealed));
                // Nothing that could be read as another, larger number.
                let more = if more.contains("locked") { "" } else { *more };
                format!(
                    "waxseal-locked-keys/1 argon2id m={memory},t={passes},p={lanes} \
                     {salt} {sealed}\n{more}"
                )
                .into_bytes()
            }
        }
    }
}

impl Line<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Any(text) => format!("{text}\n").into_bytes(),
            Self::Key { id, key } => format!("waxseal-key/1 {id} {}\n", base64(key)).into_bytes(),
            Self::Good(id) => format!("waxseal-key/1 {id} {}\n", "A".repeat(43)).into_bytes(),
        }
    }
}

/// A digit for each byte.
fn base64(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(DIGITS[usize::from(b % 64)])).collect()
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
