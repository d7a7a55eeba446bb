//! The end of a key: refused while objects need it, and nothing changed then.

use aws_sdk_s3::config::BehaviorVersion;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::types::BucketVersioningStatus;
use aws_sdk_s3::types::VersioningConfiguration;
use serde_json::Value;
use waxseal_testkit::Fault;

use crate::doctor::shell;
use crate::key::changes;
use crate::key::json;
use crate::key::text;
use crate::support::Aws;
use crate::support::Ran;
use crate::support::User;
use crate::support::user_of_moto;

/// Seals objects and files under `alias/demo`, some under another key too, and some not at all.
fn sealed() -> (Aws, User) {
    let aws = Aws::start();
    aws.services.create_key("alias/other");
    let user = aws.user();
    user.write("plain", "hello");
    let demo = "--key aws-kms:alias/demo";
    let other = "--key aws-kms:alias/other";
    for line in [
        &format!("cp {demo} plain s3://demo/only/a"),
        &format!("cp {demo} --placement inline plain s3://demo/only/inline"),
        &format!("cp {demo} {other} plain s3://demo/also/a"),
        &format!("cp {other} plain s3://demo/other/a"),
        &format!("cp {demo} --format one-shot plain s3://demo/one-shot/a"),
        &format!("seal {demo} plain -o only.sealed"),
        &format!("seal {other} plain -o other.sealed"),
    ] {
        user.run(line).succeeds();
    }
    aws.services.reset_calls();
    (aws, user)
}

/// Refused with code 4 and these words, with nothing changed.
#[track_caller]
fn refused(aws: &Aws, user: &User, rest: &str, parts: &[&str]) -> Ran {
    let ran = user.run(&format!("key schedule-deletion alias/demo {rest}")).fails(4, parts);
    assert_eq!(changes(aws), 0, "{rest}");
    assert_eq!(json(user, "key show alias/demo")["state"], "Enabled");
    ran
}

#[test]
fn objects_that_open_with_nothing_else_keep_their_key() {
    let (aws, user) = sealed();
    let only = "no other key: ";
    for (rest, named) in [
        ("s3://demo/only/a", "s3://demo/only/a\n"),
        ("s3://demo/only/inline", "s3://demo/only/inline\n"),
        ("--recursive s3://demo/only/", "s3://demo/only/a\n"),
        ("--recursive s3://demo", "s3://demo/only/inline\n"),
        ("only.sealed", "only.sealed\n"),
        ("other.sealed s3://demo/other/a only.sealed", "only.sealed\n"),
    ] {
        let rewrap =
            format!("waxseal rewrap --from-key aws-kms:{} --key aws-kms:NEW {rest}", aws.key);
        let ran = refused(&aws, &user, rest, &[only, &aws.key, "waxseal key disable", &rewrap]);
        assert!(!ran.stderr.contains("older versions"), "{}", ran.stderr);
        let named = format!("opens with nothing else: {named}");
        assert!(text(&ran).contains(&named), "no {named}: {}", text(&ran));
        assert!(text(&ran).contains("deletion        not scheduled\n"));
        assert!(text(&ran).contains("aliases         alias/demo\n"));
    }
    user.write("list", "other.sealed\n\ns3://demo/only/a\n");
    let ran = refused(&aws, &user, "--manifest list", &[only, "--manifest list`"]);
    // The remedy, pasted.
    let (_, remedy) = ran.stderr.split_once("first: `").unwrap();
    let line = remedy.split('`').next().unwrap().replace("NEW", "alias/other");
    shell(&user, &line);
    aws.services.reset_calls();
    let reopened = user.run("cat --key aws-kms:alias/other s3://demo/only/a").succeeds();
    assert_eq!(reopened.stdout, b"hello");
    // What a shell would not take as it is is not in it.
    user.write("$(x)", user.read("only.sealed"));
    refused(&aws, &user, "$(x)", &[only, "--key aws-kms:NEW OBJECT...`"]);
    let by_arn = user.run(&format!("key schedule-deletion {} only.sealed", aws.key));
    by_arn.fails(4, &[only]);
    assert_eq!(changes(&aws), 0);
}

