//! Against moto, the server of `WAXSEAL_MOTO`: everything that `waxseal policy` prints is applied, by
//! the commands of its help, and the doctor cures what it finds.
//!
//! Gaps of moto 5.2: it does not enforce conditions, so that a bucket policy refuses every upload; its
//! answer about versioning that was never set is not that of S3; and it enables and disables keys by
//! their id alone, not by their ARN.

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Value;

use crate::doctor::findings;
use crate::doctor::has_aws_cli;
use crate::doctor::shell;
use crate::policy::printed;
use crate::support::User;
use crate::support::not_tested;

/// Someone whose environment leads to moto, if there is one, and a name that nothing has there.
fn user() -> Option<(User, String)> {
    let Ok(url) = std::env::var("WAXSEAL_MOTO") else {
        assert!(std::env::var_os("CI").is_none(), "CI must set WAXSEAL_MOTO");
        not_tested("policies and the doctor against moto: WAXSEAL_MOTO names none");
        return None;
    };
    if !has_aws_cli() {
        return None;
    }
    let mut user = User::new();
    user.set("AWS_ENDPOINT_URL", url);
    user.set("AWS_ACCESS_KEY_ID", "test");
    user.set("AWS_SECRET_ACCESS_KEY", "test");
    user.set("AWS_REGION", "us-east-1");
    user.set("AWS_DEFAULT_REGION", "us-east-1");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    Some((user, format!("w-{}-{now}", std::process::id())))
}

fn json(user: &User, line: &str) -> Value {
    serde_json::from_slice(&shell(user, line).stdout).unwrap()
}

fn create_key(user: &User) -> String {
    let made = json(user, "aws kms create-key");
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

#[test]
fn everything_printed_is_taken() {
    let Some((user, name)) = user() else { return };
    shell(&user, &format!("aws s3api create-bucket --bucket {name}"));
    let key = create_key(&user);
    for (kind, line) in printed() {
        shell(&user, &format!("waxseal policy {line} > {kind}.json"));
        let document: Value = serde_json::from_slice(&user.read(&format!("{kind}.json"))).unwrap();
        let file = format!("file://{kind}.json");
        let bucket = format!("--bucket {name}");
        let taken = match kind.split('-').next().unwrap() {
            "iam" => {
                let put = "aws iam create-policy --query Policy.Arn --output text --policy-name";
                let arn = shell(&user, &format!("{put} {name}-{kind} --policy-document {file}"));
                let arn = String::from_utf8(arn.stdout).unwrap();
                let get = "aws iam get-policy-version --version-id v1 --policy-arn";
                json(&user, &format!("{get} {arn}"))["PolicyVersion"]["Document"].clone()
            }
            "key" => {
                let put = "aws kms put-key-policy --policy-name default --key-id";
                shell(&user, &format!("{put} {key} --policy {file}"));
                let get = "aws kms get-key-policy --policy-name default --key-id";
                let text = json(&user, &format!("{get} {key}"))["Policy"].clone();
                serde_json::from_str(text.as_str().unwrap()).unwrap()
            }
            "lifecycle" => {
                let set = "bucket-lifecycle-configuration";
                let put = format!("aws s3api put-{set} {bucket}");
                shell(&user, &format!("{put} --lifecycle-configuration {file}"));
                json(&user, &format!("aws s3api get-{set} {bucket} --query '{{Rules: Rules}}'"))
            }
            _ if kind == "bucket-encryption" => {
                let put = format!("aws s3api put-bucket-encryption {bucket}");
                shell(&user, &format!("{put} --server-side-encryption-configuration {file}"));
                let got = json(&user, &format!("aws s3api get-bucket-encryption {bucket}"));
                got["ServerSideEncryptionConfiguration"].clone()
            }
            _ => {
                shell(&user, &format!("aws s3api put-bucket-policy {bucket} --policy {file}"));
                let got = json(&user, &format!("aws s3api get-bucket-policy {bucket}"));
                serde_json::from_str(got["Policy"].as_str().unwrap()).unwrap()
            }
        };
        assert_eq!(taken, document, "{kind}");
    }
}

#[test]
fn the_doctor_cures_what_it_finds() {
    let Some((user, name)) = user() else { return };
    shell(&user, &format!("aws s3api create-bucket --bucket {name}"));
    let key = create_key(&user);
    let line = format!("doctor --bucket {name} --key aws-kms:{key} --sse-kms-key-id {key} --json");
    let bad = |line: &str| {
        let all = findings(&user.run(line)).into_iter();
        all.filter(|f| matches!(f["level"].as_str(), Some("warning" | "problem")))
            .collect::<Vec<_>>()
    };
    let found = bad(&line);
    let names: Vec<_> = found.iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "bucket-encryption",
            "bucket-policy",
            "public-access",
            "abort-incomplete-uploads",
            "key-rotation"
        ]
    );
    for finding in &found {
        for command in finding["commands"].as_array().unwrap() {
            // Its exit code is of the whole report, in which other problems are left.
            shell(&user, &format!("{} || true", command.as_str().unwrap()));
        }
    }
    // The policy refuses every upload there: see above.
    let left: Vec<_> = bad(&line).iter().map(|f| f["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(left, ["round-trip"]);
    shell(&user, &format!("aws s3api delete-bucket-policy --bucket {name}"));
    let left: Vec<_> = bad(&line).iter().map(|f| f["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(left, ["bucket-policy"]);
}
