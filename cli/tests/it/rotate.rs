//! `rotate`: objects sealed again, under new data keys.

use crate::support::Aws;
use crate::support::User;
use crate::support::bytes;

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
