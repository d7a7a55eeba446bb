//! The programs that are compared, and their command lines.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use crate::Result;
use crate::files::Files;
use crate::measure::Runner;
use crate::measure::What;

/// A program with its keys at hand.
pub(crate) struct Program {
    pub(crate) label: &'static str,
    /// The first line it says about its version.
    pub(crate) version: String,
    command: Box<CommandLine>,
}

/// The command that does the task to the first path and writes to the second, or to standard
/// output. None if the program has no such task.
type CommandLine = dyn Fn(What, &Path, Option<&Path>) -> Option<Command>;

impl Program {
    fn new(
        label: &'static str,
        version: String,
        command: impl Fn(What, &Path, Option<&Path>) -> Option<Command> + 'static,
    ) -> Self {
        Self { label, version, command: Box::new(command) }
    }

    pub(crate) fn command(
        &self,
        what: What,
        input: &Path,
        output: Option<&Path>,
    ) -> Option<Command> {
        (self.command)(what, input, output)
    }
}

/// All that take part, and why others do not.
pub(crate) struct Programs {
    programs: Vec<Program>,
    skipped: Vec<String>,
}

impl Programs {
    /// Makes keys for each program in `folder`.
    pub(crate) fn find(folder: &Path, waxseal: Option<&Path>, peers: bool) -> Result<Self> {
        let waxseal = waxseal.map_or_else(built, |path| Ok(path.canonicalize()?))?;
        let keys = folder.join("waxseal.keys");
        must(Command::new(&waxseal).arg("keygen").arg(&keys).arg("--quiet"))?;
        let programs = vec![
            cp(),
            cp_then_sync(),
            floor()?,
            waxseal_with(&waxseal, &keys, false),
            waxseal_with(&waxseal, &keys, true),
        ];
        let mut found = Self { programs, skipped: Vec::new() };
        let peers = if peers { &PEERS[..] } else { &[] };
        for (name, prepare) in peers {
            let prepared = which(name).ok_or_else(|| "not found".into());
            match prepared.and_then(|path| prepare(&path, folder)) {
                Ok(program) => found.programs.push(program),
                Err(error) => found.skipped.push(format!("{name}: {error}")),
            }
        }
        Ok(found)
    }

    /// Leaves out what does not give the file back.
    pub(crate) fn check(&mut self, runner: &Runner, files: &Files) -> Result<()> {
        for program in std::mem::take(&mut self.programs) {
            match runner.check(&program, files) {
                Ok(()) => self.programs.push(program),
                Err(error) if OWN.contains(&program.label) => {
                    return Err(format!("{}: {error}", program.label).into());
                }
                Err(error) => self.skipped.push(format!("{}: {error}", program.label)),
            }
        }
        Ok(())
    }

    pub(crate) fn all(&self) -> &[Program] {
        &self.programs
    }

    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }
}

fn cp() -> Program {
    Program::new(CP, version("cp", &["--version"]), |what, input, output| {
        let mut command = Command::new("cp");
        command.arg(input).arg(output?);
        (what == What::Copy).then_some(command)
    })
}

