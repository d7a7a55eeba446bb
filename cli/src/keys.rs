//! Wrapping keys: from `--key` to a keyring.

use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use async_trait::async_trait;
use etcetera::BaseStrategy as _;
use waxseal::DataKey;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::KmsKeyring;
use waxseal::LocalKeyring;
use waxseal::SecretKey;
use waxseal::WrappedKey;

use crate::aws::Aws;
use crate::exit::Code;
use crate::exit::Failure;
use crate::progress::note;

/// What `--key` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySpec {
    AwsKms(String),
    /// A key file; without a path the one in the user's config folder.
    Local(Option<PathBuf>),
}

impl FromStr for KeySpec {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "local" => Ok(Self::Local(None)),
            Some(("local", path)) if !path.is_empty() => Ok(Self::Local(Some(path.into()))),
            Some(("aws-kms", id)) if !id.is_empty() => Ok(Self::AwsKms(id.to_owned())),
            _ => Err("want local, local:PATH or aws-kms:ID"),
        }
    }
}

/// The keyring that `--key` names. Remembers what to try when an object names another key.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    source: Source,
    remedy: Arc<Mutex<Option<String>>>,
}

#[derive(Clone, Debug)]
enum Source {
    /// No key file is there. One is made at the first sealing, but never to open.
    Absent(PathBuf),
    Kms(KmsKeyring),
    Local(LocalKeyring),
    /// For what needs no key.
    Nothing,
}

impl Keys {
    /// # Errors
    ///
    /// `Code::Key` if the key file cannot be used or AWS is not configured.
    pub(crate) async fn new(spec: &KeySpec, aws: &Aws) -> Result<Self, Failure> {
        let source = match spec {
            KeySpec::AwsKms(id) => Source::Kms(KmsKeyring::new(aws.kms().await?, id.clone())),
            KeySpec::Local(Some(path)) => match load(path)? {
                Some(keys) => Source::Local(keys.into()),
                // Not made: a mistyped path or an unmounted disk must not look like a new key.
                None => return Err(absent(path).and("or make a new one with `waxseal keygen`")),
            },
            KeySpec::Local(None) => {
                let path = default_path()?;
                match load(&path)? {
                    Some(keys) => Source::Local(keys.into()),
                    None => Source::Absent(path),
                }
            }
        };
        Ok(Self { source, remedy: Arc::default() })
    }

    pub(crate) fn nothing() -> Self {
        Self { source: Source::Nothing, remedy: Arc::default() }
    }

    /// The failure of a call of the library that used these keys.
    pub(crate) fn failure(&self, what: impl Into<String>, error: Error) -> Failure {
        let is_key = error.kind() == ErrorKind::KeyAccess;
        let failure = Failure::library(what, error);
        let remedy = self.remedy.lock().unwrap_or_else(PoisonError::into_inner).take();
        match remedy {
            Some(remedy) if is_key => failure.remedy(remedy),
            _ => failure,
        }
    }
}

