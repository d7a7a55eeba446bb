//! What AWS refuses, and what is wrong before it is asked.

use std::net::TcpListener;
use std::time::Duration;
use std::time::Instant;

use waxseal_testkit::Fault;

use crate::support::Aws;
use crate::support::User;

const SEAL: &str = "seal plain -o out --key aws-kms:alias/demo";
const CAT: &str = "cat s3://demo/k";

/// A user of AWS who has everything but what is left out.
fn user_without(left_out: &[&str]) -> User {
    let mut user = User::new();
    user.write("plain", "x");
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ] {
        if !left_out.contains(&name) {
            user.set(name, value);
        }
    }
    user
}

#[test]
fn no_region_is_said() {
    let user = user_without(&["AWS_REGION"]);
    user.run(SEAL).fails(4, &["no AWS Region is set", "--region", "AWS_REGION"]);
    user.run(CAT).fails(5, &["no AWS Region is set", "--region"]);
    user.run("inspect s3://demo/k").fails(5, &["no AWS Region is set"]);
    assert_eq!(user.files(), ["plain"]);
}

#[test]
fn no_credentials_are_said() {
    let user = user_without(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    user.run(SEAL).fails(4, &["credentials", "AWS_ACCESS_KEY_ID", "--profile"]);
    user.run(CAT).fails(5, &["credentials", "AWS_ACCESS_KEY_ID", "--profile"]);
    user.run(&format!("{SEAL} --profile absent")).fails(4, &["credentials", "--profile"]);
    assert_eq!(user.files(), ["plain"]);
}

#[test]
fn an_instance_metadata_service_that_hangs_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut user = user_without(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]);
    user.set("AWS_EC2_METADATA_DISABLED", "false");
    let url = format!("http://{}", silent.local_addr().unwrap());
    user.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", url);
    let began = Instant::now();
    user.run(SEAL).fails(4, &["no AWS Region is set"]);
    user.run(&format!("{SEAL} --region us-east-1")).fails(4, &["credentials"]);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn nobody_at_the_endpoint_is_said() {
    let user = user_without(&[]);
    user.run(SEAL).fails(4, &["alias/demo", "Connection refused", "--endpoint-url"]);
    user.run(CAT).fails(5, &["s3://demo/k", "Connection refused", "--endpoint-url"]);
    user.run("cp plain s3://demo/k").fails(5, &["s3://demo/k", "Connection refused"]);
    assert_eq!(user.files(), ["plain"]);
}

#[test]
fn kms_in_clear_is_refused_wherever_the_endpoint_comes_from() {
    // A name under .invalid exists nowhere, so that not even a mistake here leaves the machine.
    let url = "http://kms.invalid";
    let refused = |user: &User, line: &str| {
        let ran = user.run(line).fails(4, &["plain http://", "https://"]);
        assert!(!ran.stderr.contains("no connection"), "{}", ran.stderr);
        assert!(!user.path("out").exists());
    };
    refused(&user_without(&[]), &format!("{SEAL} --endpoint-url {url}"));
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"] {
        let mut user = user_without(&["AWS_ENDPOINT_URL"]);
        user.set(name, url);
        refused(&user, SEAL);
    }
    let mut user = user_without(&["AWS_ENDPOINT_URL"]);
    user.write("profiles", format!("[default]\nendpoint_url = {url}\n"));
    user.set("AWS_CONFIG_FILE", user.path("profiles").to_str().unwrap());
    refused(&user, SEAL);
}

/// Other servers know neither bucket host names nor the newer checksums. Of the former, every
/// request that arrives is a proof: none would at `demo.localhost`.
#[test]
fn custom_endpoints_are_found_by_argument_environment_and_profile() {
    let aws = Aws::start();
    let endpoint = aws.endpoint().replace("127.0.0.1", "localhost");
    let check = |user: &User, args: &str| {
        aws.services.reset_calls();
        user.write("big", vec![7; 9 << 20]);
        for (name, operation) in [("plain", "PutObject"), ("big", "UploadPart")] {
            user.run(&format!("cp {name} s3://demo/k{args}")).succeeds();
            user.run(&format!("cp s3://demo/k back{args}")).succeeds();
            assert!(aws.services.count(operation) > 0);
        }
        for call in aws.services.calls() {
            let of_checksum = |name: &String| name.contains("checksum");
            assert!(!call.headers.keys().any(of_checksum), "{call:?}");
        }
    };
    let user = user_without(&["AWS_ENDPOINT_URL"]);
    check(&user, &format!(" --endpoint-url {endpoint}"));
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
        let mut user = user_without(&["AWS_ENDPOINT_URL"]);
        user.set(name, &endpoint);
        check(&user, "");
    }
    for (line, services) in
        [("endpoint_url = ", ""), ("services = s\n", "[services s]\ns3 =\n  endpoint_url = ")]
    {
        let mut user = user_without(&["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID"]);
        let profile = "[profile p]\nregion = us-east-1\naws_access_key_id = test\n\
                       aws_secret_access_key = test\n";
        user.write("profiles", format!("{profile}{line}{services}{endpoint}\n"));
        user.set("AWS_CONFIG_FILE", user.path("profiles").to_str().unwrap());
        check(&user, " --profile p");
    }
}

#[test]
fn kms_refusals_are_code_4_and_say_what_to_do() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "x");
    user.run("seal plain -o out --key aws-kms:alias/absent")
        .fails(4, &["NotFoundException", "\n  remedy: the key is not found: check key, Region"]);
    user.run("seal plain -o s --key aws-kms:alias/demo").succeeds();
    aws.services.kms_state().deny("alias/demo");
    user.run(SEAL).fails(4, &["AccessDenied", "\n  remedy: allow this caller in the key policy"]);
    for line in ["open s -o out", "cat s -o out"] {
        let ran = user.run(&format!("{line} --key aws-kms:alias/demo"));
        let ran = ran.fails(4, &["AccessDenied", "\n  remedy: allow kms:DescribeKey", "; or open"]);
        assert_eq!(ran.stderr.matches("AccessDenied").count(), 1, "said twice: {}", ran.stderr);
    }
    aws.services.fail("GenerateDataKey", 1, Fault::kms_error(400, "ThrottlingException"));
    let ran = user.run(SEAL);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert_eq!(user.files(), ["plain", "s"]);
}

#[test]
fn s3_refusals_are_code_5_and_say_what_to_do() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "x");
    user.run("cat s3://demo/absent").fails(5, &["s3://demo/absent", "NoSuchKey", "aws s3 ls"]);
    user.run("inspect s3://demo/absent").fails(5, &["s3://demo/absent", "aws s3 ls"]);
    user.run("cp plain s3://nowhere/k").fails(5, &["NoSuchBucket", "check the bucket"]);
    aws.services.fail("PutObject", 1, Fault::s3_error(403, "AccessDenied"));
    user.run("cp plain s3://demo/k").fails(5, &["AccessDenied", "IAM or bucket policy"]);
}
