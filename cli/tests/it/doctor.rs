//! `waxseal doctor`: buckets and keys set up wrong in many ways, and its remedies followed.

mod retention;
mod settings;

use std::collections::BTreeMap;
use std::process::Command;
use std::process::Stdio;

use aws_sdk_kms::Client as Kms;
use aws_sdk_s3::Client as S3;
use aws_sdk_s3::types::BucketVersioningStatus;
use aws_sdk_s3::types::ServerSideEncryption;
use serde_json::Value;
use tokio::runtime::Runtime;
use waxseal_testkit::Fault;

use crate::support::Aws;
use crate::support::Ran;
use crate::support::User;
use crate::support::not_tested;

const FIXES: &str = "--fix abort-incomplete-uploads --fix bucket-encryption --fix bucket-policy \
     --fix bucket-versioning --fix public-access --fix key-rotation";

/// A bucket and a key that are set up right, until a test changes something.
struct Ward {
    aws: Aws,
    user: User,
    runtime: Runtime,
    /// The ARN of the key that S3 encrypts with.
    sse: String,
}

impl Ward {
    fn new() -> Self {
        let ward = Self::untreated();
        let line = format!("{} {FIXES}", ward.line());
        ward.user.run(&line).succeeds();
        ward.aws.services.reset_calls();
        ward
    }

    /// As AWS makes buckets and keys.
    fn untreated() -> Self {
        let aws = Aws::start();
        let user = aws.user();
        let sse = aws.services.create_key("alias/sse");
        Self { aws, user, runtime: Runtime::new().unwrap(), sse }
    }

    fn line(&self) -> String {
        format!("doctor --bucket demo --key aws-kms:alias/demo --sse-kms-key-id {}", self.sse)
    }

    fn s3<T>(&self, ask: impl AsyncFnOnce(S3) -> T) -> T {
        self.runtime.block_on(ask(self.aws.services.s3()))
    }

    fn kms<T>(&self, ask: impl AsyncFnOnce(Kms) -> T) -> T {
        self.runtime.block_on(ask(self.aws.services.kms()))
    }

    /// The findings that are not ok, by name; the whole of them too.
    fn bad(&self, line: &str) -> BTreeMap<String, Value> {
        let all = findings(&self.user.run(&format!("{line} --json")));
        all.into_iter()
            .filter(|finding| finding["level"] != "ok")
            .map(|finding| (finding["name"].as_str().unwrap().to_owned(), finding))
            .collect()
    }

    /// What is stored: settings, objects, and keys.
    fn state(&self) -> BTreeMap<String, Vec<u8>> {
        let mut state = BTreeMap::new();
        for entry in std::fs::read_dir(self.aws.services.data_dir()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            state.insert(name, std::fs::read(entry.path()).unwrap_or_default());
        }
        for entry in std::fs::read_dir(self.aws.services.data_dir().join("demo")).unwrap() {
            state.insert(format!("demo/{:?}", entry.unwrap().file_name()), vec![]);
        }
        state
    }

    /// Runs the doctor: it says `name` at `level` and nothing else, changes nothing, and its
    /// remedy, followed, leaves nothing to say.
    #[track_caller]
    fn is_found_and_cured(&self, name: &str, level: &str, says: &str) {
        let before = self.state();
        let bad = self.bad(&self.line());
        assert_eq!(self.state(), before, "{name}: changed without --fix");
        let finding = bad.get(name).unwrap_or_else(|| panic!("no {name} in {bad:?}"));
        assert_eq!(finding["level"], level, "{finding}");
        assert!(finding["found"].as_str().unwrap().contains(says), "{finding}");
        assert!(finding["why"].is_string(), "{finding}");
        assert_eq!(finding["fixed"], Value::Null);
        let others = bad.keys().filter(|other| *other != name && *other != "round-trip");
        assert_eq!(others.count(), 0, "{bad:?}");
        let commands = finding["commands"].as_array().unwrap();
        assert!(!commands.is_empty(), "{finding}");
        for command in commands {
            let command = command.as_str().unwrap();
            shell(&self.user, command);
        }
        let left = self.bad(&self.line());
        assert!(left.is_empty(), "after the remedy of {name}: {left:?}");
    }
}

