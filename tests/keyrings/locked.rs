//! Key files that are locked with a passphrase.

use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::LocalKeyring;

#[tokio::test]
async fn a_locked_file_holds_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let mut keys = KeyFile::generate().unwrap();
    keys.create_locked(&path, b"correct horse").unwrap();
    assert!(KeyFile::is_locked(&path).unwrap());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("waxseal-locked-keys/1 argon2id m=65536,t=3,p=4 "), "{text}");
    assert!(!text.contains(keys.current().0), "ids are sealed too");

    let context = EncryptionContext::from([("tenant", "acme")]);
    let loaded = KeyFile::load_locked(&path, b"correct horse").unwrap();
    let sealed = EnvelopeCipher::new(LocalKeyring::new(loaded)).seal(b"plain", &context).await;
    let new_id = keys.rotate().unwrap();
    keys.replace_locked(&path, b"battery staple").unwrap();
    let loaded = KeyFile::load_locked(&path, b"battery staple").unwrap();
    assert_eq!(loaded.current().0, new_id);
    let cipher = EnvelopeCipher::new(LocalKeyring::new(loaded));
    assert_eq!(cipher.open(&sealed.unwrap(), &context).await.unwrap(), b"plain"[..]);

    let error = KeyFile::load_locked(&path, b"correct horse").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert!(error.to_string().ends_with("the passphrase is wrong, or the file was altered"));
}

#[test]
fn locked_and_plain_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let keys = KeyFile::generate().unwrap();
    keys.create(path("plain")).unwrap();
    keys.create_locked(path("locked"), b"secret").unwrap();
    assert!(!KeyFile::is_locked(path("plain")).unwrap());
    let error = KeyFile::load(path("locked")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess);
    assert!(error.to_string().ends_with("is locked with a passphrase"), "{error}");
    let error = KeyFile::load_locked(path("plain"), b"secret").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("it needs no passphrase"), "{error}");

    assert_eq!(keys.create_locked(path("empty"), b"").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(keys.create_locked(path("plain"), b"x").unwrap_err().kind(), ErrorKind::Store);
    assert!(!KeyFile::is_locked(path("plain")).unwrap(), "what is there stays");
    assert_eq!(KeyFile::is_locked(path("empty")).unwrap_err().kind(), ErrorKind::Store);
}

#[cfg(unix)]
#[test]
fn a_locked_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    KeyFile::generate().unwrap().create_locked(&path, b"secret").unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    for error in [
        KeyFile::load_locked(&path, b"secret").unwrap_err(),
        KeyFile::load(&path).unwrap_err(),
        KeyFile::is_locked(&path).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::KeyAccess);
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}

#[test]
fn a_locked_file_is_not_unlocked_by_replacing_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let mut keys = KeyFile::generate().unwrap();
    keys.create_locked(&path, b"correct horse").unwrap();
    keys.rotate().unwrap();
    assert_eq!(keys.replace(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(KeyFile::is_locked(&path).unwrap());
    keys.replace_locked(&path, b"correct horse").unwrap();
    let loaded = KeyFile::load_locked(&path, b"correct horse").unwrap();
    assert_eq!(loaded.current().0, keys.current().0);
}

/// Cut short, a file would lose its last key, which is the current one.
#[cfg(unix)]
#[test]
fn a_file_that_is_too_long_is_none() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    KeyFile::generate().unwrap().create(&path).unwrap();
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    let len = usize::try_from(file.metadata().unwrap().len()).unwrap();
    let comment = "#".repeat((64 << 10) - len - 1) + "\n";
    file.write_all(comment.as_bytes()).unwrap();
    assert!(KeyFile::load(&path).is_ok());
    file.write_all(b"\n").unwrap();
    assert_eq!(KeyFile::load(&path).unwrap_err().kind(), ErrorKind::Format);
}
