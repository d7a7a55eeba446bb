//! `rotate`: objects sealed again, under new data keys.

use std::os::unix::fs::symlink;

use crate::support::Aws;
use crate::support::User;
use crate::support::bytes;
use crate::support::set_mode;

#[test]
fn files_get_a_new_data_key() {
    let user = User::new();
    let plain = bytes(3 << 20);
    user.write("plain", &plain);
    let seal = "seal plain -o a --context tenant=acme --segment-size 4KiB --binding label:x";
    user.run(seal).succeeds();
    let sealed = user.read("a");
    user.run("keygen new").succeeds();
    user.run("rotate --binding label:x --from-key local --key local:new a").succeeds();
    let now = user.read("a");
    assert_eq!(now.len(), sealed.len());
    assert!(now[2048..] != sealed[2048..]);
    let open = "open --key local:new --binding label:x --context tenant=acme --exact-context a";
    assert_eq!(user.run(open).succeeds().stdout, plain);
    let shown = user.run("inspect a").succeeds().stdout;
    assert!(String::from_utf8(shown).unwrap().contains("segment size    4096 bytes"));
    assert_eq!(user.files(), ["a", "new", "plain"]);
}

#[test]
fn what_does_not_verify_stays() {
    let user = User::new();
    user.seal("a", &bytes(1 << 20));
    user.seal("b", b"good");
    let mut sealed = user.read("a");
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    user.write("a", &sealed);
    let good = user.read("b");
    let ran = user.run("rotate a b");
    ran.fails(3, &["a: ", "1 of 2 objects failed"]);
    assert!(user.read("a") == sealed);
    assert!(user.read("b") != good);
    assert_eq!(user.run("open b").succeeds().stdout, b"good");
    let before = user.read("b");
    user.run("rotate --context tenant=rival b").fails(3, &["context"]);
    user.run("rotate --dry-run b").succeeds();
    user.run("rotate --before 2020-01-01T00:00:00Z b").succeeds();
    assert!(user.read("b") == before);
    assert_eq!(user.files(), ["a", "b"]);
}

#[test]
fn objects_in_s3_too_and_no_signature_is_lost() {
    let aws = Aws::start();
    let user = aws.user();
    aws.services.create_signing_key("alias/signer");
    user.write("f", "x");
    let key = "--key aws-kms:alias/demo";
    user.run(&format!("cp {key} --sign aws-kms:alias/signer f s3://demo/a")).succeeds();
    user.run(&format!("cp {key} f s3://demo/b")).succeeds();
    user.run(&format!("seal {key} --sign aws-kms:alias/signer f -o s")).succeeds();
    let before = aws.services.object_metadata("demo", "b");
    let ran = user.run(&format!("rotate {key} --recursive s3://demo/"));
    ran.fails(2, &["s3://demo/a: ", "signed", "rotated 1"]);
    assert_ne!(aws.services.object_metadata("demo", "b"), before);
    user.run(&format!("rotate {key} s")).fails(2, &["signed", "--sign"]);
    let sign = "--sign aws-kms:alias/signer --signed-by aws-kms:alias/signer";
    user.run(&format!("rotate {key} {sign} s3://demo/a s")).succeeds();
    let demand = format!("{key} --signed-by aws-kms:alias/signer");
    assert_eq!(user.run(&format!("cp {demand} s3://demo/a -")).succeeds().stdout, b"x");
    assert_eq!(user.run(&format!("open {demand} s")).succeeds().stdout, b"x");
}

const REWRAP: &str = "rewrap --from-key local --key local:new";
const ROTATE: &str = "rotate --from-key local --key local:new";

#[test]
fn a_dry_run_refuses_what_a_run_would() {
    let user = User::new();
    user.run("keygen new").succeeds();
    user.seal("a", &bytes(1 << 20));
    symlink("a", user.path("link")).unwrap();
    user.seal("protected", b"x");
    set_mode(user.path("protected"), 0o444);
    for line in [REWRAP, ROTATE] {
        for run in ["", " --dry-run"] {
            user.run(&format!("{line}{run} link")).fails(5, &["symbolic link", "points to: a"]);
            user.run(&format!("{line}{run} protected")).fails(5, &["write-protected"]);
        }
    }
    // In the middle, where no end that verifies helps.
    let mut damaged = user.read("a");
    damaged[500_000] ^= 1;
    user.write("a", &damaged);
    let ran = user.run(&format!("{ROTATE} --dry-run a")).fails(3, &["cannot rotate a"]);
    assert_eq!(ran.stdout, b"");
    assert!(user.read("a") == damaged);
}

#[test]
fn a_dry_run_reads_all_of_an_object() {
    let aws = Aws::start();
    let user = aws.user();
    let key = "--key aws-kms:alias/demo";
    user.write("plain", bytes(20 << 20));
    user.run(&format!("cp {key} plain s3://demo/a")).succeeds();
    user.run(&format!("rotate {key} --dry-run s3://demo/a")).succeeds();
    let mut sealed = aws.services.read_object("demo", "a");
    sealed[15 << 20] ^= 1;
    aws.services.write_object_bytes("demo", "a", &sealed);
    user.run(&format!("rotate {key} --dry-run s3://demo/a")).fails(3, &["s3://demo/a"]);
    assert!(aws.services.read_object("demo", "a") == sealed);
}

/// Nobody writes to the pipe: what reads it waits for ever.
#[test]
fn what_is_no_file_is_not_read() {
    let user = User::new();
    user.seal("s", b"x");
    user.run("keygen new").succeeds();
    rustix::fs::mkfifoat(rustix::fs::CWD, user.path("fifo"), 0o600.into()).unwrap();
    symlink("fifo", user.path("link")).unwrap();
    for line in [REWRAP, ROTATE] {
        for name in ["fifo", "link", "/dev/null"] {
            user.run(&format!("{line} {name}")).fails(5, &["is not a regular file"]);
        }
    }
    user.run("inspect --keys fifo").fails(5, &["could not be looked at"]);
    assert_eq!(user.files(), ["fifo", "link", "new", "s"]);
}

#[test]
fn other_names_of_a_file_are_told() {
    let user = User::new();
    user.run("keygen new").succeeds();
    for line in [REWRAP, ROTATE] {
        user.seal("a", b"hello");
        std::fs::hard_link(user.path("a"), user.path("b")).unwrap();
        std::fs::hard_link(user.path("a"), user.path("c")).unwrap();
        let sealed = user.read("a");
        let warning = "warning: a: other names of the file (hard links), 2, stay";
        for run in ["--dry-run a", "a"] {
            let ran = user.run(&format!("{line} {run}")).succeeds();
            assert!(ran.stderr.contains(warning), "{}", ran.stderr);
        }
        assert!(user.read("a") != sealed && user.read("b") == sealed);
        assert_eq!(user.run("open --key local:new a").succeeds().stdout, b"hello");
        let ran = user.run(&format!("{line} b -q")).succeeds();
        assert_eq!(ran.stderr, "");
        let ran = user.run(&format!("{line} c")).succeeds();
        assert!(!ran.stderr.contains("warning"), "the last name: {}", ran.stderr);
        for name in ["a", "b", "c"] {
            std::fs::remove_file(user.path(name)).unwrap();
        }
    }
}
