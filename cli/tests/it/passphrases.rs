//! Key files that are locked with a passphrase, from a file and from a terminal.

use crate::support::Ran;
use crate::support::User;
use crate::support::mode;
use crate::support::not_tested;

#[test]
fn a_locked_file_seals_and_opens_with_its_passphrase() {
    let user = User::new();
    user.write("p", "correct horse\nanother line\n");
    user.write("q", "battery staple");
    let locked = "--key local:keys --passphrase-file";
    user.run("keygen keys --passphrase-file p").succeeds();
    assert_eq!(mode(user.path("keys")), 0o600);
    let text = String::from_utf8(user.read("keys")).unwrap();
    assert!(text.contains("\nwaxseal-locked-keys/1 argon2id "), "{text}");
    user.run_with(&format!("seal -o s {locked} p"), b"hello").succeeds();
    assert_eq!(user.run(&format!("open s {locked} p")).succeeds().stdout, b"hello");
    for line in ["open s -o o", "cat s -o o", "seal p -o o"] {
        user.run(&format!("{line} {locked} q"))
            .fails(4, &["the passphrase is wrong", "check the passphrase"]);
    }
    // A passphrase file does no harm where it is not needed, and the line's end is not part of it.
    user.write("crlf", "correct horse\r\n");
    assert_eq!(user.run(&format!("open s {locked} crlf")).succeeds().stdout, b"hello");
    user.run_with("seal -o t --passphrase-file p", b"hello").succeeds();
    assert_eq!(user.files(), ["crlf", "keys", "p", "q", "s", "t"]);
}

#[test]
fn a_passphrase_file_locks_the_key_file_made_at_the_first_seal() {
    let user = User::new();
    user.write("p", "correct horse");
    let ran = user.run_with("seal -o s --passphrase-file p", b"hello").succeeds();
    assert!(ran.stderr.contains(", locked with the passphrase; back it up"), "{}", ran.stderr);
    let text = std::fs::read_to_string(user.default_keys()).unwrap();
    assert!(text.contains("\nwaxseal-locked-keys/1 "), "{text}");
    assert_eq!(user.run("open s --passphrase-file p").succeeds().stdout, b"hello");
    let user = User::new();
    let ran = user.run_with("seal -o s", b"hello").succeeds();
    assert!(ran.stderr.contains(", not locked; back it up"), "{}", ran.stderr);
}

#[test]
fn a_passphrase_file_is_read_even_if_no_key_file_is_locked() {
    let user = User::new();
    user.write("plain", "x");
    for line in ["seal plain -o s", "open plain -o s", "seal plain -o s --key local:keys"] {
        user.run(&format!("{line} --passphrase-file absent"))
            .fails(4, &["cannot read the passphrase file absent"]);
        user.run("keygen keys --quiet");
    }
    assert!(!user.default_keys().exists());
    user.run("keygen --rotate keys --passphrase-file absent").fails(4, &["file absent"]);
    assert_eq!(user.files(), ["keys", "plain"]);
}

#[test]
fn rotation_keeps_the_lock() {
    let user = User::new();
    user.write("p", "correct horse");
    user.write("q", "battery staple");
    user.run("keygen keys --passphrase --passphrase-file p").succeeds();
    user.run_with("seal -o old --key local:keys --passphrase-file p", b"old").succeeds();
    let before = user.read("keys");
    user.run("keygen --rotate keys --passphrase-file q").fails(4, &["the passphrase is wrong"]);
    assert_eq!(user.read("keys"), before);
    let ran = user.run("keygen --rotate keys --passphrase-file p").succeeds();
    assert!(ran.stderr.contains(", locked as before; "), "{}", ran.stderr);
    assert!(String::from_utf8(user.read("keys")).unwrap().contains("waxseal-locked-keys/1 "));
    user.run_with("seal -o new --key local:keys --passphrase-file p", b"new").succeeds();
    for name in ["old", "new"] {
        let open = format!("open {name} --key local:keys --passphrase-file p");
        assert_eq!(user.run(&open).succeeds().stdout, name.as_bytes());
    }
    // A file that was not locked becomes so.
    for line in ["keygen plain", "keygen --rotate plain"] {
        let ran = user.run(line).succeeds();
        assert!(ran.stderr.contains(", not locked; "), "{}", ran.stderr);
    }
    let ran = user.run("keygen --rotate plain --passphrase-file q").succeeds();
    let told = "locked with the passphrase from now on, unlike older copies; ";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let help = String::from_utf8(user.run("keygen --help").succeeds().stdout).unwrap();
    assert!(help.contains("older copies are not"), "{help}");
    assert!(String::from_utf8(user.read("plain")).unwrap().contains("waxseal-locked-keys/1 "));
}

