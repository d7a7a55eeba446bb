//! A keyring and options: what users hold.

#[cfg(feature = "s3")]
mod file_segments;
mod policy;
mod rewrap;
mod signed;
mod stored;

use std::fmt;
use std::sync::Arc;

use bytes::Buf as _;
use bytes::Bytes;
use bytes::BytesMut;

pub use policy::ReadPolicy;
pub use rewrap::NewFront;
#[cfg(feature = "s3")]
pub(crate) use stored::SealedBody;
#[cfg(feature = "s3")]
pub(crate) use stored::read_inline;

use crate::context::EncryptionContext;
use crate::envelope::Binding;
use crate::envelope::Envelope;
use crate::envelope::Format;
use crate::envelope::Location;
use crate::envelope::Placement;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::floe;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::object;
use crate::object::Body;
use crate::object::Object;
use crate::object::Opening;
use crate::object::ReadAt;
use crate::secret::SecretKey;
use crate::signing::SigningKey;

/// Seals and opens objects under the wrapping keys of a [`Keyring`].
///
/// Cheap to clone. The methods here put the envelope in front of the body; with S3, see
/// [`S3EncryptionClient`](crate::S3EncryptionClient), it goes into the object's metadata.
///
/// The encryption context is an argument of every call. Sealing binds all of it. Opening, every
/// pair that the caller gives must stand in the stored context with that value; stored pairs
/// beyond those are accepted unless the [`ReadPolicy`] asks for an exact match.
///
/// ```
/// # #[tokio::main] async fn main() -> waxseal::Result<()> {
/// use waxseal::{EncryptionContext, EnvelopeCipher, KeyFile, LocalKeyring};
///
/// let cipher = EnvelopeCipher::new(LocalKeyring::new(KeyFile::generate()?));
/// let context = EncryptionContext::from([("tenant", "acme")]);
///
/// let sealed = cipher.seal(b"attack at dawn", &context).await?;
/// let plain = cipher.open(&sealed, &context).await?;
/// assert_eq!(&plain[..], b"attack at dawn");
///
/// let other = EncryptionContext::from([("tenant", "rival")]);
/// assert!(cipher.open(&sealed, &other).await.is_err());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct EnvelopeCipher {
    keyring: Arc<dyn Keyring>,
    format: Format,
    segment_len: u32,
    binding: Binding,
    policy: ReadPolicy,
    /// Signs what is sealed.
    signing_key: Option<Arc<dyn SigningKey>>,
    /// Has to have signed what is opened.
    demanded_key: Option<Arc<dyn SigningKey>>,
}

impl EnvelopeCipher {
    /// A cipher that writes FLOE with segments of 64 KiB and reads as [`ReadPolicy::default`].
    pub fn new(keyring: impl Keyring + 'static) -> Self {
        Self {
            keyring: Arc::new(keyring),
            format: Format::Floe,
            segment_len: DEFAULT_SEGMENT_LEN,
            binding: Binding::None,
            policy: ReadPolicy::default(),
            signing_key: None,
            demanded_key: None,
        }
    }

    /// Sets the format to write. [`Format::OneShot`] exists in S3 objects only.
    #[must_use]
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Sets the length of an encrypted segment in bytes, overhead of 32 included.
    ///
    /// 64 KiB by default; 1 MiB suits archives that are read whole. Small ranges read from small
    /// segments fetch less. Sealing fails with `InvalidInput` if the [`ReadPolicy`] would not read
    /// it back: 4 KiB to 16 MiB by default.
    #[must_use]
    pub fn segment_len(self, segment_len: u32) -> Self {
        Self { segment_len, ..self }
    }

    /// Binds what is sealed to its place or a label, and refuses to open what is not bound so.
    #[must_use]
    pub fn binding(self, binding: Binding) -> Self {
        Self { binding, ..self }
    }

    #[cfg(feature = "s3")]
    pub(crate) fn own_binding(&self) -> &Binding {
        &self.binding
    }