#[test]
fn a_report_says_which_they_are() {
    let (aws, user) = sealed();
    let ran = refused(&aws, &user, "--json --recursive s3://demo/", &["no other key: 2"]);
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&report["scheduled"], &report["state"]), (&false.into(), &"Enabled".into()));
    assert_eq!((&report["arn"], &report["deletion_date"]), (&(*aws.key).into(), &Value::Null));
    let checked = &report["checked"];
    let names = |list: &str| {
        let all = checked[list].as_array().unwrap().iter();
        all.map(|object| object["object"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(names("depends_only"), ["s3://demo/only/a", "s3://demo/only/inline"]);
    assert_eq!(names("depends_also"), ["s3://demo/also/a"]);
    assert_eq!(names("depends_unknown"), ["s3://demo/one-shot/a"]);
    assert_eq!((&checked["sealed"], &checked["not_sealed"]), (&5.into(), &0.into()));
    let help = String::from_utf8(user.run("key schedule-deletion --help").succeeds().stdout);
    let help = help.unwrap();
    for field in report.as_object().unwrap().keys().chain(checked.as_object().unwrap().keys()) {
        assert!(help.contains(&format!("  {field} ")), "no field {field}: {help}");
    }
}

#[test]
fn people_are_shown_the_first_twenty() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "hello");
    user.run("seal --key aws-kms:alias/demo plain -o s00").succeeds();
    let sealed = user.read("s00");
    let names: Vec<_> = (0..23).map(|i| format!("s{i:02}")).collect();
    names.iter().for_each(|name| user.write(name, &sealed));
    let rest = names.join(" ");
    let ran = refused(&aws, &user, &rest, &["no other key: 23"]);
    assert!(text(&ran).contains(": s19\n") && !text(&ran).contains(": s20\n"), "{}", text(&ran));
    assert!(text(&ran).contains("opens with nothing else: and 3 more; --json has them all\n"));
    let ran = refused(&aws, &user, &format!("--json {rest}"), &[]);
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(report["checked"]["depends_only"].as_array().unwrap().len(), 23);
}

#[test]
fn what_may_need_the_key_keeps_it_too() {
    let (aws, user) = sealed();
    let may = "may need";
    let ran = refused(&aws, &user, "s3://demo/one-shot/a", &[may, "one-shot"]);
    assert!(text(&ran).contains("does not say its key: s3://demo/one-shot/a\n"));
    let ran = refused(&aws, &user, "absent.sealed", &[may]);
    assert!(text(&ran).contains("failed: absent.sealed: "), "{}", text(&ran));
    let mut damaged = user.read("other.sealed");
    damaged[30] ^= 1;
    user.write("damaged", damaged);
    refused(&aws, &user, "damaged", &[may]);
    aws.services.fail("HeadObject", 1, Fault::s3_error(403, "AccessDenied"));
    refused(&aws, &user, "s3://demo/other/a", &[may]);
}

#[test]
fn what_cannot_be_listed_keeps_it_too() {
    let (aws, user) = sealed();
    let refused = |rest: &str, parts: &[&str]| {
        let ran = user.run(&format!("key schedule-deletion alias/demo {rest}"));
        ran.fails(5, parts);
        assert_eq!(changes(&aws), 0, "{rest}");
    };
    refused("--recursive s3://absent/", &["NoSuchBucket"]);
    refused("s3://demo/mistyped", &["no object s3://demo/mistyped"]);
    refused("s3://demo/other/a s3://demo/mistyped", &["no object s3://demo/mistyped"]);
    refused("--manifest absent", &["absent"]);
    for others in ["", "s3://demo/other/", "other.sealed"] {
        let rest = format!("--recursive s3://demo/mistyped/ {others}");
        refused(rest.trim_end(), &["nothing in s3://demo/mistyped/"]);
    }
    aws.services.fail("ListObjectVersions", 1, Fault::s3_error(403, "AccessDenied"));
    refused("--recursive s3://demo/other/", &["AccessDenied"]);
    // A page that is not the last, without a word on how to go on.
    let body = "<ListVersionsResult><IsTruncated>true</IsTruncated><Version><Key>other/a</Key>\
         <VersionId>null</VersionId><Size>1</Size></Version></ListVersionsResult>";
    let page = Fault::Reply { status: 200, content_type: "application/xml", body: body.to_owned() };
    aws.services.fail("ListObjectVersions", 1, page);
    refused("--recursive s3://demo/", &["has more"]);
}