pub(crate) fn findings(ran: &Ran) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let findings = report["findings"].as_array().unwrap().clone();
    for finding in findings.iter().filter(|f| f["level"] == "problem" || f["level"] == "warning") {
        assert!(finding["remedy"].is_string(), "no remedy: {finding}");
    }
    findings
}

/// Runs a remedy as somebody does who pastes it.
#[track_caller]
pub(crate) fn shell(user: &User, line: &str) -> Ran {
    let like = user.command([""; 0]);
    let given = like.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_waxseal")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut sh = Command::new("sh");
    sh.args(["-ec", line]).env_clear().envs(given).env("PATH", path);
    let ran: Ran = sh.current_dir(user.path("")).stdin(Stdio::null()).output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
    ran
}

pub(crate) fn has_aws_cli() -> bool {
    let found = Command::new("aws").arg("--version").output().is_ok_and(|ran| ran.status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "CI must have the AWS CLI");
        not_tested("remedies that are commands of the AWS CLI, which is not installed");
    }
    found
}

#[test]
fn what_is_set_up_right_is_all_ok() {
    let ward = Ward::new();
    let ran = ward.user.run(&ward.line()).succeeds();
    assert_eq!(ran.stderr, "");
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.ends_with("\nProblems: 0. Warnings: 0.\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "colour in a pipe: {text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for (name, says) in [
        ("credentials", "from the environment (access key "),
        ("endpoints", &*format!("Region us-east-1; asked: {}", ward.aws.endpoint())),
        ("transport", "on this machine"),
        ("clock", "within a minute"),
        ("bucket-access", "it is there"),
        ("bucket-encryption", &ward.sse),
        ("bucket-policy", "refuses plain HTTP and other encryption"),
        ("bucket-versioning", "enabled"),
        ("public-access", "blocked"),
        ("abort-incomplete-uploads", "removed after 7 days"),
        ("incomplete-uploads", "0 in progress"),
        ("key-alias", &ward.aws.key),
        ("key-state", "enabled"),
        ("key-usage", "SYMMETRIC_DEFAULT"),
        ("key-rotation", "enabled"),
        ("round-trip", "sealed, stored, opened and deleted"),
    ] {
        let part = text.split("\nok ").find(|part| part.contains(&format!(" {name}")));
        let told = part.unwrap_or_else(|| panic!("no {name} in {text}")).replace("\n    ", " ");
        assert!(told.contains(says), "{name} does not say {says:?}: {told}");
    }
    let secret = waxseal_testkit::SECRET_ACCESS_KEY;
    assert!(secret.len() < 5 || !text.contains(secret));
}

#[test]
fn nothing_is_changed_without_fix() {
    let ward = Ward::untreated();
    let before = ward.state();
    ward.aws.services.reset_calls();
    let bad = ward.bad(&ward.line());
    let names: Vec<_> = bad.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "abort-incomplete-uploads",
            "bucket-encryption",
            "bucket-policy",
            "bucket-versioning",
            "key-rotation",
            "public-access"
        ]
    );
    assert_eq!(ward.state(), before);
    let own = |key: &Option<String>| key.as_ref().is_some_and(|k| k.starts_with("waxseal-doctor-"));
    for call in ward.aws.services.calls() {
        let reads =
            ["Get", "Head", "List", "Describe"].iter().any(|w| call.operation.starts_with(w));
        let seals = matches!(&*call.operation, "GenerateDataKey" | "Decrypt");
        assert!(reads || seals || own(&call.key), "{call:?}");
    }
    assert_eq!(ward.aws.services.count("PutObject"), 1);
    assert_eq!(ward.aws.services.count("DeleteObject"), 1);

    ward.aws.services.reset_calls();
    ward.user.run(&format!("{} --no-write", ward.line()));
    for operation in ["PutObject", "DeleteObject", "GenerateDataKey", "Decrypt"] {
        assert_eq!(ward.aws.services.count(operation), 0, "{operation}");
    }
}

