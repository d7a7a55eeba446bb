//! `cp` to, from and within S3, and KMS keys.

use crate::support::Aws;
use crate::support::User;
use crate::support::bytes;

const KEY: &str = "--key aws-kms:alias/demo";

#[test]
fn files_and_pipes_go_to_s3_and_back() {
    let aws = Aws::start();
    let user = aws.user();
    for len in [0, 1, 100_000, 20 << 20] {
        let plain = bytes(len);
        user.write("plain", &plain);
        user.run(&format!("cp {KEY} plain s3://demo/a/b")).succeeds();
        assert_eq!(user.run(&format!("cp {KEY} s3://demo/a/b -")).succeeds().stdout, plain);
        user.run_with(&format!("cp {KEY} - s3://demo/piped"), &plain).succeeds();
        user.run(&format!("cp {KEY} s3://demo/piped back")).succeeds();
        assert_eq!(user.read("back"), plain, "{len}");
    }
    assert!(aws.services.count("UploadPart") >= 4);
    assert!(aws.services.open_uploads().is_empty());
    assert!(!user.default_keys().exists());
    assert_eq!(user.files(), ["back", "plain"]);
}

#[test]
fn files_are_sealed_under_kms() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "hello");
    user.run(&format!("seal {KEY} plain -o s --context tenant=acme")).succeeds();
    assert_eq!(user.run(&format!("open {KEY} s")).succeeds().stdout, b"hello");
    assert_eq!(user.run(&format!("open --key aws-kms:{} s", aws.key)).succeeds().stdout, b"hello");
    assert_eq!(aws.services.count("GenerateDataKey"), 1);
    let ran = user.run("open s -o out");
    ran.fails(4, &["sealed under aws-kms", &format!("remedy: use --key aws-kms:{}", aws.key)]);
    let other = aws.services.create_key("alias/other");
    let ran = user.run(&format!("open s --key aws-kms:{other} -o out"));
    ran.fails(4, &[&format!("use --key aws-kms:{}", aws.key)]);
    user.run("keygen keys").succeeds();
    user.run("seal plain -o local --key local:keys").succeeds();
    let ran = user.run(&format!("open {KEY} local -o out"));
    ran.fails(4, &["sealed under local", "use --key local or local:PATH"]);
    assert!(!user.path("out").exists());
}

#[test]
fn options_reach_s3() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "hello");
    let line = format!(
        "cp {KEY} plain s3://demo/k --content-type text/csv --metadata origin=billing --metadata \
         a=b --sse AES256 --context tenant=acme --segment-size 4KiB"
    );
    user.run(&line).succeeds();
    let calls = aws.services.calls();
    let put = calls.iter().find(|call| call.operation == "PutObject").unwrap();
    assert_eq!(put.header("content-type"), Some("text/csv"));
    assert_eq!(put.header("x-amz-server-side-encryption"), Some("AES256"));
    assert_eq!(put.header("x-amz-meta-origin"), Some("billing"));
    assert_eq!(put.header("x-amz-meta-a"), Some("b"));
    let json = user.run("inspect --json s3://demo/k").succeeds().stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["placement"], "metadata");
    assert_eq!(json["segment_size"], 4096);
    assert_eq!(json["plaintext_size_unverified"], 5);
    assert_eq!(json["context"]["tenant"], "acme");
    assert_eq!(json["metadata"]["origin"], "billing");
    assert_eq!(json["wrapped_keys"][0]["key_id"], aws.key);
    assert_eq!(aws.services.count("Decrypt"), 0, "inspect asks no key");
    for (extra, says) in
        [("--metadata waxseal-x=1", "reserved"), ("--metadata a=1 --metadata A=2", "twice")]
    {
        let ran = user.run(&format!("cp {KEY} plain s3://demo/no {extra}"));
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    let long = format!("cp {KEY} plain s3://demo/no --metadata a={}", "v".repeat(2000));
    user.run(&long).fails(2, &["2048", "--placement inline"]);
}

#[test]
fn both_placements_and_formats_are_read() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", bytes(100_000));
    user.run(&format!("cp {KEY} plain s3://demo/inline --placement inline")).succeeds();
    assert!(aws.services.read_object("demo", "inline").starts_with(b"waxseal "));
    assert!(aws.services.object_metadata("demo", "inline").is_empty());
    user.run(&format!("cp {KEY} plain s3://demo/one --format one-shot")).succeeds();
    assert!(aws.services.object_metadata("demo", "one").contains_key("x-amz-key"));
    for name in ["inline", "one"] {
        let ran = user.run(&format!("cat {KEY} s3://demo/{name} --range 50000..50010")).succeeds();
        assert_eq!(ran.stdout, bytes(100_000)[50_000..50_010]);
        let json = user.run(&format!("inspect --json s3://demo/{name}")).succeeds().stdout;
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let segment_size = (name == "inline").then_some(65536);
        assert_eq!(json["segment_size"], serde_json::json!(segment_size));
        assert_eq!(json["plaintext_size_unverified"], 100_000);
    }
    // What lies inline in S3 is a sealed file.
    user.write("s", aws.services.read_object("demo", "inline"));
    assert_eq!(user.run(&format!("open {KEY} s")).succeeds().stdout, bytes(100_000));
    user.run(&format!("cp {KEY} plain s3://demo/no --format one-shot --placement inline"))
        .fails(2, &["one-shot", "leave out"]);
}

