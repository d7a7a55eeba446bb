//! Wrapped keys replaced by ones under other wrapping keys; the data key stays.

#[cfg(feature = "kms")]
use std::any::Any;
use std::sync::Arc;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::keyring::MAX_WRAPPED_KEYS;
use crate::keyring::WrappedKey;
#[cfg(feature = "kms")]
use crate::keyring::kms;
use crate::keyring::names_of;
use crate::secret::SecretKey;

/// What a keyring has to do with a wrapped key, by the name that is stored with it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// None of this keyring's wrapping keys is named.
    Foreign,
    /// The keyring would open it, but wraps new data keys under another key; or no key is named.
    Opens,
    /// It is under a key under which the keyring wraps new data keys.
    Current,
}

/// From which wrapping keys to which an object is to go: re-wrapping.
///
/// The data key of the object stays, and with it every byte of its body; only the wrapped keys in
/// its envelope change. What the old keys open goes, and the data key is wrapped under each of the
/// new keys instead; wrapped keys of others, such as a recovery key, stay. An object under the new
/// keys and none of the old ones is done, so that an interrupted run is continued by running it
/// again.
///
/// Between two [`KmsKeyring`](crate::KmsKeyring)s of one Region KMS does it by ReEncrypt, through
/// the client of the old one: the data key never leaves KMS, and the caller needs
/// `kms:ReEncryptFrom` with the old key and `kms:ReEncryptTo` with the new one instead of
/// `kms:Decrypt`. Anything else is unwrapped here, and wrapped anew once it is known to be the key
/// of the object's header. So is the data key of an object of which more than one wrapped key goes
/// (`kms:Decrypt` with the old key, `kms:Encrypt` with the new one): ReEncrypt cannot tell which of
/// them opens it. A `KmsKeyring` within another keyring is not seen as one.
///
/// Re-wrapping takes the object from the old keys, not from those who had its data key: whoever
/// opened it may have kept that. To lock them out, seal it again.
///
/// Objects in S3 have `S3EncryptionClient::rewrap_object`; bytes and files:
///
/// ```
/// # #[tokio::main] async fn main() -> waxseal::Result<()> {
/// use waxseal::{EncryptionContext, EnvelopeCipher, KeyFile, LocalKeyring, Rewrap};
///
/// let (old, new) = (KeyFile::generate()?, KeyFile::generate()?);
/// let (old, new) = (LocalKeyring::new(old), LocalKeyring::new(new));
/// let context = EncryptionContext::from([("tenant", "acme")]);
/// let cipher = EnvelopeCipher::new(old.clone());
/// let sealed = cipher.seal(b"attack at dawn", &context).await?;
///
/// let rewrap = Rewrap::new(old, new.clone());
/// if let Some(front) = cipher.rewrap_inline(&sealed, &context, &rewrap).await? {
///     let moved = [front.envelope(), &sealed[front.replaces()..]].concat();
///     assert_eq!(EnvelopeCipher::new(new).open(&moved, &context).await?, "attack at dawn");
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Rewrap {
    from: Vec<End>,
    to: Vec<End>,
    keeps: bool,
    again: bool,
}

/// One keyring, and whether KMS can do its part.
#[derive(Clone, Debug)]
struct End {
    keyring: Arc<dyn Keyring>,
    #[cfg(feature = "kms")]
    kms: Option<kms::KmsKeyring>,
}

/// What re-wrapping made of an object's wrapped keys.
#[derive(Clone, Debug)]
pub struct Rewrapped {
    wrapped: Vec<WrappedKey>,
    added: Vec<WrappedKey>,
    removed: Vec<WrappedKey>,
    was_unwrapped: bool,
}

impl Rewrap {
    /// From what the keyring `from` opens to the keys of `to`.
    pub fn new(from: impl Keyring + 'static, to: impl Keyring + 'static) -> Self {
        let (from, to) = (vec![End::new(from)], vec![End::new(to)]);
        Self { from, to, keeps: false, again: false }
    }

    /// Also from what `from` opens.
    #[must_use]
    pub fn and_from(mut self, from: impl Keyring + 'static) -> Self {
        self.from.push(End::new(from));
        self
    }

    /// Also to the keys of `to`.
    #[must_use]
    pub fn and_to(mut self, to: impl Keyring + 'static) -> Self {
        self.to.push(End::new(to));
        self
    }

