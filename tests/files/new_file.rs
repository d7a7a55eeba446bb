//! A new file appears whole or not at all.

use std::io::Write as _;

use waxseal::NewFile;

use crate::sample::Folder;

#[test]
fn it_appears_when_committed() {
    let folder = Folder::new();
    let path = folder.path("new");
    let new = NewFile::create(&path).unwrap();
    new.file().write_all(b"whole").unwrap();
    assert!(!path.exists());
    assert_eq!(folder.names().len(), 1, "under another name");
    new.commit().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"whole");
    assert_eq!(folder.names(), ["new"]);
}

#[test]
fn dropped_it_leaves_what_was_there() {
    let folder = Folder::new();
    folder.file("old", b"old");
    for create in [NewFile::create, NewFile::create_private] {
        let new = create(folder.path("old")).unwrap();
        new.file().write_all(b"new").unwrap();
        drop(new);
        assert_eq!(std::fs::read(folder.path("old")).unwrap(), b"old");
    }
    assert_eq!(folder.names(), ["old"]);
    let new = NewFile::create(folder.path("old")).unwrap();
    new.file().write_all(b"new").unwrap();
    new.commit_durable().unwrap();
    assert_eq!(std::fs::read(folder.path("old")).unwrap(), b"new");
}

#[test]
fn a_missing_folder_is_an_error() {
    let error = NewFile::create(Folder::new().path("none/new")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[cfg(unix)]
#[test]
fn permissions_are_private_or_those_of_the_file_before() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let mode = |name| folder.path(name).metadata().unwrap().permissions().mode() & 0o777;
    NewFile::create_private(folder.path("private")).unwrap().commit().unwrap();
    assert_eq!(mode("private"), 0o600);
    folder.file("old", b"old");
    for bits in [0o640, 0o600, 0o444] {
        let permissions = std::fs::Permissions::from_mode(bits);
        std::fs::set_permissions(folder.path("old"), permissions).unwrap();
        NewFile::create(folder.path("old")).unwrap().commit().unwrap();
        assert_eq!(mode("old"), bits);
        NewFile::create_private(folder.path("old")).unwrap().commit().unwrap();
        assert_eq!(mode("old"), bits);
    }
}

/// A link is replaced itself, and its own mode, which is open to all, means nothing.
#[cfg(unix)]
#[test]
fn a_link_in_its_place_does_not_decide_who_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    folder.file("target", b"target");
    for to in ["target", "nowhere"] {
        std::os::unix::fs::symlink(folder.path(to), folder.path("link")).unwrap();
        let new = NewFile::create_private(folder.path("link")).unwrap();
        new.file().write_all(b"new").unwrap();
        new.commit().unwrap();
        let found = folder.path("link").symlink_metadata().unwrap();
        assert!(found.is_file());
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(folder.path("target")).unwrap(), b"target");
        std::fs::remove_file(folder.path("link")).unwrap();
    }
}