#[test]
fn a_passphrase_file_must_have_one() {
    let user = User::new();
    for (name, text) in [("empty", &b""[..]), ("newline", b"\nx"), ("binary", b"\xff\xfe")] {
        user.write(name, text);
        user.run(&format!("keygen keys --passphrase-file {name}"))
            .fails(4, &["is no passphrase", "random words"]);
    }
    user.run("keygen keys --passphrase-file absent").fails(4, &["absent", "check the path"]);
    assert!(!user.path("keys").exists());
}

/// Runs a command whose controlling terminal is the test's; types `typed` once it asks.
#[cfg(target_os = "linux")]
pub(crate) fn typing(user: &User, line: &str, typed: &[&str]) -> Option<(Ran, String)> {
    use rustix::termios::LocalModes;
    use rustix::termios::tcgetattr;

    use std::io::Read as _;
    use std::io::Write as _;
    use std::process::Command;

    let (mut screen, program_side) = crate::terminal::terminal();
    let inner = user.command(line.split(' '));
    let mut command = Command::new("/usr/bin/setsid");
    command.args(["--ctty", "--wait"]).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(user.path("")).stdin(program_side);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        child => child.unwrap(),
    };
    drop(command);
    let mut shown = String::new();
    for typed in typed {
        let asked = shown.matches(": ").count();
        while shown.matches(": ").count() <= asked {
            let mut some = [0; 256];
            let len = screen.read(&mut some).unwrap();
            shown.push_str(&String::from_utf8_lossy(&some[..len]));
        }
        // Asked first, the terminal stops showing what is typed a moment later.
        let shows = || tcgetattr(&screen).unwrap().local_modes.contains(LocalModes::ECHO);
        while shows() {
            std::thread::yield_now();
        }
        screen.write_all(typed.as_bytes()).unwrap();
    }
    let ran = child.wait_with_output().unwrap().into();
    let mut rest = Vec::new();
    let _ = screen.read_to_end(&mut rest); // ends with an error once nobody holds the other side
    shown.push_str(&String::from_utf8_lossy(&rest));
    Some((ran, shown))
}

#[cfg(target_os = "linux")]
#[test]
fn a_passphrase_is_asked_for_on_the_terminal_and_not_shown() {
    let user = User::new();
    let twice = ["correct horse\n", "correct horse\n"];
    let Some((ran, shown)) = typing(&user, "keygen keys --passphrase", &twice) else {
        assert!(std::env::var_os("CI").is_none(), "setsid is not installed");
        return not_tested("passphrases on a terminal, since setsid is not installed");
    };
    ran.succeeds();
    assert!(shown.contains("waxseal: new passphrase: "), "{shown:?}");
    assert!(shown.contains("waxseal: the same again: "), "{shown:?}");
    assert!(!shown.contains("horse"), "{shown:?}");
    user.write("p", "correct horse");
    user.run_with("seal -o s --key local:keys --passphrase-file p", b"hello").succeeds();

    let (ran, shown) = typing(&user, "open s --key local:keys", &["correct horse\n"]).unwrap();
    assert_eq!(ran.succeeds().stdout, b"hello");
    assert!(shown.contains("waxseal: passphrase of keys: ") && !shown.contains("horse"));

    let (ran, _) = typing(&user, "open s -o o --key local:keys", &["horse\n"]).unwrap();
    ran.fails(4, &["the passphrase is wrong"]);
    let (ran, _) = typing(&user, "open s -o o --key local:keys", &["hor\u{3}"]).unwrap();
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    let (ran, _) = typing(&user, "keygen more --passphrase", &["one\n", "two\n"]).unwrap();
    ran.fails(4, &["the two passphrases differ"]);
    let (ran, _) = typing(&user, "keygen more --passphrase", &["\n"]).unwrap();
    ran.fails(4, &["the passphrase is empty"]);
    assert_eq!(user.files(), ["keys", "p", "s"]);
}

/// As in a job: no terminal to ask on.
#[cfg(target_os = "linux")]
#[test]
fn without_a_terminal_the_option_is_named() {
    use std::process::Command;

    let user = User::new();
    user.write("p", "correct horse");
    user.run("keygen keys --passphrase-file p").succeeds();
    let inner = user.command(["open", "p", "--key", "local:keys"]);
    let mut command = Command::new("/usr/bin/setsid");
    command.arg("--wait").arg(inner.get_program()).args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    match command.current_dir(user.path("")).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("CI").is_none(), "setsid is not installed");
            not_tested("passphrases without a terminal, since setsid is not installed");
        }
        output => {
            let ran = Ran::from(output.unwrap());
            ran.fails(4, &["cannot ask on the terminal", "--passphrase-file PATH"]);
        }
    }
}