    /// Sets what is accepted when opening.
    #[must_use]
    pub fn read_policy(self, policy: ReadPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Seals bytes, with the envelope in front.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if context, segment length, format or binding do not allow it; `KeyAccess`
    /// or `Keyring` if the keyring gives no data key or the signing key no signature.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the keyring's request.
    pub async fn seal(&self, plain: &[u8], context: &EncryptionContext) -> Result<Bytes> {
        let plain_len = Some(plain.len() as u64);
        let (envelope, encryptor) = self.start(plain_len, context, None).await?;
        object::seal_slice(plain, encryptor, self.segment_len, &envelope.to_inline()?)
    }

    /// Opens bytes that [`seal`](Self::seal) or [`seal_stream`](Self::seal_stream) made.
    ///
    /// # Errors
    ///
    /// `Format` if they are not a sealed object that policy and binding accept; `Authentication` if
    /// they were altered or cut, sealed under another key or context, or not signed as demanded;
    /// `KeyAccess` or `Keyring` if the keyring does not unwrap the data key or the demanded signing
    /// key cannot verify.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the keyring's request.
    pub async fn open(&self, sealed: &[u8], context: &EncryptionContext) -> Result<Bytes> {
        let (envelope, header_at) = Envelope::from_inline(sealed)?.ok_or_else(cut_short)?;
        let header = sealed.get(header_at..header_at + floe::HEADER_LEN).ok_or_else(cut_short)?;
        let header = floe::Header::parse(header)?;
        let layout = object::layout(&header, header_at as u64, sealed.len() as u64)?;
        let decryptor = self.decryptor(&envelope, &header, context).await?;
        object::open_slice(&sealed[header_at + floe::HEADER_LEN..], decryptor, &layout)
    }

    /// Seals a stream, with the envelope in front.
    ///
    /// Sealed inline, on the task that polls it. Memory: 256 KiB and a segment, besides the items
    /// of `body` and those that the caller holds.
    ///
    /// # Errors
    ///
    /// As [`seal`](Self::seal) at once; errors of `body` come from the returned stream, which then
    /// ends without the final segment, so that what was written by then does not open.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the keyring's request; dropping the stream drops `body`.
    pub async fn seal_stream(
        &self,
        body: impl Into<Body>,
        context: &EncryptionContext,
    ) -> Result<Body> {
        let sealed = self.seal_for_store(body.into(), context, None, Placement::Inline).await?;
        Ok(sealed.body.into_body(STREAM_BATCH_LEN))
    }

    /// Opens a stream that begins with an envelope.
    ///
    /// Opened inline, on the task that polls it. Memory: 256 KiB or a segment, and another one, the
    /// items of `body` and those that the caller holds.
    ///
    /// Each item of the returned stream is verified; that none is missing at the end is known
    /// only when the stream ends without an error.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), those of the segments from the returned stream; `Store` if `body`
    /// fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future or the stream drops `body`, of which a part was read.
    pub async fn open_stream(
        &self,
        body: impl Into<Body>,
        context: &EncryptionContext,
    ) -> Result<Body> {
        let mut body = body.into();
        let mut read = Bytes::new();
        let (envelope, header) = loop {
            if let Some((envelope, at)) = Envelope::from_inline(&read)?
                && let Some(header) = read.get(at..at + floe::HEADER_LEN)
            {
                let header = floe::Header::parse(header)?;
                read.advance(at + floe::HEADER_LEN);
                break (envelope, header);
            }
            let Some(more) = body.next_item().await? else { return Err(cut_short()) };
            if read.is_empty() {
                read = more;
            } else {
                let mut joined = BytesMut::from(read);
                joined.extend_from_slice(&more);
                read = joined.freeze();
            }
        };
        let decryptor = self.decryptor(&envelope, &header, context).await?;
        let opening = Opening::new(body, read, decryptor, header.segment_len());
        Ok(Body::from_stream(opening))
    }

    /// Seals a stream for a store that keeps metadata: the entries to store, and the body.
    ///
    /// For stores other than S3, or clients of your own. In [`Format::OneShot`] the whole of
    /// `body` is read at once. Check that the store keeps as much metadata: S3 keeps
    /// [`METADATA_LIMIT`](crate::METADATA_LIMIT) bytes.
    ///
    /// # Errors
    ///
    /// As [`seal_stream`](Self::seal_stream).
    ///
    /// # Cancel safety
    ///
    /// As [`seal_stream`](Self::seal_stream).
    pub async fn seal_with_metadata(
        &self,
        body: impl Into<Body>,
        context: &EncryptionContext,
    ) -> Result<(Vec<(String, String)>, Body)> {
        let sealed = self.seal_for_store(body.into(), context, None, Placement::Metadata).await?;
        Ok((sealed.metadata, sealed.body.into_body(STREAM_BATCH_LEN)))
    }

    /// Opens a stored object at random, given the metadata stored with it.
    ///
    /// Metadata without an envelope means that it is inline.
    ///
    /// # Errors
    ///
    /// As [`open_at`](Self::open_at).
    ///
    /// # Cancel safety
    ///
    /// As [`open_at`](Self::open_at).
    pub async fn open_with_metadata<'a>(
        &self,
        metadata: impl IntoIterator<Item = (&'a str, &'a str)>,
        source: impl ReadAt + 'static,
        context: &EncryptionContext,
    ) -> Result<Object> {
        let envelope = Envelope::from_metadata(metadata)?;
        let sealed_len = source.sealed_len().await?;
        self.open_from_store(envelope.as_ref(), source, sealed_len, None, context).await
    }