#[async_trait]
impl Keyring for Keys {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> waxseal::Result<DataKey> {
        match &self.source {
            Source::Absent(path) => {
                let keys = create(path).map_err(|error| {
                    Error::new(ErrorKind::KeyAccess, "there is no key to seal with")
                        .with_source(error)
                })?;
                LocalKeyring::new(keys).generate_data_key(request).await
            }
            Source::Kms(keyring) => keyring.generate_data_key(request).await,
            Source::Local(keyring) => keyring.generate_data_key(request).await,
            Source::Nothing => Err(no_key()),
        }
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> waxseal::Result<SecretKey> {
        let done = match &self.source {
            Source::Absent(path) => Err(Error::new(
                ErrorKind::KeyAccess,
                format!(
                    "sealed under {}, and there is no key file {}",
                    names(wrapped),
                    path.display()
                ),
            )),
            Source::Kms(keyring) => keyring.unwrap_data_key(wrapped, request).await,
            Source::Local(keyring) => keyring.unwrap_data_key(wrapped, request).await,
            Source::Nothing => Err(no_key()),
        };
        let own = if matches!(self.source, Source::Kms(_)) { AWS_KMS } else { LOCAL };
        if let (Err(_), Some(remedy)) = (&done, other_key(own, wrapped)) {
            *self.remedy.lock().unwrap_or_else(PoisonError::into_inner) = Some(remedy);
        }
        done
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
fn create(path: &Path) -> waxseal::Result<KeyFile> {
    let failed = |error| {
        let what = format!("cannot make the key file {}", path.display());
        Error::new(ErrorKind::KeyAccess, what).with_source(error)
    };
    make_folder(path).map_err(failed)?;
    let keys = KeyFile::generate()?;
    if let Err(error) = keys.create(path) {
        return KeyFile::load(path).map_err(|_| error);
    }
    note(format_args!(
        "made the key file {} with the key {}; back it up: if it is lost, so is all it sealed",
        path.display(),
        keys.current().0
    ));
    Ok(keys)
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

/// The key file at `path`, or `None` if there is none.
pub(crate) fn load(path: &Path) -> Result<Option<KeyFile>, Failure> {
    match KeyFile::load(path) {
        Ok(keys) => Ok(Some(keys)),
        Err(_) if !path.try_exists().unwrap_or(true) => Ok(None),
        Err(error) => Err(key_file(error)),
    }
}

pub(crate) fn absent(path: &Path) -> Failure {
    Failure::new(Code::Key, format!("there is no key file {}", path.display()))
        .remedy("check the path")
}

/// Any failure of a key file is one of key access.
pub(crate) fn key_file(error: Error) -> Failure {
    let remedy = match error.kind() {
        ErrorKind::Format => {
            "name a file that `waxseal keygen` made, or restore it from its backup"
        }
        ErrorKind::KeyAccess => "run that command, and think about who may have read the keys",
        _ => "check the path and its permissions",
    };
    Failure::library("cannot use the key file", error).with_code(Code::Key).remedy(remedy)
}

/// What to say if these wrapped keys are for another key than `own` can be.
fn other_key(own: &str, wrapped: &[WrappedKey]) -> Option<String> {
    let named = |provider: &str| {
        wrapped.iter().find(|w| w.provider() == provider).and_then(WrappedKey::key_id)
    };
    match (named(AWS_KMS), named(LOCAL)) {
        (_, Some(id)) if own == LOCAL => {
            Some(format!("name the key file that holds the key {id}: --key local:PATH"))
        }
        (Some(arn), _) => Some(format!("use --key {AWS_KMS}:{arn}")),
        (None, Some(id)) => {
            Some(format!("use --key local or local:PATH, the key file that holds the key {id}"))
        }
        (None, None) => None,
    }
}

fn names(wrapped: &[WrappedKey]) -> String {
    let name = |w: &WrappedKey| format!("{} {}", w.provider(), w.key_id().unwrap_or("(unnamed)"));
    wrapped.iter().map(name).collect::<Vec<_>>().join(" and ")
}

fn no_key() -> Error {
    Error::new(ErrorKind::KeyAccess, "this command uses no key")
}

/// As the library's keyrings name themselves in envelopes.
const AWS_KMS: &str = "aws-kms";
const LOCAL: &str = "local";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/1";
        assert_eq!("local".parse(), Ok(KeySpec::Local(None)));
        assert_eq!("local:a:b".parse(), Ok(KeySpec::Local(Some("a:b".into()))));
        assert_eq!(format!("aws-kms:{arn}").parse(), Ok(KeySpec::AwsKms(arn.into())));
        for bad in ["", "local:", "aws-kms", "aws-kms:", "alias/x", "kms:x", "Local"] {
            assert!(bad.parse::<KeySpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_remedy_names_the_key_that_is_needed() {
        let kms = WrappedKey::new("aws-kms", "arn:1", [1]).unwrap();
        let local = WrappedKey::new("local", "ab12", [1]).unwrap();
        let remedy = |own, wrapped: &[&WrappedKey]| {
            other_key(own, &wrapped.iter().map(|w| (*w).clone()).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(remedy(LOCAL, &[&kms]), "use --key aws-kms:arn:1");
        assert_eq!(remedy(AWS_KMS, &[&kms]), "use --key aws-kms:arn:1");
        assert!(remedy(AWS_KMS, &[&local]).contains("use --key local or local:PATH"));
        assert!(remedy(LOCAL, &[&local]).contains("holds the key ab12"));
    }
}
