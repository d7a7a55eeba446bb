//! RSA keys, and several keys at a time.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::rsa::PrivateDecryptingKey;
use pem_rfc7468::LineEnding;

use crate::support::Aws;
use crate::support::User;
use crate::support::set_mode;

/// Makes `NAME.pem` and `NAME.pub`.
fn rsa_key(user: &User, name: &str) {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let pem = |label, der: &[u8]| pem_rfc7468::encode_string(label, LineEnding::LF, der).unwrap();
    let private = format!("{name}.pem");
    user.write(&private, pem("PRIVATE KEY", key.as_der().unwrap().as_ref()));
    set_mode(user.path(&private), 0o600);
    let public = key.public_key().as_der().unwrap();
    user.write(&format!("{name}.pub"), pem("PUBLIC KEY", public.as_ref()));
}

fn wrapped_keys(user: &User, name: &str) -> Vec<String> {
    let shown = user.run(&format!("inspect {name}")).succeeds().stdout;
    let shown = String::from_utf8(shown).unwrap();
    let keys = shown.lines().filter_map(|line| line.strip_prefix("wrapped key"));
    keys.map(|key| key.trim().to_owned()).collect()
}

#[test]
fn any_one_of_the_keys_opens() {
    let user = User::new();
    user.run("keygen a").succeeds();
    user.run("keygen b").succeeds();
    rsa_key(&user, "r");
    user.run_with("seal --key local:a --key rsa:r.pub --key local:b -o s", b"hello").succeeds();
    let keys = wrapped_keys(&user, "s");
    let kinds: Vec<_> = keys.iter().map(|key| key.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["local", "rsa", "local"]);
    assert_eq!(keys[1].len(), "rsa ".len() + 64, "the SHA-256 of the public key");
    for key in ["local:a", "local:b", "rsa:r.pem"] {
        assert_eq!(user.run(&format!("open s --key {key}")).succeeds().stdout, b"hello");
        let line = format!("cat s --key rsa:r.pub --key {key}");
        assert_eq!(user.run(&line).succeeds().stdout, b"hello", "{key}");
    }
    user.run("keygen c").succeeds();
    rsa_key(&user, "t");
    user.run("open s --key rsa:t.pem --key local:c").fails(
        4,
        &["no keyring of 2 opens it; 1: sealed under local", "; 2: sealed", "--key local:PATH"],
    );
}

#[test]
fn a_public_key_seals_and_its_private_key_opens() {
    let user = User::new();
    rsa_key(&user, "r");
    user.run_with("seal --key rsa:r.pub -o s", b"hello").succeeds();
    user.run("open s -o o --key rsa:r.pub").fails(
        4,
        &[
            "which seals; its private half opens",
            "remedy: use --key rsa:PATH, the private key",
            "-pubout -outform DER | sha256sum",
        ],
    );
    user.run("open s -o o").fails(4, &["sealed under rsa", "use --key rsa:PATH"]);
    assert_eq!(user.run("open s --key rsa:r.pem").succeeds().stdout, b"hello");
    user.run_with("seal --key rsa:r.pem -o t", b"hello").succeeds();
    assert_eq!(user.run("open t --key rsa:r.pem").succeeds().stdout, b"hello");
    assert_eq!(user.files(), ["r.pem", "r.pub", "s", "t"]);
}

