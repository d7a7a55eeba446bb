//! `inspect --keys`: which wrapping keys many objects need.

use serde_json::Value;
use serde_json::json;

use crate::support::Aws;
use crate::support::User;

fn report(user: &User, line: &str) -> Value {
    serde_json::from_slice(&user.run(&format!("inspect --json --keys {line}")).stdout).unwrap()
}

fn named(report: &Value, list: &str) -> Vec<String> {
    let list = report[list].as_array().unwrap();
    list.iter().map(|entry| entry["object"].as_str().unwrap().to_owned()).collect()
}

/// A bucket with objects under `alias/demo`, under it and `alias/other`, under that alone, inline,
/// one-shot, and not sealed.
fn bucket() -> (Aws, User, String) {
    let aws = Aws::start();
    let user = aws.user();
    let other = aws.services.create_key("alias/other");
    let put = |name: &str, options: &str| {
        user.run_with(&format!("cp {options} - s3://demo/{name}"), b"hello").succeeds();
    };
    put("a/only", "--key aws-kms:alias/demo");
    put("a/inline", "--key aws-kms:alias/demo --placement inline");
    put("a/both", "--key aws-kms:alias/demo --key aws-kms:alias/other");
    put("a/other", "--key aws-kms:alias/other");
    put("a/shot", "--key aws-kms:alias/demo --format one-shot");
    let client = aws.services.s3();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (key, body) in [("a/plain", &b"plain"[..]), ("a/empty", b""), ("b/else", b"x")] {
        let request = client.put_object().bucket("demo").key(key).body(body.to_vec().into());
        runtime.block_on(request.send()).unwrap();
    }
    (aws, user, other)
}

#[test]
fn keys_are_counted_and_dependents_named() {
    let (aws, user, other) = bucket();
    let counted = report(&user, "--recursive s3://demo/a/");
    let keys = counted["keys"].as_array().unwrap();
    let count = |id: &str| {
        let of = keys.iter().find(|key| key["key_id"] == id).unwrap();
        assert_eq!(of["provider"], "aws-kms");
        of["objects"].as_u64().unwrap()
    };
    assert_eq!((count(&aws.key), count(&other)), (3, 2));
    let unnamed = keys.iter().find(|key| key["key_id"].is_null()).unwrap();
    assert_eq!((&unnamed["objects"], &unnamed["provider"]), (&json!(1), &Value::Null));
    assert_eq!(counted["sealed"]["objects"], 5);
    assert_eq!(counted["not_sealed"], json!({ "objects": 2, "bytes": 5 }));
    for list in ["depends_only", "depends_also", "depends_unknown", "failed"] {
        assert_eq!(counted[list], json!([]), "{list}");
    }

    // By alias, ARN or id: it is the same key.
    let id = aws.key.rsplit('/').next().unwrap();
    for name in ["alias/demo", &aws.key, id] {
        let line = format!("--depends-on aws-kms:{name} --recursive s3://demo/");
        let found = report(&user, &line);
        assert_eq!(named(&found, "depends_only"), ["s3://demo/a/inline", "s3://demo/a/only"]);
        assert_eq!(named(&found, "depends_also"), ["s3://demo/a/both"]);
        assert_eq!(named(&found, "depends_unknown"), ["s3://demo/a/shot"]);
    }
    // Without both keys, what is under both is lost.
    let line = "--depends-on aws-kms:alias/demo --depends-on aws-kms:alias/other";
    let found = report(&user, &format!("{line} --recursive s3://demo/a/"));
    assert_eq!(named(&found, "depends_only").len(), 4);
    assert_eq!(named(&found, "depends_also").len(), 0);
    assert_eq!(aws.services.count("Decrypt"), 0);
}

/// What it depends on is not known.
#[test]
fn a_file_that_is_cut_within_its_envelope_is_not_free() {
    let user = User::new();
    user.seal("whole", b"x");
    user.run("inspect --keys whole").succeeds();
    user.write("cut", &user.read("whole")[..40]);
    let ran = user.run("inspect --keys cut").fails(5, &["could not be looked at: 1"]);
    assert!(String::from_utf8(ran.stdout).unwrap().contains("it ends within its envelope"));
    user.write("empty", "");
    user.run("inspect --keys empty").succeeds();
}

