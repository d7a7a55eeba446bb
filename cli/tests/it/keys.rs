//! Key files: made, rotated, missing, malformed, readable by others.

use crate::support::User;
use crate::support::mode;
use crate::support::set_mode;

#[test]
fn the_default_key_file_is_made_at_the_first_seal_only() {
    let user = User::new();
    let ran = user.run_with("seal -o s", b"hello").succeeds();
    let path = user.default_keys();
    let shown = path.display().to_string();
    assert!(ran.stderr.contains(&shown) && ran.stderr.contains("lost"), "{}", ran.stderr);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let key = std::fs::read(&path).unwrap();
    assert_eq!(user.run_with("seal -o t", b"hello").succeeds().stderr, "");
    assert_eq!(std::fs::read(&path).unwrap(), key);
    assert_eq!(user.run("open s").succeeds().stdout, b"hello");
}

#[test]
fn opening_makes_no_key_file() {
    let user = User::new();
    user.seal("s", b"hello");
    let other = User::new();
    other.write("s", user.read("s"));
    other
        .run("open s -o out")
        .fails(4, &["sealed under local", "no key file", "name the key file that holds the key"]);
    assert!(!other.default_keys().exists());
    assert_eq!(other.files(), ["s"]);
}

#[test]
fn a_named_key_file_is_never_made_by_sealing() {
    let user = User::new();
    user.write("plain", "x");
    user.run("seal plain -o s --key local:absent").fails(4, &["absent", "waxseal keygen"]);
    user.run("open plain -o s --key local:absent").fails(4, &["absent"]);
    assert_eq!(user.files(), ["plain"]);
}

#[test]
fn the_wrong_key_file_is_told_from_the_right_one() {
    let user = User::new();
    user.run("keygen one").succeeds();
    user.run("keygen two").succeeds();
    user.write("plain", "hello");
    user.write("out", "what was there");
    user.run("seal plain -o s --key local:one").succeeds();
    let ran = user.run("open s -o out --key local:two");
    ran.fails(4, &["sealed under local", "but the key in use is", "--key local:PATH"]);
    assert_eq!(user.read("out"), b"what was there");
    // The same id with another key.
    let one = String::from_utf8(user.read("one")).unwrap();
    let two = String::from_utf8(user.read("two")).unwrap();
    let id = |text: &str| text.split(' ').rev().nth(1).unwrap().to_owned();
    user.write("two", two.replace(&id(&two), &id(&one)));
    user.run("open s -o out --key local:two").fails(3, &["does not unwrap", "--key"]);
    assert_eq!(user.read("out"), b"what was there");
    assert_eq!(user.run("open s --key local:one").succeeds().stdout, b"hello");
}

#[test]
fn keygen_refuses_to_replace_a_key_file() {
    let user = User::new();
    let ran = user.run("keygen keys").succeeds();
    assert!(ran.stderr.contains("made the key file keys") && ran.stdout.is_empty());
    assert_eq!(mode(user.path("keys")), 0o600);
    let before = user.read("keys");
    user.run("keygen keys").fails(4, &["keys is there already", "--rotate"]);
    assert_eq!(user.read("keys"), before);
    user.run("keygen").succeeds();
    assert_eq!(mode(user.default_keys()), 0o600);
    user.run("keygen").fails(4, &["is there already"]);
    user.run("keygen folder/keys").fails(4, &["folder/keys", "check the path"]);
}

#[test]
fn rotation_seals_with_the_new_key_and_opens_with_both() {
    let user = User::new();
    user.run("keygen keys").succeeds();
    user.run_with("seal -o old --key local:keys", b"old").succeeds();
    let ran = user.run("keygen --rotate keys").succeeds();
    assert!(ran.stderr.contains("added the key"), "{}", ran.stderr);
    user.run_with("seal -o new --key local:keys", b"new").succeeds();
    assert_eq!(user.run("open old --key local:keys").succeeds().stdout, b"old");
    assert_eq!(user.run("open new --key local:keys").succeeds().stdout, b"new");
    let key_of = |name: &str| {
        let shown = user.run(&format!("inspect {name}")).succeeds().stdout;
        String::from_utf8(shown).unwrap().lines().last().unwrap().to_owned()
    };
    assert_ne!(key_of("old"), key_of("new"));
    assert_eq!(mode(user.path("keys")), 0o600);
    user.run("keygen --rotate absent").fails(4, &["no key file absent", "without --rotate"]);
    assert_eq!(user.files(), ["keys", "new", "old"]);
}

#[test]
fn rotations_at_the_same_time_lose_no_key() {
    let user = User::new();
    user.run("keygen keys").succeeds();
    let start = |_| user.command(["keygen", "--rotate", "keys"]).spawn().unwrap();
    let running: Vec<_> = (0..8).map(start).collect();
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    let keys = String::from_utf8(user.read("keys")).unwrap();
    assert_eq!(keys.matches("waxseal-key/1 ").count(), 9);
}

#[test]
fn a_rotated_link_stays_a_link() {
    let user = User::new();
    user.run("keygen keys").succeeds();
    std::os::unix::fs::symlink("keys", user.path("link")).unwrap();
    user.run("keygen --rotate link").succeeds();
    assert!(user.path("link").is_symlink());
    let keys = String::from_utf8(user.read("keys")).unwrap();
    assert_eq!(keys.matches("waxseal-key/1 ").count(), 2);
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let user = User::new();
    user.run("keygen keys").succeeds();
    user.write("plain", "x");
    set_mode(user.path("keys"), 0o644);
    for line in ["seal plain -o s", "open plain -o s", "cat plain -o s"] {
        user.run(&format!("{line} --key local:keys")).fails(4, &["644", "chmod 600 keys"]);
    }
    user.run("keygen --rotate keys").fails(4, &["chmod 600"]);
    assert_eq!(user.files(), ["keys", "plain"]);
}

#[test]
fn a_malformed_key_file_is_refused_and_not_printed() {
    let user = User::new();
    user.run("keygen keys").succeeds();
    let good = String::from_utf8(user.read("keys")).unwrap();
    let key = good.trim().rsplit(' ').next().unwrap().to_owned();
    user.write("plain", "x");
    for bad in [
        String::new(),
        "hello".into(),
        good.replace("key/1", "key/9"),
        good.replace(&key, &key[1..]),
    ] {
        user.write("keys", &bad);
        for line in ["seal plain -o s --key local:keys", "keygen --rotate keys"] {
            let ran = user.run(line).fails(4, &["is not a waxseal key file", "backup"]);
            assert!(!ran.stderr.contains(&key[1..]), "{}", ran.stderr);
        }
        assert_eq!(user.read("keys"), bad.as_bytes());
    }
    user.run("seal plain -o s --key local:.").fails(4, &["key file"]);
    assert_eq!(user.files(), ["keys", "plain"]);
}