    /// Opens a stored object at random, verifying its end, and so its length, first.
    ///
    /// Two or three small reads; the data in between is read as it is asked for.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); `Store` or `Changed` if `source` fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops its reads and the keyring's request.
    pub async fn open_at(
        &self,
        source: impl ReadAt + 'static,
        context: &EncryptionContext,
    ) -> Result<Object> {
        let sealed_len = source.sealed_len().await?;
        self.open_inline(source, sealed_len, None, context).await
    }

    /// Begins a FLOE object.
    async fn start(
        &self,
        plain_len: Option<u64>,
        context: &EncryptionContext,
        location: Option<Location<'_>>,
    ) -> Result<(Envelope, floe::Encryptor)> {
        let (envelope, key, aad) = self.new_key(plain_len, context, location).await?;
        let encryptor = floe::Encryptor::new(&key, &aad, self.segment_len)?;
        Ok((self.signed(envelope, &aad, *encryptor.header()).await?, encryptor))
    }

    /// Begins a FLOE object of `plain_len` bytes, sealed on several threads: what encrypts it, and
    /// what goes in front.
    pub(crate) async fn start_parallel(
        &self,
        plain_len: u64,
        context: &EncryptionContext,
    ) -> Result<(floe::ParallelEncryptor, Vec<u8>)> {
        let (envelope, encryptor) = self.new_parallel(plain_len, context, None).await?;
        let prelude = [&envelope.to_inline()?[..], encryptor.header()].concat();
        Ok((encryptor, prelude))
    }

    async fn new_parallel(
        &self,
        plain_len: u64,
        context: &EncryptionContext,
        location: Option<Location<'_>>,
    ) -> Result<(Envelope, floe::ParallelEncryptor)> {
        let (envelope, key, aad) = self.new_key(Some(plain_len), context, location).await?;
        let layout = floe::Layout::of_plaintext(self.segment_len, plain_len)?;
        let encryptor = floe::ParallelEncryptor::new(&key, &aad, layout)?;
        Ok((self.signed(envelope, &aad, *encryptor.header()).await?, encryptor))
    }

