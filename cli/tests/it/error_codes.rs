//! Every code of `docs/errors.md`: met in earnest, said, explained.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::net::TcpStream;
use std::time::Duration;

use waxseal_testkit::Fault;

use crate::support::Aws;
use crate::support::Ran;
use crate::support::User;
use crate::support::bytes;

const KEY: &str = "--key aws-kms:alias/demo";
const SEAL: &str = "seal plain -o out --key aws-kms:alias/demo";
const PUT: &str = "cp plain s3://demo/k --key aws-kms:alias/demo";
const CAT: &str = "cat s3://demo/k --key aws-kms:alias/demo";

/// The codes met so far.
#[derive(Default)]
struct Met(BTreeSet<String>);

impl Met {
    /// The command failed so, with a remedy, and its last line leads to `section`.
    #[track_caller]
    fn meets(&mut self, section: &str, code: i32, ran: Ran) {
        let ran = ran.fails(code, &[]);
        let more = format!("\n  more: waxseal explain {section}\n");
        assert!(ran.stderr.ends_with(&more), "not {section}: {}", ran.stderr);
        self.0.insert(section.to_owned());
    }
}

#[test]
fn every_code_is_met_and_explained() {
    let mut met = Met::default();
    keys(&mut met);
    key_files(&mut met);
    callers(&mut met);
    ways(&mut met);
    objects(&mut met);
    answers(&mut met);
    sealed(&mut met);
    signed(&mut met);
    let user = User::new();
    let list = String::from_utf8(user.run("explain").succeeds().stdout).unwrap();
    let listed: BTreeSet<_> = list.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let met: BTreeSet<_> = met.0.iter().map(String::as_str).collect();
    assert_eq!(listed, met, "the page and what can be met");
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    for code in met {
        let text = user.run(&format!("explain {code}")).succeeds().stdout;
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with(&format!("{code}\n\n")) && text.contains("\nRemedy: "), "{text}");
    }
    let ran = user.run("explain key-disable");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("'key-disabled'"), "{}", ran.stderr);
}

