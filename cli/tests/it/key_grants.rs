//! `waxseal key grant`

use serde_json::Value;

use crate::key::changes;
use crate::key::json;
use crate::key::text;
use crate::support::Aws;
use crate::support::User;
use crate::support::user_of_moto;

const READER: &str = "arn:aws:iam::111122223333:role/reader";

fn a_grant_is_made_listed_and_revoked_by(user: &User, key: &str) {
    let create =
        format!("key grant create {key} --grantee {READER} --operation Decrypt,DescribeKey");
    let made = json(user, &format!("{create} --operation Encrypt --context tenant=acme"));
    let id = made["grant_id"].as_str().unwrap();
    assert!(!made["grant_token"].as_str().unwrap().is_empty());
    json(user, &format!("{create} --name plain"));
    let exact = json(user, &format!("{create} --context a=1 --context b=2 --exact-context"));

    let listed = json(user, &format!("key grant list {key}"));
    let find = |id: &Value| {
        listed.as_array().unwrap().iter().find(|entry| entry["grant_id"] == *id).unwrap()
    };
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let grant = find(&made["grant_id"]);
    assert_eq!(grant["grantee"], READER);
    assert_eq!(grant["operations"], serde_json::json!(["Decrypt", "DescribeKey", "Encrypt"]));
    assert_eq!(grant["context"], serde_json::json!({ "tenant": "acme" }));
    assert_eq!(grant["exact_context"], false);
    let grant = find(&exact["grant_id"]);
    assert_eq!(grant["context"], serde_json::json!({ "a": "1", "b": "2" }));
    assert_eq!(grant["exact_context"], true);
    let shown = user.run(&format!("key grant list {key}")).succeeds();
    for part in
        ["context has     tenant=acme\n", "context is      a=1\n", "name            plain\n"]
    {
        assert!(text(&shown).contains(part), "no {part}: {}", text(&shown));
    }
    assert_eq!(json(user, &format!("key show {key}"))["grants"], 3);

    assert_eq!(json(user, &format!("key grant revoke {key} {id}"))["grant_id"], id);
    assert_eq!(json(user, &format!("key grant list {key}")).as_array().unwrap().len(), 2);
}

#[test]
fn a_grant_is_made_listed_and_revoked() {
    let aws = Aws::start();
    let user = aws.user();
    a_grant_is_made_listed_and_revoked_by(&user, "alias/demo");
    let by_other = "--grantee arn:aws:iam::111122223333:role/other";
    let listed = user.run(&format!("key grant list alias/demo {by_other}")).succeeds();
    assert_eq!(text(&listed), "no grants\n");
    if let Some(user) = user_of_moto("a_grant_is_made_listed_and_revoked") {
        let made = json(&user, "key create");
        a_grant_is_made_listed_and_revoked_by(&user, made["arn"].as_str().unwrap());
    }
}

#[test]
fn a_grant_says_when_it_can_be_used() {
    let aws = Aws::start();
    let user = aws.user();
    let line = format!("key grant create alias/demo --operation Decrypt --grantee {READER}");
    let ran = user.run(&line).succeeds();
    assert!(ran.stderr.contains("within five minutes"), "{}", ran.stderr);
    assert!(ran.stderr.contains("token"), "{}", ran.stderr);
    assert!(text(&ran).contains("token           "), "{}", text(&ran));
    assert_eq!(user.run(&format!("-q {line}")).succeeds().stderr, "");
}

#[test]
fn the_same_named_grant_is_one() {
    let aws = Aws::start();
    let user = aws.user();
    let line =
        format!("key grant create alias/demo --name n --operation Decrypt --grantee {READER}");
    assert_eq!(json(&user, &line)["grant_id"], json(&user, &line)["grant_id"]);
    assert_eq!(json(&user, "key show alias/demo")["grants"], 1);
}

#[test]
fn what_can_never_work_makes_no_grant() {
    let aws = Aws::start();
    let user = aws.user();
    for rest in [
        "",
        "--operation Decrypt",
        "--operation Everything --grantee arn:aws:iam::1:role/a",
        "--operation Decrypt --grantee reader",
        "--grantee arn:aws:iam::1:role/a",
        "--operation Decrypt --grantee arn:aws:iam::1:role/a --context novalue",
        "--operation Decrypt --grantee arn:aws:iam::1:role/a --exact-context",
    ] {
        let ran = user.run(format!("key grant create alias/demo {rest}").trim_end());
        assert_eq!(ran.code, Some(2), "{rest}: {}", ran.stderr);
    }
    assert!(aws.services.calls().is_empty());
    let secret = "--operation Decrypt --grantee arn:aws:iam::1:role/a --context =hunter2";
    let ran = user.run(&format!("key grant create alias/demo {secret}"));
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    user.run("key grant revoke alias/demo 0123").fails(4, &["NotFoundException", "grant list"]);
    user.run(&format!("key grant create alias/demo --operation Sign --grantee {READER}"))
        .fails(4, &["ValidationException"]);
    assert_eq!(changes(&aws), 2);
    assert_eq!(json(&user, "key show alias/demo")["grants"], 0);
}
