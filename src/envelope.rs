//! What stands beside a body: format, wrapped keys, encryption context, signature, header copy.
//!
//! Parsed strictly and written in one way only: a decoded envelope is encoded again and must give
//! the same text, so there is exactly one spelling of each. Nothing read here is believed before
//! the keys derived with it have verified something; the wrapped keys are authenticated by
//! whoever wrapped them, a signature by the key a reader demands, the rest by the FLOE header.
//!
//! Source: `docs/format.md`, sections 3 to 5.

mod binding;
mod fields;
mod inline;
mod metadata;

use std::sync::Arc;

pub use binding::Binding;
pub(crate) use binding::Location;
pub(crate) use inline::InlineLen;
pub use metadata::METADATA_LIMIT;

use crate::context::EncryptionContext;
use crate::error::Error;
use crate::error::Result;
use crate::floe;
use crate::keyring::KeyUse;
use crate::keyring::WrappedKey;
use crate::signing::Signature;

/// The body formats that are read and written.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// FLOE segments: streams, ranges, key commitment. The default.
    Floe,
    /// One AES-256-GCM call over the whole payload, wrapped key in `x-amz-key`: the layout of
    /// AWS's envelope encryption walk-throughs.
    ///
    /// Held in memory whole, no ranges, no commitment to the key, and the encryption context is
    /// known to the keyring only: it is not stored and must be given in full to open. For
    /// exchange with what reads or writes that layout; otherwise use [`Format::Floe`].
    OneShot,
}

impl Format {
    /// How a body of this format uses its data key.
    pub(crate) fn key_use(self) -> KeyUse {
        match self {
            Self::Floe => KeyUse::Derived,
            Self::OneShot => KeyUse::Direct,
        }
    }
}

/// Where the envelope of a sealed object is stored.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// In the object's user metadata.
    #[default]
    Metadata,
    /// In front of the body, as text padded to a multiple of 1 KiB: for files, and for stores and
    /// tools that lose metadata.
    Inline,
}

/// Everything beside a body. Read it without any key, to look at an object or to choose a keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    content: Content,
    wrapped_keys: Arc<[WrappedKey]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Floe {
        binding: binding::Mode,
        context: EncryptionContext,
        signature: Option<Signature>,
        /// The copy in metadata; inline, the header follows and is read from the body.
        header: Option<floe::Header>,
    },
    OneShot,
}

