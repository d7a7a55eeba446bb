//! Local wrapping keys in a text file that only its owner can read.
//!
//! ```text
//! # waxseal keys: ...
//! waxseal-key/1 <id> <32 bytes in base64url>
//! waxseal-key/1 <id> <32 bytes in base64url>
//! ```
//!
//! The last key is the current one. Lines that begin with `#` and empty lines are ignored.

mod locked;

use std::fmt;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;

use base64ct::Base64UrlUnpadded;
use base64ct::Encoding as _;
use zeroize::Zeroizing;

use crate::crypto;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::new_file::NewFile;
use crate::secret::SecretKey;

/// One to 64 local wrapping keys, each with an id; the last one is current.
///
/// Adding a key rotates: new objects use it, and what older keys sealed still opens. Losing a key
/// loses what it sealed. The functions here read and write files at once, without `await`: key
/// files are a few hundred bytes.
///
/// A file can be locked with a passphrase: the whole of it is then sealed under a key that Argon2id
/// makes of it, with 64 MiB of memory and some 0.3 s of one core. Whoever has the file can try
/// passphrases at that cost each, so that a guessable one protects little. Reading takes no more
/// than 1 GiB, whatever the file says.
///
/// ```
/// # fn main() -> waxseal::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("key");
/// use waxseal::{KeyFile, LocalKeyring};
///
/// KeyFile::generate()?.create(&path)?;        // a new file, readable by its owner only
/// let mut keys = KeyFile::load(&path)?;
/// let new_id = keys.rotate()?;                // new objects will use this key
/// keys.replace(&path)?;
/// assert_eq!(KeyFile::load(&path)?.current().0, new_id);
/// let keyring = LocalKeyring::new(keys);
/// # Ok(()) }
/// ```
pub struct KeyFile {
    /// Never empty; the last is current; ids differ.
    keys: Vec<(String, SecretKey)>,
}

impl KeyFile {
    /// Makes one new random key.
    ///
    /// # Errors
    ///
    /// `Keyring` if the system has no randomness.
    pub fn generate() -> Result<Self> {
        let mut file = Self { keys: vec![] };
        file.rotate()?;
        Ok(file)
    }

    /// One key that the caller holds.
    ///
    /// # Errors
    ///
    /// `InvalidInput` unless `id` is 1 to 64 of `a-z`, `0-9` and `-`.
    pub fn from_key(id: impl Into<String>, key: SecretKey) -> Result<Self> {
        let id = id.into();
        check_id(&id)?;
        Ok(Self { keys: vec![(id, key)] })
    }