#[test]
fn the_code_tells_what_kind_of_problem_there_is() {
    let ward = Ward::new();
    ward.user.run(&ward.line()).succeeds();
    ward.s3(async |s3| s3.delete_bucket_encryption().bucket("demo").send().await.unwrap());
    let ran = ward.user.run(&ward.line()).fails(5, &["found bucket-encryption"]);
    assert!(!ran.stdout.is_empty());
    ward.user.run("doctor --key aws-kms:alias/absent").fails(4, &["found key-alias"]);
    ward.user.run("doctor --bucket absent").fails(5, &["found bucket-access"]);
    for (line, says) in [
        ("doctor", "--bucket"),
        ("doctor --key local --fix bucket-policy", "--bucket"),
        ("doctor --bucket demo --fix bucket-policy", "--sse-kms-key-id"),
        ("doctor --bucket demo --fix key-rotation", "--key"),
    ] {
        ward.user.run(line).fails(2, &[says]);
    }
}

#[test]
fn wrong_settings_are_found_and_cured() {
    let ward = Ward::new();
    ward.s3(async |s3| s3.delete_bucket_encryption().bucket("demo").send().await.unwrap());
    ward.is_found_and_cured("bucket-encryption", "problem", "no default encryption");
    ward.s3(async |s3| settings::encrypt(&s3, ServerSideEncryption::Aes256, None, false).await);
    ward.is_found_and_cured("bucket-encryption", "warning", "SSE-S3");
    ward.s3(async |s3| settings::encrypt(&s3, ServerSideEncryption::AwsKms, None, true).await);
    ward.is_found_and_cured("bucket-encryption", "warning", "AWS manages");
    let sse = Some(ward.sse.as_str());
    ward.s3(async |s3| settings::encrypt(&s3, ServerSideEncryption::AwsKms, sse, false).await);
    ward.is_found_and_cured("bucket-encryption", "warning", "without a bucket key");
    let other = Some(ward.aws.key.as_str());
    ward.s3(async |s3| settings::encrypt(&s3, ServerSideEncryption::AwsKms, other, true).await);
    ward.is_found_and_cured("bucket-encryption", "warning", "another key");

    ward.s3(async |s3| s3.delete_bucket_policy().bucket("demo").send().await.unwrap());
    ward.is_found_and_cured("bucket-policy", "warning", "no bucket policy");
    ward.s3(async |s3| settings::set_versioning(&s3, BucketVersioningStatus::Suspended).await);
    ward.is_found_and_cured("bucket-versioning", "warning", "suspended");
    ward.s3(async |s3| settings::unblock_policies(&s3).await);
    ward.is_found_and_cured("public-access", "warning", "BlockPublicPolicy, RestrictPublicBuckets");
    ward.s3(async |s3| s3.delete_bucket_lifecycle().bucket("demo").send().await.unwrap());
    ward.is_found_and_cured("abort-incomplete-uploads", "warning", "no lifecycle rule");
}

#[test]
fn wrong_keys_are_found_and_cured() {
    let ward = Ward::new();
    let key = ward.aws.key.clone();
    ward.kms(async |kms| kms.disable_key().key_id(&key).send().await.unwrap());
    ward.is_found_and_cured("key-state", "problem", "disabled");
    ward.kms(async |kms| kms.schedule_key_deletion().key_id(&key).send().await.unwrap());
    ward.is_found_and_cured("key-state", "problem", "will be deleted on 20");
    ward.kms(async |kms| kms.disable_key_rotation().key_id(&key).send().await.unwrap());
    ward.is_found_and_cured("key-rotation", "warning", "not enabled");
    // A key that only the bucket names is checked as well.
    ward.kms(async |kms| kms.disable_key().key_id(&ward.sse).send().await.unwrap());
    let line = "doctor --bucket demo --no-write";
    let bad = ward.bad(line);
    assert_eq!((&bad["key-state"]["subject"], bad.len()), (&Value::from(&*ward.sse), 1));

    let rsa = ward.kms(async |kms| settings::rsa_key(&kms).await);
    let bad = ward.bad(&format!("doctor --key aws-kms:{rsa}"));
    assert!(bad["key-usage"]["remedy"].as_str().unwrap().contains(&format!("aws-kms-rsa:{rsa}")));
    let bad = ward.bad(&format!("doctor --key aws-kms-rsa:{rsa}"));
    assert!(bad.is_empty(), "{bad:?}");
    let bad = ward.bad("doctor --key aws-kms:alias/absent --no-write");
    assert_eq!(bad["key-alias"]["level"], "problem");
}

