//! What can be seen of keys from outside the process.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use rustix::process::geteuid;
use tempfile::TempDir;
use waxseal::Envelope;
use waxseal::floe::HEADER_LEN;
use waxseal_testkit::memory::Form;
use waxseal_testkit::memory::Scanner;

use crate::derived_keys::derived_keys;
use crate::support::Aws;
use crate::support::Ran;
use crate::support::not_tested;
use crate::support::set_mode;
use crate::support::wait_until;

#[test]
fn no_core_is_dumped_and_nobody_else_reads_its_memory() {
    let aws = Aws::start();
    let user = aws.user();
    // Root may read everything, so it is another user's process here, who needs a copy to run.
    let folder = TempDir::new().unwrap();
    set_mode(folder.path(), 0o755);
    let copy = folder.path().join("waxseal");
    fs::copy(env!("CARGO_BIN_EXE_waxseal"), &copy).unwrap();
    let environment = user.command([""; 0]);
    let environment = environment.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut child = unprivileged(&copy)
        .args(["seal", "-", "-o", "-", "--key", "aws-kms:alias/demo"])
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    begun(&mut child);
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"]);

    // What is not dumpable cannot be read either, which can be seen without dumping.
    let mut other = unprivileged("sleep").arg("60").spawn().unwrap();
    let readable = [&child, &other].map(|process| {
        let path = format!("/proc/{}/mem", process.id());
        let read = unprivileged("dd").arg(format!("if={path}")).arg("count=0").output().unwrap();
        read.status.success()
    });
    for process in [&mut child, &mut other] {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    assert_eq!(readable, [false, true], "of the command, and of anything else");
}

/// A command for a user who is not root.
fn unprivileged(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stderr(Stdio::null());
    if geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command
}

#[test]
fn while_it_seals_only_what_seals_is_in_its_memory() {
    let aws = Aws::start_tls();
    let user = aws.user();
    let mut child = user
        .command([
            "seal",
            "-",
            "-o",
            "-",
            "--key",
            "aws-kms:alias/demo",
            "--context",
            "tenant=acme",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = begun(&mut child);
    if !geteuid().is_root() {
        child.kill().unwrap();
        return not_tested("the memory of the command, which only root may read");
    }
    let (_, header_at) = Envelope::from_inline(&begin).unwrap().unwrap();
    let data_keys = aws.services.kms_state().data_keys();
    let mut scanner = Scanner::default();
    scanner.look_for("data key", &data_keys[0]);
    let header = &begin[header_at..header_at + HEADER_LEN];
    for (name, key) in derived_keys(&data_keys, header, ("tenant", "acme")) {
        scanner.look_for(name, &key);
    }
    let scan = || scanner.scan(child.id()).expect("root reads the memory of all");
    // The connection to KMS closes once its task gets its turn.
    wait_until("the data key is gone", || {
        let found = scan();
        [Form::Raw, Form::Hex, Form::Base64]
            .iter()
            .all(|f| found.copies("data key", *f).total() == 0)
    });
    let found = scan();
    for name in ["message key", "segment key"] {
        assert_eq!(found.copies(name, Form::Raw).whole, 1, "{found:?}");
    }
    assert_eq!(found.total(), 2, "{found:?}");
    drop(child.stdin.take());
    Ran::from(child.wait_with_output().unwrap()).succeeds();
}

/// The first 2 KiB of what it gives out, with half of the input still to come.
fn begun(child: &mut Child) -> Vec<u8> {
    let stdin = child.stdin.as_mut().unwrap();
    // More than a batch, so that it gives one out, and less than a pipe and a batch hold.
    stdin.write_all(&vec![7; 300 << 10]).unwrap();
    let mut begin = vec![0; 2048];
    child.stdout.as_mut().unwrap().read_exact(&mut begin).unwrap();
    begin
}