#[test]
fn nothing_to_look_at_is_refused() {
    let (aws, user) = sealed();
    user.write("empty", "");
    refused(&aws, &user, "--manifest empty", &["nothing was found"]);
    for rest in ["", "--days 7", "--recursive", "--unchecked s3://demo/a", "--unchecked --days 6"] {
        let ran = user.run(format!("key schedule-deletion alias/demo {rest}").trim_end());
        assert_eq!(ran.code, Some(2), "{rest}: {}", ran.stderr);
    }
    assert_eq!(changes(&aws), 0);
}

#[test]
fn a_key_that_nothing_needs_goes_and_comes_back() {
    let (aws, user) = sealed();
    user.run("key schedule-deletion alias/demo plain other.sealed s3://demo/other/a").succeeds();
    let line = "key cancel-deletion alias/demo";
    assert_eq!(json(&user, line)["state"], "Disabled");
    user.run(line).fails(4, &["KMSInvalidState"]);
    user.run("key enable alias/demo").succeeds();

    let done = json(&user, "key schedule-deletion alias/demo --days 7 --recursive s3://demo/also/");
    assert_eq!((&done["scheduled"], &done["state"]), (&true.into(), &"PendingDeletion".into()));
    assert_eq!(done["aliases"], serde_json::json!(["alias/demo"]));
    assert_eq!(done["checked"]["depends_also"][0]["object"], "s3://demo/also/a");
    let shown = json(&user, "key show alias/demo");
    assert_eq!(shown["deletion_date"], done["deletion_date"]);
    let call = aws.services.calls().into_iter().rfind(|c| c.operation == "ScheduleKeyDeletion");
    assert_eq!(call.unwrap().input["PendingWindowInDays"], 7);
    // The other key opens it, as was said.
    let opened = user.run("cat --key aws-kms:alias/other s3://demo/also/a").succeeds();
    assert_eq!(opened.stdout, b"hello");

    let before = changes(&aws);
    user.run("key schedule-deletion alias/demo --unchecked")
        .fails(4, &["pending already", done["deletion_date"].as_str().unwrap(), "cancel"]);
    user.run("key enable alias/demo").fails(4, &["KMSInvalidState", "cancel-deletion"]);
    assert_eq!(changes(&aws), before + 1);
}

/// Else the keys of an object go one after the other, each because the other is still there.
#[test]
fn a_key_that_goes_as_well_opens_nothing() {
    let (aws, user) = sealed();
    user.run("key schedule-deletion alias/other s3://demo/also/a").succeeds();
    aws.services.reset_calls();
    let ran = refused(&aws, &user, "s3://demo/also/a", &["no other key: 1"]);
    assert!(text(&ran).contains("opens with nothing else: s3://demo/also/a\n"), "{}", text(&ran));
    user.run("key cancel-deletion alias/other").succeeds();
    user.run("key schedule-deletion alias/demo s3://demo/also/a").succeeds();
}

#[test]
fn a_lost_reply_is_no_refusal() {
    let (aws, user) = sealed();
    aws.services.fail("ScheduleKeyDeletion", 1, Fault::LoseReply);
    let ran = user.run("key schedule-deletion alias/other --unchecked");
    ran.fails(4, &["pending even so", "key cancel-deletion"]);
    assert_eq!(json(&user, "key show alias/other")["state"], "PendingDeletion");
}

#[test]
fn unchecked_looks_at_nothing() {
    let (aws, user) = sealed();
    let done = json(&user, "key schedule-deletion alias/demo --unchecked");
    assert_eq!((&done["scheduled"], &done["checked"]), (&true.into(), &Value::Null));
    let s3 = |call: &waxseal_testkit::Call| call.service == waxseal_testkit::Service::S3;
    assert!(!aws.services.calls().iter().any(s3));
}

