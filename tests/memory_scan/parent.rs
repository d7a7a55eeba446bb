//! Runs KMS, starts the process to be scanned, and looks for its keys wherever it stops.

use std::env;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use tokio::runtime::Runtime;
use waxseal::EncryptionContext;
use waxseal::Envelope;
use waxseal::KeyFile;
use waxseal::KeyRequest;
use waxseal::Keyring as _;
use waxseal::LocalKeyring;
use waxseal_testkit::Fault;
use waxseal_testkit::LocalAws;
use waxseal_testkit::memory::Copies;
use waxseal_testkit::memory::Form;
use waxseal_testkit::memory::Found;
use waxseal_testkit::memory::Scanner;

use crate::derived_keys::derived_keys;

/// What is asserted where no key may be left.
#[allow(dead_code, reason = "each test makes one of them")]
pub(crate) enum Promise {
    /// No key in any form.
    Nothing,
    /// No key but in base64, in buffers of the SDK: so many copies, whole and half, for each call
    /// of KMS.
    Base64PerCall(usize),
}

/// Scans this test, run again as a process of its own, at each of its checkpoints.
pub(crate) fn scan(test: &str, promise: &Promise) {
    let runtime = Runtime::new().unwrap();
    let aws = runtime.block_on(LocalAws::start()).unwrap();
    let server = runtime.block_on(aws.serve_tls()).unwrap();
    aws.create_key(KEY);
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("certificate.pem");
    std::fs::write(&certificate, server.certificate_pem().unwrap()).unwrap();
    let key_file = folder.path().join("keys");
    let keys = KeyFile::generate().unwrap();
    keys.create(&key_file).unwrap();
    let mut scanner = Scanner::default();
    scanner.look_for("wrapping key", keys.current().1.expose());
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ENDPOINT, server.endpoint())
        .env(KEY_FILE, &key_file)
        .env("SSL_CERT_FILE", &certificate)
        .env("RUST_BACKTRACE", "0") // which would fill memory to be scanned
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut scanned = Scanned { child, scanner, keyring: LocalKeyring::new(keys), runtime };
    print_row("", HEADINGS.map(str::to_owned));
    let stops = scanned.watch(&aws, promise);
    assert_eq!(stops, STOPS, "it ended early");
    assert!(scanned.child.wait().unwrap().success());
}

struct Scanned {
    child: Child,
    scanner: Scanner,
    /// Holds the key in the key file.
    keyring: LocalKeyring,
    runtime: Runtime,
}

impl Scanned {
    /// Number of checkpoints.
    fn watch(&mut self, aws: &LocalAws, promise: &Promise) -> usize {
        let lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let mut stops = 0;
        for line in lines {
            let line = line.unwrap();
            let Some((_, stop)) = line.split_once(MARK) else { continue };
            let [expect, what, prelude] = stop.split(':').collect::<Vec<_>>()[..] else {
                panic!("{stop:?}");
            };
            self.learn(aws, prelude);
            match expect.split_once(' ') {
                Some(("live", names)) => self.see(what, names),
                _ if expect == "gone" => self.see_nothing(aws, what, promise),
                _ if expect == "stall" => stall_next_reply(aws),
                _ => self.see_arriving(what),
            }
            stops += 1;
            writeln!(self.child.stdin.as_mut().unwrap(), "{GO_ON}").unwrap();
        }
        stops
    }