#[test]
fn what_is_no_usable_rsa_key_is_refused_and_not_printed() {
    let user = User::new();
    rsa_key(&user, "r");
    user.write("plain", "x");
    let seal = |key: &str| user.run(&format!("seal plain -o s --key rsa:{key}"));
    seal("absent").fails(4, &["cannot use the RSA key absent", "check the path"]);
    seal(".").fails(4, &["cannot use the RSA key .", "check the path"]);
    seal("plain").fails(4, &["not an RSA key in PEM", "openssl genpkey"]);
    let private = String::from_utf8(user.read("r.pem")).unwrap();
    user.write("other", "");
    set_mode(user.path("other"), 0o600);
    for (label, is, wanted) in [
        ("RSA PRIVATE KEY", "it is in PKCS#1", "`openssl pkey -in FILE"),
        ("ENCRYPTED PRIVATE KEY", "it is encrypted", "--key rsa:<(openssl pkey -in FILE)"),
        ("RSA PUBLIC KEY", "it is in PKCS#1", "`openssl rsa -RSAPublicKey_in"),
        ("CERTIFICATE", "it is a certificate", "`openssl x509 -in FILE -pubkey"),
    ] {
        user.write("other", private.replace("PRIVATE KEY", label));
        let ran = seal("other").fails(4, &[is, wanted]);
        assert_eq!(ran.stderr.matches("openssl").count(), 1, "{}", ran.stderr);
        assert!(!ran.stderr.contains(private.lines().nth(1).unwrap()), "{}", ran.stderr);
    }
    let (_, der) = pem_rfc7468::decode_vec(private.as_bytes()).unwrap();
    user.write("other", der);
    let ran = seal("other").fails(4, &["it is in DER", "`openssl pkey -inform DER"]);
    assert_eq!(ran.stderr.matches("openssl").count(), 1, "{}", ran.stderr);
    for mode in [0o640, 0o604] {
        set_mode(user.path("r.pem"), mode);
        seal("r.pem").fails(4, &["others can read the private key r.pem", "chmod 600 r.pem"]);
    }
    assert_eq!(user.files(), ["other", "plain", "r.pem", "r.pub"]);
}

#[test]
fn the_halves_of_an_rsa_key_are_one_key() {
    let user = User::new();
    rsa_key(&user, "r");
    std::fs::copy(user.path("r.pub"), user.path("copy")).unwrap();
    for keys in ["--key rsa:r.pub --key rsa:r.pem --key rsa:copy", "--key rsa:r.pem --key rsa:copy"]
    {
        user.run_with(&format!("seal {keys} -o s"), b"hello").succeeds();
        assert_eq!(wrapped_keys(&user, "s").len(), 1, "{keys}");
        assert_eq!(user.run(&format!("open {keys} s")).succeeds().stdout, b"hello");
    }
}

#[test]
fn a_decrypted_key_can_come_through_a_pipe() {
    let user = User::new();
    rsa_key(&user, "r");
    user.run_with("seal --key rsa:r.pub -o s", b"hello").succeeds();
    let private = user.read("r.pem");
    assert_eq!(user.run_with("open s --key rsa:/dev/stdin", &private).succeeds().stdout, b"hello");
}

#[test]
fn one_key_that_cannot_be_used_seals_nothing() {
    let user = User::new();
    user.run("keygen a").succeeds();
    user.write("plain", "x");
    user.run("seal plain -o s --key local:a --key local:b").fails(4, &["no key file b"]);
    user.run("seal plain -o s --key local:a --key rsa:b").fails(4, &["RSA key b"]);
    user.run("seal plain -o s --key local:a --key local:a").fails(2, &["number 2", "once"]);
    let many: Vec<_> = (0..17).map(|i| format!("--key aws-kms:{i} ")).collect();
    let many = many.concat();
    user.run(&format!("seal plain -o s {many}--region us-east-1"))
        .fails(2, &["at most 16 wrapped keys", "give fewer --key"]);
    assert_eq!(user.files(), ["a", "plain"]);
}

#[test]
fn the_default_key_file_is_made_as_one_of_several() {
    let user = User::new();
    rsa_key(&user, "r");
    let ran = user.run_with("seal --key rsa:r.pub --key local -o s", b"hello").succeeds();
    assert!(ran.stderr.contains("made the key file"), "{}", ran.stderr);
    assert_eq!(user.run("open s").succeeds().stdout, b"hello");
    assert_eq!(user.run("open s --key rsa:r.pem").succeeds().stdout, b"hello");
}

