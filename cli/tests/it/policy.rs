//! What `waxseal policy` prints: reviewed text, legal, and no more than is needed.

mod grammar;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;
use waxseal_testkit::Call;
use waxseal_testkit::Fault;
use waxseal_testkit::Service;

use crate::support::Aws;
use crate::support::User;
use crate::support::bytes;

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const OTHER: &str = "arn:aws:kms:eu-west-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321";
const SSE: &str = "arn:aws:kms:eu-west-1:111122223333:key/5678efab-12ab-34cd-56ef-1234567890ab";
const ROLE: &str = "arn:aws:iam::111122223333:role";

/// Each golden file, and the command line that prints it.
pub(crate) fn printed() -> Vec<(&'static str, String)> {
    let who = format!(
        "--account 111122223333 --admin {ROLE}/example-admin --writer {ROLE}/example-writer \
         --reader {ROLE}/example-reader"
    );
    let objects = format!(
        "--bucket example-reports --prefix daily/ --context tenant=example --context app=reports \
         --sse-kms-key-id {SSE}"
    );
    vec![
        ("bucket", format!("bucket --bucket example-reports --sse-kms-key-id {SSE}")),
        (
            "bucket-default",
            format!(
                "bucket --bucket example-reports --sse-kms-key-id {SSE} --allow-default-encryption"
            ),
        ),
        ("bucket-encryption", format!("bucket-encryption --sse-kms-key-id {SSE}")),
        ("iam-reader", format!("iam-reader {objects} --key {KEY} --versions")),
        ("iam-reader-plain", format!("iam-reader --bucket example-reports --key {KEY}")),
        ("iam-rewrapper", format!("iam-rewrapper {objects} --from-key {KEY} --to-key {OTHER}")),
        (
            "iam-rewrapper-same-key",
            format!("iam-rewrapper --bucket example-reports --from-key {KEY} --to-key {KEY}"),
        ),
        ("iam-writer", format!("iam-writer {objects} --key {KEY} --key {OTHER}")),
        ("iam-writer-plain", format!("iam-writer --bucket example-reports --key {KEY}")),
        (
            "key",
            format!(
                "key {who} --rewrapper {ROLE}/example-rewrapper --context tenant=example \
                 --aws-service-grants"
            ),
        ),
        ("key-all", format!("key {who} --account-root all")),
        (
            "key-via-s3",
            format!("key {who} --account-root none --via-service s3.eu-west-1.amazonaws.com"),
        ),
        ("lifecycle", "lifecycle --days 7 --prefix daily/".to_owned()),
    ]
}

/// Whether a golden file is a policy; the others are settings of a bucket.
pub(crate) fn is_policy(name: &str) -> bool {
    !matches!(name, "bucket-encryption" | "lifecycle")
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}"))
}

fn print(line: &str) -> Value {
    let ran = User::new().run(&format!("policy {line}")).succeeds();
    assert_eq!(ran.stderr, "", "{line}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[test]
fn every_kind_prints_the_reviewed_text() {
    let user = User::new();
    let mut files = BTreeSet::new();
    for (name, line) in printed() {
        let printed = user.run(&format!("policy {line}")).succeeds().stdout;
        let printed = String::from_utf8(printed).unwrap();
        let path = golden(&format!("policy/{name}.json"));
        if std::env::var_os("WAXSEAL_BLESS").is_some() {
            std::fs::write(&path, &printed).unwrap();
        }
        assert_eq!(printed, std::fs::read_to_string(&path).unwrap(), "{name}");
        files.insert(format!("{name}.json"));
    }
    let found = std::fs::read_dir(golden("policy")).unwrap();
    let found = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), files, "a golden file that nothing prints");
}

