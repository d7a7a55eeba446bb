//! The one error type of the crate.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// [`std::result::Result`] with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and underneath it why.
///
/// Decide with [`kind`](Self::kind); report by printing the error and its
/// [`source`](std::error::Error::source) chain. `Display` prints this level only, never key or
/// plaintext bytes nor the values of an encryption context. The wording and the concrete types in
/// the source chain are not part of the API.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Arc<dyn std::error::Error + Send + Sync + 'static>>,
    service_code: Option<Arc<str>>,
    refused: Vec<Arc<RefusedKey>>,
}

/// A wrapping key that its holder refuses to use.
#[derive(Debug)]
pub(crate) struct RefusedKey {
    key_id: String,
    /// For every encryption context: it is disabled or gone, not only denied.
    pub(crate) for_all: bool,
}

impl RefusedKey {
    /// Whether a wrapped key names it.
    ///
    /// The replicas of a multi-Region key, whose ids begin with `mrk-`, are one. What is refused by
    /// a name that is no ARN is told by the last part.
    pub(crate) fn has_id(&self, key_id: &str) -> bool {
        fn parts(arn: &str) -> Option<[&str; 6]> {
            let parts: Vec<_> = arn.splitn(6, ':').collect();
            parts.try_into().ok()
        }
        match (parts(&self.key_id), parts(key_id)) {
            (Some(own), Some(other)) => {
                let is_replica = own[5].starts_with("key/mrk-");
                (0..6).all(|i| own[i] == other[i] || (i == REGION && is_replica))
            }
            (None, Some(other)) => other[5] == self.key_id,
            (_, None) => self.key_id == key_id,
        }
    }
}

/// The place of the Region in an ARN.
const REGION: usize = 3;

/// The decisions a caller can take on an [`Error`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// These bytes are not what was sealed under this key and encryption context.
    ///
    /// Wrong key, wrong context and altered, truncated or reordered bytes all look the same on
    /// purpose. Retrying cannot help; treat the object as suspect.
    Authentication,
    /// The object was replaced while it was being read. Start again.
    Changed,
    /// The bytes are not a sealed object, or in a format or version that this build or this
    /// [`ReadPolicy`](crate::ReadPolicy) does not read.
    Format,
    /// The caller passed something that can never work, such as a range past the end.
    InvalidInput,
    /// The wrapping key refused: denied, disabled, pending deletion, unknown or not configured.
    ///
    /// The message names the key. Retrying cannot help until its policy or state is mended.
    KeyAccess,
    /// The keyring could not be asked: unreachable, throttled, failing inside. Retry later.
    Keyring,
    /// Reading or writing bytes failed: S3, a file, the caller's stream. The source says why.
    Store,
}