#[test]
fn a_recovery_key_opens_when_kms_refuses() {
    let aws = Aws::start();
    let user = aws.user();
    rsa_key(&user, "r");
    user.run_with("cp --key aws-kms:alias/demo --key rsa:r.pub - s3://demo/k", b"hello").succeeds();
    user.run_with("seal --key aws-kms:alias/demo --key rsa:r.pub -o s", b"hello").succeeds();
    assert_eq!(user.run("cat s3://demo/k --key aws-kms:alias/demo").succeeds().stdout, b"hello");
    aws.services.kms_state().deny(&aws.key);
    let key = wrapped_keys(&user, "s")[1].replace("rsa ", "");
    let remedy = format!("open it with --key rsa:PATH, whose public half has the SHA-256 {key}");
    for line in ["open s", "cat s", "cat s3://demo/k"] {
        let ran = user.run(&format!("{line} --key aws-kms:{}", aws.key));
        let ran = ran.fails(4, &["AccessDenied", &remedy, "-outform DER | sha256sum"]);
        assert!(!ran.stderr.contains("--key aws-kms"), "{}", ran.stderr);
    }
    for command in ["open s", "cat s", "cat s3://demo/k"] {
        for keys in ["--key rsa:r.pem", "--key aws-kms:alias/demo --key rsa:r.pem"] {
            assert_eq!(user.run(&format!("{command} {keys}")).succeeds().stdout, b"hello");
        }
    }
    let before = aws.services.calls().len();
    user.run("open s --key rsa:r.pem").succeeds();
    assert_eq!(aws.services.calls().len(), before, "no request without a KMS key");
    // All or nothing: what KMS does not wrap is not sealed.
    let seal = "seal --key rsa:r.pub --key aws-kms:alias/demo -o t";
    let ran = user.run_with(seal, b"hello");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("KMS Encrypt with alias/demo: AccessDenied"), "{}", ran.stderr);
    assert_eq!(user.files(), ["r.pem", "r.pub", "s"]);
}

#[test]
fn an_rsa_key_in_kms_opens_what_its_public_half_sealed() {
    let aws = Aws::start();
    let user = aws.user();
    let spec = br#"{"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}"#;
    let (status, made) = aws.services.kms_state().handle("TrentService.CreateKey", spec);
    assert_eq!(status, 200, "{made}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let arn = made["KeyMetadata"]["Arn"].as_str().unwrap();
    user.run_with(&format!("seal --key aws-kms-rsa:{arn} -o s"), b"hello").succeeds();
    let named: Vec<_> = aws.services.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(named, ["GetPublicKey"]);
    assert_eq!(user.run(&format!("open s --key aws-kms-rsa:{arn}")).succeeds().stdout, b"hello");
    rsa_key(&user, "r");
    user.run("open s --key rsa:r.pem").fails(4, &["sealed under rsa", "aws-kms-rsa:ID"]);
    aws.services.kms_state().deny(arn);
    let ran = user.run(&format!("open s --key aws-kms-rsa:{arn}"));
    assert_eq!(ran.code, Some(4));
    assert!(ran.stderr.contains("cannot use the RSA key in KMS"), "{}", ran.stderr);
}

#[test]
fn the_one_shot_layout_takes_one_key() {
    let aws = Aws::start();
    let user = aws.user();
    rsa_key(&user, "r");
    let seal = "cp --format one-shot --key aws-kms:alias/demo --key rsa:r.pub - s3://demo/k";
    user.run_with(seal, b"hello").fails(2, &["one wrapped key", "give one --key"]);
    let seal = "cp --format one-shot --key rsa:r.pub - s3://demo/k";
    user.run_with(seal, b"hello").succeeds();
    assert_eq!(user.run("cat s3://demo/k --key rsa:r.pem").succeeds().stdout, b"hello");
}