/// What a copy costs that survives a power cut, as a file of waxseal does.
fn cp_then_sync() -> Program {
    Program::new(CP_SYNC, version("sync", &["--version"]), |what, input, output| {
        let mut command = Command::new("sh");
        command.args(["-c", r#"cp "$1" "$2" && sync "$2""#, "sh"]).arg(input).arg(output?);
        (what == What::Copy).then_some(command)
    })
}

fn floor() -> Result<Program> {
    let this = env::current_exe()?;
    Ok(Program::new(FLOOR, "AES-256-GCM of aws-lc-rs".to_owned(), move |what, input, _| {
        let mut command = Command::new(&this);
        command.arg("floor").arg(input);
        (what == What::Read).then_some(command)
    }))
}

/// `sync` is the promise of `cp, then sync`, and for files only.
fn waxseal_with(program: &Path, keys: &Path, sync: bool) -> Program {
    let label = if sync { WAXSEAL_SYNC } else { WAXSEAL };
    let key = format!("local:{}", keys.display());
    let (version, program) = (version(program, &["--version"]), program.to_owned());
    Program::new(label, version, move |what, input, output| {
        let mut command = Command::new(&program);
        command.arg(choose(what, "seal", "open")?).args(["--key", &key]).arg(input);
        match output {
            Some(output) => command.arg("-o").arg(output),
            None if sync => return None,
            None => &mut command,
        };
        if sync {
            command.arg("--sync");
        }
        Some(command)
    })
}

fn age(program: &Path, folder: &Path) -> Result<Program> {
    like_age("age", program, folder)
}

fn rage(program: &Path, folder: &Path) -> Result<Program> {
    like_age("rage", program, folder)
}

fn like_age(label: &'static str, program: &Path, folder: &Path) -> Result<Program> {
    let identity = folder.join(format!("{label}.key"));
    let keygen = which(&format!("{label}-keygen")).ok_or("its keygen is not found")?;
    must(Command::new(keygen).arg("-o").arg(&identity))?;
    let text = fs::read_to_string(&identity)?;
    let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: "));
    let recipient = recipient.ok_or("no public key in its key file")?.to_owned();
    let (version, program) = (version(program, &["--version"]), program.to_owned());
    Ok(Program::new(label, version, move |what, input, output| {
        let mut command = Command::new(&program);
        match choose(what, true, false)? {
            true => command.args(["-r", &recipient]),
            false => command.arg("-d").arg("-i").arg(&identity),
        };
        output.map(|output| command.arg("-o").arg(output));
        command.arg(input);
        Some(command)
    }))
}

fn openssl(program: &Path, _: &Path) -> Result<Program> {
    let (version, program) = (version(program, &["version"]), program.to_owned());
    // A bare key: no time goes into a password. Its default buffer of 8 KiB makes it slower.
    let (key, iv) = ("07".repeat(32), "09".repeat(16));
    Ok(Program::new(OPENSSL, version, move |what, input, output| {
        let mut command = Command::new(&program);
        command.args(["enc", choose(what, "-e", "-d")?, "-aes-256-ctr", "-bufsize", "1048576"]);
        command.args(["-K", &key, "-iv", &iv]).arg("-in").arg(input);
        output.map(|output| command.arg("-out").arg(output));
        Some(command)
    }))
}

fn gpg(program: &Path, folder: &Path) -> Result<Program> {
    let home = GpgHome(folder.join("gpg"));
    fs::create_dir(&home.0)?;
    fs::set_permissions(&home.0, fs::Permissions::from_mode(0o700))?;
    let passphrase = home.0.join("passphrase");
    fs::write(&passphrase, "throwaway\n")?;
    let (version, program) = (version(program, &["--version"]), program.to_owned());
    Ok(Program::new("gpg AES256", version, move |what, input, output| {
        let mut command = Command::new(&program);
        command.env("GNUPGHOME", &home.0).args([
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
        ]);
        command.arg("--passphrase-file").arg(&passphrase);
        command.arg("-o").arg(output.unwrap_or(Path::new("-")));
        match choose(what, true, false)? {
            true => command.args(["--cipher-algo", "AES256", "--compress-algo", "none", "-c"]),
            false => command.arg("-d"),
        };
        command.arg(input);
        Some(command)
    }))
}

/// The home of a GnuPG, whose agent stays behind until it is stopped.
struct GpgHome(PathBuf);

impl Drop for GpgHome {
    fn drop(&mut self) {
        let mut stop = Command::new("gpgconf");
        stop.env("GNUPGHOME", &self.0).args(["--kill", "gpg-agent"]);
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn rclone(program: &Path, folder: &Path) -> Result<Program> {
    let config = folder.join("rclone.conf");
    let password = must(Command::new(program).args(["obscure", "throwaway"]))?;
    let text = format!(
        "[sealed]\ntype = crypt\nremote = {}\nfilename_encryption = off\npassword = {}\n",
        folder.display(),
        password.trim()
    );
    fs::write(&config, text)?;
    let (version, program) = (version(program, &["version"]), program.to_owned());
    Ok(Program::new("rclone crypt", version, move |what, input, output| {
        let mut command = Command::new(&program);
        command.arg("--config").arg(&config);
        match (choose(what, true, false)?, output) {
            (true, Some(output)) => command.arg("copyto").arg(input).arg(remote(output)?),
            (true, None) => return None,
            (false, Some(output)) => command.arg("copyto").arg(remote(input)?).arg(output),
            (false, None) => command.arg("cat").arg(remote(input)?),
        };
        Some(command)
    }))
}

/// rclone's name of a sealed file: without the folder, and the `.bin` that it adds.
fn remote(path: &Path) -> Option<String> {
    Some(format!("sealed:{}", path.file_stem()?.to_str()?))
}

/// `seal` or `open`; None for other tasks.
fn choose<T>(what: What, seal: T, open: T) -> Option<T> {
    match what {
        What::Seal => Some(seal),
        What::Open => Some(open),
        What::Copy | What::Read => None,
    }
}

/// The release build in the folder of this program.
fn built() -> Result<PathBuf> {
    let path = env::current_exe()?.with_file_name("waxseal");
    if path.is_file() {
        return Ok(path);
    }
    let build = "build it with `cargo build --release -p waxseal-cli`, or give --waxseal";
    Err(format!("there is no {}: {build}", path.display()).into())
}

fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The first line a program prints, without the library that openssl adds, or `unknown`.
pub(crate) fn version(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> String {
    let said = must(Command::new(program).args(arguments)).unwrap_or_default();
    let line = said.lines().next().unwrap_or("unknown");
    line.split(" (Library").next().unwrap_or(line).trim().to_owned()
}

/// Runs a program that must not fail, for what it prints.
fn must(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output()?;
    if !done.status.success() {
        let name = command.get_program().display();
        return Err(format!("{name}: {}", String::from_utf8_lossy(&done.stderr).trim()).into());
    }
    Ok(String::from_utf8(done.stdout)?)
}

pub(crate) const CP: &str = "cp";
pub(crate) const CP_SYNC: &str = "cp, then sync";
pub(crate) const FLOOR: &str = "floor: two threads";
pub(crate) const WAXSEAL: &str = "waxseal";
pub(crate) const WAXSEAL_SYNC: &str = "waxseal --sync";
pub(crate) const OPENSSL: &str = "openssl aes-256-ctr *";

/// Without these there is nothing to compare.
const OWN: [&str; 4] = [CP, CP_SYNC, FLOOR, WAXSEAL];

/// Given the program and a folder for its keys.
type Prepare = fn(&Path, &Path) -> Result<Program>;

const PEERS: [(&str, Prepare); 5] =
    [("age", age), ("rage", rage), ("openssl", openssl), ("gpg", gpg), ("rclone", rclone)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rclone_adds_the_ending_itself() {
        assert_eq!(remote(Path::new("/somewhere/sealed.bin")).as_deref(), Some("sealed:sealed"));
    }

    #[test]
    fn peers_only_seal_and_open() {
        let program = openssl(Path::new("openssl"), Path::new("keys")).unwrap();
        let command = |what| program.command(what, Path::new("in"), Some(Path::new("out")));
        assert!(command(What::Copy).is_none() && command(What::Read).is_none());
        let seal = command(What::Seal).unwrap();
        assert!(seal.get_args().any(|argument| argument == "-e"));
    }
}
