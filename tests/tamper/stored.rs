//! An object whose envelope is in metadata, in either format.

use bytes::Bytes;
use waxseal::Body;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::Format;

use crate::doors::Passed;
use crate::sample::cipher;
use crate::sample::context;
use crate::sample::plain;

pub(crate) type Metadata = Vec<(String, String)>;

pub(crate) struct Stored {
    pub(crate) cipher: EnvelopeCipher,
    pub(crate) context: EncryptionContext,
    pub(crate) plain: Vec<u8>,
    pub(crate) metadata: Metadata,
    pub(crate) body: Bytes,
}

impl Stored {
    /// An object of `len` bytes, which opens.
    pub(crate) async fn new(format: Format, len: usize) -> Self {
        Self::sealed_by(cipher().format(format), len).await
    }

    pub(crate) async fn sealed_by(cipher: EnvelopeCipher, len: usize) -> Self {
        let (context, plain) = (context(), plain(len));
        let body = Body::from(plain.clone());
        let (metadata, body) = cipher.seal_with_metadata(body, &context).await.unwrap();
        let body = body.collect().await.unwrap();
        let stored = Self { cipher, context, plain, metadata, body };
        stored.assert_opens_with(&stored.metadata, "untouched").await;
        stored
    }

    pub(crate) async fn open(&self, metadata: &Metadata, body: &Bytes) -> Passed {
        let entries = metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let opened = self.cipher.open_with_metadata(entries, body.clone(), &self.context).await;
        Passed::read(opened).await
    }

    pub(crate) async fn assert_opens_with(&self, metadata: &Metadata, what: &str) {
        let passed = self.open(metadata, &self.body).await;
        assert!(passed.outcome.is_ok(), "{what}: {passed:?}");
        assert_eq!(passed.released, self.plain, "{what}");
        assert_eq!(passed.reported_len, Some(self.plain.len() as u64), "{what}");
    }

    /// Asserts that this metadata with this body does not open, nor tells a length.
    pub(crate) async fn assert_refused(
        &self,
        metadata: &Metadata,
        body: &Bytes,
        kinds: &[ErrorKind],
        what: &str,
    ) {
        let passed = self.open(metadata, body).await;
        let what = format!("{} bytes, {what}: {passed:?}", self.plain.len());
        assert!(kinds.contains(&passed.outcome.as_ref().expect_err(&what).kind()), "{what}");
        assert!(passed.released.is_empty() && passed.reported_len.is_none(), "{what}");
    }

    pub(crate) async fn assert_metadata_refused(
        &self,
        metadata: &Metadata,
        kinds: &[ErrorKind],
        what: &str,
    ) {
        self.assert_refused(metadata, &self.body, kinds, what).await;
    }
}

/// The metadata with one more entry.
pub(crate) fn with(metadata: &Metadata, name: &str, value: &str) -> Metadata {
    let mut metadata = metadata.clone();
    metadata.push((name.to_owned(), value.to_owned()));
    metadata
}
