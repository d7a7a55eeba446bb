//! `waxseal keygen`: makes key files and adds keys to them.

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use waxseal::KeyFile;
use zeroize::Zeroizing;

use crate::args::Verbosity;
use crate::exit::Code;
use crate::exit::Failure;
use crate::keys;
use crate::passphrase::Passphrase;
use crate::passphrase::PassphraseArgs;

/// Make a key file, or add a new key to one
///
/// The file is readable by you only. It can hold several keys: the last one seals,
/// all of them open. Whoever has the file can open what it sealed; if it is lost,
/// so is all that. Keep a copy in a safe place.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct KeygenArgs {
    /// The key file; without it the one that `--key local` uses.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Add a new key, which seals from now on, to a file that is there.
    #[arg(long)]
    rotate: bool,
    /// Lock the file with a passphrase, asked for twice.
    ///
    /// Whoever has the file can try passphrases, some 0.3 s of computing each.
    /// A file that is locked stays so, with the same passphrase, when it is
    /// rotated. One that is not is locked by this or --passphrase-file, but its
    /// older copies are not.
    #[arg(long)]
    passphrase: bool,
    #[command(flatten)]
    from: PassphraseArgs,
}

impl KeygenArgs {
    /// The new passphrase, if there is to be one.
    fn chosen(&self, given: &Passphrase) -> Result<Option<Zeroizing<String>>, Failure> {
        let wanted = self.passphrase || given.given().is_some();
        wanted.then(|| given.choose()).transpose()
    }
}

/// Key files are a few hundred bytes, so all this is done at once.
pub(crate) fn run(args: KeygenArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let path = match &args.path {
        Some(path) => path.clone(),
        None => {
            let path = keys::default_path()?;
            keys::make_folder(&path).map_err(|e| Failure::io("cannot make its folder", e))?;
            path
        }
    };
    let given = args.from.read()?;
    if args.rotate {
        rotate(&path, &args, &given, verbosity)
    } else {
        create(&path, &args, &given, verbosity)
    }
}

fn create(
    path: &Path,
    args: &KeygenArgs,
    given: &Passphrase,
    verbosity: Verbosity,
) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(Code::Key, format!("{} is there already", path.display()))
            .remedy("choose another path, or add a key to it with --rotate"));
    }
    let keys = KeyFile::generate().map_err(keys::key_file)?;
    let passphrase = args.chosen(given)?;
    let lock = passphrase.as_ref().map(|passphrase| passphrase.as_bytes());
    keys::create(&keys, path, lock).map_err(keys::key_file)?;
    verbosity.note(format_args!("{}", keys::made(&keys, path, lock.is_some())));
    Ok(())
}

fn rotate(
    path: &Path,
    args: &KeygenArgs,
    given: &Passphrase,
    verbosity: Verbosity,
) -> Result<(), Failure> {
    let Ok(path) = path.canonicalize() else {
        return Err(keys::absent(path).or("make it without --rotate"));
    };
    let _lock = lock_folder(&path).map_err(|e| Failure::io("cannot lock the key file", e))?;
    let passphrase = match KeyFile::is_locked(&path).map_err(keys::key_file)? {
        true => Some(given.of(&path)?),
        false => None,
    };
    let loaded = match &passphrase {
        Some(passphrase) => KeyFile::load_locked(&path, passphrase.as_bytes()),
        None => KeyFile::load(&path),
    };
    let mut file = loaded.map_err(keys::key_file)?;
    let id = file.rotate().map_err(keys::key_file)?;
    let was_locked = passphrase.is_some();
    let locks = if was_locked { passphrase } else { args.chosen(given)? };
    let replaced = match &locks {
        Some(passphrase) => file.replace_locked(&path, passphrase.as_bytes()),
        None => file.replace(&path),
    };
    replaced.map_err(keys::key_file)?;
    let lock = match (was_locked, locks.is_some()) {
        (true, _) => "locked as before",
        (false, true) => "locked with the passphrase from now on, unlike older copies",
        (false, false) => "not locked",
    };
    verbosity.note(format_args!(
        "added the key {id}, which seals from now on, to {}, {lock}; back the file up again",
        path.display()
    ));
    Ok(())
}

/// Two rotations at a time would lose one of the keys. Locks nothing where folders have no locks.
fn lock_folder(path: &Path) -> std::io::Result<Option<File>> {
    let (true, Some(folder)) = (cfg!(unix), path.parent()) else { return Ok(None) };
    let folder = File::open(folder)?;
    folder.lock()?;
    Ok(Some(folder))
}

const EXAMPLES: &str = "\
Examples:
  waxseal keygen ./backup.keys
  waxseal seal --key local:./backup.keys report.pdf -o report.pdf.sealed

  Seal with a new key from now on; what the old one sealed still opens:
    waxseal keygen --rotate ./backup.keys

  A file that is of no use without a passphrase, and a job that has it:
    waxseal keygen --passphrase ./offline.keys
    waxseal open --key local:./offline.keys --passphrase-file /run/secrets/p \\
        dump.sql.sealed -o dump.sql";
