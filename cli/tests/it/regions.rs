//! Keys in other Regions than the configured one. The KMS here tells Regions by the signature.

use crate::support::Aws;
use crate::support::User;

fn kms(aws: &Aws, region: &str, operation: &str, body: &str) -> serde_json::Value {
    let target = format!("TrentService.{operation}");
    let (status, reply) = aws.services.kms_state().handle_in(region, &target, body.as_bytes());
    assert_eq!(status, 200, "{reply}");
    serde_json::from_str(&reply).unwrap_or_default()
}

/// Makes a key there; returns its ARN.
fn create(aws: &Aws, region: &str, kind: &str) -> String {
    kms(aws, region, "CreateKey", kind)["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

fn without_region(aws: &Aws) -> User {
    let mut user = User::new();
    user.set("AWS_ENDPOINT_URL", aws.endpoint());
    user.set("AWS_ACCESS_KEY_ID", "test");
    user.set("AWS_SECRET_ACCESS_KEY", "test");
    user.set("AWS_MAX_ATTEMPTS", "1");
    user
}

#[test]
fn an_arn_is_asked_for_in_its_own_region() {
    let aws = Aws::start();
    let [eu, us] = ["eu-west-1", "us-west-2"].map(|region| create(&aws, region, "{}"));
    let keys = format!("--key aws-kms:{eu} --key aws-kms:{us}");
    for user in [aws.user(), without_region(&aws)] {
        user.run_with(&format!("seal {keys} -o s"), b"hello").succeeds();
        kms(&aws, "eu-west-1", "DisableKey", &format!(r#"{{"KeyId": "{eu}"}}"#));
        assert_eq!(user.run(&format!("open {keys} s")).succeeds().stdout, b"hello");
        let other = format!("open it with --key aws-kms:{us}");
        user.run(&format!("open --key aws-kms:{eu} s")).fails(4, &["Disabled", &other]);
        kms(&aws, "eu-west-1", "EnableKey", &format!(r#"{{"KeyId": "{eu}"}}"#));
    }
}

#[test]
fn so_are_rsa_and_signing_keys() {
    let aws = Aws::start();
    let rsa = r#"{"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}"#;
    let rsa = create(&aws, "eu-west-1", rsa);
    let signing = r#"{"KeySpec": "ECC_NIST_P384", "KeyUsage": "SIGN_VERIFY"}"#;
    let signing = create(&aws, "us-west-2", signing);
    let user = without_region(&aws);
    let key = format!("--key aws-kms-rsa:{rsa}");
    user.run_with(&format!("seal {key} --sign aws-kms:{signing} -o s"), b"hello").succeeds();
    let open = format!("open {key} --signed-by aws-kms:{signing} s");
    assert_eq!(user.run(&open).succeeds().stdout, b"hello");
}

#[test]
fn a_multi_region_key_is_asked_for_in_the_configured_region() {
    let aws = Aws::start();
    let here = create(&aws, "us-east-1", r#"{"MultiRegion": true}"#);
    let there = here.replace("us-east-1", "eu-west-1"); // where it has no replica
    aws.user().run_with(&format!("seal --key aws-kms:{there} -o s"), b"hello").succeeds();
    let user = without_region(&aws);
    user.run_with(&format!("seal --key aws-kms:{here} -o s"), b"hello").succeeds();
    let ran = user.run_with(&format!("seal --key aws-kms:{there} -o t"), b"hello");
    assert!(ran.stderr.contains("NotFoundException"), "{}", ran.stderr);
}

#[test]
fn the_region_of_an_arn_cannot_name_another_host() {
    let user = User::new();
    user.run("seal --key aws-kms:arn:aws:kms:x@evil.example/:1:key/1 -o s")
        .fails(2, &["\"x@evil.example/\" is not an AWS Region"]);
}