    /// Reads the key file at `path`.
    ///
    /// # Errors
    ///
    /// `Store` if it cannot be read; `KeyAccess` if others than its owner can read it, or it is
    /// locked; `Format` if it is not a key file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read(path)?;
        let text = std::str::from_utf8(&text).unwrap_or_default();
        if locked::is_locked(text) {
            let text = format!("the key file {} is locked with a passphrase", path.display());
            return Err(Error::new(ErrorKind::KeyAccess, text));
        }
        Self::parse(text).ok_or_else(|| not_a_key_file(path))
    }

    /// Reads the key file at `path` that is locked with this passphrase, which the caller wipes.
    ///
    /// # Errors
    ///
    /// `Store` if it cannot be read; `KeyAccess` if others than its owner can read it, or the
    /// passphrase is wrong; `InvalidInput` if it is not locked; `Format` if it is not a key file,
    /// or costs more than is borne; `Keyring` if there is too little memory.
    pub fn load_locked(path: impl AsRef<Path>, passphrase: &[u8]) -> Result<Self> {
        let path = path.as_ref();
        let text = read(path)?;
        let text = std::str::from_utf8(&text).unwrap_or_default();
        if !locked::is_locked(text) {
            return Err(match Self::parse(text) {
                Some(_) => Error::invalid_input(format!(
                    "the key file {} is not locked: it needs no passphrase",
                    path.display()
                )),
                None => not_a_key_file(path),
            });
        }
        let plain = locked::unlock(text, passphrase).map_err(|e| {
            let text = format!("the key file {}: {e}", path.display());
            e.with_message(text)
        })?;
        let plain = std::str::from_utf8(&plain).unwrap_or_default();
        Self::parse(plain).ok_or_else(|| not_a_key_file(path))
    }

    /// Whether the key file at `path` is locked with a passphrase, by how it begins.
    ///
    /// # Errors
    ///
    /// `Store` if it cannot be read; `KeyAccess` if others than its owner can read it.
    pub fn is_locked(path: impl AsRef<Path>) -> Result<bool> {
        let text = read(path.as_ref())?;
        Ok(locked::is_locked(std::str::from_utf8(&text).unwrap_or_default()))
    }

    /// Adds a new random key, makes it the current one and returns its id.
    ///
    /// # Errors
    ///
    /// `InvalidInput` at 64 keys; `Keyring` if the system has no randomness.
    pub fn rotate(&mut self) -> Result<String> {
        if self.keys.len() >= MAX_KEYS {
            return Err(Error::invalid_input(format!("a key file holds at most {MAX_KEYS} keys")));
        }
        let mut random = [0; 8];
        crypto::fill_random(&mut random)?;
        let id = base16ct::lower::encode_string(&random);
        self.keys.push((id.clone(), SecretKey::random()?));
        Ok(id)
    }

    /// Writes a new file, readable by its owner only.
    ///
    /// # Errors
    ///
    /// `Store` if a file is there already, which is left as it is, or cannot be made.
    pub fn create(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        write_beside(path, &self.text())?.commit_new().map_err(|e| unwritable(path, e))
    }

    /// Writes a new file, locked with this passphrase, which the caller wipes.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); `InvalidInput` if the passphrase is empty; `Keyring` if the
    /// system has no randomness or too little memory.
    pub fn create_locked(&self, path: impl AsRef<Path>, passphrase: &[u8]) -> Result<()> {
        let path = path.as_ref();
        let text = locked::lock(&self.text(), passphrase)?;
        write_beside(path, text.as_bytes())?.commit_new().map_err(|e| unwritable(path, e))
    }

    /// Replaces the file at `path` in one step.
    ///
    /// # Errors
    ///
    /// `Store` if it cannot be written; `InvalidInput` if it is locked, so that none loses its lock
    /// unnoticed; `KeyAccess` if others than its owner can read it. The old file is then left as it
    /// is.
    pub fn replace(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if path.exists() && Self::is_locked(path)? {
            return Err(Error::invalid_input(format!(
                "the key file {} is locked with a passphrase, which this would take off",
                path.display()
            )));
        }
        write_beside(path, &self.text())?.commit_durable().map_err(|e| unwritable(path, e))
    }

    /// Replaces the file at `path` in one step by one that is locked with this passphrase.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace); `InvalidInput` if the passphrase is empty; `Keyring` if the
    /// system has no randomness or too little memory.
    pub fn replace_locked(&self, path: impl AsRef<Path>, passphrase: &[u8]) -> Result<()> {
        let path = path.as_ref();
        let text = locked::lock(&self.text(), passphrase)?;
        write_beside(path, text.as_bytes())?.commit_durable().map_err(|e| unwritable(path, e))
    }

    /// The id and key that seal.
    pub fn current(&self) -> (&str, &SecretKey) {
        let (id, key) = self.keys.last().expect("a key file has a key");
        (id, key)
    }

    /// All ids and keys, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretKey)> {
        self.keys.iter().rev().map(|(id, key)| (id.as_str(), key))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut file = Self { keys: vec![] };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut fields = line.split(' ');
            let (version, id, encoded) = (fields.next()?, fields.next()?, fields.next()?);
            if version != LINE || fields.next().is_some() || file.keys.len() >= MAX_KEYS {
                return None;
            }
            check_id(id).ok()?;
            let mut key = Zeroizing::new([0; 33]);
            let key = Base64UrlUnpadded::decode(encoded, &mut key[..]).ok()?;
            if file.keys.iter().any(|(other, _)| other == id) {
                return None;
            }
            file.keys.push((id.to_owned(), SecretKey::try_from(key).ok()?));
        }
        (!file.keys.is_empty()).then_some(file)
    }

    /// The file, without a passphrase.
    fn text(&self) -> Zeroizing<Vec<u8>> {
        // Large enough from the start: a buffer that grows leaves keys behind.
        let len: usize = self.keys.iter().map(|(id, _)| LINE.len() + id.len() + 46).sum();
        let mut text = Zeroizing::new(Vec::with_capacity(COMMENT.len() + 1 + len));
        text.extend_from_slice(COMMENT.as_bytes());
        for (id, key) in &self.keys {
            let mut encoded = Zeroizing::new([0; 43]);
            let encoded = Base64UrlUnpadded::encode(key.expose(), &mut encoded[..])
                .expect("32 bytes are 43 characters");
            for part in ["\n", LINE, " ", id, " ", encoded] {
                text.extend_from_slice(part.as_bytes());
            }
        }
        text.push(b'\n');
        text
    }
}