fn keys(met: &mut Met) {
    let aws = Aws::start();
    let user = user_of(&aws);
    let kms = |operation: &str, body: &str| {
        let target = format!("TrentService.{operation}");
        let (status, reply) = aws.services.kms_state().handle(&target, body.as_bytes());
        assert_eq!(status, 200, "{reply}");
        let reply: serde_json::Value = serde_json::from_str(&reply).unwrap_or_default();
        reply["KeyMetadata"]["Arn"].as_str().unwrap_or_default().to_owned()
    };
    let with = |key: &str| user.run(&format!("seal plain -o out --key aws-kms:{key}"));
    met.meets("key-not-found", 4, with("alias/absent"));
    let rsa = kms("CreateKey", r#"{"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}"#);
    met.meets("key-of-another-use", 4, with(&rsa));
    kms("DisableKey", &format!(r#"{{"KeyId": "{}"}}"#, aws.key));
    met.meets("key-disabled", 4, user.run(SEAL));
    let deletion = format!(r#"{{"KeyId": "{}", "PendingWindowInDays": 7}}"#, aws.key);
    kms("ScheduleKeyDeletion", &deletion);
    met.meets("key-pending-deletion", 4, user.run(SEAL));
    let other = aws.services.create_key("alias/other");
    aws.services.kms_state().deny("alias/other");
    met.meets("key-access-denied", 4, with("alias/other"));
    met.meets("key-access-denied", 4, with(&other));
    // What the real KMS says of "orders" without "alias/", the one here does not.
    aws.services.fail("GenerateDataKey", 1, Fault::kms_error(400, "ValidationException"));
    met.meets("key-name-invalid", 4, with("orders"));
    // Of several keys, the answer of the service is told.
    let several = aws.services.create_key("alias/several");
    user.run("keygen mine").succeeds();
    user.run("keygen yours").succeeds();
    let keys = format!("--key aws-kms:{several}");
    user.run(&format!("seal plain -o several {keys} --key local:mine")).succeeds();
    kms("DisableKey", &format!(r#"{{"KeyId": "{several}"}}"#));
    let ran = user.run(&format!("open several --key local:yours {keys}"));
    met.meets("key-disabled", 4, ran);
}

fn key_files(met: &mut Met) {
    let user = User::new();
    user.write("plain", "x");
    user.write("none", "x");
    user.write("passphrase", "correct horse\n");
    user.write("wrong", "wrong\n");
    user.run("keygen mine --passphrase-file passphrase").succeeds();
    let with = |rest: &str| user.run(&format!("seal plain -o out --key {rest}"));
    met.meets("key-file", 4, with("local:absent"));
    met.meets("key-file", 4, with("local:none"));
    met.meets("wrong-passphrase", 4, with("local:mine --passphrase-file wrong"));
}

fn callers(met: &mut Met) {
    let aws = Aws::start();
    let without = |left_out: &str| {
        let mut user = User::new();
        user.write("plain", "x");
        for (name, value) in [
            ("AWS_ENDPOINT_URL", &*aws.endpoint()),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ] {
            if name != left_out {
                user.set(name, value);
            }
        }
        user
    };
    met.meets("no-region", 4, without("AWS_REGION").run(SEAL));
    met.meets("no-region", 5, without("AWS_REGION").run("cat s3://demo/k"));
    met.meets("no-credentials", 4, without("AWS_ACCESS_KEY_ID").run(SEAL));
    met.meets("no-credentials", 5, without("AWS_ACCESS_KEY_ID").run("cat s3://demo/k"));
    met.meets("credentials-refused", 5, without("").run("cat s3://demo/k"));
    let user = user_of(&aws);
    for code in ["UnrecognizedClientException", "InvalidSignatureException"] {
        aws.services.fail("GenerateDataKey", 1, Fault::kms_error(400, code));
        met.meets("credentials-refused", 4, user.run(SEAL));
    }
    aws.services.fail("GenerateDataKey", 1, Fault::kms_error(400, "ExpiredTokenException"));
    met.meets("credentials-expired", 4, user.run(SEAL));
    aws.services.fail("PutObject", 1, Fault::s3_error(400, "ExpiredToken"));
    met.meets("credentials-expired", 5, user.run(PUT));
    for words in ["Signature expired: 20260101T000000Z", "Signature not yet current: 2030"] {
        let body = format!(r#"{{"__type": "InvalidSignatureException", "message": "{words}"}}"#);
        let content_type = "application/x-amz-json-1.1";
        aws.services.fail("GenerateDataKey", 1, Fault::Reply { status: 400, content_type, body });
        met.meets("clock-skew", 4, user.run(SEAL));
    }
    aws.services.fail("PutObject", 1, Fault::s3_error(403, "RequestTimeTooSkewed"));
    met.meets("clock-skew", 5, user.run(PUT));
}

fn ways(met: &mut Met) {
    let at = |endpoint: &str, line: &str| {
        let aws = Aws::start();
        let user = user_of(&aws);
        user.run(&format!("{line} --endpoint-url {endpoint}"))
    };
    met.meets("no-connection", 4, at("http://127.0.0.1:1", SEAL));
    met.meets("no-connection", 5, at("http://127.0.0.1:1", "inspect s3://demo/k"));
    met.meets("plain-http", 4, at("http://kms.invalid", SEAL));
    let secret = Aws::start_tls();
    met.meets("certificate", 4, at(&secret.endpoint(), SEAL));
    met.meets("certificate", 5, at(&secret.endpoint(), "cat s3://demo/k"));
    // A server that takes no more connections: its system drops what comes.
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = full.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let held: Vec<_> = std::iter::from_fn(connect).take(10_000).collect();
    met.meets("no-answer", 4, at(&format!("http://{address}"), SEAL));
    drop(held);
}

fn objects(met: &mut Met) {
    let aws = Aws::start();
    let user = user_of(&aws);
    met.meets("no-such-bucket", 5, user.run(&PUT.replace("demo/k", "nowhere/k")));
    met.meets("no-such-object", 5, user.run("cat s3://demo/absent"));
    met.meets("no-such-object", 5, user.run("inspect s3://demo/absent"));
    user.run(PUT).succeeds();
    met.meets("object-exists", 5, user.run(&format!("{PUT} --if-none-match")));
    user.write("plain", bytes(1 << 20));
    user.run(PUT).succeeds();
    aws.services.on_request(|call| {
        let is_later = call.operation == "GetObject" && call.header("if-match").is_some();
        is_later.then(|| Fault::s3_error(412, "PreconditionFailed"))
    });
    met.meets("changed", 5, user.run(&format!("{CAT} -o out")));
}

fn answers(met: &mut Met) {
    let aws = Aws::start();
    let user = user_of(&aws);
    let mut answers = |section: &str, status, codes: &[&str]| {
        for code in codes {
            aws.services.fail("PutObject", 1, Fault::s3_error(status, code));
            met.meets(section, 5, user.run(PUT));
        }
    };
    answers("s3-access-denied", 403, &["AccessDenied"]);
    answers("throttled", 503, &["SlowDown"]);
    answers("service-failing", 500, &["InternalError", "ServiceUnavailable"]);
    answers("wrong-region", 301, &["PermanentRedirect"]);
    answers("wrong-region", 400, &["AuthorizationHeaderMalformed"]);
    answers("sse-key", 400, &["KMS.DisabledException", "KMS.KMSInvalidStateException"]);
    let body = "<Error><Code>AccessDenied</Code><Message>not authorized to perform: s3:PutObject \
                with an explicit deny in a resource-based policy</Message></Error>";
    let body = body.to_owned();
    aws.services.fail(
        "PutObject",
        1,
        Fault::Reply { status: 403, content_type: "application/xml", body },
    );
    met.meets("denied-by-policy", 5, user.run(PUT));
    aws.services.fail("GetObject", 1, Fault::s3_error(403, "InvalidObjectState"));
    met.meets("object-archived", 5, user.run(CAT));
    // Answers to HEAD have a status only.
    for (section, status) in [
        ("wrong-region", 301),
        ("credentials-refused", 400),
        ("s3-access-denied", 403),
        ("service-failing", 503),
    ] {
        aws.services.fail("HeadObject", 1, Fault::s3_error(status, "unseen"));
        met.meets(section, 5, user.run("inspect s3://demo/k"));
    }
    for (section, code) in
        [("throttled", "ThrottlingException"), ("service-failing", "KMSInternalException")]
    {
        aws.services.fail("GenerateDataKey", 1, Fault::kms_error(400, code));
        met.meets(section, 4, user.run(SEAL));
    }
}

fn sealed(met: &mut Met) {
    let aws = Aws::start();
    let user = user_of(&aws);
    user.write("plain", bytes(100_000));
    met.meets("not-sealed", 3, user.run("open plain -o out"));
    user.run(&format!("seal {KEY} --context tenant=acme plain -o s")).succeeds();
    met.meets("other-key", 4, user.run("open s -o out"));
    let open = format!("open {KEY}");
    met.meets("context-mismatch", 3, user.run(&format!("{open} --context tenant=b s -o out")));
    met.meets("wrong-binding", 3, user.run(&format!("{open} --binding label:x s -o out")));
    user.run(&format!("seal {KEY} --binding label:x plain -o labelled")).succeeds();
    met.meets("wrong-binding", 3, user.run(&format!("{open} labelled -o out")));
    let mut altered = user.read("s");
    altered[50_000] ^= 1;
    user.write("altered", altered);
    met.meets("not-authentic", 3, user.run(&format!("{open} altered -o out")));
    for code in ["InvalidCiphertextException", "IncorrectKeyException"] {
        aws.services.fail("Decrypt", 1, Fault::kms_error(400, code));
        met.meets("not-unwrapped", 3, user.run(&format!("{open} s -o out")));
    }
    let mut command = user.command(["open", "--key", "aws-kms:alias/demo", "s"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    met.meets("disk-full", 5, command.stdout(full).output().unwrap().into());
}

fn signed(met: &mut Met) {
    let aws = Aws::start();
    let user = user_of(&aws);
    aws.services.create_signing_key("alias/writers");
    let rivals = aws.services.create_signing_key("alias/rivals");
    user.run(&format!("{SEAL} --sign aws-kms:alias/writers")).succeeds();
    user.run(&format!("seal {KEY} plain -o unsigned")).succeeds();
    let open = |key: &str, name: &str| {
        user.run(&format!("open {KEY} --signed-by aws-kms:{key} {name} -o opened"))
    };
    met.meets("not-signed", 3, open("alias/writers", "unsigned"));
    met.meets("signed-by-another", 3, open(&rivals, "out"));
    met.meets("signature-false", 3, open("alias/rivals", "out"));
}

fn user_of(aws: &Aws) -> User {
    let user = aws.user();
    user.write("plain", "x");
    user
}
