//! The limits of a cache.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::error::Result;
use crate::keyring::Keyring;
use crate::keyring::caching::CachingKeyring;
use crate::keyring::caching::Limits;
use crate::keyring::caching::Mutex;
use crate::keyring::caching::Shared;
use crate::keyring::caching::entries::Entries;

/// Settings of a [`CachingKeyring`]; see there what the limits mean.
#[derive(Debug)]
pub struct CachingKeyringBuilder {
    keyring: Arc<dyn Keyring>,
    max_age: Option<Duration>,
    max_objects: u64,
    max_bytes: Option<u64>,
    max_entries: usize,
}

impl CachingKeyringBuilder {
    pub(super) fn new(keyring: Arc<dyn Keyring>) -> Self {
        Self {
            keyring,
            max_age: None,
            max_objects: MAX_OBJECTS,
            max_bytes: None,
            max_entries: DEFAULT_MAX_ENTRIES,
        }
    }

    /// How long a data key is used, counted from when it was asked for: up to a day. Must be set.
    ///
    /// A revoked right to use the wrapping key takes effect here after so long at the latest.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..self }
    }

    /// How many objects are sealed with one data key: 1 to 2^32, which is the default.
    ///
    /// FLOE could seal many more safely: it derives keys for each object from 256 random bits. What
    /// speaks for less is that one data key in the wrong hands opens all of them.
    #[must_use]
    pub fn max_objects(self, max_objects: u64) -> Self {
        Self { max_objects, ..self }
    }

    /// How many bytes of plaintext are sealed with one data key. No limit by default.
    ///
    /// Counted is what is announced before an object is sealed, see
    /// [`Body::with_len`](crate::Body::with_len). An object of unknown length, or of more bytes,
    /// gets a data key of its own.
    #[must_use]
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes: Some(max_bytes), ..self }
    }

    /// How many data keys are kept, for sealing and opening together: at least 1; 1,000 by default.
    /// The one not used for longest gives way.
    #[must_use]
    pub fn max_entries(self, max_entries: usize) -> Self {
        Self { max_entries, ..self }
    }

    /// The cache, empty.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `max_age` is missing or a limit is outside its range.
    pub fn build(self) -> Result<CachingKeyring> {
        let max_age = self.max_age.ok_or_else(|| {
            Error::invalid_input("a cache of data keys needs a max_age, such as five minutes")
        })?;
        if max_age.is_zero() || max_age > MAX_AGE {
            return Err(Error::invalid_input("max_age is more than nothing and at most a day"));
        }
        if !(1..=MAX_OBJECTS).contains(&self.max_objects) {
            return Err(Error::invalid_input("max_objects is 1 to 2^32"));
        }
        if self.max_bytes == Some(0) || self.max_entries == 0 {
            return Err(Error::invalid_input("max_bytes and max_entries are at least 1"));
        }
        let limits = Limits {
            max_age,
            max_objects: self.max_objects,
            max_bytes: self.max_bytes,
            max_entries: self.max_entries,
        };
        let shared = Shared {
            keyring: self.keyring,
            limits,
            entries: Mutex::new(Entries::new(limits)),
            reaper: std::sync::Mutex::new(None),
            arrival: Arc::default(),
        };
        Ok(CachingKeyring { shared: Arc::new(shared), partition: "".into() })
    }
}

const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// What caches of the AWS Encryption SDK take by default.
const MAX_OBJECTS: u64 = 1 << 32;
const DEFAULT_MAX_ENTRIES: usize = 1_000;
