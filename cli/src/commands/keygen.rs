//! `waxseal keygen`: makes key files and adds keys to them.

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use waxseal::KeyFile;

use crate::args::Verbosity;
use crate::exit::Code;
use crate::exit::Failure;
use crate::keys;

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
}

/// Key files are a few hundred bytes, so all this is done at once.
pub(crate) fn run(args: KeygenArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let path = match args.path {
        Some(path) => path,
        None => {
            let path = keys::default_path()?;
            keys::make_folder(&path).map_err(|e| Failure::io("cannot make its folder", e))?;
            path
        }
    };
    if args.rotate { rotate(&path, verbosity) } else { create(&path, verbosity) }
}

fn create(path: &Path, verbosity: Verbosity) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(Code::Key, format!("{} is there already", path.display()))
            .remedy("choose another path, or add a key to it with --rotate"));
    }
    let keys = KeyFile::generate().map_err(keys::key_file)?;
    keys.create(path).map_err(keys::key_file)?;
    verbosity.note(format_args!(
        "made the key file {} with the key {}; back it up: if it is lost, so is all it sealed",
        path.display(),
        keys.current().0
    ));
    Ok(())
}

fn rotate(path: &Path, verbosity: Verbosity) -> Result<(), Failure> {
    let Ok(path) = path.canonicalize() else {
        return Err(keys::absent(path).and("or make it without --rotate"));
    };
    let _lock = lock_folder(&path).map_err(|e| Failure::io("cannot lock the key file", e))?;
    let mut file = keys::load(&path)?.ok_or_else(|| keys::absent(&path))?;
    let id = file.rotate().map_err(keys::key_file)?;
    file.replace(&path).map_err(keys::key_file)?;
    verbosity.note(format_args!(
        "added the key {id} to {}; it seals from now on; back the file up again",
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
    waxseal keygen --rotate ./backup.keys";
