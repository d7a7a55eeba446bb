//! Against Ceph RGW, which enforces bucket policies: the server of `WAXSEAL_CEPH`, with the users
//! `test` and `usr`, whose secrets are their names, and the key `testkey-1` for SSE-KMS.
//!
//! Gaps of Ceph 16, which these tests pin down so that a version without them is noticed:
//! `CreateMultipartUpload` does not show the headers for encryption to policies; `Null` with "false"
//! is read as "true"; `aws:SecureTransport` is unknown over plain HTTP. It has no default encryption.

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use serde_json::json;

use crate::doctor::findings;
use crate::doctor::has_aws_cli;
use crate::doctor::shell;
use crate::support;
use crate::support::Aws;
use crate::support::User;
use crate::support::bytes;
use crate::support::not_tested;

const SSE: &str = "--sse aws:kms --sse-kms-key-id testkey-1";

struct Ceph {
    /// The KMS; S3 is Ceph.
    aws: Aws,
    url: String,
    bucket: String,
    owner: User,
}

impl Ceph {
    /// With a new bucket, if there is such a server.
    fn new(test: &str) -> Option<Self> {
        let Some(url) = support::ceph() else {
            not_tested("policies and the doctor against Ceph RGW: WAXSEAL_CEPH names none");
            return None;
        };
        if !has_aws_cli() {
            return None;
        }
        let aws = Aws::start();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let bucket = format!("{test}-{}-{now}", std::process::id());
        let owner = user(&aws, &url, "test");
        shell(&owner, &format!("aws s3api create-bucket --bucket {bucket}"));
        Some(Self { aws, url, bucket, owner })
    }

    /// Sets the policy that is printed for `line`, with what lets `usr` in: owners of buckets are
    /// not bound by Ceph.
    fn set_policy(&self, line: &str) {
        let printed = self.owner.run(&format!("policy bucket {line}")).succeeds().stdout;
        let mut policy: Value = serde_json::from_slice(&printed).unwrap();
        policy["Statement"].as_array_mut().unwrap().push(json!({
            "Sid": "LetUserIn",
            "Effect": "Allow",
            "Principal": { "AWS": ["arn:aws:iam:::user/usr"] },
            "Action": ["s3:PutObject", "s3:GetObject"],
            "Resource": [format!("arn:aws:s3:::{}/*", self.bucket)],
        }));
        self.owner.write("p.json", policy.to_string());
        let bucket = &self.bucket;
        let line = format!("aws s3api put-bucket-policy --bucket {bucket} --policy file://p.json");
        shell(&self.owner, &line);
    }
}

/// Someone known to Ceph, who asks the testkit for keys.
fn user(aws: &Aws, url: &str, name: &str) -> User {
    let mut user = User::new();
    user.set("AWS_ENDPOINT_URL_S3", url);
    user.set("AWS_ENDPOINT_URL_KMS", aws.endpoint());
    user.set("AWS_ACCESS_KEY_ID", name);
    user.set("AWS_SECRET_ACCESS_KEY", name);
    user.set("AWS_REGION", "us-east-1");
    user.set("AWS_DEFAULT_REGION", "us-east-1");
    user.set("AWS_MAX_ATTEMPTS", "1");
    user
}