impl Error {
    /// Makes an error; for custom [`Keyring`](crate::Keyring)s and [`ReadAt`](crate::ReadAt)s.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None, service_code: None, refused: vec![] }
    }

    /// Attaches what caused this error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into().into());
        self
    }

    /// The same error, said differently.
    pub(crate) fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error code with which KMS or S3 answered, such as `DisabledException` or `NoSuchKey`.
    ///
    /// As it was sent, or `HTTP` and the status where none was, as to `HEAD`: `HTTP 403`. `None`
    /// if no service answered, and where the answer must not be told: whatever makes KMS refuse a
    /// ciphertext is [`Authentication`](ErrorKind::Authentication) without a word more.
    pub fn service_code(&self) -> Option<&str> {
        self.service_code.as_deref()
    }

    /// Attaches what a service answered; for keyrings that ask one.
    #[must_use]
    pub fn with_service_code(self, code: &str) -> Self {
        let service_code = (!code.is_empty()).then(|| code.into());
        Self { service_code, ..self }
    }

    /// Says which wrapping key refused, for caches to drop what it wrapped.
    #[cfg_attr(not(any(test, feature = "kms")), expect(dead_code, reason = "only KMS refuses"))]
    pub(crate) fn with_refused_key(mut self, key_id: impl Into<String>, for_all: bool) -> Self {
        self.refused.push(Arc::new(RefusedKey { key_id: key_id.into(), for_all }));
        self
    }

    /// Says which wrapping keys refused according to `others` as well.
    pub(crate) fn with_refusals<'a>(mut self, others: impl IntoIterator<Item = &'a Self>) -> Self {
        self.refused.extend(others.into_iter().flat_map(|other| other.refused.iter().cloned()));
        self
    }

    pub(crate) fn refused_keys(&self) -> impl Iterator<Item = &RefusedKey> {
        self.refused.iter().map(|refused| &**refused)
    }

    /// The same error, for another of those who waited for one call.
    pub(crate) fn share(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            source: self.source.clone(),
            service_code: self.service_code.clone(),
            refused: self.refused.clone(),
        }
    }

    /// The one answer to every failed cryptographic check: it may say where, never why.
    pub(crate) fn authentication(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Authentication, message)
    }

    pub(crate) fn format(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Format, message)
    }

    pub(crate) fn invalid_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// A failure of the caller's stream or store; an error of ours inside keeps its own kind.
    pub(crate) fn store(
        message: impl Into<Cow<'static, str>>,
        source: impl Into<BoxError>,
    ) -> Self {
        let unwrapped = match source.into().downcast::<std::io::Error>() {
            Ok(io) if io.get_ref().is_some_and(|inner| inner.is::<Self>()) => {
                io.into_inner().unwrap_or_else(|| unreachable!("get_ref was Some"))
            }
            Ok(io) => io,
            Err(other) => other,
        };
        match unwrapped.downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => Self::new(ErrorKind::Store, message).with_source(other),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// For `AsyncRead`, which knows only I/O errors; [`std::io::Error::into_inner`] gives ours back.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::Authentication | ErrorKind::Format => std::io::ErrorKind::InvalidData,
            ErrorKind::InvalidInput => std::io::ErrorKind::InvalidInput,
            ErrorKind::KeyAccess => std::io::ErrorKind::PermissionDenied,
            ErrorKind::Changed | ErrorKind::Keyring | ErrorKind::Store => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_error_keeps_its_kind_through_io_and_back() {
        let error = std::io::Error::from(Error::authentication("segment 3"));
        let back = Error::store("reading", error);
        assert_eq!(back.kind(), ErrorKind::Authentication);
        assert_eq!(back.to_string(), "segment 3");
    }

    #[test]
    fn a_refused_key_is_told_by_its_whole_name() {
        let has = |refused: &str, wrapped: &str| {
            let error = Error::new(ErrorKind::KeyAccess, "no").with_refused_key(refused, true);
            let other = Error::new(ErrorKind::Keyring, "later").with_refusals([&error]);
            other.refused_keys().all(|refused| refused.has_id(wrapped))
        };
        let arn = |region, account, key| format!("arn:aws:kms:{region}:{account}:key/{key}");
        let key = arn("eu-west-1", "111122223333", "1234");
        assert!(has(&key, &key));
        assert!(!has(&key, &arn("eu-west-1", "999999999999", "1234")), "another account");
        assert!(!has(&key, &arn("us-east-1", "111122223333", "1234")), "another Region");
        assert!(!has(&key, &arn("eu-west-1", "111122223333", "1235")));
        let key = arn("eu-west-1", "111122223333", "mrk-1");
        assert!(has(&key, &arn("us-east-1", "111122223333", "mrk-1")), "a replica");
        assert!(!has(&key, &arn("us-east-1", "999999999999", "mrk-1")));
        assert!(has("key/1234", &arn("eu-west-1", "111122223333", "1234")), "a bare id");
        assert!(has("9d4e1b", "9d4e1b") && !has("9d4e1b", "9d4e1c"), "an RSA key");
    }

    #[test]
    fn a_foreign_error_becomes_the_source() {
        let error = Error::store("reading", std::io::Error::other("cable"));
        assert_eq!(error.kind(), ErrorKind::Store);
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "cable");
    }
}