impl Envelope {
    /// Finds and reads the envelope in an object's user metadata, names without `x-amz-meta-`.
    ///
    /// Names are compared in lower case, as stores fold them. `None` if the metadata holds none:
    /// the object is not sealed, or its envelope is inline.
    ///
    /// # Errors
    ///
    /// `Format` if there is one but it is malformed, of another version, or there are two.
    pub fn from_metadata<'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Self>> {
        metadata::decode(entries)
    }

    /// Reads the inline envelope at the start of a sealed stream, of which `prefix` is a part.
    ///
    /// Returns it with its length in bytes, after which the FLOE header stands. `None` if more
    /// bytes are needed to tell: never more than 64 KiB in all.
    ///
    /// # Errors
    ///
    /// `Format` if the stream does not begin with an envelope of this version.
    pub fn from_inline(prefix: &[u8]) -> Result<Option<(Self, usize)>> {
        let InlineLen::Known(len) = inline::len(prefix)? else { return Ok(None) };
        let Some(text) = prefix.get(..len) else { return Ok(None) };
        Ok(Some((inline::decode(text)?, len)))
    }

    pub(crate) fn floe(
        binding: &Binding,
        context: EncryptionContext,
        header: Option<floe::Header>,
        wrapped_keys: Arc<[WrappedKey]>,
    ) -> Self {
        let (binding, signature) = (binding.mode(), None);
        Self { content: Content::Floe { binding, context, signature, header }, wrapped_keys }
    }

    /// The same with the copy of the header that metadata holds.
    pub(crate) fn with_header(mut self, copy: floe::Header) -> Self {
        if let Content::Floe { header, .. } = &mut self.content {
            *header = Some(copy);
        }
        self
    }

    /// The same, signed.
    pub(crate) fn with_signature(mut self, made: Signature) -> Self {
        if let Content::Floe { signature, .. } = &mut self.content {
            *signature = Some(made);
        }
        self
    }

    /// The same with its data key wrapped otherwise.
    pub(crate) fn with_wrapped_keys(self, wrapped_keys: Arc<[WrappedKey]>) -> Self {
        Self { wrapped_keys, ..self }
    }

    pub(crate) fn one_shot(wrapped_key: WrappedKey) -> Self {
        Self { content: Content::OneShot, wrapped_keys: [wrapped_key].into() }
    }

    /// The format of the body.
    pub fn format(&self) -> Format {
        match self.content {
            Content::Floe { .. } => Format::Floe,
            Content::OneShot => Format::OneShot,
        }
    }

    /// The stored encryption context; `None` in the one-shot layout, which does not store it.
    pub fn context(&self) -> Option<&EncryptionContext> {
        match &self.content {
            Content::Floe { context, .. } => Some(context),
            Content::OneShot => None,
        }
    }

    /// How the object says it is bound to its place: `none`, `key`, `bucket-key` or `label`.
    pub fn binding_name(&self) -> &'static str {
        match &self.content {
            Content::Floe { binding, .. } => binding.name(),
            Content::OneShot => binding::Mode::None.name(),
        }
    }

    /// The copy of the FLOE header, if the envelope is in metadata.
    pub fn header(&self) -> Option<&floe::Header> {
        match &self.content {
            Content::Floe { header, .. } => header.as_ref(),
            Content::OneShot => None,
        }
    }

    /// The signature of the one who sealed the object, if there is one.
    ///
    /// Anybody can have put it there: only opening with
    /// [`EnvelopeCipher::demand_signature`](crate::EnvelopeCipher::demand_signature) verifies it.
    pub fn signature(&self) -> Option<&Signature> {
        match &self.content {
            Content::Floe { signature, .. } => signature.as_ref(),
            Content::OneShot => None,
        }
    }

    /// The wrapped keys, at least one.
    pub fn wrapped_keys(&self) -> &[WrappedKey] {
        &self.wrapped_keys
    }

    /// The AAD of the FLOE body: a label, the suite, the binding and the context. Never the
    /// wrapped keys, so that they can be replaced without touching the body.
    ///
    /// `docs/format.md`, section 3.
    pub(crate) fn aad(&self, own: &Binding, location: Option<Location<'_>>) -> Result<Vec<u8>> {
        let Content::Floe { binding, context, .. } = &self.content else {
            return Err(Error::format("the one-shot layout has no AAD"));
        };
        let value = binding.value(own, location)?;
        let value_len = u16::try_from(value.len())
            .map_err(|_| Error::invalid_input("the binding is longer than 65,535 bytes"))?;
        Ok([
            AAD_LABEL,
            &[SUITE_FLOE, binding.code()],
            &context.encode()?,
            &value_len.to_be_bytes(),
            &value,
        ]
        .concat())
    }

    /// How the object says it is bound, with the label that the caller knows.
    #[cfg(feature = "s3")]
    pub(crate) fn binding(&self, own: &Binding) -> Result<Binding> {
        let Content::Floe { binding, .. } = &self.content else { return Ok(Binding::None) };
        binding.as_known_to(own)
    }

    /// Whether the object is bound in the way that the reader's own binding demands.
    pub(crate) fn is_bound_as(&self, own: &Binding) -> bool {
        match &self.content {
            Content::Floe { binding, .. } => *binding == own.mode(),
            Content::OneShot => false,
        }
    }

    /// Whether an object moved from one place to another would still open.
    #[cfg(feature = "s3")]
    pub(crate) fn can_move(&self, from: Location<'_>, to: Location<'_>) -> bool {
        match &self.content {
            Content::Floe { binding: binding::Mode::Key, .. } => from.key == to.key,
            Content::Floe { binding: binding::Mode::BucketAndKey, .. } => from == to,
            Content::Floe { .. } | Content::OneShot => true,
        }
    }

    /// The metadata entries to store beside the body.
    pub(crate) fn to_metadata(&self) -> Result<Vec<(String, String)>> {
        metadata::encode(self)
    }

    /// The text to store in front of the FLOE header.
    pub(crate) fn to_inline(&self) -> Result<Vec<u8>> {
        inline::encode(self)
    }
}

pub(crate) use inline::len as inline_len;

/// The first bytes of every body's AAD. No other use of a data key begins like this.
const AAD_LABEL: &[u8] = b"waxseal/floe/v1\0";
/// FLOE with AES-256-GCM and HKDF-SHA-384.
const SUITE_FLOE: u8 = 1;
