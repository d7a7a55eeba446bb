//! What a reader accepts.

use std::ops::RangeInclusive;

use crate::context::EncryptionContext;
use crate::envelope::Envelope;
use crate::envelope::Format;
use crate::error::Error;
use crate::error::Result;
use crate::keyring::MAX_WRAPPED_KEYS;
use crate::oneshot;

/// What is accepted when opening. Checked before any key is asked for.
///
/// ```
/// use waxseal::{Format, ReadPolicy};
///
/// let policy = ReadPolicy::default()
///     .formats([Format::Floe])            // nothing without key commitment
///     .exact_context(true)                // no stored pair that the caller did not give
///     .max_wrapped_keys(2);
/// ```
#[derive(Clone, Debug)]
pub struct ReadPolicy {
    formats: Vec<Format>,
    segment_len: RangeInclusive<u32>,
    exact_context: bool,
    max_wrapped_keys: usize,
    max_one_shot_len: u64,
}

/// Every format; segments of 4 KiB to 16 MiB; further pairs in the stored context; 16 wrapped
/// keys; one-shot objects up to 64 MiB.
impl Default for ReadPolicy {
    fn default() -> Self {
        Self {
            formats: vec![Format::Floe, Format::OneShot],
            segment_len: 4 << 10..=16 << 20,
            exact_context: false,
            max_wrapped_keys: MAX_WRAPPED_KEYS,
            max_one_shot_len: (oneshot::MAX_PLAIN_LEN + oneshot::OVERHEAD) as u64,
        }
    }
}

impl ReadPolicy {
    /// Accepts these formats only.
    #[must_use]
    pub fn formats(self, formats: impl IntoIterator<Item = Format>) -> Self {
        Self { formats: formats.into_iter().collect(), ..self }
    }

    /// Accepts encrypted segments of these lengths in bytes. A segment is held in memory, so the
    /// upper end bounds what a stored header can make a reader allocate.
    #[must_use]
    pub fn segment_lens(self, segment_len: RangeInclusive<u32>) -> Self {
        Self { segment_len, ..self }
    }

    /// Whether the stored context must hold no pair that the caller did not give.
    #[must_use]
    pub fn exact_context(self, exact_context: bool) -> Self {
        Self { exact_context, ..self }
    }

    /// Accepts at most this many wrapped keys; an envelope holds 1 to 16. Each may cost a call.
    #[must_use]
    pub fn max_wrapped_keys(self, max_wrapped_keys: usize) -> Self {
        Self { max_wrapped_keys, ..self }
    }

    /// Accepts one-shot objects of at most this many stored bytes, held in memory whole.
    #[must_use]
    pub fn max_one_shot_len(self, max_one_shot_len: u64) -> Self {
        Self { max_one_shot_len, ..self }
    }

    /// Everything about an envelope that needs no key.
    pub(super) fn check(&self, envelope: &Envelope, given: &EncryptionContext) -> Result<()> {
        given.encode()?; // for its limits
        if !self.formats.contains(&envelope.format()) {
            return Err(Error::format("the read policy does not accept this format"));
        }
        if envelope.wrapped_keys().len() > self.max_wrapped_keys {
            return Err(Error::format("more wrapped keys than the read policy accepts"));
        }
        let Some(stored) = envelope.context() else { return Ok(()) };
        if given.is_subset_of(stored) && (!self.exact_context || given == stored) {
            return Ok(());
        }
        Err(Error::authentication("the object was sealed with another encryption context"))
    }

    pub(super) fn check_segment_len(&self, segment_len: u32) -> Result<()> {
        if self.segment_len.contains(&segment_len) {
            return Ok(());
        }
        Err(Error::format(format!(
            "segments of {segment_len} bytes; the read policy accepts {} to {}",
            self.segment_len.start(),
            self.segment_len.end()
        )))
    }

    /// What is written must be readable.
    pub(super) fn check_written_segment_len(&self, segment_len: u32) -> Result<()> {
        self.check_segment_len(segment_len).map_err(|e| {
            Error::invalid_input("the segment length could not be read back").with_source(e)
        })
    }

    pub(super) fn check_one_shot_len(&self, sealed_len: u64) -> Result<()> {
        if sealed_len <= self.max_one_shot_len {
            return Ok(());
        }
        Err(Error::format(format!(
            "a one-shot object of {sealed_len} bytes; the read policy accepts {}",
            self.max_one_shot_len
        )))
    }
}