#[test]
fn a_primary_with_replicas_stays() {
    let aws = Aws::start();
    let user = aws.user();
    let made = json(&user, "key create --alias alias/multi --multi-region");
    let there = json(&user, "key replicate alias/multi --to-region eu-west-1");
    let replica = there["arn"].as_str().unwrap();
    let before = changes(&aws);
    user.run("key schedule-deletion alias/multi --unchecked")
        .fails(4, &["only after its replicas", replica]);
    assert_eq!(changes(&aws), before);

    // What the primary sealed opens with a replica, and the other way round: they are one key.
    user.run_with("seal --key aws-kms:alias/multi -o s", b"hello").succeeds();
    for key in [made["arn"].as_str().unwrap(), replica] {
        let ran = user.run(&format!("key schedule-deletion {key} s"));
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    }
    assert_eq!(changes(&aws), before);
    let done = json(&user, &format!("key schedule-deletion {replica} --unchecked"));
    assert_eq!((&done["arn"], &done["scheduled"]), (&replica.into(), &true.into()));
    assert_eq!(json(&user, "key show alias/multi")["state"], "Enabled");
}

#[test]
fn rsa_keys_are_found_by_their_public_half_and_signing_keys_not_at_all() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "hello");
    json(&user, "key create --alias alias/rsa --spec rsa-2048");
    json(&user, "key create --alias alias/other --spec rsa-2048");
    json(&user, "key create --alias alias/sign --spec ecc-sign");
    user.run("seal --key aws-kms-rsa:alias/rsa plain -o s --sign aws-kms:alias/sign").succeeds();
    let before = changes(&aws);
    user.run("key schedule-deletion alias/rsa s").fails(4, &["no other key: 1"]);
    user.run("key schedule-deletion alias/sign s").fails(4, &["it signs", "--unchecked"]);
    assert_eq!(changes(&aws), before);
    user.run("key schedule-deletion alias/other s").succeeds();
}

/// Of what was replaced, or deleted, nothing shows but to those who list versions.
#[test]
fn versions_that_were_replaced_or_deleted_count() {
    const TEST: &str = "versions_that_were_replaced_or_deleted_count";
    let Some(user) = user_of_moto(TEST) else { return };
    let [old, new] =
        [(); 2].map(|()| json(&user, "key create")["arn"].as_str().unwrap().to_owned());
    let bucket = format!("b-{}", old.rsplit('/').next().unwrap());
    versioned_bucket(&bucket);
    user.write("plain", "hello");
    user.run(&format!("cp --key aws-kms:{old} plain s3://{bucket}/k")).succeeds();
    user.run(&format!("cp --key aws-kms:{new} plain s3://{bucket}/k")).succeeds();
    for rest in [format!("s3://{bucket}/k"), format!("--recursive s3://{bucket}/")] {
        let ran = user.run(&format!("key schedule-deletion {old} {rest}"));
        let ran =
            ran.fails(4, &["key: 1", "older versions", "docs/recipes/rotate-a-yearly-key.md"]);
        let line = format!("opens with nothing else: s3://{bucket}/k (version ");
        assert!(text(&ran).contains(&line), "no {line}: {}", text(&ran));
        assert_eq!(json(&user, &format!("key show {old}"))["state"], "Enabled");
    }
    // Moto answers nothing but the state after it.
    let done = json(&user, &format!("key schedule-deletion {old} --unchecked --days 7"));
    assert_eq!(done["scheduled"], true);
    assert_eq!(json(&user, &format!("key show {old}"))["state"], "PendingDeletion");
    assert_eq!(json(&user, &format!("key cancel-deletion {old}"))["state"], "Disabled");
}

fn versioned_bucket(bucket: &str) {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(std::env::var("WAXSEAL_MOTO").unwrap())
        .force_path_style(true)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    let versioning =
        VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        s3.create_bucket().bucket(bucket).send().await.unwrap();
        let put = s3.put_bucket_versioning().bucket(bucket).versioning_configuration(versioning);
        put.send().await.unwrap();
    });
}
