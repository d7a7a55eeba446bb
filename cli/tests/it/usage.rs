//! Help and command lines that can never work.

use crate::support::User;
use crate::support::commands;

#[test]
fn help_fits_80_columns_and_has_examples_and_codes() {
    let user = User::new();
    let commands = commands().into_iter().map(|command| command + " ");
    for command in commands.chain([String::new()]) {
        let help = user.run(&format!("{command}--help")).succeeds().stdout;
        let help = String::from_utf8(help).unwrap();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
        let (_, examples) = help.split_once("Examples:\n").unwrap();
        for line in examples.lines() {
            assert!(line.chars().count() <= 78, "wraps on some terminals: {line}");
        }
        assert!(!help.contains('\u{1b}'), "colour in a pipe");
    }
    let help = String::from_utf8(user.run("--help").succeeds().stdout).unwrap();
    for code in ["0 ", "2 ", "3 ", "4 ", "5 ", "130 ", "141 "] {
        assert!(help.contains(&format!("\n  {code}")), "no code {code}: {help}");
    }
}

#[test]
fn impossible_command_lines_are_code_2() {
    let user = User::new();
    user.write("f", "x");
    for line in [
        "",
        "sael f",
        "seal f extra",
        "seal f --segment-size big",
        "seal f --segment-size 5000000000",
        "seal f --key vault:x",
        "seal f --key aws-kms:",
        "seal f --key rsa:",
        "seal f --key aws-kms-rsa:",
        "seal f --key local --key local",
        "seal f --binding label:",
        "seal f --endpoint-url example.com",
        "seal -q -v f",
        "cat",
        "cat -",
        "cat f --range 9..5",
        "cat f --range 5",
        "cat f --range 1..2..3",
        "cat f --range -5..9",
        "cat f --version-id 1",
        "cp f",
        "cp f g",
        "cp - -",
        "cp f s3://",
        "cp f s3:///key",
        "cp - s3://bucket/folder/",
        "cp f s3://bucket/k --version-id 1",
        "cp s3://bucket/k out --metadata a=b",
        "cp s3://bucket/k out --if-none-match",
        "cp s3://bucket/k s3://bucket/l --sse AES256",
        "cp s3://bucket/k s3://bucket/l --context a=b",
        "cp f s3://bucket/k --sse none",
        "cp f s3://bucket/k --sse-kms-key-id x",
        "cp f s3://bucket/k --metadata novalue",
        "seal s3://bucket/k",
        "open s3://bucket/k",
        "open f -o s3://bucket/k",
        "rewrap f --key local",
        "rewrap f --from-key local",
        "rewrap --from-key local --key rsa:x",
        "rewrap f --from-key local --key local --key local",
        "rewrap f --from-key local --key rsa:x --jobs 0",
        "rewrap f --from-key local --key rsa:x --before yesterday",
        "rewrap f --from-key local --key rsa:x --keep --before 2026-01-01T00:00:00Z",
        "rotate",
        "rotate f --before 9026-01-01T00:00:00Z",
    ] {
        let ran = user.run(line);
        assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{line}");
    }
    assert_eq!(user.files(), ["f"]);
    assert!(!user.default_keys().exists());
}

#[test]
fn a_region_cannot_name_another_host() {
    let user = User::new();
    user.write("f", "x");
    user.run("seal f --key aws-kms:alias/x --region x@evil.example/").fails(2, &["Region"]);
}
