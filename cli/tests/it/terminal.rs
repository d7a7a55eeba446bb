//! What goes to a terminal and what does not, on a terminal of the test's own.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::support::Ran;
use crate::support::User;
use crate::support::bytes;

/// The two ends of a new terminal of 80 columns: the screen, and what programs write to.
pub(crate) fn terminal() -> (File, File) {
    let screen: OwnedFd = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&screen).unwrap();
    rustix::pty::unlockpt(&screen).unwrap();
    let name = rustix::pty::ptsname(&screen, vec![]).unwrap();
    let path = std::ffi::OsStr::from_bytes(name.as_bytes());
    let program_side = File::options().read(true).write(true).open(path).unwrap();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&program_side, size).unwrap();
    (screen.into(), program_side)
}

/// Runs with `attach`ed terminal; returns what appeared on it, too.
fn on_terminal(mut command: Command, attach: impl Fn(&mut Command, File)) -> (Ran, String) {
    let (mut screen, program_side) = terminal();
    attach(&mut command, program_side);
    command.env("TERM", "xterm");
    let child = command.spawn().unwrap();
    drop(command); // and with it the program's side in this process
    let shown = std::thread::spawn(move || {
        let mut shown = Vec::new();
        // Ends with an error once nobody holds the other side.
        let _ = screen.read_to_end(&mut shown);
        String::from_utf8_lossy(&shown).into_owned()
    });
    (child.wait_with_output().unwrap().into(), shown.join().unwrap())
}

fn output_on_terminal(user: &User, line: &str) -> (Ran, String) {
    on_terminal(user.command(line.split(' ')), |command, terminal| {
        command.stdout(terminal);
    })
}

fn errors_on_terminal(user: &User, line: &str) -> (Ran, String) {
    on_terminal(user.command(line.split(' ')), |command, terminal| {
        command.stderr(terminal);
    })
}

#[test]
fn neither_sealed_nor_opened_bytes_go_to_a_terminal_unless_forced() {
    let user = User::new();
    user.write("plain", "hello");
    for (line, instead) in [
        ("seal plain", "-o FILE"),
        ("seal plain -o -", "-o FILE"),
        ("open s", "-o FILE"),
        ("cat s", "-o FILE"),
        ("cp s3://demo/k -", "name a file instead of -,"),
    ] {
        let (ran, shown) = output_on_terminal(&user, line);
        ran.fails(2, &["would go to the terminal", instead, "--force"]);
        assert_eq!(shown, "", "{line}");
    }
    assert!(!user.default_keys().exists());
    user.run("seal plain -o s").succeeds();
    for line in ["open s --force", "cat --force s"] {
        let (ran, shown) = output_on_terminal(&user, line);
        ran.succeeds();
        assert_eq!(shown, "hello");
    }
    let (ran, shown) = output_on_terminal(&user, "seal plain --force");
    ran.succeeds();
    assert!(shown.starts_with("waxseal 1024"), "{shown}");
    let (ran, shown) = output_on_terminal(&user, "inspect s");
    ran.succeeds();
    assert!(shown.contains("plaintext size"), "{shown}");
}

#[test]
fn progress_is_drawn_on_a_terminal_only_and_not_when_unwanted() {
    let user = User::new();
    user.write("plain", bytes(2 << 20));
    user.run("seal plain -o s").succeeds();
    let (_, shown) = errors_on_terminal(&user, "seal plain -o s");
    assert!(shown.contains("MiB/2.00 MiB"), "{shown:?}");
    let (_, shown) = errors_on_terminal(&user, "open s -o o");
    assert!(shown.contains('%'), "{shown:?}");
    for line in ["seal -q plain -o s", "seal --no-progress plain -o s", "open s -o o --no-progress"]
    {
        let (_, shown) = errors_on_terminal(&user, line);
        assert_eq!(shown, "", "{line}");
    }
    let ran = user.run("seal plain -o s").succeeds();
    assert_eq!(ran.stderr, "", "no progress into a pipe");
}

