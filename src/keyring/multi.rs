//! Several wrapping keys for each data key, any one of which opens it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring::DataKey;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::keyring::MAX_WRAPPED_KEYS;
use crate::keyring::Standing;
use crate::keyring::WrappedKey;
use crate::secret::SecretKey;

/// Wraps each data key under several keyrings, any one of which opens it: a key in a second Region
/// or account, an offline recovery key.
///
/// Sealing asks all of them, and fails if one does: an object that its recovery key cannot open
/// would be noticed too late. Opening asks them in the order in which they were given. The next one
/// is asked when the one before fails, and also when it has not answered within
/// [`patience`](Self::patience); whichever succeeds first ends it. Each keyring is given all wrapped
/// keys and looks for its own, so that one that finds none answers at once, without a request.
///
/// An object holds 1 to 16 wrapped keys. The one-shot layout holds one, and so cannot be sealed
/// under several keyrings.
///
/// ```
/// # fn main() -> waxseal::Result<()> {
/// # let (daily, recovery) = (waxseal::KeyFile::generate()?, waxseal::KeyFile::generate()?);
/// use waxseal::{EnvelopeCipher, LocalKeyring, MultiKeyring};
///
/// let keyring = MultiKeyring::new(LocalKeyring::new(daily)).and(LocalKeyring::new(recovery));
/// let cipher = EnvelopeCipher::new(keyring);
/// # Ok(()) }
/// ```
///
/// # Panics
///
/// With more than one keyring, opening needs to run within a Tokio runtime that has its time
/// enabled.
#[derive(Clone, Debug)]
pub struct MultiKeyring {
    /// The first one generates. Never empty.
    keyrings: Vec<Arc<dyn Keyring>>,
    patience: Duration,
    at_once: usize,
}

impl MultiKeyring {
    /// A keyring whose data keys `generator` makes.
    pub fn new(generator: impl Keyring + 'static) -> Self {
        Self { keyrings: vec![Arc::new(generator)], patience: Duration::from_secs(2), at_once: 2 }
    }

    /// Wraps every data key under `keyring` as well.
    #[must_use]
    pub fn and(mut self, keyring: impl Keyring + 'static) -> Self {
        self.keyrings.push(Arc::new(keyring));
        self
    }

    /// How long opening waits for a keyring before it asks the next one too. 2 seconds by default.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// How many keyrings opening asks at once, at the most. 2 by default; 0 counts as 1.
    #[must_use]
    pub fn at_once(self, at_once: usize) -> Self {
        Self { at_once: at_once.max(1), ..self }
    }

    /// Before anybody is asked, since each of them wraps at least once.
    fn check_count(&self) -> Result<()> {
        if self.keyrings.len() > MAX_WRAPPED_KEYS { Err(too_many()) } else { Ok(()) }
    }
}

#[async_trait]
impl Keyring for MultiKeyring {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        self.check_count()?;
        let (generator, others) = self.keyrings.split_first().expect("there is a generator");
        let made = generator.generate_data_key(request).await?;
        let others = wrap_under(others, made.key(), request).await?;
        let all = joined(std::iter::once(made.wrapped().to_vec()).chain(others))?;
        Ok(DataKey::new(made.into_parts().0, all))
    }

    async fn wrap_data_key(
        &self,
        key: &SecretKey,
        request: &KeyRequest<'_>,
    ) -> Result<Vec<WrappedKey>> {
        self.check_count()?;
        joined(wrap_under(&self.keyrings, key, request).await?)
    }

    /// The best that any of them has.
    async fn standing(&self, wrapped: &WrappedKey) -> Result<Standing> {
        let all = self.keyrings.iter().map(|keyring| keyring.standing(wrapped));
        Ok(try_join_all(all).await?.into_iter().max().unwrap_or(Standing::Foreign))
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        let mut untried = self.keyrings.iter().enumerate();
        let mut asked = FuturesUnordered::new();
        let mut failures = Vec::with_capacity(self.keyrings.len());
        loop {
            // Here at the start, after a failure and when patience ran out: there is room for one.
            if let Some((i, keyring)) = untried.next() {
                asked.push(async move { (i, keyring.unwrap_data_key(wrapped, request).await) });
            }
            let answer = if asked.len() < self.at_once && untried.len() > 0 {
                timeout(self.patience, asked.next()).await
            } else {
                Ok(asked.next().await)
            };
            match answer {
                Ok(Some((_, Ok(key)))) => return Ok(key),
                Ok(Some((i, Err(error)))) => failures.push((i, error)),
                Ok(None) => return Err(none_opens(failures)),
                Err(_) => {}
            }
        }
    }
}

/// Asks all of `keyrings` at once. One that fails, or wraps nothing, fails the whole.
async fn wrap_under(
    keyrings: &[Arc<dyn Keyring>],
    key: &SecretKey,
    request: &KeyRequest<'_>,
) -> Result<Vec<Vec<WrappedKey>>> {
    try_join_all(keyrings.iter().map(|keyring| keyring.wrap_data_key(key, request))).await
}

fn joined(wrapped: impl IntoIterator<Item = Vec<WrappedKey>>) -> Result<Vec<WrappedKey>> {
    let mut all = vec![];
    for mut some in wrapped {
        if some.is_empty() {
            return Err(Error::new(ErrorKind::Keyring, "a keyring wrapped the data key in no way"));
        }
        all.append(&mut some);
    }
    if all.len() > MAX_WRAPPED_KEYS { Err(too_many()) } else { Ok(all) }
}

/// Of the kind that leaves the most hope, since a retry may help, and rather what a service
/// answered; with what each keyring said.
fn none_opens(mut failures: Vec<(usize, Error)>) -> Error {
    failures.sort_by_key(|&(i, _)| i);
    let answers: Vec<_> = failures.iter().map(|(i, e)| format!("{}: {e}", i + 1)).collect();
    let text = format!("no keyring of {} opens it; {}", failures.len(), answers.join("; "));
    let hope = |error: &Error| match error.kind() {
        ErrorKind::Keyring => 0,
        ErrorKind::Authentication => 1,
        ErrorKind::KeyAccess => 2,
        _ => 3,
    };
    let rank = |error: &Error| (hope(error), error.service_code().is_none());
    let first = failures.iter().map(|(_, error)| error).min_by_key(|error| rank(error));
    let first = first.expect("there is a keyring, and it failed").share().with_message(text);
    first.with_refusals(failures.iter().map(|(_, error)| error))
}

fn too_many() -> Error {
    Error::invalid_input(format!("an object holds at most {MAX_WRAPPED_KEYS} wrapped keys"))
}
