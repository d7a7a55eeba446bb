//! What is written, and what was there before.

use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::support::User;
use crate::support::bytes;
use crate::support::mode;
use crate::support::not_tested;
use crate::support::set_mode;

#[test]
fn a_replaced_file_keeps_its_mode_and_a_new_one_is_private_if_it_is_plaintext() {
    let user = User::new();
    user.write("plain", bytes(1000));
    user.run("seal plain -o s").succeeds();
    user.run("open s -o new").succeeds();
    assert_eq!(mode(user.path("new")), 0o600);
    assert_eq!(mode(user.path("s")) & 0o600, 0o600);
    for kept in [0o640, 0o600, 0o664] {
        user.write("old", "what was there");
        set_mode(user.path("old"), kept);
        user.run("open s -o old").succeeds();
        assert_eq!(mode(user.path("old")), kept);
        assert_eq!(user.read("old"), bytes(1000));
    }
    assert_eq!(user.files(), ["new", "old", "plain", "s"]);
}

#[test]
fn targets_that_cannot_be_written_are_named() {
    let user = User::new();
    user.write("plain", "x");
    user.seal("s", b"x");
    std::fs::create_dir(user.path("folder")).unwrap();
    user.write("protected", "what was there");
    set_mode(user.path("protected"), 0o444);
    symlink("plain", user.path("link")).unwrap();
    symlink("absent", user.path("dangling")).unwrap();
    for (target, says) in [
        ("no/such/folder", &["cannot write no/such/folder", "make the folder first"][..]),
        ("plain/x", &["cannot write plain/x", "Not a directory"]),
        ("folder", &["folder is a folder", "name a file"]),
        ("protected", &["write-protected", "chmod u+w"]),
        ("link", &["symbolic link", "points to: plain"]),
        ("dangling", &["symbolic link", "points to: absent"]),
    ] {
        for line in ["seal plain", "open s", "cat s"] {
            user.run(&format!("{line} -o {target}")).fails(5, says);
        }
    }
    assert_eq!(user.read("plain"), b"x");
    assert_eq!(user.read("protected"), b"what was there");
    assert_eq!(user.files(), ["dangling", "folder", "link", "plain", "protected", "s"]);
}

#[test]
fn devices_and_named_pipes_are_written_through() {
    let user = User::new();
    let plain = bytes(300_000);
    user.seal("s", &plain);
    user.run("open s -o /dev/null").succeeds();
    let ran = user.run("open s -o /dev/stdout").succeeds();
    assert_eq!(ran.stdout, plain);
    rustix::fs::mkfifoat(rustix::fs::CWD, user.path("fifo"), 0o600.into()).unwrap();
    let child = user.command(["open", "s", "-o", "fifo"]).spawn().unwrap();
    assert_eq!(user.read("fifo"), plain);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(user.files(), ["fifo", "s"]);
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let user = User::new();
    user.write("plain", bytes(300_000));
    user.run("seal plain -o s").succeeds();
    if !cfg!(target_os = "linux") {
        return not_tested("a full disk: there is no /dev/full");
    }
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for line in ["seal plain", "open s", "cat s", "inspect s"] {
        let ran = user.command(line.split(' ')).stdout(full()).output().unwrap();
        crate::support::Ran::from(ran).fails(5, &["standard output", "No space left"]);
    }
    user.run("open s -o /dev/full").fails(5, &["/dev/full", "No space left"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_file_system_keeps_the_old_file() {
    let user = User::new();
    user.write("plain", bytes(2 << 20));
    user.run("seal plain -o s").succeeds();
    std::fs::create_dir(user.path("small")).unwrap();
    let small = user.path("small");
    let flags = rustix::mount::MountFlags::empty();
    if let Err(error) = rustix::mount::mount("tmpfs", &small, "tmpfs", flags, c"size=256k") {
        return not_tested(&format!("a full file system, since none can be mounted: {error}"));
    }
    let ran: Vec<_> = ["seal plain -o small/out", "open s -o small/out", "cat s -o small/out"]
        .into_iter()
        .map(|line| {
            user.write("small/out", "what was there");
            let ran = user.run(line);
            let files: Vec<_> = std::fs::read_dir(&small).unwrap().collect();
            (ran, user.read("small/out"), files.len())
        })
        .collect();
    rustix::mount::unmount(&small, rustix::mount::UnmountFlags::DETACH).unwrap();
    for (ran, left, files) in ran {
        ran.fails(5, &["small/out", "No space left", "free some space"]);
        assert_eq!((&left[..], files), (&b"what was there"[..], 1));
    }
}

#[test]
fn a_reader_that_leaves_early_ends_the_command_quietly() {
    let user = User::new();
    user.write("plain", bytes(8 << 20));
    user.run("seal plain -o s").succeeds();
    for line in ["seal plain", "open s", "cat s"] {
        let mut child = user.command(line.split(' ')).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 10]).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{line}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{line}");
    }
}

#[test]
fn a_closed_standard_error_does_not_matter() {
    let user = User::new();
    user.write("plain", bytes(1000));
    let mut child = user.command(["seal", "-v", "absent"]).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let mut command = user.command(["seal", "-v", "plain", "-o", "s"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(user.run("open s").succeeds().stdout, bytes(1000));
}
