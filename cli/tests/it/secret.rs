//! `waxseal secret`

use std::io::Read as _;

use base64ct::Base64;
use base64ct::Encoding as _;
use waxseal_testkit::Fault;

use crate::support::Aws;
use crate::support::bytes;
use crate::support::mode;
#[cfg(target_os = "linux")]
use crate::support::not_tested;
use crate::support::user_of_moto;
use crate::terminal::terminal;

const ENCRYPT: &str = "secret encrypt --key alias/demo --context app=shop";
const DECRYPT: &str = "secret decrypt --key alias/demo --context app=shop";

#[test]
fn a_secret_comes_back_byte_for_byte() {
    let aws = Aws::start();
    let user = aws.user();
    for secret in [b"hunter2".to_vec(), b"line\n".to_vec(), vec![0, 255, 10, 13], bytes(4096)] {
        let sealed = user.run_with(ENCRYPT, &secret).succeeds().stdout;
        let line = sealed.strip_suffix(b"\n").unwrap();
        assert!(line.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b)));
        assert_eq!(user.run_with(DECRYPT, &sealed).succeeds().stdout, secret);
        user.run_with(&format!("{ENCRYPT} --raw -o raw"), &secret).succeeds();
        assert_eq!(user.run(&format!("{DECRYPT} --raw raw")).succeeds().stdout, secret);
        // As a mail program or an editor would fold it.
        let folded = line.chunks(60).collect::<Vec<_>>().join(&b"\r\n  "[..]);
        assert_eq!(user.run_with(DECRYPT, &folded).succeeds().stdout, secret);
    }
    user.run_with(&format!("{ENCRYPT} -o enc"), b"x").succeeds();
    user.run(&format!("{DECRYPT} -o dec enc")).succeeds();
    assert_eq!(mode(user.path("dec")), 0o600);
}

#[test]
fn it_is_what_any_client_of_kms_encrypts() {
    let aws = Aws::start();
    let user = aws.user();
    user.run_with(&format!("{ENCRYPT} --raw -o enc"), b"hello").succeeds();
    let base64 = user.run_with(ENCRYPT, b"hello").succeeds().stdout;
    let ran = user.run_with(&format!("{DECRYPT} --raw"), &base64);
    ran.fails(3, &["leave out --raw if it is base64"]);
    let kms = |operation: &str, member: &str, value: &[u8]| {
        let encoded = Base64::encode_string(value);
        let body = format!(
            r#"{{"KeyId": "alias/demo", "{member}": "{encoded}",
            "EncryptionContext": {{"app": "shop"}}}}"#
        );
        let (status, reply) =
            aws.services.kms_state().handle(&format!("TrentService.{operation}"), body.as_bytes());
        assert_eq!(status, 200, "{reply}");
        serde_json::from_str::<serde_json::Value>(&reply).unwrap()
    };
    assert_eq!(kms("Decrypt", "CiphertextBlob", &user.read("enc"))["Plaintext"], "aGVsbG8=");
    let reply = kms("Encrypt", "Plaintext", b"hello");
    let ciphertext = reply["CiphertextBlob"].as_str().unwrap();
    assert_eq!(user.run_with(DECRYPT, ciphertext.as_bytes()).succeeds().stdout, b"hello");
}

#[test]
fn a_line_feed_is_stripped_on_request_only() {
    let aws = Aws::start();
    let user = aws.user();
    for (flag, kept) in [("", &b"hunter2\n"[..]), (" --strip-newline", b"hunter2")] {
        let sealed = user.run_with(&format!("{ENCRYPT}{flag}"), b"hunter2\n").succeeds().stdout;
        assert_eq!(user.run_with(DECRYPT, &sealed).succeeds().stdout, kept);
    }
    let mut longest = bytes(4096);
    longest.push(b'\n');
    user.run_with(&format!("{ENCRYPT} --strip-newline"), &longest).succeeds();
}