#[test]
fn fixes_keep_what_is_there() {
    let ward = Ward::untreated();
    let theirs = r#"{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:DeleteBucket","Resource":"arn:aws:s3:::demo"}"#;
    let old = theirs.replace("Theirs", "DenyOtherKey");
    let policy = format!(r#"{{"Version":"2012-10-17","Id":"x","Statement":[{theirs},{old}]}}"#);
    ward.s3(async |s3| {
        s3.put_bucket_policy().bucket("demo").policy(policy).send().await.unwrap();
        settings::expire_rule(&s3).await;
    });
    ward.user.run(&format!("{} {FIXES}", ward.line())).succeeds();
    ward.s3(async |s3| {
        let policy = s3.get_bucket_policy().bucket("demo").send().await.unwrap();
        let policy: Value = serde_json::from_str(policy.policy().unwrap()).unwrap();
        let statements = policy["Statement"].as_array().unwrap();
        assert_eq!(statements[0], serde_json::from_str::<Value>(theirs).unwrap());
        assert_eq!(policy["Id"], "x");
        let named = |sid| statements.iter().filter(|s| s["Sid"] == sid).count();
        assert_eq!((named("DenyOtherKey"), named("DenyPlainHttp")), (1, 1));

        let found = s3.get_bucket_lifecycle_configuration().bucket("demo").send().await.unwrap();
        let ids: Vec<_> = found.rules().iter().map(|rule| rule.id().unwrap()).collect();
        assert_eq!(ids, ["theirs", "abort-incomplete-uploads"]);
        assert_eq!(found.rules()[0].expiration().unwrap().days(), Some(30));
        let minimum = found.transition_default_minimum_object_size().unwrap();
        assert_eq!(minimum.as_str(), "varies_by_storage_class");
    });
    // Told what was done, and asked again there is nothing to do.
    ward.s3(async |s3| settings::set_versioning(&s3, BucketVersioningStatus::Suspended).await);
    let line = format!("{} --fix bucket-versioning", ward.line());
    let all = findings(&ward.user.run(&format!("{line} --json")).succeeds());
    let fixed: Vec<_> = all.iter().filter(|finding| finding["fixed"] != Value::Null).collect();
    assert_eq!(fixed.len(), 1, "{fixed:?}");
    assert_eq!(fixed[0]["fixed"], "versioning: suspended");
    ward.aws.services.reset_calls();
    ward.user.run(&line).succeeds();
    assert_eq!(ward.aws.services.count("PutBucketVersioning"), 0);
}

#[test]
fn default_encryption_keeps_what_it_blocks_and_that_it_is_twofold() {
    let ward = Ward::new();
    let put = |kind, key: &str| {
        ward.s3(async |s3| settings::encrypt_without_sse_c(&s3, kind, key).await);
    };
    put(ServerSideEncryption::AwsKmsDsse, &ward.sse);
    assert!(ward.bad(&ward.line()).is_empty());
    for kind in [ServerSideEncryption::AwsKms, ServerSideEncryption::AwsKmsDsse] {
        put(kind.clone(), &ward.aws.key);
        ward.is_found_and_cured("bucket-encryption", "warning", "another key");
        ward.s3(async |s3| {
            let found = s3.get_bucket_encryption().bucket("demo").send().await.unwrap();
            let rule = &found.server_side_encryption_configuration().unwrap().rules()[0];
            assert!(rule.blocked_encryption_types().is_some());
            let by_default = rule.apply_server_side_encryption_by_default().unwrap();
            assert_eq!(*by_default.sse_algorithm(), kind);
        });
    }
}

#[test]
fn only_the_fix_asked_for_is_made() {
    let ward = Ward::untreated();
    let before = ward.state();
    ward.user.run("doctor --bucket demo --no-write --fix bucket-versioning");
    let after = ward.state();
    let changed: Vec<_> = after.iter().filter(|(k, v)| before.get(*k) != Some(v)).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].0.contains("versioning"), "{changed:?}");
}