    /// Adds the keys there are by now: those that KMS made, and those of the message that
    /// begins with `prelude`.
    fn learn(&mut self, aws: &LocalAws, prelude: &str) {
        let mut data_keys = aws.kms_state().data_keys();
        let prelude: Vec<u8> = (0..prelude.len() / 2)
            .map(|i| u8::from_str_radix(&prelude[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let envelope = Envelope::from_inline(&prelude).unwrap();
        let context = EncryptionContext::from([CONTEXT]);
        if let Some((envelope, _)) = &envelope {
            let request = KeyRequest::new(&context);
            let unwrapped = self.keyring.unwrap_data_key(envelope.wrapped_keys(), &request);
            data_keys.extend(self.runtime.block_on(unwrapped).map(|key| key.expose().to_vec()));
        }
        for key in &data_keys {
            self.scanner.look_for("data key", key);
        }
        let Some((_, header_at)) = envelope else { return };
        let header = &prelude[header_at..];
        for (name, key) in derived_keys(&data_keys, header, CONTEXT) {
            self.scanner.look_for(name, &key);
        }
    }

    /// The scanner is not blind, and sees the keys that are in use.
    fn see(&self, what: &str, names: &str) {
        let found = self.scan();
        report(what, &found);
        for name in names.split(", ") {
            assert!(found.copies(name, Form::Raw).whole > 0, "no {name} while {what}: {found:?}");
        }
    }

    /// A reply is on its way through TLS, in base64.
    fn see_arriving(&self, what: &str) {
        let found = self.scan_until(|found| found.copies("data key", Form::Base64).whole > 0);
        report(what, &found);
        assert!(found.copies("data key", Form::Base64).whole > 0, "{found:?}");
    }

    fn see_nothing(&self, aws: &LocalAws, what: &str, promise: &Promise) {
        match promise {
            Promise::Nothing => {
                // Connections close once their task gets its turn.
                let found = self.scan_until(|found| found.total() == 0);
                report(what, &found);
                assert_eq!(found, Found::default(), "after {what}");
            }
            Promise::Base64PerCall(most) => {
                let (found, most) = (self.scan(), most * aws.calls().len());
                report(what, &found);
                for form in [Form::Raw, Form::Hex] {
                    assert_eq!(found.copies("", form), Copies::default(), "{what}: {found:?}");
                }
                for ours in ["message key", "segment key", "wrapping key"] {
                    let copies = found.copies(ours, Form::Base64);
                    assert_eq!(copies, Copies::default(), "{what}: {found:?}");
                }
                assert!(found.copies("", Form::Base64).total() <= most, "{what}: {found:?}");
            }
        }
    }

    fn scan(&self) -> Found {
        let found = self.scanner.scan(self.child.id());
        found.expect("the memory of a child must be readable: this needs /proc and ptrace rights")
    }

    fn scan_until(&self, enough: impl Fn(&Found) -> bool) -> Found {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let found = self.scan();
            if enough(&found) || Instant::now() > deadline {
                return found;
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Scanned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All of the next reply to `Decrypt` arrives but the last bytes, which are not of the key.
fn stall_next_reply(aws: &LocalAws) {
    let calls = aws.calls();
    let last = calls.iter().rev().find(|call| call.operation == "Decrypt" && call.succeeded());
    let len = last.unwrap().response_bytes;
    assert!(len > 100, "{len} bytes");
    aws.fail("Decrypt", 1, Fault::StallBody(len - 1));
}

fn report(what: &str, found: &Found) {
    let raw = |name| found.copies(name, Form::Raw).to_string();
    let any = |form| found.copies("", form).to_string();
    let [wrapping, data, message, segment, ..] = HEADINGS.map(raw);
    print_row(what, [wrapping, data, message, segment, any(Form::Hex), any(Form::Base64)]);
}

fn print_row(what: &str, [wrapping, data, message, segment, hex, base64]: [String; 6]) {
    println!("{what:>40} {wrapping:>13}{data:>9}{message:>12}{segment:>12}{hex:>5}{base64:>7}");
}

const HEADINGS: [&str; 6] =
    ["wrapping key", "data key", "message key", "segment key", "hex", "base64"];

pub(crate) const CONTEXT: (&str, &str) = ("tenant", "acme");
pub(crate) const ENDPOINT: &str = "WAXSEAL_TEST_KMS";
pub(crate) const GO_ON: &str = "go on";
pub(crate) const KEY: &str = "alias/demo";
pub(crate) const KEY_FILE: &str = "WAXSEAL_TEST_KEY_FILE";
pub(crate) const MARK: &str = "@@";
pub(crate) const REGION: &str = waxseal_testkit::REGION;
const STOPS: usize = 26;
