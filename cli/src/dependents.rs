//! Which objects open with which wrapping keys, as their envelopes say.
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
use crate::exit::Failure;
use crate::keys::KeyNames;
use crate::keys::Keys;
use crate::objects::Item;
use crate::objects::Items;
use crate::place::Place;

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
    /// Without the wanted keys these do not open.
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

/// Looks at all of `items`, 16 at a time, for those that open with `wanted`, in their order.
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
    let looked = items.map_ok(|item| look(aws, &s3, item)).try_buffered(AT_ONCE);
    let all = Dependents::default();
    let add = async |all: Dependents, looked| Ok(all.with(looked, wanted));
    looked.try_fold(all, add).await
}

/// An item, its stored bytes and its wrapped keys; `None` if it is not sealed.
struct Looked {
    item: Item,
    found: Result<(u64, Option<Vec<WrappedKey>>), Failure>,
}

async fn look(aws: &Aws, s3: &OnceCell<S3EncryptionClient>, item: Item) -> Result<Looked, Failure> {
    // Of what is not sealed; an object that was named, and not listed, does not say.
    let listed = match (&item.place, &item.listed) {
        (Place::Path(path), _) => path.metadata().map_or(0, |found| found.len()),
        (_, listed) => listed.as_ref().map_or(0, |listed| listed.size),
    };
    let found = match &item.place {
        Place::S3(name) => {
            let s3 = s3.get_or_try_init(|| client(aws)).await?;
            let options = item
                .version_id
                .iter()
                .fold(GetOptions::new(), |options, id| options.version_id(id));
            let head = s3.head_object(&name.bucket, &name.key, options).await;
            head.map(|head| (head.sealed_len(), head.envelope().clone()))
        }
        Place::Path(path) => of_file(path),
        Place::Stdio => unreachable!("`ObjectsArgs` lets no standard input pass"),
    };
    let found = match found {
        Ok((len, envelope)) => Ok((len, Some(envelope.wrapped_keys().to_vec()))),
        Err(error) if is_not_sealed(&error) => Ok((listed, None)),
        Err(error) => Err(Failure::library(format!("cannot inspect {}", item.place), error)),
    };
    Ok(Looked { item, found })
}

async fn client(aws: &Aws) -> Result<S3EncryptionClient, Failure> {
    Ok(S3EncryptionClient::new(aws.s3().await?, EnvelopeCipher::new(Keys::nothing())))
}

/// The length and envelope of a sealed file.
pub(crate) fn of_file(path: &Path) -> waxseal::Result<(u64, Envelope)> {
    let read = || {
        let file = std::fs::File::open(path)?;
        let len = file.metadata()?.len();
        let mut front = Vec::new();
        file.take(LONGEST_ENVELOPE).read_to_end(&mut front)?;
        Ok((len, front))
    };
    let (len, front) = read().map_err(|error: std::io::Error| {
        Error::new(ErrorKind::Store, "the file cannot be read").with_source(error)
    })?;
    let found = if front.is_empty() { None } else { Envelope::from_inline(&front)? };
    let (envelope, _) = found.ok_or_else(|| Error::new(ErrorKind::Format, NOT_SEALED))?;
    Ok((len, envelope))
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
        let (bytes, wrapped) = match found {
            Ok((bytes, Some(wrapped))) => (bytes, wrapped),
            Ok((bytes, None)) => {
                self.not_sealed.add(bytes);
                return self;
            }
            Err(failure) => {
                self.failed.push((object, failure));
                return self;
            }
        };
        self.sealed.add(bytes);
        let is_other = |wrapped: &&WrappedKey| !wanted.iter().any(|names| names.have(wrapped));
        let others = wrapped.iter().filter(is_other).map(KeyName::of).collect();
        let mut names: Vec<_> = wrapped.iter().map(KeyName::of).collect();
        names.sort();
        names.dedup();
        names.into_iter().for_each(|name| self.keys.entry(name).or_default().add(bytes));
        if let Some(list) = self.list_for(&wrapped, wanted) {
            list.push(Dependent { object, version_id: item.version_id, bytes, others });
        }
        self
    }

    fn list_for(
        &mut self,
        wrapped: &[WrappedKey],
        wanted: &[KeyNames],
    ) -> Option<&mut Vec<Dependent>> {
        let is_wanted = |wrapped: &WrappedKey| wanted.iter().any(|names| names.have(wrapped));
        if wanted.is_empty() {
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
