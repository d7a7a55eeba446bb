//! Signing what is sealed, and demanding a signature of what is opened.

use std::sync::Arc;

use crate::cipher::EnvelopeCipher;
use crate::envelope::Envelope;
use crate::error::Error;
use crate::error::Result;
use crate::floe;
use crate::signing;
use crate::signing::SigningKey;

impl EnvelopeCipher {
    /// Signs everything that is sealed with `key`, at one call to it an object.
    ///
    /// Whoever may make data keys under the wrapping key can make objects that open. The signature
    /// tells readers that [demand](Self::demand_signature) it which of them the holder of `key`
    /// sealed. Signed are the suite, the binding with its value, the encryption context and the
    /// header, which commits to the data key; the wrapped keys can be replaced.
    ///
    /// It does not tell readers apart from writers within one object: whoever may open an object
    /// has its data key, and with write access can put other data under the signed header.
    ///
    /// One-shot objects have no place for a signature: sealing one fails with `InvalidInput`.
    #[must_use]
    pub fn sign_with(self, key: impl SigningKey + 'static) -> Self {
        Self { signing_key: Some(Arc::new(key)), ..self }
    }

    /// Opens only what `key` signed.
    ///
    /// Anything else is refused with `Authentication` before a data key is asked for: what is not
    /// signed, signed by another key or for another object, and every one-shot object. One call to
    /// `key` an object. Without this a signature is not looked at.
    ///
    /// To accept any of several keys, pass a [`SigningKey`] of yours that asks each of them.
    #[must_use]
    pub fn demand_signature(self, key: impl SigningKey + 'static) -> Self {
        Self { demanded_key: Some(Arc::new(key)), ..self }
    }

    /// Whether what it seals is signed.
    #[cfg(feature = "s3")]
    pub(crate) fn signs(&self) -> bool {
        self.signing_key.is_some()
    }

    /// The envelope of a body with this AAD and header, signed if that is wanted.
    pub(super) async fn signed(
        &self,
        envelope: Envelope,
        aad: &[u8],
        header: [u8; floe::HEADER_LEN],
    ) -> Result<Envelope> {
        let Some(key) = &self.signing_key else { return Ok(envelope) };
        let signature = key.sign(&signing::digest(aad, &header)?).await?;
        Ok(envelope.with_signature(signature))
    }

    /// Verifies the signature, if one is demanded, of the body with this AAD and header; one-shot
    /// bodies have neither.
    pub(super) async fn check_signature(
        &self,
        envelope: &Envelope,
        body: Option<(&[u8], &floe::Header)>,
    ) -> Result<()> {
        let Some(key) = &self.demanded_key else { return Ok(()) };
        let (Some(signature), Some((aad, header))) = (envelope.signature(), body) else {
            return Err(Error::authentication("the object is not signed, as this reader demands"));
        };
        key.verify(&signing::digest(aad, header.as_bytes())?, signature).await
    }
}
