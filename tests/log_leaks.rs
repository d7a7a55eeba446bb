//! No key and no plaintext in the log, whatever the level, and with the SDK told to log bodies.
//!
//! A process of its own seals and opens with every log line going to a file; the services run in
//! this one, which knows what must not be there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "support/derived_keys.rs"]
mod derived_keys;
#[allow(dead_code, reason = "shared with the differential tests")]
#[path = "support/reference.rs"]
mod reference;

use std::env;
use std::fs::File;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::config::Region;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::types::KeySpec;
use aws_sdk_kms::types::KeyUsageType;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use base64ct::Base64;
use base64ct::Base64Url;
use base64ct::Encoding as _;
use tokio::runtime::Runtime;
use tracing_subscriber::filter::LevelFilter;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::KmsKeyring;
use waxseal::KmsRsaKeyring;
use waxseal::S3EncryptionClient;
use waxseal::SecretKey;
use waxseal::floe::HEADER_LEN;
use waxseal_testkit::Fault;
use waxseal_testkit::LocalAws;

use crate::derived_keys::derived_keys;

#[test]
fn the_log_holds_no_secret() {
    const TEST: &str = "the_log_holds_no_secret";
    if env::var_os(ENDPOINT).is_some() {
        return log_to_file(use_the_library);
    }
    for bodies in [None, Some("true")] {
        let aws = Services::start();
        let log = aws.log_of(TEST, bodies);
        let lines = log.matches('\n').count();
        assert!(lines > 100, "{lines} lines: nobody listened");
        assert!(log.contains("aws_smithy_runtime") && log.contains("PutObject"), "not the SDK's");
        assert_eq!(secrets_in(&log, &aws.secrets()), [""; 0], "bodies: {bodies:?}");
        assert!(!log.contains("TrentService"), "KMS calls are silent");
        // Lines that calls of KMS reach first.
        assert!(log.contains("retry strategy has OKed initial request"), "and only they");
    }
}

/// The same calls without the library's care: so the test before sees what there is to be seen.
#[test]
fn the_sdk_alone_logs_keys() {
    const TEST: &str = "the_sdk_alone_logs_keys";
    if env::var_os(ENDPOINT).is_some() {
        return log_to_file(use_the_sdk);
    }
    for (bodies, found) in [(None, &[][..]), (Some("true"), &["data key"])] {
        let aws = Services::start();
        let log = aws.log_of(TEST, bodies);
        assert!(log.contains("TrentService.GenerateDataKey"), "KMS calls are logged");
        let mut names = secrets_in(&log, &aws.data_keys());
        names.dedup();
        assert_eq!(names, found, "bodies: {bodies:?}");
    }
}

#[test]
fn every_form_of_a_secret_is_found() {
    let key: Vec<u8> = (0..32).map(|i: u8| i.wrapping_mul(73) ^ 0xa5).collect();
    let secrets = [("key", key.clone())];
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in [
        hex.clone(),
        hex.to_uppercase(),
        format!("{key:?}"),
        format!("{key:#?}"),
        format!("{key:02x?}"),
        format!("{key:x?}"),
        format!("{:?}", bytes::Bytes::from(key.clone())),
        String::from_utf8_lossy(&[&[b'a'; 9], &b"attack at dawn, at dawn, at dawn"[..]].concat())
            .into(),
        Base64::encode_string(&key),
        Base64Url::encode_string(&[b"x", &key[..]].concat()),
        Base64::encode_string(&[b"xy", &key[..], b"z"].concat()),
    ] {
        let mut secrets = secrets.to_vec();
        secrets.push(("key", b"attack at dawn, at dawn, at dawn".to_vec()));
        assert_eq!(secrets_in(&text, &secrets), ["key"], "{text}");
    }
}

/// KMS and S3, over TLS.
struct Services {
    aws: LocalAws,
    server: waxseal_testkit::Server,
    /// The ARN of an RSA key, and its public half: SubjectPublicKeyInfo in base64.
    rsa: (String, String),
    _runtime: Runtime,
}