#[test]
fn what_cannot_be_pasted_is_said_in_words() {
    let ward = Ward::untreated();
    let command = ["doctor", "--json", "--bucket", "demo", "--no-write", "--profile", "my profile"];
    let ran: Ran = ward.user.command(command).output().unwrap().into();
    let all = findings(&ran);
    let of = |name: &str| all.iter().find(|finding| finding["name"] == name).unwrap();
    let remedy = |name: &str| of(name)["remedy"].as_str().unwrap();
    assert!(remedy("bucket-versioning").contains("--fix bucket-versioning"));
    assert!(remedy("bucket-policy").contains("--sse-kms-key-id"));
}

#[test]
fn a_policy_that_lets_everybody_in_is_a_problem() {
    let ward = Ward::new();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},
        "Action":"s3:GetObject","Resource":"arn:aws:s3:::demo/*"}]}"#;
    ward.s3(async |s3| s3.put_bucket_policy().bucket("demo").policy(policy).send().await.unwrap());
    let bad = ward.bad(&ward.line());
    assert_eq!((bad.len(), &bad["bucket-policy"]["level"]), (1, &Value::from("problem")));
    assert_eq!(bad["bucket-policy"]["commands"], serde_json::json!([]), "no fix would cure it");
}

#[test]
fn the_missing_permission_is_named() {
    let ward = Ward::new();
    let said =
        |bad: &BTreeMap<String, Value>| bad["round-trip"]["found"].as_str().unwrap().to_owned();
    for operation in ["GenerateDataKey", "Decrypt"] {
        ward.aws.services.kms_state().deny_operation("alias/demo", operation);
        let found = said(&ward.bad(&ward.line()));
        assert!(found.contains(&format!("it needs kms:{operation}.")), "{found}");
        ward.aws.services.kms_state().allow("alias/demo");
    }
    for (operation, permission) in [
        ("PutObject", "s3:PutObject"),
        ("HeadObject", "s3:GetObject"),
        ("GetObject", "s3:GetObject"),
        ("DeleteObject", "s3:DeleteObject"),
    ] {
        ward.aws.services.fail(operation, 1, Fault::s3_error(403, "AccessDenied"));
        let found = said(&ward.bad(&ward.line()));
        assert!(found.contains(&format!("it needs {permission}")), "{found}");
    }
    ward.aws.services.fail("PutObject", 1, Fault::s3_error(500, "InternalError"));
    let found = said(&ward.bad(&ward.line()));
    assert!(!found.contains("it needs"), "{found}");
    // Whatever failed in between, the object is deleted; all but one that could not be.
    let left = std::fs::read_dir(ward.aws.services.data_dir().join("demo")).unwrap().count();
    assert_eq!(left, 1);
}

