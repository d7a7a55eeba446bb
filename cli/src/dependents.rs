//! Which objects open with which wrapping keys, as their envelopes and S3 say.
//!
//! Needs no key, and so verifies nothing: whoever can write an object can have made it name others.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use futures_util::TryStreamExt as _;
use serde::Serialize;
use tokio::sync::OnceCell;
use waxseal::Envelope;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::GetOptions;
use waxseal::S3EncryptionClient;
use waxseal::WrappedKey;

use crate::aws::Aws;
use crate::aws::failed;
use crate::exit::Failure;
use crate::keys::KeyNames;
use crate::keys::Keys;
use crate::objects::Item;
use crate::objects::Items;
use crate::place::Place;
use crate::place::S3Name;
use crate::sealed_file::open_regular;

/// A wrapping key as envelopes name it; both are `None` in the one-shot layout, which names none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct KeyName {
    pub(crate) provider: Option<String>,
    pub(crate) key_id: Option<String>,
}

/// How many objects, and the sum of their stored bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// An object that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Dependent {
    pub(crate) object: String,
    pub(crate) version_id: Option<String>,
    /// Stored bytes.
    pub(crate) bytes: u64,
    /// S3 itself encrypted it with a wanted key, and gives it to nobody without.
    pub(crate) encrypted_by_s3: bool,
    /// The keys that open it and are not wanted.
    #[serde(skip)]
    pub(crate) others: Vec<KeyName>,
}

/// What became of the search.
///
/// An object can be called free of a key only if it is in none of `only`, `also`, `unnamed` and
/// `failed`.
#[derive(Debug, Default)]
pub(crate) struct Dependents {
    /// Each wrapping key that was found. An object counts with every one of its keys.
    pub(crate) keys: BTreeMap<KeyName, Tally>,
    /// Without the wanted keys these do not open, or S3 does not give them.
    pub(crate) only: Vec<Dependent>,
    /// These open with a wanted key, and with another one.
    pub(crate) also: Vec<Dependent>,
    /// These do not say which key they need.
    pub(crate) unnamed: Vec<Dependent>,
    pub(crate) sealed: Tally,
    pub(crate) not_sealed: Tally,
    /// Objects that could not be looked at, by name.
    pub(crate) failed: Vec<(String, Failure)>,
}

/// Looks at all of `items`, 16 at a time, for those that open with `wanted`, in their order, or
/// that S3 encrypted with it, sealed or not.
///
/// With nothing wanted it only counts. An object that cannot be looked at does not end it.
///
/// # Errors
///
/// Those of `items`, and `Code::Store` if AWS is not configured.
pub(crate) async fn dependents(
    aws: &Aws,
    items: Items<'_>,
    wanted: &[KeyNames],
) -> Result<Dependents, Failure> {
    let s3 = OnceCell::new();
    let asks_s3 = wanted.iter().any(KeyNames::are_of_kms);
    let looked = items.map_ok(|item| look(aws, &s3, item, asks_s3)).try_buffered(AT_ONCE);
    let all = Dependents::default();
    let add = async |all: Dependents, looked| Ok(all.with(looked, wanted));
    looked.try_fold(all, add).await
}

struct Looked {
    item: Item,
    found: Result<Found, Failure>,
}

struct Found {
    /// Stored bytes.
    bytes: u64,
    /// `None` if it is not sealed.
    wrapped: Option<Vec<WrappedKey>>,
    /// With what S3 encrypted it.
    sse_key: Option<String>,
}

/// `asks_s3` for what encrypted an object that is not sealed, which takes another request.
async fn look(
    aws: &Aws,
    s3: &OnceCell<Clients>,
    item: Item,
    asks_s3: bool,
) -> Result<Looked, Failure> {
    let found = match &item.place {
        Place::S3(name) => {
            let s3 = s3.get_or_try_init(|| Clients::new(aws)).await?;
            s3.look(name, &item, asks_s3).await
        }
        Place::Path(path) => of_file(path).map_err(|e| cannot(&item, e)),
        Place::Stdio => unreachable!("`ObjectsArgs` lets no standard input pass"),
    };
    Ok(Looked { item, found })
}

fn cannot(item: &Item, error: Error) -> Failure {
    Failure::library(format!("cannot inspect {}", item.place), error)
}

/// One for what is sealed, and one for what is not.
struct Clients {
    sealed: S3EncryptionClient,
    plain: aws_sdk_s3::Client,
}

impl Clients {
    async fn new(aws: &Aws) -> Result<Self, Failure> {
        let plain = aws.s3().await?;
        let nothing = EnvelopeCipher::new(Keys::nothing());
        Ok(Self { sealed: S3EncryptionClient::new(plain.clone(), nothing), plain })
    }

