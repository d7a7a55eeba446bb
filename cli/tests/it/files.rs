//! Sealing and opening files and pipes, and everything that is not a sealed file.

use crate::support::User;
use crate::support::bytes;
use crate::support::not_tested;
use crate::support::set_mode;

#[test]
fn files_and_pipes_come_back() {
    let user = User::new();
    for len in [0, 1, 65504, 65505, 300_000] {
        let plain = bytes(len);
        user.write("plain", &plain);
        user.run("seal plain -o sealed").succeeds();
        let ran = user.run("open sealed").succeeds();
        assert_eq!(ran.stdout, plain, "{len}");
        let sealed = user.run_with("seal", &plain).succeeds().stdout;
        user.run_with("open - -o opened", &sealed).succeeds();
        assert_eq!(user.read("opened"), plain, "{len}");
        let sealed = user.run_with("seal - -o -", &plain).succeeds().stdout;
        assert_eq!(user.run_with("open", &sealed).succeeds().stdout, plain, "{len}");
    }
    assert_eq!(user.files(), ["opened", "plain", "sealed"]);
}

#[test]
fn a_file_is_sealed_onto_itself_and_opened_onto_itself() {
    let user = User::new();
    user.write("f", bytes(200_000));
    user.run("seal f -o f").succeeds();
    assert!(user.read("f").starts_with(b"waxseal "));
    user.run("open f -o f").succeeds();
    assert_eq!(user.read("f"), bytes(200_000));
    assert_eq!(user.files(), ["f"]);
}

#[test]
fn segment_sizes_are_taken_with_and_without_units() {
    let user = User::new();
    user.write("plain", bytes(100_000));
    for (given, size) in [("65536", 65536), ("64KiB", 65536), ("1MiB", 1 << 20), ("4K", 4096)] {
        user.run(&format!("seal plain -o sealed --segment-size {given}")).succeeds();
        let shown = user.run("inspect --json sealed").succeeds().stdout;
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains(&format!("\"segment_size\": {size},")), "{shown}");
        assert_eq!(user.run("open sealed").succeeds().stdout, bytes(100_000));
    }
    for bad in ["1KiB", "32MiB"] {
        user.run(&format!("seal plain -o no --segment-size {bad}"))
            .fails(2, &["segment", "4KiB to 16MiB"]);
    }
    assert!(!user.files().contains(&"no".to_owned()));
}

#[test]
fn a_missing_input_is_named() {
    let user = User::new();
    for command in ["seal", "open", "inspect", "cat"] {
        user.run(&format!("{command} absent"))
            .fails(5, &["absent", "No such file", "check the path"]);
    }
    user.run("seal absent -o out").fails(5, &["absent"]);
    assert!(user.files().is_empty());
    assert!(!user.default_keys().exists(), "a failed seal must not make a key file");
}

#[test]
fn an_unreadable_input_is_named() {
    let user = User::new();
    std::fs::create_dir(user.path("folder")).unwrap();
    user.run("seal folder").fails(5, &["folder is a folder", "tar c"]);
    user.run("open folder").fails(5, &["folder is a folder"]);
    user.write("secret", "x");
    set_mode(user.path("secret"), 0);
    if std::fs::read(user.path("secret")).is_ok() {
        not_tested("a file without read permission, since root reads it all the same");
        return;
    }
    user.run("seal secret").fails(5, &["secret", "Permission denied", "permissions"]);
}

#[test]
fn what_is_not_sealed_is_refused() {
    let user = User::new();
    user.seal("key-maker", b"");
    for plain in ["hello", "", "waxseal 1024\nnot really", "waxseal 99\n"] {
        user.write("plain", plain);
        for line in ["open plain -o out", "inspect plain", "cat plain -o out"] {
            user.run(line).fails(3, &["plain", "check"]);
        }
        assert_eq!(user.read("plain"), plain.as_bytes());
    }
    assert_eq!(user.files(), ["key-maker", "plain"]);
}

#[test]
fn an_existing_output_survives_cut_and_altered_input() {
    let user = User::new();
    user.seal("sealed", &bytes(300_000));
    let sealed = user.read("sealed");
    user.write("out", "what was there");
    let mut altered = sealed.clone();
    altered[200_000] ^= 1;
    let segment = 1024 + 74 + 65536;
    let too_long = [&sealed[..], b"x"].concat();
    for bad in [
        &sealed[..100],
        &sealed[..1024],
        &sealed[..segment],
        &sealed[..250_000],
        &altered,
        &too_long,
    ] {
        user.write("bad", bad);
        for line in ["open bad -o out", "cat bad -o out"] {
            user.run(line).fails(3, &["cannot"]);
            assert_eq!(user.read("out"), b"what was there");
        }
    }
    assert_eq!(user.files(), ["bad", "out", "sealed"]);
}