/// S3 gives them to nobody once its key is gone, whatever they open with.
#[test]
fn what_s3_encrypted_with_a_key_needs_it() {
    let (aws, user, other) = bucket();
    let id = aws.key.rsplit('/').next().unwrap();
    let sealed = |name: &str, sse: &str| {
        let line = format!("cp --key aws-kms:alias/other --sse aws:kms --sse-kms-key-id {sse}");
        user.run_with(&format!("{line} - s3://demo/{name}"), b"hello").succeeds();
    };
    sealed("sse/sealed", &aws.key);
    sealed("sse/sealed-free", &other);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (name, sse) in [("arn", &*aws.key), ("id", id), ("free", &other)] {
        let put = aws.services.s3().put_object().bucket("demo").key(format!("sse/plain-{name}"));
        let put = put.server_side_encryption("aws:kms".into()).ssekms_key_id(sse);
        runtime.block_on(put.body(b"plain".to_vec().into()).send()).unwrap();
    }
    let line = "--depends-on aws-kms:alias/demo --recursive s3://demo/";
    let found = report(&user, line);
    let by_s3 = ["s3://demo/sse/plain-arn", "s3://demo/sse/plain-id", "s3://demo/sse/sealed"];
    let only = named(&found, "depends_only");
    assert_eq!(only, [&["s3://demo/a/inline", "s3://demo/a/only"], &by_s3[..]].concat());
    for one in found["depends_only"].as_array().unwrap() {
        let is_by_s3 = by_s3.contains(&one["object"].as_str().unwrap());
        assert_eq!(one["encrypted_by_s3"], is_by_s3, "{one}");
    }
    assert_eq!(found["not_sealed"]["objects"], 3 + 3);
    let shown = user.run(&format!("inspect --keys {line}")).succeeds().stdout;
    let shown = String::from_utf8(shown).unwrap();
    for name in by_s3 {
        assert!(shown.contains(&format!("encrypted by S3 with it: {name}\n")), "{shown}");
    }

    let ran = user.run("key schedule-deletion alias/demo --recursive s3://demo/sse/");
    ran.fails(4, &["encrypted by S3 with it: 3", "--sse-kms-key-id"]);
    assert_eq!(aws.services.count("ScheduleKeyDeletion"), 0);
    // What cannot be asked is not counted as free.
    aws.services.on_request(|call| {
        let is_plain = call.key.as_deref() == Some("sse/plain-free");
        (call.operation == "HeadObject" && is_plain)
            .then(|| waxseal_testkit::Fault::s3_error(403, "AccessDenied"))
    });
    user.run("key schedule-deletion alias/demo s3://demo/sse/plain-free").fails(4, &["may need"]);
    aws.services.on_request(|_| None);
    user.run("key schedule-deletion alias/demo s3://demo/sse/plain-free").succeeds();
}

#[test]
fn what_cannot_be_looked_at_is_named_and_fails() {
    let (aws, user, _) = bucket();
    let mut metadata = aws.services.object_metadata("demo", "a/only");
    metadata.insert("waxseal-version".to_owned(), "2".to_owned());
    aws.services.set_object_metadata("demo", "a/only", metadata);
    let line = "inspect --keys --depends-on aws-kms:alias/demo --json --recursive s3://demo/a/";
    let ran = user.run(line);
    let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
    ran.fails(5, &["objects that could not be looked at: 1"]);
    assert_eq!(named(&found, "failed"), ["s3://demo/a/only"], "not known, so not counted as free");
    assert!(found["failed"][0]["reason"].as_str().unwrap().contains("version \"2\""));
}

#[test]
fn files_and_manifests_are_looked_at_and_shown_as_text() {
    let user = User::new();
    user.seal("one", b"hello");
    user.run("keygen other").succeeds();
    user.write("plain", "hello");
    user.run("seal plain -o two --key local:other --key local").succeeds();
    user.write("list", "one\n\ntwo\nplain\n");
    let shown = user.run("inspect --keys --depends-on local:other --manifest list").succeeds();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(!shown.contains('\u{1b}'), "colour in a pipe");
    assert!(shown.contains("opens with another key too: two\n"), "{shown}");
    assert!(shown.contains("        1 object  "), "{shown}");
    assert!(shown.contains("2 objects") && shown.contains("  not sealed\n"), "{shown}");
    let all = "inspect --keys --depends-on local:other --depends-on local --manifest list";
    let shown = String::from_utf8(user.run(all).succeeds().stdout).unwrap();
    assert!(shown.contains("else: one\n") && shown.contains("else: two\n"), "{shown}");
}

#[test]
fn several_objects_are_for_keys_only() {
    let (_aws, user, _) = bucket();
    user.run("inspect s3://demo/a s3://demo/b").fails(2, &["--keys"]);
    user.run("inspect --recursive s3://demo/a").fails(2, &["--keys"]);
    assert_eq!(user.run("inspect --depends-on local s3://demo/a/only").code, Some(2));
}

#[test]
fn a_prefix_that_holds_nothing_is_an_error() {
    let (aws, user, _) = bucket();
    aws.services.create_bucket("none");
    for line in [
        "rewrap --from-key aws-kms:alias/demo --key aws-kms:alias/other",
        "rotate --key aws-kms:alias/demo",
        "inspect --keys",
    ] {
        for prefix in ["s3://demo/nope/", "s3://none"] {
            let ran = user.run(&format!("{line} --recursive {prefix}"));
            ran.fails(5, &["there is nothing in s3://", "aws s3 ls"]);
        }
    }
}