    /// A data key for a FLOE object, with its AAD and the envelope, which has neither header copy
    /// nor signature yet.
    async fn new_key(
        &self,
        plain_len: Option<u64>,
        context: &EncryptionContext,
        location: Option<Location<'_>>,
    ) -> Result<(Envelope, SecretKey, Vec<u8>)> {
        if self.format != Format::Floe {
            return Err(Error::invalid_input("the one-shot layout exists in S3 objects only"));
        }
        self.policy.check_written_segment_len(self.segment_len)?;
        let unkeyed = Envelope::floe(&self.binding, context.clone(), None, Arc::default());
        // Before a key is made for nothing.
        let aad = unkeyed.aad(&self.binding, location).map_err(|e| match e.kind() {
            ErrorKind::Format => Error::invalid_input("this binding needs a place in S3"),
            _ => e,
        })?;
        let request = KeyRequest::new(context).with_key_use(self.format.key_use());
        let request = request.with_plain_len(plain_len).with_signed(self.signing_key.is_some());
        let (key, wrapped) = self.keyring.generate_data_key(&request).await?.into_parts();
        Ok((Envelope::floe(&self.binding, context.clone(), None, wrapped), key, aad))
    }

    /// The decryptor of a body whose envelope and header were read from its front.
    async fn decryptor(
        &self,
        envelope: &Envelope,
        header: &floe::Header,
        context: &EncryptionContext,
    ) -> Result<floe::Decryptor> {
        self.policy.check_segment_len(header.segment_len())?;
        let (key, aad) = self.unlock(envelope, header, context, None).await?;
        floe::Decryptor::new(&key, &aad, header)
    }

    /// The data key and AAD of a FLOE object, whose body must be opened under this very header.
    async fn unlock(
        &self,
        envelope: &Envelope,
        header: &floe::Header,
        context: &EncryptionContext,
        location: Option<Location<'_>>,
    ) -> Result<(SecretKey, Vec<u8>)> {
        let aad = envelope.aad(&self.binding, location)?;
        let key = self.unwrap(envelope, Some((&aad, header)), context).await?;
        Ok((key, aad))
    }

    /// Checks everything that needs no data key, then asks the keyring for it.
    ///
    /// `body`: AAD and header of a FLOE body, for the signature.
    async fn unwrap(
        &self,
        envelope: &Envelope,
        body: Option<(&[u8], &floe::Header)>,
        given: &EncryptionContext,
    ) -> Result<SecretKey> {
        self.check(envelope, body, given).await?;
        // The one-shot layout stores no context: what the caller gives is all there is.
        let context = envelope.context().unwrap_or(given);
        let request = KeyRequest::new(context).with_key_use(envelope.format().key_use());
        let request = request.with_signed(self.demanded_key.is_some());
        self.keyring.unwrap_data_key(envelope.wrapped_keys(), &request).await
    }

    /// Everything that needs no data key.
    async fn check(
        &self,
        envelope: &Envelope,
        body: Option<(&[u8], &floe::Header)>,
        given: &EncryptionContext,
    ) -> Result<()> {
        self.policy.check(envelope, given)?;
        if self.binding != Binding::None && !envelope.is_bound_as(&self.binding) {
            return Err(Error::format("the object is not bound as this cipher demands"));
        }
        self.check_signature(envelope, body).await
    }
}

impl fmt::Debug for EnvelopeCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvelopeCipher")
            .field("keyring", &self.keyring)
            .field("format", &self.format)
            .field("segment_len", &self.segment_len)
            .field("signing_key", &self.signing_key)
            .field("demanded_key", &self.demanded_key)
            .finish_non_exhaustive()
    }
}

fn cut_short() -> Error {
    Error::authentication("the object ends before its first segment")
}

/// 64 KiB already runs at the cipher's speed; a range read fetches at most two of them too many.
const DEFAULT_SEGMENT_LEN: u32 = 64 << 10;
/// Large enough that hand-overs cost nothing, small enough that a poll takes some 20 us.
const STREAM_BATCH_LEN: usize = 256 << 10;