#[test]
fn an_unencrypted_put_is_refused_and_a_sealed_one_with_sse_kms_passes() {
    let Some(ceph) = Ceph::new("guide") else { return };
    let usr = user(&ceph.aws, &ceph.url, "usr");
    usr.write("small", "x");
    usr.write("large", bytes(9 << 20));
    let to = |name: &str| format!("s3://{}/{name}", ceph.bucket);
    let seal = |options: &str, file: &str, name: &str| {
        usr.run(
            &format!("cp --key aws-kms:alias/demo {options} {file} {}", to(name))
                .replace("  ", " "),
        )
    };
    let denied = |options: &str| {
        seal(options, "small", "refused").fails(5, &["AccessDenied"]);
    };
    let name = &ceph.bucket;
    ceph.set_policy(&format!("--bucket {name} --sse-kms-key-id testkey-1"));
    denied("");
    denied("--sse AES256");
    denied("--sse aws:kms");
    denied("--sse aws:kms --sse-kms-key-id testkey-2");
    seal(SSE, "small", "sealed").succeeds();
    let opened = usr.run(&format!("cat --key aws-kms:alias/demo {}", to("sealed"))).succeeds();
    assert_eq!(opened.stdout, b"x");
    let head = format!("aws s3api head-object --bucket {name} --key sealed");
    let head: Value = serde_json::from_slice(&shell(&usr, &head).stdout).unwrap();
    assert_eq!(head["ServerSideEncryption"], "aws:kms");
    assert_eq!(head["SSEKMSKeyId"], "testkey-1");
    // A gap of Ceph 16: see above.
    seal(SSE, "large", "refused").fails(5, &["CreateMultipartUpload", "AccessDenied"]);
    let listed = format!("aws s3api list-objects --bucket {name} --query Contents[].Key");
    let listed: Value = serde_json::from_slice(&shell(&ceph.owner, &listed).stdout).unwrap();
    assert_eq!(listed, json!(["sealed"]), "something refused was stored");

    // What fills in by default refuses nothing that says nothing.
    ceph.set_policy(&format!(
        "--bucket {name} --sse-kms-key-id testkey-1 --allow-default-encryption"
    ));
    seal("", "small", "plain").succeeds();
    seal(SSE, "large", "large").succeeds();
    // A gap of Ceph 16: see above.
    seal("--sse AES256", "small", "other").succeeds();
}

#[test]
fn the_doctor_cures_a_bucket() {
    let Some(ceph) = Ceph::new("doctor") else { return };
    let line = format!("doctor --bucket {} --sse-kms-key-id testkey-1 --json", ceph.bucket);
    let bad = |line: &str| {
        let all = findings(&ceph.owner.run(line)).into_iter();
        let bad = all.filter(|f| matches!(f["level"].as_str(), Some("warning" | "problem")));
        bad.map(|f| f["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Of encryption and public access Ceph 16 answers with documents of its own: not checked.
    let known = ["bucket-policy", "bucket-versioning", "abort-incomplete-uploads"];
    let found = bad(&line);
    assert!(known.iter().all(|name| found.iter().any(|f| f == name)), "{found:?}");
    let fixes: String = known.iter().map(|name| format!(" --fix {name}")).collect();
    let left = bad(&format!("{line}{fixes}"));
    assert!(!known.iter().any(|name| left.iter().any(|f| f == name)), "{left:?}");
    // The bucket has versions now: the object of the round trip left none.
    let list = format!("aws s3api list-object-versions --bucket {} --query Versions", ceph.bucket);
    let versions: Value = serde_json::from_slice(&shell(&ceph.owner, &list).stdout).unwrap();
    assert_eq!(versions, Value::Null);
    let list = list.replace("Versions", "DeleteMarkers");
    let markers: Value = serde_json::from_slice(&shell(&ceph.owner, &list).stdout).unwrap();
    assert_eq!(markers, Value::Null);
}

#[test]
fn a_lifecycle_is_taken() {
    let Some(ceph) = Ceph::new("lifecycle") else { return };
    let set = "aws s3api put-bucket-lifecycle-configuration";
    let line = format!(
        "waxseal policy lifecycle --days 3 > l.json && {set} --bucket {} \
         --lifecycle-configuration file://l.json",
        ceph.bucket
    );
    shell(&ceph.owner, &line);
    let get = format!("aws s3api get-bucket-lifecycle-configuration --bucket {}", ceph.bucket);
    let got: Value = serde_json::from_slice(&shell(&ceph.owner, &get).stdout).unwrap();
    let abort = &got["Rules"][0]["AbortIncompleteMultipartUpload"];
    assert_eq!(abort["DaysAfterInitiation"], 3);
}
