//! Wrapping the data key of a sealed object anew.

use crate::cipher::EnvelopeCipher;
use crate::cipher::cut_short;
use crate::context::EncryptionContext;
use crate::envelope::Envelope;
use crate::envelope::Location;
use crate::error::Result;
use crate::floe;
use crate::keyring::KeyRequest;
use crate::keyring::Rewrap;
use crate::keyring::Rewrapped;
use crate::secret::SecretKey;

/// A new front for sealed bytes whose envelope is inline; made by
/// [`EnvelopeCipher::rewrap_inline`].
#[derive(Clone, Debug)]
pub struct NewFront {
    text: Vec<u8>,
    replaces: usize,
    rewrapped: Rewrapped,
}

impl NewFront {
    /// The new envelope, which the rest of the object follows.
    pub fn envelope(&self) -> &[u8] {
        &self.text
    }

    /// Length in bytes of the old envelope, which goes.
    pub fn replaces(&self) -> usize {
        self.replaces
    }

    /// What became of the wrapped keys.
    pub fn rewrapped(&self) -> &Rewrapped {
        &self.rewrapped
    }
}

impl EnvelopeCipher {
    /// Wraps the data key anew of an object whose envelope is inline, such as a file: gives what is
    /// to stand in front of it instead of the old envelope. `None` if it is as it should be.
    ///
    /// `front` is the beginning of the object: its envelope, of at most 64 KiB, and its header of
    /// [`floe::HEADER_LEN`] bytes. Everything in the envelope but the wrapped keys stays as it is.
    /// The keyring of this cipher is not asked; its read policy, binding and demanded signature
    /// hold as for opening.
    ///
    /// # Errors
    ///
    /// `Format` if it is not a sealed object that policy and binding accept; `Authentication` if a
    /// wrapped key or the context was altered, or it is sealed with another context; `KeyAccess` or
    /// `Keyring` if it is under none of the old keys, or a wrapping key cannot be used;
    /// `InvalidInput` if it would hold more than 16 wrapped keys.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the keyrings' requests.
    pub async fn rewrap_inline(
        &self,
        front: &[u8],
        context: &EncryptionContext,
        rewrap: &Rewrap,
    ) -> Result<Option<NewFront>> {
        let (envelope, replaces) = Envelope::from_inline(front)?.ok_or_else(cut_short)?;
        let header = front.get(replaces..replaces + floe::HEADER_LEN).ok_or_else(cut_short)?;
        let header = floe::Header::parse(header)?;
        let done = self.rewrap(&envelope, Some(&header), None, context, rewrap).await?;
        let Some((envelope, rewrapped)) = done else { return Ok(None) };
        Ok(Some(NewFront { text: envelope.to_inline()?, replaces, rewrapped }))
    }

    /// The envelope with its data key wrapped anew; `None` if it is as it should be.
    ///
    /// `header` is that of a FLOE body, by which a data key that is unwrapped here proves itself. One
    /// of a one-shot body is believed to its wrapping key.
    pub(crate) async fn rewrap(
        &self,
        envelope: &Envelope,
        header: Option<&floe::Header>,
        location: Option<Location<'_>>,
        given: &EncryptionContext,
        rewrap: &Rewrap,
    ) -> Result<Option<(Envelope, Rewrapped)>> {
        // Without a label nobody can tell the AAD, which KMS needs not.
        let aad = header.map(|_| envelope.aad(&self.binding, location)).transpose();
        let body = match (&aad, header) {
            (Ok(Some(aad)), Some(header)) => Some((&**aad, header)),
            _ => None,
        };
        self.check(envelope, body, given).await?;
        let check = |key: &SecretKey| match (&aad, header) {
            (Ok(Some(aad)), Some(header)) => floe::Decryptor::new(key, aad, header).map(drop),
            (Err(error), _) => Err(error.share()),
            _ => Ok(()),
        };
        let context = envelope.context().unwrap_or(given);
        let request = KeyRequest::new(context).with_key_use(envelope.format().key_use());
        let done = rewrap.apply(envelope.wrapped_keys(), &request, &check).await?;
        Ok(done.map(|rewrapped| {
            let wrapped = rewrapped.wrapped_keys().into();
            (envelope.clone().with_wrapped_keys(wrapped), rewrapped)
        }))
    }
}