#[test]
fn errors_stand_alone_on_a_terminal() {
    let user = User::new();
    user.seal("s", &bytes(2 << 20));
    let mut sealed = user.read("s");
    let len = sealed.len();
    sealed[len - 100] ^= 1;
    user.write("s", sealed);
    let (ran, shown) = errors_on_terminal(&user, "open s -o o");
    assert_eq!(ran.code, Some(3));
    let shown = without_styles(&shown);
    let last = shown.rsplit(['\r', '\n']).find(|line| line.contains("waxseal:")).unwrap();
    assert!(last.ends_with("waxseal: cannot open s: segment 32 is not authentic"), "{shown:?}");
}

#[test]
fn a_terminal_as_input_is_announced() {
    let user = User::new();
    let (mut screen, program_side) = terminal();
    let mut command = user.command(["seal", "-o", "s"]);
    let child = command.stdin(program_side).spawn().unwrap();
    drop(command);
    std::io::Write::write_all(&mut screen, b"hello\n\x04").unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    let ran = ran.succeeds();
    assert!(ran.stderr.contains("reading from the terminal"), "{}", ran.stderr);
    assert_eq!(user.run("open s").succeeds().stdout, b"hello\n");
}

#[test]
fn help_has_colours_on_a_terminal_only_and_fits_it() {
    let mut user = User::new();
    for line in ["--help", "cp --help", "inspect --help"] {
        let (ran, shown) = output_on_terminal(&user, line);
        ran.succeeds();
        assert!(shown.contains('\u{1b}'), "{line}: {shown:?}");
        let plain = without_styles(&shown).replace('\r', "");
        assert!(plain.lines().all(|line| line.chars().count() <= 80), "{plain}");
        assert_eq!(plain.as_bytes(), user.run(line).succeeds().stdout, "piped without colours");
    }
    user.set("NO_COLOR", "1");
    let (_, shown) = output_on_terminal(&user, "--help");
    assert!(shown.contains("Usage:") && !shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn errors_have_colours_on_a_terminal_only() {
    let mut user = User::new();
    user.write("plain", "x");
    let (_, shown) = errors_on_terminal(&user, "open --no-progress plain -o out");
    for styled in ["\u{1b}[31mwaxseal:\u{1b}[0m", "\u{1b}[32mremedy:\u{1b}[0m"] {
        assert!(shown.contains(styled), "{shown:?}");
    }
    let piped =
        user.run("open --no-progress plain -o out").fails(3, &["explain not-sealed"]).stderr;
    assert!(!piped.contains('\u{1b}'), "{piped:?}");
    assert_eq!(without_styles(&shown).replace('\r', ""), piped);
    user.set("NO_COLOR", "1");
    let (_, shown) = errors_on_terminal(&user, "open --no-progress plain -o out");
    assert_eq!(shown.replace('\r', ""), piped);
}

#[test]
fn progress_fits_80_columns() {
    let user = User::new();
    user.seal("first", b"makes the key file");
    // Sparse: it has a size, and takes no room.
    File::create(user.path("huge")).unwrap().set_len(1023 << 30).unwrap();
    let (mut screen, program_side) = terminal();
    let mut command = user.command(["seal", "huge", "-o", "/dev/null"]);
    let child = command.stderr(program_side).env("TERM", "xterm").spawn().unwrap();
    drop(command);
    let mut shown = String::new();
    let mut some = [0; 4096];
    while !shown.contains("MiB/s") && !shown.contains("GiB/s") {
        let len = screen.read(&mut some).unwrap();
        shown.push_str(&String::from_utf8_lossy(&some[..len]));
    }
    rustix::process::kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(Ran::from(child.wait_with_output().unwrap()).code, Some(130));
    let plain = without_styles(&shown);
    assert!(plain.contains("1023.00 GiB"), "{plain:?}");
    for frame in plain.split(['\r', '\n']) {
        // Less than there is, since the numbers in it can become wider.
        assert!(frame.trim_end().chars().count() <= 70, "{frame:?}");
    }
}

/// The text without its escape sequences.
fn without_styles(shown: &str) -> String {
    anstream::adapter::strip_str(shown).to_string()
}