    async fn look(&self, name: &S3Name, item: &Item, asks_s3: bool) -> Result<Found, Failure> {
        let version = item.version_id.iter();
        let options = version.fold(GetOptions::new(), |options, id| options.version_id(id));
        match self.sealed.head_object(&name.bucket, &name.key, options).await {
            Ok(head) => Ok(Found {
                bytes: head.sealed_len(),
                wrapped: Some(head.envelope().wrapped_keys().to_vec()),
                sse_key: head.reply().ssekms_key_id().map(str::to_owned),
            }),
            Err(error) if is_not_sealed(&error) => {
                // One that was named, and not listed, does not say.
                let bytes = item.listed.as_ref().map_or(0, |listed| listed.size);
                let sse_key = if asks_s3 { self.sse_key(name, item).await? } else { None };
                Ok(Found { bytes, wrapped: None, sse_key })
            }
            Err(error) => Err(cannot(item, error)),
        }
    }

    async fn sse_key(&self, name: &S3Name, item: &Item) -> Result<Option<String>, Failure> {
        let head = self.plain.head_object().bucket(&name.bucket).key(&name.key);
        let head = head.set_version_id(item.version_id.clone()).send().await;
        let what = || format!("cannot inspect {}", item.place);
        let head = head.map_err(|e| failed(what(), ErrorKind::Store, "S3 HeadObject", e))?;
        Ok(head.ssekms_key_id)
    }
}

fn of_file(path: &Path) -> waxseal::Result<Found> {
    let read = || {
        let file = open_regular(path)?;
        let len = file.metadata()?.len();
        let mut front = Vec::new();
        file.take(LONGEST_ENVELOPE).read_to_end(&mut front)?;
        Ok((len, front))
    };
    let (bytes, front) = read().map_err(|error: std::io::Error| {
        Error::new(ErrorKind::Store, "the file cannot be read").with_source(error)
    })?;
    let envelope = match Envelope::from_inline(&front) {
        _ if front.is_empty() => None,
        Ok(Some((envelope, _))) => Some(envelope),
        Ok(None) => return Err(Error::new(ErrorKind::Format, "it ends within its envelope")),
        Err(error) if is_not_sealed(&error) => None,
        Err(error) => return Err(error),
    };
    let wrapped = envelope.map(|envelope| envelope.wrapped_keys().to_vec());
    Ok(Found { bytes, wrapped, sse_key: None })
}

/// Whether there is no sign of an envelope. One that is damaged, or of another version, is a
/// failure: what it depends on is not known.
pub(crate) fn is_not_sealed(error: &Error) -> bool {
    let text = error.to_string();
    (error.kind() == ErrorKind::Format && text == NOT_SEALED)
        || (error.kind() == ErrorKind::Authentication && text.ends_with(EMPTY))
}

impl Dependents {
    fn with(mut self, looked: Looked, wanted: &[KeyNames]) -> Self {
        let Looked { item, found } = looked;
        let object = item.place.to_string();
        let Found { bytes, wrapped, sse_key } = match found {
            Ok(found) => found,
            Err(failure) => {
                self.failed.push((object, failure));
                return self;
            }
        };
        if wrapped.is_some() { &mut self.sealed } else { &mut self.not_sealed }.add(bytes);
        let wrapped = wrapped.unwrap_or_default();
        let encrypted_by_s3 =
            sse_key.is_some_and(|key| wanted.iter().any(|names| names.have_sse_key(&key)));
        let is_other = |wrapped: &&WrappedKey| !wanted.iter().any(|names| names.have(wrapped));
        let others = wrapped.iter().filter(is_other).map(KeyName::of).collect();
        let mut names: Vec<_> = wrapped.iter().map(KeyName::of).collect();
        names.sort();
        names.dedup();
        names.into_iter().for_each(|name| self.keys.entry(name).or_default().add(bytes));
        let list = match encrypted_by_s3 {
            true => Some(&mut self.only),
            false => self.list_for(&wrapped, wanted),
        };
        if let Some(list) = list {
            let version_id = item.version_id;
            list.push(Dependent { object, version_id, bytes, encrypted_by_s3, others });
        }
        self
    }

    fn list_for(
        &mut self,
        wrapped: &[WrappedKey],
        wanted: &[KeyNames],
    ) -> Option<&mut Vec<Dependent>> {
        let is_wanted = |wrapped: &WrappedKey| wanted.iter().any(|names| names.have(wrapped));
        if wanted.is_empty() || wrapped.is_empty() {
            None
        } else if wrapped.iter().any(|wrapped| wrapped.key_id().is_none()) {
            Some(&mut self.unnamed)
        } else if wrapped.iter().all(is_wanted) {
            Some(&mut self.only)
        } else {
            wrapped.iter().any(is_wanted).then_some(&mut self.also)
        }
    }
}

impl Dependent {
    /// How a report names it, and why: `opens` unless S3 needs the key.
    pub(crate) fn why<'a>(&self, opens: &'a str) -> &'a str {
        if self.encrypted_by_s3 { "encrypted by S3 with it" } else { opens }
    }
}

impl KeyName {
    pub(crate) fn of(wrapped: &WrappedKey) -> Self {
        let provider = Some(wrapped.provider().to_owned()).filter(|text| !text.is_empty());
        Self { provider, key_id: wrapped.key_id().map(str::to_owned) }
    }
}

impl Tally {
    fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

/// Requests under way.
const AT_ONCE: usize = 16;
const LONGEST_ENVELOPE: u64 = 64 << 10;
/// As the library says it.
const NOT_SEALED: &str = "not a sealed object";
const EMPTY: &str = "is empty: not sealed, or cut";