#[test]
fn only_the_key_and_context_that_are_named_decrypt() {
    let aws = Aws::start();
    let user = aws.user();
    aws.services.create_key("alias/other");
    let sealed = user.run_with(ENCRYPT, b"hunter2").succeeds().stdout;
    let mut altered = sealed.clone();
    altered[40] = if altered[40] == b'A' { b'B' } else { b'A' };
    for (line, input) in [
        ("secret decrypt --key alias/other --context app=shop", &sealed),
        ("secret decrypt --key alias/demo", &sealed),
        ("secret decrypt --key alias/demo --context app=shop2", &sealed),
        ("secret decrypt --key alias/demo --context app=shop --context b=c", &sealed),
        (DECRYPT, &altered),
    ] {
        let ran = user.run_with(line, input).fails(3, &["--key", "--context"]);
        assert!(ran.stdout.is_empty() && !ran.stderr.contains("hunter2"), "{line}");
        assert!(!ran.stderr.contains("shop"), "a value of the context: {}", ran.stderr);
    }
    // The key is always named to KMS, never discovered by it.
    for call in aws.services.calls() {
        assert!(call.input["KeyId"].is_string(), "{call:?}");
    }
    let ran = user.run_with("secret decrypt", &sealed);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn what_is_no_secret_is_refused_before_kms_sees_it() {
    let aws = Aws::start();
    let user = aws.user();
    user.run_with(ENCRYPT, b"").fails(2, &["no secret"]);
    user.run_with(&format!("{ENCRYPT} --strip-newline"), b"\n").fails(2, &["no secret"]);
    user.run_with(ENCRYPT, &bytes(4097)).fails(2, &["4096", "waxseal seal"]);
    user.run_with(&format!("{ENCRYPT} --strip-newline"), &bytes(4098)).fails(2, &["4096"]);
    user.run_with(ENCRYPT, &bytes(1 << 20)).fails(2, &["4096"]);
    user.run(&format!("{ENCRYPT} absent")).fails(5, &["absent"]);
    user.run_with(DECRYPT, b"").fails(3, &["not the ciphertext"]);
    user.run_with(DECRYPT, b"\x01\x02\x02\x00x").fails(3, &["not the ciphertext", "--raw"]);
    user.run_with(&format!("{DECRYPT} --raw"), &bytes(6145)).fails(3, &["not the ciphertext"]);
    user.run_with(DECRYPT, &vec![b'A'; 1 << 20]).fails(3, &["not the ciphertext"]);
    user.run_with("secret encrypt --key local", b"x");
    assert!(aws.services.calls().is_empty());
    assert!(user.files().is_empty());
}

#[test]
fn failures_say_nothing_of_the_secret() {
    let aws = Aws::start();
    let user = aws.user();
    let secret = b"correct-horse";
    aws.services.fail("Encrypt", 1, Fault::kms_error(400, "AccessDeniedException"));
    let ran = user.run_with(ENCRYPT, secret).fails(4, &["AccessDenied", "allow this caller"]);
    assert!(!ran.stderr.contains("horse"), "{}", ran.stderr);
    let sealed = user.run_with(ENCRYPT, secret).succeeds().stdout;
    aws.services.fail("Decrypt", 1, Fault::TruncateBody(40));
    let ran = user.run_with(DECRYPT, &sealed);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(!ran.stderr.contains("horse") && ran.stdout.is_empty(), "{}", ran.stderr);
    user.run_with("key disable alias/demo", b"").succeeds();
    user.run_with(DECRYPT, &sealed).fails(4, &["DisabledException", "enable the key"]);
    let to = format!("{DECRYPT} -o dec");
    user.run_with(&to, &sealed).fails(4, &["DisabledException"]);
    assert!(!user.path("dec").exists());
}

#[test]
fn a_secret_goes_to_a_terminal_only_if_forced() {
    let aws = Aws::start();
    let user = aws.user();
    user.run_with(&format!("{ENCRYPT} -o enc"), b"hunter2").succeeds();
    aws.services.reset_calls();
    let on_terminal = |line: &str| {
        let (mut screen, program_side) = terminal();
        let mut command = user.command(line.split(' '));
        let child = command.stdout(program_side).spawn().unwrap();
        drop(command);
        let ran: crate::support::Ran = child.wait_with_output().unwrap().into();
        let mut shown = Vec::new();
        let _ = screen.read_to_end(&mut shown); // fails once nobody holds the other side
        (ran, String::from_utf8(shown).unwrap())
    };
    let (ran, shown) = on_terminal(&format!("{DECRYPT} enc"));
    ran.fails(2, &["terminal", "--force"]);
    assert_eq!(shown, "");
    assert!(aws.services.calls().is_empty());
    let (ran, shown) = on_terminal(&format!("{DECRYPT} --force enc"));
    ran.succeeds();
    assert_eq!(shown, "hunter2");
    let (ran, shown) = on_terminal(&format!("{ENCRYPT} enc"));
    ran.succeeds();
    assert!(shown.ends_with("\r\n"), "base64 does no harm: {shown}");
    let (ran, _) = on_terminal(&format!("{ENCRYPT} --raw enc"));
    ran.fails(2, &["terminal", "--force"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_secret_is_asked_for_twice_and_not_shown() {
    use crate::passphrases::typing;

    let aws = Aws::start();
    let user = aws.user();
    let encrypt = format!("{ENCRYPT} -o enc");
    let Some((ran, shown)) = typing(&user, &encrypt, &["hunter2\n", "hunter2\n"]) else {
        assert!(std::env::var_os("CI").is_none(), "setsid is not installed");
        return not_tested("secrets on a terminal, since setsid is not installed");
    };
    ran.succeeds();
    assert!(shown.contains("waxseal: secret: ") && !shown.contains("hunter2"), "{shown:?}");
    assert_eq!(user.run(&format!("{DECRYPT} enc")).succeeds().stdout, b"hunter2");
    aws.services.reset_calls();
    let (ran, _) = typing(&user, ENCRYPT, &["hunter2\n", "hunter3\n"]).unwrap();
    ran.fails(2, &["the two secrets differ"]);
    assert!(aws.services.calls().is_empty());
}

#[test]
fn moto_takes_secrets_too() {
    let Some(user) = user_of_moto("moto_takes_secrets_too") else { return };
    let made = crate::key::json(&user, "key create");
    let key = made["arn"].as_str().unwrap();
    let rest = format!("--key {key} --context app=shop");
    let sealed = user.run_with(&format!("secret encrypt {rest}"), b"hello").succeeds().stdout;
    let opened = user.run_with(&format!("secret decrypt {rest}"), &sealed).succeeds();
    assert_eq!(opened.stdout, b"hello");
    user.run_with(&format!("secret decrypt --key {key}"), &sealed).fails(3, &["--context"]);
}
