//! `--sign` and `--signed-by`.

use crate::support::Aws;
use crate::support::bytes;

const KEY: &str = "--key aws-kms:alias/demo";
const SIGN: &str = "--sign aws-kms:alias/writers";

#[test]
fn what_is_signed_opens_for_those_who_demand_it_and_nothing_else_does() {
    let aws = Aws::start();
    let user = aws.user();
    let writers = aws.services.create_signing_key("alias/writers");
    let signed_by = format!("--signed-by aws-kms:{writers}");
    aws.services.create_signing_key("alias/rivals");
    user.write("plain", bytes(3 << 20));
    for (name, sign) in [("own", SIGN), ("rival", "--sign aws-kms:alias/rivals"), ("none", "")] {
        let line = format!("seal {KEY} {sign} plain -o {name}");
        user.run(line.replace("  ", " ").as_str()).succeeds();
        for placement in ["metadata", "inline"] {
            let line = format!("cp {KEY} {sign} plain s3://demo/{name}-{placement}");
            user.run(&format!("{line} --placement {placement}").replace("  ", " ")).succeeds();
        }
    }
    aws.services.reset_calls();
    let ways = |name: &str| {
        [
            format!("open {KEY} {signed_by} {name} -o out"),
            format!("cat {KEY} {signed_by} {name} -o out"),
            format!("cat {KEY} {signed_by} s3://demo/{name}-metadata -o out"),
            format!("cp {KEY} {signed_by} s3://demo/{name}-metadata out"),
            format!("cp {KEY} {signed_by} s3://demo/{name}-inline out"),
        ]
    };
    for line in ways("rival") {
        user.run(&line).fails(3, &["is signed by aws-kms", &writers, "--signed-by"]);
    }
    for line in ways("none") {
        user.run(&line).fails(3, &["is not signed", "take a signed copy from its writer"]);
    }
    assert_eq!(aws.services.count("Decrypt"), 0);
    assert!(!user.path("out").exists());
    for line in ways("own") {
        user.run(&line).succeeds();
        assert!(user.read("out") == bytes(3 << 20), "{line}");
    }
    assert_eq!((aws.services.count("Verify"), aws.services.count("Decrypt")), (5, 5));
    // Who demands nothing reads everything.
    user.run(&format!("open {KEY} own -o out")).succeeds();
}

#[test]
fn an_altered_signature_is_told_from_an_altered_object() {
    let aws = Aws::start();
    let user = aws.user();
    aws.services.create_signing_key("alias/writers");
    user.run_with(&format!("seal {KEY} {SIGN} -o s"), b"hello").succeeds();
    let sealed = String::from_utf8_lossy(&user.read("s")).into_owned();
    let at = sealed.find("\nsignature ").unwrap();
    let at = at + sealed[at..].find(" MG").unwrap() + 20; // ASCII up to here
    let mut altered = user.read("s");
    altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
    user.write("altered", altered);
    let open = format!("open {KEY} --signed-by aws-kms:alias/writers");
    user.run(&format!("{open} altered -o out")).fails(3, &["the signature is not that", "copy"]);
    assert_eq!(user.run(&format!("{open} s")).succeeds().stdout, b"hello");
    aws.services.kms_state().deny_operation("alias/writers", "Verify");
    let ran = user.run(&format!("{open} s"));
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("KMS Verify with alias/writers"), "{}", ran.stderr);
}

#[test]
fn inspect_shows_who_says_to_have_signed() {
    let aws = Aws::start();
    let user = aws.user();
    let writers = aws.services.create_signing_key("alias/writers");
    user.run_with(&format!("seal {SIGN} -o s"), b"hello").succeeds();
    user.seal("unsigned", b"hello");
    let text = user.run("inspect s").succeeds().stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(&format!("signed by       aws-kms {writers} (unverified)\n")), "{text}");
    let json = |name: &str| -> serde_json::Value {
        let json = user.run(&format!("inspect --json {name}")).succeeds().stdout;
        serde_json::from_slice(&json).unwrap()
    };
    let signer = serde_json::json!({ "provider": "aws-kms", "key_id": writers });
    assert_eq!(json("s")["signature"], signer);
    assert_eq!(json("unsigned")["signature"], serde_json::Value::Null);
    assert_eq!(aws.services.count("Verify"), 0);
}

#[test]
fn what_cannot_be_signed_is_refused() {
    let aws = Aws::start();
    let user = aws.user();
    aws.services.create_signing_key("alias/writers");
    user.write("plain", "hello");
    user.run(&format!("cp {KEY} {SIGN} --format one-shot plain s3://demo/k"))
        .fails(2, &["no place for a signature", "leave out --sign"]);
    user.run(&format!("cp {SIGN} s3://demo/k out")).fails(2, &["--sign is for copies to S3"]);
    user.run("cp plain s3://demo/k --signed-by aws-kms:alias/writers")
        .fails(2, &["--signed-by is for copies from S3"]);
    let ran = user.run("seal plain -o s --sign local");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("want aws-kms:ID"), "{}", ran.stderr);
    let ran = user.run(&format!("seal {KEY} --sign aws-kms:alias/demo plain -o s"));
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("ECC_NIST_P384"), "{}", ran.stderr);
    assert_eq!(user.files(), ["plain"]);
}