impl Services {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let aws = runtime.block_on(LocalAws::start()).unwrap();
        let server = runtime.block_on(aws.serve_tls()).unwrap();
        aws.create_bucket(BUCKET);
        aws.create_key(KEY);
        aws.create_key(DENIED);
        aws.kms_state().deny(DENIED);
        let rsa = runtime.block_on(async {
            let made = aws.kms().create_key().key_spec(KeySpec::Rsa2048);
            let made = made.key_usage(KeyUsageType::EncryptDecrypt).send().await.unwrap();
            let arn = made.key_metadata.unwrap().arn.unwrap();
            let public = aws.kms().get_public_key().key_id(&arn).send().await.unwrap();
            let der = public.public_key.unwrap().into_inner();
            let lines: Vec<_> = Base64::encode_string(&der).into_bytes();
            let lines = lines.chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>();
            (arn, lines.join("\n"))
        });
        Self { aws, server, rsa, _runtime: runtime }
    }

    /// What a test logs when run as a process of its own, and what it prints.
    fn log_of(&self, test: &str, bodies: Option<&str>) -> String {
        // A reply that does not parse holds a key all the same; throttling makes the SDK try again.
        self.aws.fail("GenerateDataKey", 1, Fault::FlipBit(0));
        self.aws.fail("GenerateDataKey", 1, Fault::kms_error(400, "ThrottlingException"));
        self.aws.fail("Decrypt", 2, Fault::kms_error(400, "ThrottlingException"));
        let folder = tempfile::tempdir().unwrap();
        let [certificate, log] = ["certificate.pem", "log"].map(|name| folder.path().join(name));
        std::fs::write(&certificate, self.server.certificate_pem().unwrap()).unwrap();
        let ran = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(ENDPOINT, self.server.endpoint())
            .env(LOG, &log)
            .env(RSA, &self.rsa.0)
            .env(RSA_PUBLIC, &self.rsa.1)
            .env("SSL_CERT_FILE", &certificate)
            .env_remove("LOG_SENSITIVE_BODIES")
            .envs(bodies.map(|value| ("LOG_SENSITIVE_BODIES", value)))
            .output()
            .unwrap();
        let printed = [ran.stdout, ran.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert!(ran.status.success(), "{printed}");
        let logged = std::fs::read(&log).unwrap();
        format!("{}{printed}", String::from_utf8_lossy(&logged))
    }

    fn data_keys(&self) -> Vec<(&'static str, Vec<u8>)> {
        self.aws.kms_state().data_keys().into_iter().map(|key| ("data key", key)).collect()
    }

    fn secrets(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut secrets = self.data_keys();
        let data_keys = self.aws.kms_state().data_keys();
        for object in ["small", "large"] {
            let sealed = self.aws.read_object(BUCKET, object);
            secrets.extend(derived_keys(&data_keys, &sealed[..HEADER_LEN], CONTEXT));
        }
        secrets.push(("wrapped key", WRAPPED.to_vec()));
        secrets.push(("plaintext", PLAIN.as_bytes().to_vec()));
        secrets
    }
}

/// Runs `work` with everything that is logged, at every level, going to the file.
fn log_to_file(work: impl AsyncFnOnce(aws_sdk_kms::Client, aws_sdk_s3::Client)) {
    let file = File::create(env::var_os(LOG).unwrap()).unwrap();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(Mutex::new(file))
        .init();
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    let endpoint = env::var(ENDPOINT).unwrap();
    let credentials = || Credentials::new("test", "test", None, None, "test");
    let retries = || RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let kms = aws_sdk_kms::Config::builder()
        .behavior_version_latest()
        .credentials_provider(credentials())
        .endpoint_url(&endpoint)
        .http_client(http.clone())
        .region(Region::new(waxseal_testkit::REGION))
        .retry_config(retries());
    let s3 = aws_sdk_s3::Config::builder()
        .behavior_version_latest()
        .credentials_provider(credentials())
        .endpoint_url(&endpoint)
        .force_path_style(true)
        .http_client(http)
        .region(Region::new(waxseal_testkit::REGION))
        .retry_config(retries());
    let (kms, s3) = (kms.build(), s3.build());
    Runtime::new()
        .unwrap()
        .block_on(work(aws_sdk_kms::Client::from_conf(kms), aws_sdk_s3::Client::from_conf(s3)));
}

