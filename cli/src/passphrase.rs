//! Passphrases of locked key files: from a file, or asked for on the terminal.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use crate::exit::Code;
use crate::exit::Failure;

#[derive(Args, Clone, Debug)]
pub(crate) struct PassphraseArgs {
    /// Passphrase of locked key files: the first line of this file.
    ///
    /// For jobs; without it you are asked for it on the terminal. A key file that
    /// is made is locked with it.
    #[arg(long, value_name = "PATH")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// Reads the file if one is given, needed or not: a mistake in it must not go unnoticed.
    ///
    /// # Errors
    ///
    /// `Code::Key` if it cannot be read or has no passphrase.
    pub(crate) fn read(&self) -> Result<Passphrase, Failure> {
        self.passphrase_file.as_deref().map(first_line).transpose().map(Passphrase)
    }
}

/// What the file says. Read once, since it may be a pipe.
#[derive(Clone)]
pub(crate) struct Passphrase(Option<Zeroizing<String>>);

impl Passphrase {
    /// The one of the file, if there is a file.
    pub(crate) fn given(&self) -> Option<&[u8]> {
        self.0.as_ref().map(|passphrase| passphrase.as_bytes())
    }

    /// The passphrase of the key file at `path`.
    ///
    /// # Errors
    ///
    /// `Code::Key` if there is neither a file of it nor a terminal.
    pub(crate) fn of(&self, path: &Path) -> Result<Zeroizing<String>, Failure> {
        match &self.0 {
            Some(passphrase) => Ok(passphrase.clone()),
            None => ask(&format!("passphrase of {}: ", path.display()), GIVE_IT),
        }
    }

    /// A new passphrase, asked for twice.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of); also if it is empty, or is not the same the second time.
    pub(crate) fn choose(&self) -> Result<Zeroizing<String>, Failure> {
        if let Some(passphrase) = &self.0 {
            return Ok(passphrase.clone());
        }
        let chosen = ask("new passphrase: ", GIVE_IT)?;
        if chosen.is_empty() {
            return Err(Failure::new(Code::Key, "the passphrase is empty").remedy(CHOOSE));
        }
        if *ask("the same again: ", GIVE_IT)? != *chosen {
            return Err(Failure::new(Code::Key, "the two passphrases differ").remedy("try again"));
        }
        Ok(chosen)
    }
}

/// Prints none of it.
impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passphrase").finish_non_exhaustive()
    }
}

/// What is typed on the terminal, which shows none of it.
///
/// # Errors
///
/// `Code::Key`, with `remedy`, if there is no terminal.
pub(crate) fn ask(prompt: &str, remedy: &'static str) -> Result<Zeroizing<String>, Failure> {
    match rpassword::prompt_password(format!("waxseal: {prompt}")) {
        Ok(passphrase) => Ok(Zeroizing::new(passphrase)),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
            Err(Failure::new(Code::Signal(SIGINT), "interrupted"))
        }
        Err(error) => {
            Err(Failure::new(Code::Key, "cannot ask on the terminal").because(error).remedy(remedy))
        }
    }
}

fn first_line(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = || format!("cannot read the passphrase file {}", path.display());
    let unreadable = |error| {
        Failure::io(failed(), error)
            .with_code(Code::Key)
            .remedy("check the path and its permissions")
    };
    let file = File::open(path).map_err(unreadable)?;
    // Read at once: a buffer that grows leaves its content behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_LEN));
    file.take(MAX_LEN as u64).read_to_end(&mut text).map_err(unreadable)?;
    let line = std::str::from_utf8(&text).unwrap_or_default().lines().next().unwrap_or_default();
    if line.is_empty() {
        let text = format!("the first line of {} is no passphrase", path.display());
        return Err(Failure::new(Code::Key, text).remedy(CHOOSE));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

const GIVE_IT: &str = "give the passphrase with --passphrase-file PATH";
const CHOOSE: &str = "choose several random words, as UTF-8 text";
const MAX_LEN: usize = 4096;
const SIGINT: u8 = 2;
