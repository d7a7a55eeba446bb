//! A home of its own for each test, and a KMS and S3 on loopback for those that want them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use tempfile::NamedTempFile;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use waxseal_testkit::ACCESS_KEY_ID;
use waxseal_testkit::LocalAws;
use waxseal_testkit::REGION;
use waxseal_testkit::SECRET_ACCESS_KEY;
use waxseal_testkit::Server;

/// A user with an empty home, in an empty folder.
pub(crate) struct User {
    folder: TempDir,
    /// Variables besides the ones that every test has.
    env: Vec<(String, String)>,
}

impl User {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["home", "config", "work", "tools"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, env: vec![] }
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.push((name.to_owned(), value.into()));
    }

    /// A path in the folder where commands run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// A folder for `PATH` in which `waxseal` is.
    pub(crate) fn tools(&self) -> PathBuf {
        let tools = self.folder.path().join("tools");
        let link = tools.join("waxseal");
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_waxseal"), link).unwrap();
        }
        tools
    }

    pub(crate) fn default_keys(&self) -> PathBuf {
        self.folder.path().join("config/waxseal/keys")
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// What is in the folder, hidden files too, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = waxseal();
        command
            .args(args)
            .env_clear()
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HOME", self.folder.path().join("home"))
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .envs(self.env.iter().cloned())
            .current_dir(self.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command line, split at spaces, with nothing on standard input.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.command(line.split(' ')).output().unwrap().into()
    }

    /// Runs a command line with `input` on standard input.
    pub(crate) fn run_with(&self, line: &str, input: &[u8]) -> Ran {
        let mut child = self.command(line.split(' ')).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // A command that refuses leaves without reading.
            scope.spawn(move || drop(stdin.write_all(input)));
            child.wait_with_output().unwrap().into()
        })
    }

    /// Seals `plain` into the file `name`.
    pub(crate) fn seal(&self, name: &str, plain: &[u8]) {
        self.run_with(&format!("seal -o {name}"), plain).succeeds();
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        Self { code: output.status.code(), stdout: output.stdout, stderr }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Failed with this code, a message that has all of `parts`, and a remedy.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert!(self.stderr.starts_with("waxseal: "), "{}", self.stderr);
        assert!(self.stderr.contains("\n  remedy: "), "{}", self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in: {}", self.stderr);
        }
        self
    }
}

/// KMS and S3 on one loopback port.
pub(crate) struct Aws {
    pub(crate) services: LocalAws,
    /// For clients to trust, if they come over TLS.
    certificate: Option<NamedTempFile>,
    /// The ARN of `alias/demo`.
    pub(crate) key: String,
    server: Server,
    _runtime: Runtime,
}

impl Aws {
    /// With the key `alias/demo` and the bucket `demo`.
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let services = runtime.block_on(LocalAws::start()).unwrap();
        let server = runtime.block_on(services.serve()).unwrap();
        Self::new(services, server, runtime)
    }

    /// The same over TLS.
    pub(crate) fn start_tls() -> Self {
        let runtime = Runtime::new().unwrap();
        let services = runtime.block_on(LocalAws::start()).unwrap();
        let server = runtime.block_on(services.serve_tls()).unwrap();
        Self::new(services, server, runtime)
    }

    fn new(services: LocalAws, server: Server, runtime: Runtime) -> Self {
        let certificate = server.certificate_pem().map(|pem| {
            let mut file = NamedTempFile::new().unwrap();
            file.write_all(pem.as_bytes()).unwrap();
            file
        });
        let key = services.create_key("alias/demo");
        services.create_bucket("demo");
        Self { services, certificate, key, server, _runtime: runtime }
    }

    /// Someone whose environment leads here.
    pub(crate) fn user(&self) -> User {
        let mut user = User::new();
        user.set("AWS_ENDPOINT_URL", self.server.endpoint());
        user.set("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
        user.set("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        user.set("AWS_REGION", REGION);
        user.set("AWS_MAX_ATTEMPTS", "1");
        if let Some(file) = &self.certificate {
            user.set("SSL_CERT_FILE", file.path().to_str().unwrap());
        }
        user
    }

    pub(crate) fn endpoint(&self) -> String {
        self.server.endpoint()
    }
}

/// Someone whose environment leads to the moto of `WAXSEAL_MOTO`; `None`, and said to be, if there is
/// none.
pub(crate) fn user_of_moto(test: &str) -> Option<User> {
    let Ok(endpoint) = std::env::var("WAXSEAL_MOTO") else {
        assert!(std::env::var_os("CI").is_none(), "CI must set WAXSEAL_MOTO");
        not_tested(&format!("`{test}` against moto: WAXSEAL_MOTO is not set"));
        return None;
    };
    let mut user = User::new();
    user.set("AWS_ENDPOINT_URL", endpoint);
    user.set("AWS_ACCESS_KEY_ID", "test");
    user.set("AWS_SECRET_ACCESS_KEY", "test");
    user.set("AWS_REGION", "us-east-1");
    user.set("AWS_MAX_ATTEMPTS", "1");
    Some(user)
}

/// Waits until `reached`, which must happen soon.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !reached() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::yield_now(); // another process is waited for, with a deadline, not a time
    }
}

/// Waits for a process, which must end soon.
#[track_caller]
pub(crate) fn wait_for(mut child: Child) -> Ran {
    wait_until("the command ends", || child.try_wait().unwrap().is_some());
    child.wait_with_output().unwrap().into()
}

/// Bytes that are not all the same.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect()
}

pub(crate) fn mode(path: impl AsRef<Path>) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

pub(crate) fn set_mode(path: impl AsRef<Path>, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The commands that `--help` lists.
pub(crate) fn subcommands() -> BTreeSet<String> {
    commands_of("")
}

/// All commands, with those below them, such as `key grant list`.
pub(crate) fn commands() -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    let mut unread = subcommands();
    while let Some(command) = unread.pop_first() {
        let below = commands_of(&format!("{command} "));
        unread.extend(below.into_iter().map(|name| format!("{command} {name}")));
        commands.insert(command);
    }
    commands
}

/// The names of the commands below `command`, which ends with a space unless it is empty.
fn commands_of(command: &str) -> BTreeSet<String> {
    let help = User::new().run(&format!("{command}--help")).succeeds().stdout;
    let help = String::from_utf8(help).unwrap();
    let Some((_, commands)) = help.split_once("\nCommands:\n") else { return BTreeSet::new() };
    // The rest of a long description stands further to the right.
    let lines = commands.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !matches!(*name, "" | "help")).map(str::to_owned).collect()
}

/// The Ceph RGW of `WAXSEAL_CEPH`, which CI has.
pub(crate) fn ceph() -> Option<String> {
    let endpoint = std::env::var("WAXSEAL_CEPH").ok();
    assert!(endpoint.is_some() || std::env::var_os("CI").is_none(), "CI must set WAXSEAL_CEPH");
    endpoint
}

/// Says on standard error, past the harness's capture, that something was not tested.
pub(crate) fn not_tested(what: &str) {
    let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED HERE: {what} ***");
}

/// The command with signals as they are by default: a shell that runs the tests in the background
/// ignores SIGINT, and what is ignored stays ignored in its children.
#[cfg(target_os = "linux")]
fn waxseal() -> Command {
    let mut command = Command::new("/usr/bin/env");
    command.args(["--default-signal=INT,HUP,TERM", env!("CARGO_BIN_EXE_waxseal")]);
    command
}

#[cfg(not(target_os = "linux"))]
fn waxseal() -> Command {
    Command::new(env!("CARGO_BIN_EXE_waxseal"))
}