/// Prints the ids only.
impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

fn check_id(id: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=64).contains(&id.len()) && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid_input(format!("{id:?} cannot be a key id: 1 to 64 of a-z, 0-9 and '-'")))
}

#[cfg(unix)]
fn check_private(path: &Path, file: &std::fs::File) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().map_err(|e| unreadable(path, e))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::KeyAccess,
        format!(
            "others can read the key file {path} (mode {:o}): chmod 600 {path}",
            mode & 0o777,
            path = path.display()
        ),
    ))
}

/// Other systems have no mode to look at; the user's folder protects the file.
#[cfg(not(unix))]
fn check_private(_: &Path, _: &std::fs::File) -> Result<()> {
    Ok(())
}

/// The bytes of the file, which only its owner can read.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let file = std::fs::File::open(path).map_err(|e| unreadable(path, e))?;
    check_private(path, &file)?;
    // Read at once: a buffer that grows leaves keys behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN + 1));
    let read = file.take(MAX_FILE_LEN as u64 + 1).read_to_end(&mut text);
    let len = read.map_err(|e| unreadable(path, e))?;
    // Cut short, it would lose its last key, which is the current one.
    if len > MAX_FILE_LEN { Err(not_a_key_file(path)) } else { Ok(text) }
}

/// A private file with this text, to be committed.
fn write_beside(path: &Path, text: &[u8]) -> Result<NewFile> {
    let write = || {
        let new = NewFile::create_private(path)?;
        let mut file = new.file();
        file.write_all(text)?;
        Ok(new)
    };
    write().map_err(|e| unwritable(path, e))
}

fn not_a_key_file(path: &Path) -> Error {
    Error::format(format!("{} is not a waxseal key file", path.display()))
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::store(format!("cannot read the key file {}", path.display()), source)
}

fn unwritable(path: &Path, source: std::io::Error) -> Error {
    Error::store(format!("cannot write the key file {}", path.display()), source)
}

const LINE: &str = "waxseal-key/1";
const COMMENT: &str =
    "# waxseal keys. Keep this file secret and back it up: without it, what it sealed is lost.";
const MAX_KEYS: usize = 64;
/// Bytes; room for that many keys and some comments. A longer file is none.
const MAX_FILE_LEN: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    #[test]
    fn the_last_key_is_current_and_order_is_kept() {
        let text = format!("# note\n{LINE} old {KEY}\n\n{LINE} new {KEY}\n");
        let file = KeyFile::parse(&text).unwrap();
        assert_eq!(file.current().0, "new");
        assert_eq!(file.iter().map(|(id, _)| id).collect::<Vec<_>>(), ["new", "old"]);
        assert_eq!(file.current().1.expose(), &[1; 32]);
        assert_eq!(format!("{file:?}"), r#"["old", "new"]"#);
    }

    #[test]
    fn what_is_not_a_key_file_is_refused() {
        let good = format!("{LINE} id {KEY}");
        assert!(KeyFile::parse(&good).is_some());
        for text in [
            "",
            "# only a comment",
            &format!("{good} more"),
            &format!("{good}\n{good}"),
            &good.replace("/1", "/2"),
            &good.replace("id", "ID"),
            &good.replace("id", ""),
            &good.replace("AQE ", "AQF "),
            &good[..good.len() - 1],
            &format!("{good}A"),
            &good.replace(KEY, &KEY[..40]),
        ] {
            assert!(text == good || KeyFile::parse(text).is_none(), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        KeyFile::generate().unwrap().create(&path).unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(KeyFile::load(&path).is_ok());
        for open in [0o640, 0o604, 0o620] {
            mode(open).unwrap();
            assert_eq!(KeyFile::load(&path).unwrap_err().kind(), ErrorKind::KeyAccess);
        }
        mode(0o400).unwrap();
        assert!(KeyFile::load(&path).is_ok());
    }

    #[test]
    fn an_existing_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = KeyFile::generate().unwrap();
        first.create(&path).unwrap();
        assert!(KeyFile::generate().unwrap().create(&path).is_err());
        assert_eq!(KeyFile::load(&path).unwrap().current().0, first.current().0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
