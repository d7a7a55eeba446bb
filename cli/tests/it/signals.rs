//! Interrupted commands leave nothing behind.

use std::io::Write as _;
use std::process::Child;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use waxseal_testkit::Fault;

use crate::support::Aws;
use crate::support::Ran;
use crate::support::User;
use crate::support::bytes;
use crate::support::wait_for;
use crate::support::wait_until;

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[track_caller]
fn assert_interrupted(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains("waxseal: interrupted"), "{}", ran.stderr);
}

/// Seals from a pipe that stays open until the signal.
fn interrupted_seal(signal: Signal, code: i32) {
    let user = User::new();
    user.seal("first", b""); // makes the key file
    user.write("out", "what was there");
    let mut child = user.command(["seal", "-", "-o", "out"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&bytes(4 << 20)).unwrap();
    wait_until("a temporary file grows", || {
        let mut temporary = user.files().into_iter().filter(|name| name.starts_with(".waxseal-"));
        temporary.any(|name| user.path(&name).metadata().is_ok_and(|file| file.len() > 0))
    });
    let began = Instant::now();
    send(&child, signal);
    assert_interrupted(&wait_for(child), code);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(user.files(), ["first", "out"]);
    assert_eq!(user.read("out"), b"what was there");
    drop(stdin);
}

#[test]
fn sigint_leaves_no_temporary_file() {
    interrupted_seal(Signal::INT, 130);
}

#[test]
fn sigterm_leaves_no_temporary_file() {
    interrupted_seal(Signal::TERM, 143);
}

#[test]
fn sighup_leaves_no_temporary_file() {
    interrupted_seal(Signal::HUP, 129);
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_the_caller_ignores_is_ignored() {
    let user = User::new();
    let mut command = std::process::Command::new("/bin/sh");
    let mut child = command
        .args(["-c", "trap '' HUP; exec \"$0\" seal -o s", env!("CARGO_BIN_EXE_waxseal")])
        .envs(user.command([""; 0]).get_envs().filter_map(|(k, v)| Some((k, v?))))
        .current_dir(user.path(""))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&bytes(1 << 20)).unwrap();
    wait_until("the key file is made", || user.default_keys().exists());
    send(&child, Signal::HUP);
    drop(stdin);
    wait_for(child).succeeds();
    assert_eq!(user.run("open s").succeeds().stdout, bytes(1 << 20));
}

#[test]
fn a_stalled_reader_does_not_delay_the_end() {
    let user = User::new();
    user.seal("s", &bytes(4 << 20));
    let mut child = user.command(["open", "s"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0];
    std::io::Read::read_exact(&mut stdout, &mut first).unwrap();
    send(&child, Signal::TERM);
    assert_interrupted(&wait_for(child), 143);
    drop(stdout);
}

/// Uploads from a pipe that stays open, until `operation` was asked for.
fn begin_upload(aws: &Aws, user: &User, operation: &str) -> (Child, std::process::ChildStdin) {
    let line = ["cp", "--key", "aws-kms:alias/demo", "-", "s3://demo/k"];
    let mut child = user.command(line).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&bytes(20 << 20)).unwrap();
    wait_until(operation, || aws.services.count(operation) > 0);
    (child, stdin)
}

#[test]
fn an_interrupted_upload_is_aborted() {
    for signal in [Signal::INT, Signal::TERM] {
        let aws = Aws::start();
        let user = aws.user();
        user.run_with("cp --key aws-kms:alias/demo - s3://demo/k", b"old").succeeds();
        let (child, stdin) = begin_upload(&aws, &user, "UploadPart");
        assert_eq!(aws.services.open_uploads().len(), 1);
        let began = Instant::now();
        send(&child, signal);
        let ran = wait_for(child);
        assert_interrupted(&ran, 128 + signal.as_raw());
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert!(aws.services.open_uploads().is_empty());
        let ran = user.run("cat --key aws-kms:alias/demo s3://demo/k").succeeds();
        assert_eq!(ran.stdout, b"old");
        drop(stdin);
    }
}

#[test]
fn an_upload_interrupted_while_it_begins_is_aborted() {
    let aws = Aws::start();
    let user = aws.user();
    let pause = Duration::from_millis(300);
    aws.services.fail("CreateMultipartUpload", 1, Fault::Delay(pause));
    let (child, stdin) = begin_upload(&aws, &user, "CreateMultipartUpload");
    send(&child, Signal::INT);
    assert_interrupted(&wait_for(child), 130);
    assert_eq!(aws.services.count("AbortMultipartUpload"), 1);
    assert!(aws.services.open_uploads().is_empty());
    drop(stdin);
}

#[test]
fn an_interrupted_download_leaves_the_old_file() {
    let aws = Aws::start();
    let user = aws.user();
    user.run_with("cp --key aws-kms:alias/demo - s3://demo/k", &bytes(20 << 20)).succeeds();
    user.write("out", "what was there");
    aws.services.reset_calls();
    let nth = std::sync::atomic::AtomicUsize::new(0);
    aws.services.on_request(move |call| {
        let nth = (call.operation == "GetObject")
            .then(|| nth.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        (nth > Some(1)).then_some(Fault::Hang)
    });
    let line = ["cp", "--key", "aws-kms:alias/demo", "s3://demo/k", "out"];
    let child = user.command(line).spawn().unwrap();
    wait_until("several ranges are asked for", || aws.services.count("GetObject") > 2);
    send(&child, Signal::INT);
    assert_interrupted(&wait_for(child), 130);
    assert_eq!(user.read("out"), b"what was there");
    assert_eq!(user.files(), ["out"]);
}

#[test]
fn a_second_signal_ends_at_once() {
    let aws = Aws::start();
    let user = aws.user();
    let (child, stdin) = begin_upload(&aws, &user, "UploadPart");
    aws.services.fail("AbortMultipartUpload", 9, Fault::Hang);
    send(&child, Signal::INT);
    wait_until("the abort is asked for", || aws.services.count("AbortMultipartUpload") > 0);
    let began = Instant::now();
    send(&child, Signal::INT);
    assert_eq!(wait_for(child).code, Some(130));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    drop(stdin);
}

#[test]
fn a_command_that_waits_for_kms_is_interrupted() {
    let aws = Aws::start();
    let user = aws.user();
    user.write("plain", "x");
    aws.services.fail("GenerateDataKey", 9, Fault::Hang);
    let line = ["seal", "plain", "-o", "out", "--key", "aws-kms:alias/demo"];
    let child = user.command(line).spawn().unwrap();
    wait_until("KMS is asked", || aws.services.count("GenerateDataKey") > 0);
    send(&child, Signal::INT);
    assert_interrupted(&wait_for(child), 130);
    assert_eq!(user.files(), ["plain"]);
}

/// Rotates two files, the second of which waits for KMS until the signal.
fn interrupted_rotation(options: &str) -> Ran {
    let aws = Aws::start();
    let user = aws.user();
    for name in ["a", "b"] {
        user.run_with(&format!("seal --key aws-kms:alias/demo -o {name}"), b"x").succeeds();
    }
    aws.services.reset_calls();
    let nth = std::sync::atomic::AtomicUsize::new(0);
    aws.services.on_request(move |call| {
        let nth = (call.operation == "GenerateDataKey")
            .then(|| nth.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        (nth == Some(1)).then_some(Fault::Hang)
    });
    let line = format!("rotate --jobs 1 --key aws-kms:alias/demo{options} a b");
    let child = user.command(line.split(' ')).spawn().unwrap();
    wait_until("the second waits", || aws.services.count("GenerateDataKey") > 1);
    send(&child, Signal::TERM);
    let ran = wait_for(child);
    assert_interrupted(&ran, 143);
    assert_eq!(user.files(), ["a", "b"]);
    ran
}

#[test]
fn an_interrupted_run_says_how_far_it_came_and_how_to_go_on() {
    let ran = interrupted_rotation("");
    let (counts, rest) = ran.stderr.split_once(", until now; ").unwrap();
    assert_eq!(counts, "waxseal: rotated 1, nothing to do 0, not sealed 0, failed 0");
    // Nothing in an object tells that it was rotated, but for when.
    let time = rest.strip_prefix("run it again with --before 2").unwrap();
    assert!(time.contains("Z to go on\n"), "{rest}");
    assert!(ran.stdout.is_empty());
    let ran = interrupted_rotation(" --json");
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(report["changed"][0]["object"], "a");
    assert_eq!(report["changed"].as_array().unwrap().len(), 1);
}

#[test]
fn a_run_interrupted_before_it_begins_counts_nothing() {
    let aws = Aws::start();
    let user = aws.user();
    aws.services.create_key("alias/new");
    aws.services.fail("ListObjectsV2", 9, Fault::Hang);
    let line = "rewrap --from-key aws-kms:alias/demo --key aws-kms:alias/new --json --recursive \
         s3://demo/";
    let child = user.command(line.split_whitespace()).spawn().unwrap();
    wait_until("it lists", || aws.services.count("ListObjectsV2") > 0);
    send(&child, Signal::INT);
    let ran = wait_for(child);
    assert_interrupted(&ran, 130);
    assert_eq!((ran.stderr.as_str(), ran.stdout.as_slice()), ("waxseal: interrupted\n", &[][..]));
}