#[test]
fn every_policy_is_legal() {
    for (name, line) in printed().into_iter().filter(|(name, _)| is_policy(name)) {
        let document = print(&line);
        grammar::check(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
        let statements = document["Statement"].as_array().unwrap();
        // Identities are given policies, which name no principal; resources name theirs.
        let is_identity = name.starts_with("iam-");
        assert!(statements.iter().all(|s| s.get("Principal").is_none() == is_identity), "{name}");
        // Characters without whitespace that a managed policy may have, the least of the limits.
        assert!(document.to_string().len() < 6144, "{name}: too long");
    }
}

#[test]
fn a_policy_of_another_shape_is_not_legal() {
    let good = print(&printed()[0].1);
    grammar::check(&good).unwrap();
    for (pointer, wrong) in [
        ("/Version", json!("2008-10-17")),
        ("/Statement", json!([])),
        ("/Statement/0/Sid", json!("with space")),
        ("/Statement/0/Sid", good["Statement"][1]["Sid"].clone()),
        ("/Statement/0/Effect", json!("deny")),
        ("/Statement/0/Action", json!("s3:PutObject")),
        ("/Statement/0/Action/0", json!("PutObject")),
        ("/Statement/0/Action/0", json!("ec2:RunInstances")),
        ("/Statement/0/Resource", json!([])),
        ("/Statement/0/Resource/0", json!("example-reports")),
        ("/Statement/0/Condition", json!({})),
        ("/Statement/0/Condition", json!({ "StringNotEqual": { "s3:x": "y" } })),
        ("/Statement/0/Condition", json!({ "Bool": { "s3:x": true } })),
        ("/Statement/0/Condition", json!({ "Null": { "s3:x": "maybe" } })),
        ("/Statement/0/Condition", json!({ "StringEquals": { "tenant": "y" } })),
        ("/Statement/0/Principal", json!({ "AWS": ["*"] })),
        ("/Statement/0/Principal", json!({ "Service": ["s3"] })),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong;
        assert!(grammar::check(&bad).is_err(), "{pointer}: {bad}");
    }
    let mut bad = good.clone();
    bad["Statement"][0]["Ressource"] = json!(["*"]);
    assert!(grammar::check(&bad).is_err());
}

#[test]
fn region_and_partition_come_from_the_key() {
    for (partition, region, service) in [
        ("aws-cn", "cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
        ("aws-us-gov", "us-gov-west-1", "s3.us-gov-west-1.amazonaws.com"),
    ] {
        let key = format!("arn:{partition}:kms:{region}:111122223333:key/1");
        let line = format!("iam-writer --bucket example --key {key} --sse-kms-key-id {key}");
        let text = print(&line).to_string();
        assert!(text.contains(&format!("arn:{partition}:s3:::example/*")), "{text}");
        assert!(text.contains(&format!(r#""kms:ViaService":"{service}""#)), "{text}");
        let text = print(&format!("bucket --bucket example --sse-kms-key-id {key}")).to_string();
        assert!(text.contains(&format!("arn:{partition}:s3:::example/*")), "{text}");
        let user = User::new();
        let mixed = format!("policy {line} --key {KEY}");
        user.run(&mixed).fails(2, &["partitions"]);
    }
}

#[test]
fn via_s3_is_demanded_of_no_wrapping_key() {
    for (name, line) in printed().iter().filter(|(name, _)| name.starts_with("iam-")) {
        for statement in print(line)["Statement"].as_array().unwrap() {
            let is_sse = statement.to_string().contains(SSE);
            let via = statement.pointer("/Condition/StringEquals/kms:ViaService");
            assert_eq!(via.is_some(), is_sse, "{name}: {statement}");
        }
    }
}

#[test]
fn nothing_given_ends_up_as_anything_but_itself() {
    let user = User::new();
    for line in [
        "bucket --bucket a\"b --sse-kms-key-id k",
        "bucket --bucket Upper --sse-kms-key-id k",
        "bucket --bucket example --sse-kms-key-id alias/x",
        "bucket --bucket example --sse-kms-key-id 1234abcd-12ab-34cd-56ef-1234567890ab",
        "bucket --bucket example --sse-kms-key-id *",
        "lifecycle --days 0",
        "lifecycle --prefix s3://b/k",
        "iam-writer --bucket example --key alias/x",
        "iam-writer --bucket example --key *",
        "iam-writer --bucket example",
        "key --account 1 --admin arn:aws:iam::111122223333:role/a",
        "key --account 111122223333 --admin *",
        "key --account 111122223333",
        "key --account 111122223333 --admin arn:aws:iam::111122223333:role/a --via-service *",
    ] {
        let ran = user.run(&format!("policy {line}"));
        assert_eq!((ran.code, ran.stdout.is_empty()), (Some(2), true), "{line}: {}", ran.stderr);
    }
    let writer = format!("policy iam-writer --bucket example --key {KEY}");
    let twice = format!("{writer} --context tenant=s3cret --context TENANT=s3cret");
    let ran = user.run(&twice).fails(2, &["twice"]);
    assert!(!ran.stderr.contains("s3cret"));
    // Variables and wildcards of the policy language stay text.
    let line = format!("iam-writer --bucket example --key {KEY} --prefix ${{aws:username}}*/?");
    let text = print(&format!("{line} --context a=${{aws:username}}")).to_string();
    assert!(text.contains("example/${$}{aws:username}${*}/${?}*"), "{text}");
    assert!(text.contains(r#""kms:EncryptionContext:a":"${$}{aws:username}""#), "{text}");
}

/// The permission that a request needs, as the Service Authorization Reference has it.
fn permission(call: &Call) -> Vec<&'static str> {
    match (call.service, call.operation.as_str()) {
        (Service::Kms, "GenerateDataKey") => vec!["kms:GenerateDataKey"],
        (Service::Kms, "Encrypt") => vec!["kms:Encrypt"],
        (Service::Kms, "Decrypt") => vec!["kms:Decrypt"],
        (Service::Kms, "DescribeKey") => vec!["kms:DescribeKey"],
        (Service::Kms, "ReEncrypt") => vec!["kms:ReEncryptFrom", "kms:ReEncryptTo"],
        (Service::S3, "ListObjectsV2") => vec!["s3:ListBucket"],
        (Service::S3, "GetObject" | "HeadObject") => vec!["s3:GetObject"],
        (Service::S3, "UploadPartCopy") => vec!["s3:GetObject", "s3:PutObject"],
        (Service::S3, "GetObjectTagging") => vec!["s3:GetObjectTagging"],
        (Service::S3, "CopyObject") => {
            vec!["s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging"]
        }
        (
            Service::S3,
            "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload",
        ) => vec!["s3:PutObject"],
        (Service::S3, "AbortMultipartUpload") => vec!["s3:AbortMultipartUpload"],
        (_, other) => panic!("no permission is known for {other}"),
    }
}

/// What HeadObject needs to tell of locks, and what writes them.
const LOCKS: [&str; 4] = [
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
];

fn needed(aws: &Aws) -> BTreeSet<String> {
    let calls = aws.services.calls();
    calls.iter().flat_map(permission).map(str::to_owned).collect()
}

fn allowed(document: &Value) -> BTreeSet<String> {
    let statements = document["Statement"].as_array().unwrap().iter();
    let allowed = statements.filter(|statement| statement["Effect"] == "Allow");
    let actions = allowed.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// Whether the conditions of a statement hold for this encryption context.
fn holds(statement: &Value, context: &Value) -> bool {
    let pairs: Vec<_> = context.as_object().into_iter().flatten().collect();
    let conditions = &statement["Condition"];
    let equal = conditions["StringEquals"].as_object().into_iter().flatten().all(|(name, want)| {
        let key = name.strip_prefix("kms:EncryptionContext:").unwrap();
        pairs.iter().any(|(found, value)| *found == key && *value == want)
    });
    let keys = conditions["ForAllValues:StringEquals"]["kms:EncryptionContextKeys"].as_array();
    let known = |key: &str| keys.is_none_or(|keys| keys.iter().any(|k| k == key));
    equal && pairs.iter().all(|(key, _)| known(key))
}

#[test]
fn a_writer_may_do_what_sealing_does_and_nothing_else() {
    let aws = Aws::start();
    let second = aws.services.create_key("alias/second");
    let user = aws.user();
    user.write("small", "x");
    user.write("large", bytes(9 << 20));
    for (keys, given) in [
        ("--key aws-kms:alias/demo".to_owned(), format!("--key {}", aws.key)),
        (
            "--key aws-kms:alias/demo --key aws-kms:alias/second".to_owned(),
            format!("--key {} --key {second}", aws.key),
        ),
    ] {
        aws.services.reset_calls();
        for context in ["--context tenant=acme", "--context tenant=acme --binding bucket-key"] {
            user.run(&format!("cp {keys} {context} small s3://demo/small")).succeeds();
            user.run(&format!("cp {keys} {context} large s3://demo/large")).succeeds();
        }
        aws.services.fail("UploadPart", 1, Fault::s3_error(403, "AccessDenied"));
        user.run(&format!("cp {keys} --context tenant=acme large s3://demo/large"))
            .fails(5, &["s3://demo/large"]);
        assert!(aws.services.count("AbortMultipartUpload") == 1, "nothing was aborted");

        let line = format!("iam-writer --bucket demo {given} --context tenant=acme");
        let document = print(&line);
        assert_eq!(allowed(&document), needed(&aws), "{line}");
        check_kms(&aws.services.calls(), &document);
    }
}

#[test]
fn a_reader_may_do_what_opening_does_and_nothing_else() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("small", "x");
    user.run("cp --key aws-kms:alias/demo --context tenant=acme small s3://demo/k").succeeds();
    aws.services.reset_calls();
    for key in ["alias/demo", &aws.key] {
        let open = format!("--key aws-kms:{key} --context tenant=acme s3://demo/k");
        user.run(&format!("cp {open} -")).succeeds();
        user.run(&format!("cat --range 0..1 {open}")).succeeds();
    }
    user.run("inspect s3://demo/k").succeeds();
    let line = format!("iam-reader --bucket demo --key {} --context tenant=acme", aws.key);
    let document = print(&line);
    assert_eq!(allowed(&document), needed(&aws), "{line}");
    check_kms(&aws.services.calls(), &document);
}

#[test]
fn a_rewrapper_may_do_what_rewrapping_does_and_nothing_else() {
    let aws = Aws::start();
    let second = aws.services.create_key("alias/second");
    let user = aws.user();
    user.write("small", "x");
    user.write("large", bytes(9 << 20));
    let seal = "cp --key aws-kms:alias/demo --context tenant=acme";
    user.run(&format!("{seal} small s3://demo/small")).succeeds();
    user.run(&format!("{seal} --placement inline small s3://demo/inline")).succeeds();
    user.run(&format!("{seal} --placement inline large s3://demo/large")).succeeds();
    aws.services.reset_calls();
    let rewrap = "rewrap --from-key aws-kms:alias/demo --key aws-kms:alias/second \
                  --context tenant=acme --recursive s3://demo/";
    aws.services.fail("UploadPart", 1, Fault::s3_error(403, "AccessDenied"));
    user.run(rewrap);
    assert_eq!(aws.services.count("AbortMultipartUpload"), 1, "nothing was aborted");
    user.run(rewrap).succeeds();
    for name in ["small", "inline", "large"] {
        let open = "--key aws-kms:alias/second --context tenant=acme";
        let opened = aws.user().run(&format!("cat {open} --range 0..1 s3://demo/{name}"));
        opened.succeeds();
    }
    let is_rewrap =
        |call: &Call| call.operation != "Decrypt" && call.operation != "GenerateDataKey";
    let calls: Vec<_> = aws.services.calls().into_iter().filter(is_rewrap).collect();
    let needed = calls.iter().flat_map(permission).chain(LOCKS);
    let needed: BTreeSet<_> = needed.map(str::to_owned).collect();
    let line = format!(
        "iam-rewrapper --bucket demo --from-key {} --to-key {second} --context tenant=acme",
        aws.key
    );
    let document = print(&line);
    assert_eq!(allowed(&document), needed, "{line}");
    check_kms(&calls, &document);
}

/// Each call of KMS is allowed by a statement, for its key and with its encryption context; and
/// one with another context is not.
fn check_kms(calls: &[Call], document: &Value) {
    let statements = document["Statement"].as_array().unwrap();
    for call in calls.iter().filter(|call| call.service == Service::Kms) {
        for action in permission(call) {
            let context = match action {
                "kms:ReEncryptFrom" => &call.input["SourceEncryptionContext"],
                "kms:ReEncryptTo" => &call.input["DestinationEncryptionContext"],
                _ => &call.input["EncryptionContext"],
            };
            let covers = |context: &Value| {
                let actions = |s: &&Value| s["Action"].as_array().unwrap().contains(&action.into());
                let mut allowing =
                    statements.iter().filter(|s| s["Effect"] == "Allow" && actions(s));
                allowing.any(|statement| holds(statement, context))
            };
            assert!(covers(context), "{call:?}");
            if action != "kms:DescribeKey" {
                let mut more = context.clone();
                more["more"] = "x".into();
                assert!(!covers(&more), "another pair passes");
                assert!(!covers(&json!({ "tenant": "other" })), "another value passes");
                assert!(!covers(&json!({})), "no context passes");
            }
        }
    }
}

#[test]
fn keys_are_named_as_elsewhere() {
    let user = User::new();
    let arn = "arn:aws:kms:eu-west-1:111122223333:key/1";
    let print = |key: &str| {
        user.run(&format!("policy iam-writer --bucket example-logs --key {key}")).succeeds().stdout
    };
    assert_eq!(print(&format!("aws-kms:{arn}")), print(arn));
    let ran = user.run("policy iam-writer --bucket example-logs --key aws-kms:alias/x");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("`waxseal key show alias/x`"), "{}", ran.stderr);
}

#[test]
fn a_key_without_an_administrator_of_its_account_is_warned_of() {
    let user = User::new();
    let run = |account: &str, more: &str| {
        let admin = "arn:aws:iam::111122223333:role/admin";
        let line = format!("policy key --account {account} --admin {admin}{more}");
        let ran = user.run(&line).succeeds();
        assert!(serde_json::from_slice::<Value>(&ran.stdout).is_ok());
        ran.stderr
    };
    assert_eq!(run("111122223333", ""), "");
    assert_eq!(run("111122223333", " --account-root none"), "");
    assert!(run("444455556666", "").contains("warning: no --admin is of 444455556666: in that"));
    let nobody = run("444455556666", " --account-root none");
    assert!(nobody.contains("nobody in that account could manage the key"), "{nobody}");
    let second = " --admin arn:aws:iam::444455556666:user/jo";
    assert_eq!(run("444455556666", second), "");
}