#[test]
fn what_is_refused_is_said_to_be_not_checked() {
    let ward = Ward::new();
    for (operation, name, permission) in [
        ("HeadBucket", "bucket-access", "s3:ListBucket"),
        ("GetBucketEncryption", "bucket-encryption", "s3:GetEncryptionConfiguration"),
        ("GetBucketPolicy", "bucket-policy", "s3:GetBucketPolicy"),
        ("GetBucketVersioning", "bucket-versioning", "s3:GetBucketVersioning"),
        ("GetPublicAccessBlock", "public-access", "s3:GetBucketPublicAccessBlock"),
        (
            "GetBucketLifecycleConfiguration",
            "abort-incomplete-uploads",
            "s3:GetLifecycleConfiguration",
        ),
        ("ListMultipartUploads", "incomplete-uploads", "s3:ListBucketMultipartUploads"),
        ("DescribeKey", "key-alias", "kms:DescribeKey"),
        ("GetKeyRotationStatus", "key-rotation", "kms:GetKeyRotationStatus"),
    ] {
        let is_kms = permission.starts_with("kms");
        let fault = match is_kms {
            true => Fault::kms_error(400, "AccessDeniedException"),
            false => Fault::s3_error(403, "AccessDenied"),
        };
        ward.aws.services.fail(operation, 1, fault);
        let ran = ward.user.run(&format!("{} --no-write --json", ward.line())).succeeds();
        let all = findings(&ran);
        let finding = all.iter().find(|finding| finding["name"] == name).unwrap();
        assert_eq!(finding["level"], "not-checked", "{finding}");
        assert!(finding["found"].as_str().unwrap().contains(permission), "{finding}");
    }
    ward.aws.services.fail("GetBucketPolicy", 1, Fault::s3_error(501, "NotImplemented"));
    let bad = ward.bad(&ward.line());
    assert!(bad["bucket-policy"]["found"].as_str().unwrap().contains("no such setting"));
    // What cannot be read is not overwritten.
    ward.aws.services.reset_calls();
    ward.aws.services.fail("GetBucketPolicy", 1, Fault::s3_error(403, "AccessDenied"));
    let bad = ward.bad(&format!("{} --fix bucket-policy", ward.line()));
    assert_eq!(bad["bucket-policy"]["level"], "problem");
    assert_eq!(ward.aws.services.count("PutBucketPolicy"), 0);
    // A fix that is refused is a problem.
    ward.s3(async |s3| settings::set_versioning(&s3, BucketVersioningStatus::Suspended).await);
    ward.aws.services.fail("PutBucketVersioning", 1, Fault::s3_error(403, "AccessDenied"));
    let bad = ward.bad(&format!("{} --fix bucket-versioning", ward.line()));
    assert_eq!(bad["bucket-versioning"]["level"], "problem");
    assert!(bad["bucket-versioning"]["found"].as_str().unwrap().contains("AccessDenied"));
}

#[test]
fn old_uploads_are_counted() {
    let ward = Ward::new();
    ward.s3(async |s3| {
        for key in ["a", "b"] {
            s3.create_multipart_upload().bucket("demo").key(key).send().await.unwrap();
        }
    });
    assert!(ward.bad(&ward.line()).is_empty(), "they have just begun");
    let week = std::time::Duration::from_secs(8 * 86_400);
    for entry in std::fs::read_dir(ward.aws.services.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains(".upload-") {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::now() - week).unwrap();
        }
    }
    let bad = ward.bad(&ward.line());
    assert!(bad["incomplete-uploads"]["found"].as_str().unwrap().starts_with("2 uploads"));
}

#[test]
fn the_connection_is_told_when_nothing_else_can_be() {
    let ward = Ward::new();
    let mut nobody = User::new();
    nobody.set("AWS_ENDPOINT_URL", ward.aws.endpoint());
    nobody.set("AWS_REGION", "us-east-1");
    let ran = nobody.run("doctor --bucket demo --json");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let all = findings(&ran);
    assert_eq!((&all[0]["name"], &all[0]["level"]), (&"credentials".into(), &"problem".into()));
    let mut lost = ward.aws.user();
    lost.set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let ran = lost.run("doctor --bucket demo --json");
    assert_eq!(ran.code, Some(5), "{ran:?}");
    let names: Vec<_> = findings(&ran).iter().map(|f| f["name"].clone()).collect();
    assert!(names.contains(&"bucket-access".into()), "{names:?}");
    let mut astray = ward.aws.user();
    astray.set("AWS_REGION", "x@evil.example/");
    astray.run("doctor --bucket demo").fails(2, &["Region"]);
    assert!(!ward.user.default_keys().exists());
    ward.user.run("doctor --bucket demo --key local").succeeds();
    assert!(!ward.user.default_keys().exists(), "a check must not make a key file");
}
