//! What a keyring is told about the object that a data key is for.

use crate::context::EncryptionContext;

/// What a data key is for: the encryption context, and what decides whether it may be reused.
#[derive(Clone, Copy, Debug)]
pub struct KeyRequest<'a> {
    context: &'a EncryptionContext,
    key_use: KeyUse,
    plain_len: Option<u64>,
    is_signed: bool,
}

/// How a body uses its data key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyUse {
    /// Each object derives a key of its own from the data key, with random bytes of its own, and
    /// commits to it: FLOE. The data key may serve for many objects.
    Derived,
    /// The data key encrypts the object itself, without commitment: one-shot. It must not serve
    /// for another object.
    Direct,
}

impl<'a> KeyRequest<'a> {
    /// A key for [`KeyUse::Direct`], the careful assumption: no cache keeps it.
    pub fn new(context: &'a EncryptionContext) -> Self {
        Self { context, key_use: KeyUse::Direct, plain_len: None, is_signed: false }
    }

    /// The same key, used in this way.
    #[must_use]
    pub fn with_key_use(self, key_use: KeyUse) -> Self {
        Self { key_use, ..self }
    }

    /// The same key, to seal this many bytes of plaintext.
    #[must_use]
    pub fn with_plain_len(self, plain_len: Option<u64>) -> Self {
        Self { plain_len, ..self }
    }

    /// The same key, of an envelope that is signed, or whose signature was demanded and verified.
    #[must_use]
    pub fn with_signed(self, is_signed: bool) -> Self {
        Self { is_signed, ..self }
    }

    /// The encryption context, to be bound to the wrapped key.
    pub fn context(&self) -> &'a EncryptionContext {
        self.context
    }

    /// How the body uses the key.
    pub fn key_use(&self) -> KeyUse {
        self.key_use
    }

    /// Bytes of plaintext to be sealed, if they were announced; `None` when opening. A hint.
    pub fn plain_len(&self) -> Option<u64> {
        self.plain_len
    }

    /// Whether the envelope is signed by the one who seals, or had to be for the one who opens.
    pub fn is_signed(&self) -> bool {
        self.is_signed
    }
}