    /// Keeps what the old keys open, and adds the new keys: to let others open the object too.
    #[must_use]
    pub fn keep(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// Wraps anew what is under a key that is both old and new: to bring it under the newest key
    /// material of a KMS key that was rotated. An envelope does not tell material from material,
    /// so no object counts as done.
    #[must_use]
    pub fn again(self) -> Self {
        Self { again: true, ..self }
    }

    /// The wrapped keys to store instead of `wrapped`; `None` if they are as they should be.
    ///
    /// `check` tells whether an unwrapped key is that of the object.
    pub(crate) async fn apply(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
        check: &(dyn Fn(&SecretKey) -> Result<()> + Sync),
    ) -> Result<Option<Rewrapped>> {
        let places = self.places(wrapped).await?;
        let is_old = |place: &Place| {
            place.opener.is_some() && (!place.is_current() || self.again || self.keeps)
        };
        let missing = self.missing(&places);
        if !places.iter().any(is_old) || (self.keeps && missing.is_empty()) {
            return if missing.is_empty() { Ok(None) } else { Err(self.no_match(wrapped)) };
        }
        if wrapped.iter().any(|wrapped| wrapped.key_id().is_none())
            && (self.keeps || self.to.len() > 1)
        {
            return Err(Error::invalid_input("the one-shot layout stores one wrapped key"));
        }
        // All of them, even if there is one already: what an envelope says is not believed where
        // the only key that is known to open the object is taken away.
        let to: Vec<_> = if self.keeps { missing } else { self.to.iter().collect() };
        let stays = |place: &&Place| self.keeps || !(is_old(place) || place.is_current());
        let kept: Vec<_> = places.iter().filter(stays).map(|place| place.wrapped.clone()).collect();
        if kept.len() + to.len() > MAX_WRAPPED_KEYS {
            return Err(too_many());
        }
        let mut opened = Opened {
            request,
            check,
            // One of several may be of another object, and only the header tells; of a single one
            // nothing is lost that was not lost before.
            #[cfg(feature = "kms")]
            by_kms: places.len() - kept.len() <= 1,
            key: None,
        };
        let mut added = vec![];
        for to in to {
            match opened.wrap_under(to, &places).await {
                Ok(mut some) => added.append(&mut some),
                Err(error) if self.is_done(&error, wrapped, request).await => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let removed = places.iter().filter(|place| !stays(place));
        let removed: Vec<_> = removed.map(|place| place.wrapped.clone()).collect();
        let first = places.iter().position(|place| !stays(&place)).unwrap_or(places.len());
        let mut all = kept;
        let first = first.min(all.len());
        all.splice(first..first, added.iter().cloned());
        if all.len() > MAX_WRAPPED_KEYS {
            return Err(too_many());
        }
        let was_unwrapped = opened.key.is_some();
        Ok(Some(Rewrapped { wrapped: all, added, removed, was_unwrapped }))
    }

    /// What the keyrings have to do with each wrapped key.
    async fn places<'a>(&'a self, wrapped: &'a [WrappedKey]) -> Result<Vec<Place<'a>>> {
        let mut places = Vec::with_capacity(wrapped.len());
        for wrapped in wrapped {
            let mut opener = None;
            for from in &self.from {
                if opener.is_none() && from.keyring.standing(wrapped).await? > Standing::Foreign {
                    opener = Some(from);
                }
            }
            let mut current = Vec::with_capacity(self.to.len());
            for to in &self.to {
                current.push(to.keyring.standing(wrapped).await? == Standing::Current);
            }
            places.push(Place { wrapped, opener, current });
        }
        Ok(places)
    }

    /// The new keys under which nothing is wrapped yet.
    fn missing(&self, places: &[Place<'_>]) -> Vec<&End> {
        let is_missing = |&(i, _): &(usize, _)| !places.iter().any(|place| place.current[i]);
        self.to.iter().enumerate().filter(is_missing).map(|(_, end)| end).collect()
    }

    /// Whether what the old keys do not open is under the new key: where no key is named, only
    /// trying tells.
    async fn is_done(
        &self,
        error: &Error,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> bool {
        let ([wrapped], [to]) = (wrapped, &*self.to) else { return false };
        if error.kind() != ErrorKind::Authentication || wrapped.key_id().is_some() {
            return false;
        }
        #[cfg(feature = "kms")]
        if let Some(kms) = &to.kms {
            return kms.re_encrypt(wrapped, kms, request.context()).await.is_ok();
        }
        to.keyring.unwrap_data_key(std::slice::from_ref(wrapped), request).await.is_ok()
    }

    fn no_match(&self, wrapped: &[WrappedKey]) -> Error {
        let text = format!("sealed under {}, which none of the old keys is", names_of(wrapped));
        Error::new(ErrorKind::KeyAccess, text)
    }
}

impl Rewrapped {
    /// All wrapped keys of the object now.
    pub fn wrapped_keys(&self) -> &[WrappedKey] {
        &self.wrapped
    }

    /// Those that were made.
    pub fn added(&self) -> &[WrappedKey] {
        &self.added
    }

    /// Those that are gone.
    pub fn removed(&self) -> &[WrappedKey] {
        &self.removed
    }

    /// Whether the data key was unwrapped here. Otherwise it never left KMS.
    pub fn was_unwrapped(&self) -> bool {
        self.was_unwrapped
    }
}

/// A wrapped key, and who has to do with it.
struct Place<'a> {
    wrapped: &'a WrappedKey,
    /// The first of the old keyrings that would open it.
    opener: Option<&'a End>,
    /// For each of the new keyrings, whether it is wrapped as that would.
    current: Vec<bool>,
}

impl Place<'_> {
    fn is_current(&self) -> bool {
        self.current.contains(&true)
    }
}

/// The data key, from whichever wrapped key gives it first.
struct Opened<'a> {
    request: &'a KeyRequest<'a>,
    check: &'a (dyn Fn(&SecretKey) -> Result<()> + Sync),
    /// Whether KMS may do it unseen, where it can.
    #[cfg(feature = "kms")]
    by_kms: bool,
    /// Once it was needed here.
    key: Option<SecretKey>,
}

impl Opened<'_> {
    /// Tries every wrapped key that the old keyrings would open: one of them may be of a key that
    /// is gone.
    async fn wrap_under(&mut self, to: &End, places: &[Place<'_>]) -> Result<Vec<WrappedKey>> {
        let mut failed = None;
        for Place { wrapped, opener, .. } in places {
            let Some(from) = opener else { continue };
            match self.wrap_from(from, wrapped, to).await {
                Ok(made) if made.is_empty() => {
                    let text = "a keyring wrapped the data key in no way";
                    return Err(Error::new(ErrorKind::Keyring, text));
                }
                Err(error) if is_of_key(&error) => failed = failed.or(Some(error)),
                done => return done,
            }
        }
        Err(failed.expect("there is an opener, and it failed"))
    }

    async fn wrap_from(
        &mut self,
        from: &End,
        wrapped: &WrappedKey,
        to: &End,
    ) -> Result<Vec<WrappedKey>> {
        #[cfg(feature = "kms")]
        if self.by_kms
            && let (Some(from), Some(to)) = (&from.kms, &to.kms)
            && from.shares_region_with(to)
        {
            return Ok(vec![from.re_encrypt(wrapped, to, self.request.context()).await?]);
        }
        let key = match self.key.take() {
            Some(key) => key,
            None => {
                let wrapped = std::slice::from_ref(wrapped);
                let key = from.keyring.unwrap_data_key(wrapped, self.request).await?;
                (self.check)(&key)?;
                key
            }
        };
        let made = to.keyring.wrap_data_key(&key, self.request).await;
        self.key = Some(key);
        made
    }
}

impl End {
    fn new(keyring: impl Keyring + 'static) -> Self {
        Self {
            #[cfg(feature = "kms")]
            kms: (&keyring as &dyn Any).downcast_ref::<kms::KmsKeyring>().cloned(),
            keyring: Arc::new(keyring),
        }
    }
}

/// Whether another wrapped key may still do.
fn is_of_key(error: &Error) -> bool {
    let kinds = [ErrorKind::Authentication, ErrorKind::KeyAccess, ErrorKind::Keyring];
    kinds.contains(&error.kind())
}

fn too_many() -> Error {
    Error::invalid_input(format!("an object holds at most {MAX_WRAPPED_KEYS} wrapped keys"))
}