#[test]
fn objects_are_copied_within_s3_without_a_key() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "hello");
    user.run(&format!("cp {KEY} plain s3://demo/a")).succeeds();
    aws.services.reset_calls();
    user.run("cp s3://demo/a s3://demo/folder/").succeeds();
    assert_eq!(aws.services.count("CopyObject"), 1);
    assert_eq!(aws.services.count("Decrypt") + aws.services.count("GetObject"), 0);
    assert_eq!(user.run(&format!("cat {KEY} s3://demo/folder/a")).succeeds().stdout, b"hello");
    assert!(!user.default_keys().exists());
    user.run(&format!("cp {KEY} plain s3://demo/bound --binding key")).succeeds();
    user.run("cp s3://demo/bound s3://demo/moved").fails(2, &["bound", "waxseal cp FROM - |"]);
    user.run("cp s3://demo/absent s3://demo/moved").fails(5, &["s3://demo/absent"]);
}

#[test]
fn bindings_hold_objects_in_place() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "hello");
    user.run(&format!("cp {KEY} plain s3://demo/a --binding bucket-key")).succeeds();
    user.run(&format!("cp {KEY} plain s3://demo/b --binding bucket-key")).succeeds();
    user.run(&format!("cat {KEY} s3://demo/a --binding bucket-key")).succeeds();
    // Someone exchanges two objects.
    let (body, metadata) =
        (aws.services.read_object("demo", "b"), aws.services.object_metadata("demo", "b"));
    aws.services.write_object_bytes("demo", "a", &body);
    aws.services.set_object_metadata("demo", "a", metadata);
    let ran = user.run(&format!("cat {KEY} s3://demo/a --binding bucket-key"));
    assert!(ran.fails(3, &["not authentic"]).stdout.is_empty());
}

#[test]
fn a_folder_takes_the_name_of_the_source() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "hello");
    user.run(&format!("cp {KEY} plain s3://demo/x/")).succeeds();
    user.run(&format!("cp {KEY} plain s3://demo")).succeeds();
    std::fs::create_dir(user.path("dir")).unwrap();
    user.run(&format!("cp {KEY} s3://demo/x/plain dir")).succeeds();
    assert_eq!(user.read("dir/plain"), b"hello");
    assert_eq!(user.run(&format!("cat {KEY} s3://demo/plain")).succeeds().stdout, b"hello");
    let ran = user.run(&format!("cp {KEY} s3://demo/x/.. dir"));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn an_object_that_must_be_new_is_not_replaced() {
    let aws = Aws::start();
    let user = aws.user();
    let line = format!("cp {KEY} - s3://demo/k --if-none-match");
    user.run_with(&line, b"first").succeeds();
    user.run_with(&line, b"second").fails(5, &["s3://demo/k", "--if-none-match"]);
    user.run_with(&line, &bytes(20 << 20)).fails(5, &["s3://demo/k", "--if-none-match"]);
    assert_eq!(user.run(&format!("cat {KEY} s3://demo/k")).succeeds().stdout, b"first");
    assert!(aws.services.open_uploads().is_empty());
}

#[test]
fn an_altered_object_leaves_the_old_file() {
    let aws = Aws::start();
    let user = aws.user();
    user.run_with(&format!("cp {KEY} - s3://demo/k"), &bytes(300_000)).succeeds();
    let mut stored = aws.services.read_object("demo", "k");
    stored[100_000] ^= 1;
    aws.services.write_object_bytes("demo", "k", &stored);
    user.write("out", "what was there");
    user.run(&format!("cp {KEY} s3://demo/k out")).fails(3, &["segment 1 is not authentic"]);
    aws.services.write_object_bytes("demo", "k", &stored[..200_000]);
    user.run(&format!("cp {KEY} s3://demo/k out")).fails(3, &["cannot copy s3://demo/k"]);
    aws.services.write_object_bytes("demo", "k", b"");
    user.run(&format!("cp {KEY} s3://demo/k out")).fails(3, &["cannot copy s3://demo/k"]);
    assert_eq!(user.read("out"), b"what was there");
    assert_eq!(user.files(), ["out"]);
}

#[test]
fn a_failed_read_of_the_input_stores_nothing() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "hello");
    user.run(&format!("cp {KEY} plain s3://demo/k")).succeeds();
    user.run(&format!("cp {KEY} absent s3://demo/k")).fails(5, &["absent"]);
    user.run(&format!("cp {KEY} . s3://demo/k")).fails(5, &["is a folder"]);
    assert_eq!(user.run(&format!("cat {KEY} s3://demo/k")).succeeds().stdout, b"hello");
}

#[test]
fn a_local_key_file_seals_into_s3_too() {
    let aws = Aws::start();
    let user = aws.user();
    user.run_with("cp - s3://demo/k", b"hello").succeeds();
    assert!(user.default_keys().exists());
    assert_eq!(user.run("cat s3://demo/k").succeeds().stdout, b"hello");
    let other: User = aws.user();
    other.run("cat s3://demo/k").fails(4, &["sealed under local", "no key file"]);
    assert!(!other.default_keys().exists());
}
