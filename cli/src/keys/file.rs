//! The key file of `--key local` and `local:PATH`: found, made, loaded.

use std::path::Path;
use std::path::PathBuf;

use async_trait::async_trait;
use etcetera::BaseStrategy as _;
use waxseal::DataKey;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::LocalKeyring;
use waxseal::SecretKey;
use waxseal::WrappedKey;

use crate::exit::Code;
use crate::exit::Failure;
use crate::keys::names;
use crate::passphrase::Passphrase;
use crate::progress::note;

/// No key file is there. One is made at the first sealing, but never to open.
#[derive(Debug)]
pub(super) struct Absent {
    pub(super) path: PathBuf,
    /// Locks the one that is made.
    pub(super) passphrase: Passphrase,
}

impl Absent {
    fn made(&self) -> waxseal::Result<LocalKeyring> {
        let keys = make_default(&self.path, self.passphrase.given()).map_err(|error| {
            Error::new(ErrorKind::KeyAccess, "there is no key to seal with").with_source(error)
        })?;
        Ok(LocalKeyring::new(keys))
    }
}

#[async_trait]
impl Keyring for Absent {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> waxseal::Result<DataKey> {
        self.made()?.generate_data_key(request).await
    }

    async fn wrap_data_key(
        &self,
        key: &SecretKey,
        request: &KeyRequest<'_>,
    ) -> waxseal::Result<Vec<WrappedKey>> {
        self.made()?.wrap_data_key(key, request).await
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        _: &KeyRequest<'_>,
    ) -> waxseal::Result<SecretKey> {
        let (sealed_under, path) = (names(wrapped), self.path.display());
        let text = format!("sealed under {sealed_under}, and there is no key file {path}");
        Err(Error::new(ErrorKind::KeyAccess, text))
    }
}

/// Where `--key local` keeps its keys.
pub(crate) fn default_path() -> Result<PathBuf, Failure> {
    let folders = etcetera::choose_base_strategy().map_err(|error| {
        Failure::new(Code::Key, "cannot find your config folder")
            .because(error)
            .remedy("set HOME, or name a key file: --key local:PATH")
    })?;
    Ok(folders.config_dir().join("waxseal").join("keys"))
}

/// Makes a key file, and its folder, and says so. Takes the one that another process just made.
fn make_default(path: &Path, passphrase: Option<&[u8]>) -> waxseal::Result<KeyFile> {
    let failed = |error| {
        let what = format!("cannot make the key file {}", path.display());
        Error::new(ErrorKind::KeyAccess, what).with_source(error)
    };
    make_folder(path).map_err(failed)?;
    let keys = KeyFile::generate()?;
    if let Err(error) = create(&keys, path, passphrase) {
        let made = match passphrase {
            Some(passphrase) => KeyFile::load_locked(path, passphrase),
            None => KeyFile::load(path),
        };
        return made.map_err(|_| error);
    }
    note(format_args!("{}", made(&keys, path, passphrase.is_some())));
    Ok(keys)
}

/// Writes a new key file, locked if there is a passphrase.
pub(crate) fn create(
    keys: &KeyFile,
    path: &Path,
    passphrase: Option<&[u8]>,
) -> waxseal::Result<()> {
    match passphrase {
        Some(passphrase) => keys.create_locked(path, passphrase),
        None => keys.create(path),
    }
}

/// What to tell about a new key file.
pub(crate) fn made(keys: &KeyFile, path: &Path, is_locked: bool) -> String {
    let (lock, what) = match is_locked {
        true => ("locked with the passphrase", "it or its passphrase"),
        false => ("not locked", "it"),
    };
    let (path, key) = (path.display(), keys.current().0);
    format!(
        "made the key file {path} with the key {key}, {lock}; back it up: if {what} is lost, so \
         is all it sealed"
    )
}

/// Makes the folder of `path`, which only the user can enter, unless it is there.
pub(crate) fn make_folder(path: &Path) -> std::io::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // Its name should outlive a power cut as the keys do; not every system can say.
    if let Some(above) = folder.parent().and_then(|above| std::fs::File::open(above).ok()) {
        let _ = above.sync_all();
    }
    Ok(())
}

/// The key file at `path`, or `None` if there is none. Asks for its passphrase if it is locked.
pub(crate) fn load(path: &Path, passphrase: &Passphrase) -> Result<Option<KeyFile>, Failure> {
    let loaded = match KeyFile::is_locked(path) {
        Ok(true) => KeyFile::load_locked(path, passphrase.of(path)?.as_bytes()),
        _ => KeyFile::load(path),
    };
    match loaded {
        Ok(keys) => Ok(Some(keys)),
        Err(_) if !path.try_exists().unwrap_or(true) => Ok(None),
        Err(error) => Err(key_file(error)),
    }
}

pub(crate) fn absent(path: &Path) -> Failure {
    Failure::new(Code::Key, format!("there is no key file {}", path.display()))
        .known("key-file")
        .remedy("check the path")
}

/// Any failure of a key file is one of key access.
pub(crate) fn key_file(error: Error) -> Failure {
    let kind = error.kind();
    let is_locked = kind == ErrorKind::KeyAccess && error.to_string().contains(WRONG_PASSPHRASE);
    let failure = Failure::library("cannot use the key file", error).with_code(Code::Key);
    if is_locked {
        return failure.known("wrong-passphrase");
    }
    let failure = failure.known("key-file");
    match kind {
        ErrorKind::Format => {
            failure.remedy("name a file that `waxseal keygen` made, or restore it from its backup")
        }
        ErrorKind::KeyAccess => {
            failure.remedy("run that command, and think about who may have read the keys")
        }
        _ => failure,
    }
}

/// As the library says it, since the kind tells less.
const WRONG_PASSPHRASE: &str = "the passphrase is wrong";