#[test]
fn a_cut_stream_releases_its_true_beginning_and_fails() {
    let user = User::new();
    let plain = bytes(300_000);
    let sealed = user.run_with("seal", &plain).succeeds().stdout;
    let ran = user.run_with("open", &sealed[..sealed.len() - 10]);
    let ran = ran.fails(3, &["cannot open standard input", "discard the", "altered or cut"]);
    assert!(!ran.stdout.is_empty() && plain.starts_with(&ran.stdout));
    assert!(ran.stderr.contains(&format!("{} bytes", ran.stdout.len())), "{}", ran.stderr);
}

#[test]
fn the_context_must_fit() {
    let user = User::new();
    user.write("plain", "x");
    user.run("seal plain -o s --context tenant=acme --context table=orders").succeeds();
    user.run("open s --context tenant=acme").succeeds();
    user.run("open s").succeeds();
    user.run("open s --exact-context --context tenant=acme --context table=orders").succeeds();
    for wrong in ["--context tenant=rival", "--context absent=acme", "--exact-context"] {
        let ran = user.run(&format!("open s {wrong}"));
        let ran = ran.fails(3, &["another encryption context", "--context"]);
        assert!(!ran.stderr.contains("acme") && !ran.stderr.contains("rival"), "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
}

#[test]
fn bad_contexts_are_usage_errors_that_repeat_no_value() {
    let user = User::new();
    user.write("plain", "x");
    for (given, says) in [
        ("--context s3cret", "number 1 is not KEY=VALUE"),
        ("--context =s3cret", "number 1 is not KEY=VALUE"),
        ("--context a=1 --context s3cret", "number 2 is not KEY=VALUE"),
        ("--context a=s3cret --context a=other", "\"a\" twice"),
        ("--context a=s3cret --context a=s3cret", "\"a\" twice"),
        ("--context aws:x=s3cret", "reserved"),
        ("--context waxseal:x=s3cret", "reserved"),
    ] {
        let ran = user.run(&format!("seal plain -o out {given}")).fails(2, &[says]);
        assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    }
    let long = format!("seal plain -o out --context a={}", "v".repeat(9000));
    user.run(&long).fails(2, &["larger than 8192", "fewer or shorter"]);
    assert_eq!(user.files(), ["plain"]);
    assert!(!user.default_keys().exists(), "a refused seal must not make a key file");
}

#[test]
fn labels_bind() {
    let user = User::new();
    user.write("plain", "x");
    user.run("seal plain -o bound --binding label:a").succeeds();
    user.run("seal plain -o free").succeeds();
    user.run("open bound --binding label:a").succeeds();
    user.run("open bound --binding label:b").fails(3, &["bound", "--binding"]);
    user.run("open bound").fails(3, &["label", "--binding label:TEXT"]);
    user.run("open free --binding label:a").fails(3, &["not bound", "--binding"]);
    user.run("seal plain -o no --binding key").fails(2, &["S3"]);
    assert!(!user.path("no").exists());
}

#[test]
fn inspect_tells_without_a_key() {
    let user = User::new();
    user.write("plain", bytes(100_000));
    user.run("seal plain -o s --context tenant=acme --binding label:x").succeeds();
    std::fs::remove_file(user.default_keys()).unwrap();
    let text = String::from_utf8(user.run("inspect s").succeeds().stdout).unwrap();
    for part in ["100000 bytes (unverified)", "65536", "label", "tenant=acme", "local ", "inline"] {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
    let sealed = user.read("s");
    let json =
        String::from_utf8(user.run_with("inspect --json", &sealed).succeeds().stdout).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["format"], "floe");
    assert_eq!(json["placement"], "inline");
    assert_eq!(json["sealed_size"], sealed.len());
    assert_eq!(json["plaintext_size_unverified"], 100_000);
    assert_eq!(json["segment_size"], 65536);
    assert_eq!(json["binding"], "label");
    assert_eq!(json["context"]["tenant"], "acme");
    assert_eq!(json["wrapped_keys"][0]["provider"], "local");
    assert!(json["wrapped_keys"][0]["key_id"].is_string());
    assert!(json["metadata"].is_null());
    assert!(!user.default_keys().exists());
}

#[test]
fn inspect_lets_no_stored_text_steer_the_terminal() {
    let user = User::new();
    user.write("plain", "x");
    let ran = user.command(["seal", "plain", "-o", "s", "--context", "a=\u{1b}[31mred"]).output();
    assert!(ran.unwrap().status.success());
    let text = String::from_utf8(user.run("inspect s").succeeds().stdout).unwrap();
    assert!(text.contains("\\u{1b}[31mred") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn verbose_tells_and_quiet_does_not() {
    let user = User::new();
    user.write("plain", bytes(100_000));
    let made = user.run("-q seal plain -o s").succeeds().stderr;
    assert!(made.contains("made the key file") && made.lines().count() == 1, "{made}");
    assert_eq!(user.run("seal plain -o s").succeeds().stderr, "");
    let sealed = user.run("seal -v plain -o s").succeeds().stderr;
    assert!(sealed.contains("sealed 100000 bytes to s in") && sealed.contains("/s)"), "{sealed}");
    let opened = user.run("open s -o o --verbose").succeeds().stderr;
    assert!(opened.contains("opened 100000 bytes to o in"), "{opened}");
}