async fn use_the_library(kms: aws_sdk_kms::Client, s3: aws_sdk_s3::Client) {
    let context = EncryptionContext::from([CONTEXT]);
    let keyring = KmsKeyring::new(kms.clone(), KEY);
    let cipher = EnvelopeCipher::new(keyring.clone());
    let client = S3EncryptionClient::new(s3.clone(), cipher);
    let unparsed = client.put_object(BUCKET, "none", PLAIN, &context).send().await;
    show(unparsed.unwrap_err(), ErrorKind::Keyring);
    let large: String = PLAIN.repeat((9 << 20) / PLAIN.len());
    for (object, plain) in [("small", PLAIN.to_owned()), ("large", large)] {
        let body = plain.clone().into_bytes();
        client.put_object(BUCKET, object, body, &context).send().await.unwrap();
        let got = client.get_object(BUCKET, object, &context).send().await.unwrap();
        assert_eq!(got.into_stream().collect().await.unwrap(), plain);
    }

    let other = EncryptionContext::from([("tenant", "rival")]);
    let refused = client.get_object(BUCKET, "small", &other).send().await;
    show(refused.unwrap_err(), ErrorKind::Authentication);
    let denied = EnvelopeCipher::new(KmsKeyring::new(kms.clone(), DENIED));
    show(denied.seal(PLAIN.as_bytes(), &context).await.unwrap_err(), ErrorKind::KeyAccess);

    let key = SecretKey::try_from(&WRAPPED[..]).unwrap();
    let request = KeyRequest::new(&context);
    let rsa = KmsRsaKeyring::with_public_key(kms, env::var(RSA).unwrap(), &public_pem()).unwrap();
    for keyring in [&keyring as &dyn Keyring, &rsa] {
        let wrapped = keyring.wrap_data_key(&key, &request).await.unwrap();
        let unwrapped = keyring.unwrap_data_key(&wrapped, &request).await.unwrap();
        assert_eq!(unwrapped.expose(), key.expose());
    }
    let small = keyring.encrypt(PLAIN.as_bytes(), &context).await.unwrap();
    assert_eq!(keyring.decrypt(&small, &context).await.unwrap().expose(), PLAIN.as_bytes());
}

/// As the parent got it, so that no call of KMS needs to be logged here.
fn public_pem() -> String {
    let der = env::var(RSA_PUBLIC).unwrap();
    format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")
}

async fn use_the_sdk(kms: aws_sdk_kms::Client, _: aws_sdk_s3::Client) {
    let generate = || kms.generate_data_key().key_id(KEY).number_of_bytes(32).send();
    generate().await.unwrap_err();
    generate().await.unwrap();
}

/// Prints an error as programs do that log their errors.
fn show(error: Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error}");
    println!("{error}\n{error:?}\n{error:#?}");
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        println!("{cause}\n{cause:?}");
        next = cause.source();
    }
}

/// The names of the secrets of which eight bytes stand in the text, in any form.
fn secrets_in(text: &str, secrets: &[(&'static str, Vec<u8>)]) -> Vec<&'static str> {
    let one_line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let has = |form: &String| text.contains(form) || one_line.contains(form);
    let is_there = |secret: &[u8]| forms(secret).iter().any(has);
    secrets.iter().filter(|(_, secret)| is_there(secret)).map(|(name, _)| *name).collect()
}

fn forms(secret: &[u8]) -> Vec<String> {
    let mut forms = vec![];
    for part in secret.chunks_exact(8) {
        let list = |of: fn(&u8) -> String| part.iter().map(of).collect::<Vec<_>>().join(", ");
        let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        let escaped = format!("{:?}", bytes::Bytes::copy_from_slice(part));
        forms.extend([
            hex.to_uppercase(),
            hex,
            list(|b| b.to_string()),
            list(|b| format!("{b:x}")),
            list(|b| format!("{b:02x}")),
            escaped[2..escaped.len() - 1].to_owned(),
        ]);
    }
    for before in 0..3 {
        // What stands before shifts the digits; those at the ends depend on neighbours.
        let shifted = [&vec![0; before][..], secret].concat();
        for digits in [Base64::encode_string(&shifted), Base64Url::encode_string(&shifted)] {
            let inner = &digits.as_bytes()[4..digits.len() - 4];
            forms.extend(inner.chunks_exact(12).map(|part| String::from_utf8_lossy(part).into()));
        }
    }
    forms
}

const BUCKET: &str = "demo";
const CONTEXT: (&str, &str) = ("tenant", "acme");
const DENIED: &str = "alias/denied";
const ENDPOINT: &str = "WAXSEAL_TEST_ENDPOINT";
const KEY: &str = "alias/demo";
const LOG: &str = "WAXSEAL_TEST_LOG";
const RSA: &str = "WAXSEAL_TEST_RSA";
const RSA_PUBLIC: &str = "WAXSEAL_TEST_RSA_PUBLIC";
const PLAIN: &str = "attack at dawn: all of them, from the north, and tell nobody";
/// A key that another keyring made, for KMS to wrap.
const WRAPPED: [u8; 32] = *b"Wr\x01\x02pp\xfe\xedkey of another's keyri\xff\x00";
