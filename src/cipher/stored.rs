//! Sealing for, and opening from, a store: the half of [`EnvelopeCipher`] below its public methods
//! and below the store clients.

use std::ops::Range;
use std::pin::Pin;
#[cfg(feature = "s3")]
use std::sync::Arc;

use bytes::Bytes;
use bytes::BytesMut;
use futures_util::StreamExt as _;

use crate::cipher::EnvelopeCipher;
use crate::cipher::cut_short;
#[cfg(feature = "s3")]
use crate::cipher::file_segments::FileSegments;
use crate::context::EncryptionContext;
use crate::crypto::TAG_LEN;
use crate::envelope::Binding;
use crate::envelope::Envelope;
use crate::envelope::Format;
use crate::envelope::InlineLen;
use crate::envelope::Location;
use crate::envelope::Placement;
use crate::envelope::inline_len;
use crate::error::Error;
use crate::error::Result;
use crate::floe;
use crate::keyring::KeyRequest;
use crate::object;
use crate::object::Body;
use crate::object::FLOE_HEADER_LEN;
use crate::object::Object;
use crate::object::ReadAt;
use crate::object::Sealing;
use crate::oneshot;

/// Entries that a store keeps with an object.
type Metadata = Vec<(String, String)>;

/// What a store is to keep.
pub(crate) struct Sealed {
    pub(crate) metadata: Metadata,
    pub(crate) body: SealedBody,
}

/// A sealed body on its way to a store.
pub(crate) enum SealedBody {
    Segments(Box<Sealing>),
    /// Of a local file, which is read at any place.
    #[cfg(feature = "s3")]
    File(FileSegments),
    /// One-shot; `None` once taken.
    Whole(Option<Bytes>),
}

impl EnvelopeCipher {
    /// Seals `body`. `location` is where it will be stored, for objects bound to it.
    pub(crate) async fn seal_for_store(
        &self,
        body: Body,
        context: &EncryptionContext,
        location: Option<Location<'_>>,
        placement: Placement,
    ) -> Result<Sealed> {
        if self.format == Format::OneShot {
            return self.seal_one_shot(body, context, placement).await;
        }
        let (envelope, encryptor) = self.start(body.len_hint(), context, location).await?;
        let (metadata, prelude) = place(envelope, encryptor.header(), placement)?;
        let sealing = Sealing::new(body, encryptor, self.segment_len, &prelude);
        Ok(Sealed { metadata, body: SealedBody::Segments(Box::new(sealing)) })
    }

    /// Seals `body` for parts of an upload: of a local file, segments are read to their places.
    #[cfg(feature = "s3")]
    pub(crate) async fn seal_for_upload(
        &self,
        mut body: Body,
        context: &EncryptionContext,
        location: Option<Location<'_>>,
        placement: Placement,
    ) -> Result<Sealed> {
        if self.format != Format::Floe {
            return self.seal_for_store(body, context, location, placement).await;
        }
        let Some((file, len, progress)) = body.regular_file().await else {
            return self.seal_for_store(body, context, location, placement).await;
        };
        let (envelope, encryptor) = self.new_parallel(len, context, location).await?;
        let (metadata, mut prelude) = place(envelope, encryptor.header(), placement)?;
        prelude.extend_from_slice(encryptor.header());
        let encryptor = Arc::new(encryptor);
        let segments = FileSegments { encryptor, file, prelude, next: 0, progress };
        Ok(Sealed { metadata, body: SealedBody::File(segments) })
    }

    /// Opens what a store keeps. `envelope` is the one in its metadata; without one it is inline.
    pub(crate) async fn open_from_store(
        &self,
        envelope: Option<&Envelope>,
        source: impl ReadAt + 'static,
        sealed_len: u64,
        location: Option<Location<'_>>,
        context: &EncryptionContext,
    ) -> Result<Object> {
        let Some(envelope) = envelope else {
            return self.open_inline(source, sealed_len, location, context).await;
        };
        match envelope.header() {
            Some(header) => {
                let at = (sealed_len, 0);
                self.open_floe(envelope, source, at, header, location, context).await
            }
            None => self.open_one_shot(envelope, source, sealed_len, context).await,
        }
    }

    /// Opens what begins with its envelope.
    pub(super) async fn open_inline(
        &self,
        source: impl ReadAt + 'static,
        sealed_len: u64,
        location: Option<Location<'_>>,
        context: &EncryptionContext,
    ) -> Result<Object> {
        let (envelope, header_at, header) = read_inline(&source, sealed_len).await?;
        let at = (sealed_len, header_at);
        self.open_floe(&envelope, source, at, &header, location, context).await
    }

    async fn open_floe(
        &self,
        envelope: &Envelope,
        source: impl ReadAt + 'static,
        (sealed_len, header_at): (u64, u64),
        header: &floe::Header,
        location: Option<Location<'_>>,
        context: &EncryptionContext,
    ) -> Result<Object> {
        let at = (sealed_len, header_at);
        let access = self.verify_floe(envelope, &source, at, header, location, context).await?;
        Ok(Object::floe(source, access, header_at))
    }

    /// Opens what begins with its envelope, for several threads; also where its body begins.
    pub(crate) async fn open_parallel(
        &self,
        source: &dyn ReadAt,
        sealed_len: u64,
        context: &EncryptionContext,
    ) -> Result<(floe::RandomAccess, u64)> {
        let (envelope, header_at, header) = read_inline(source, sealed_len).await?;
        let at = (sealed_len, header_at);
        let access = self.verify_floe(&envelope, source, at, &header, None, context).await?;
        Ok((access, header_at + FLOE_HEADER_LEN))
    }

    /// Unwraps the key, and verifies the header and the final segment.
    async fn verify_floe(
        &self,
        envelope: &Envelope,
        source: &dyn ReadAt,
        (sealed_len, header_at): (u64, u64),
        header: &floe::Header,
        location: Option<Location<'_>>,
        context: &EncryptionContext,
    ) -> Result<floe::RandomAccess> {
        self.policy.check_segment_len(header.segment_len())?;
        let layout = object::layout(header, header_at, sealed_len)?;
        let (key, aad) = self.unlock(envelope, header, context, location).await?;
        let body_at = header_at + FLOE_HEADER_LEN;
        let Range { start, end } = layout.final_segment();
        let last = object::read_exactly(source, body_at + start..body_at + end).await?;
        floe::RandomAccess::new(&key, &aad, header, layout, &mut BytesMut::from(last))
    }

    async fn seal_one_shot(
        &self,
        body: Body,
        context: &EncryptionContext,
        placement: Placement,
    ) -> Result<Sealed> {
        context.encode()?; // for its limits, before a key is made for nothing
        if placement != Placement::Metadata || self.binding != Binding::None {
            return Err(Error::invalid_input(
                "the one-shot layout keeps its key in metadata and cannot be bound to a place",
            ));
        }
        if self.signing_key.is_some() {
            return Err(Error::invalid_input("the one-shot layout has no place for a signature"));
        }
        let mut plain = BytesMut::new();
        let mut body = body;
        while let Some(more) = body.next().await.transpose()? {
            plain.extend_from_slice(&more);
            oneshot::check_len(plain.len())?;
        }
        let request = KeyRequest::new(context).with_key_use(Format::OneShot.key_use());
        let request = request.with_plain_len(Some(plain.len() as u64));
        let (key, wrapped) = self.keyring.generate_data_key(&request).await?.into_parts();
        let [wrapped] = &*wrapped else {
            return Err(Error::invalid_input("the one-shot layout stores one wrapped key"));
        };
        let body = SealedBody::Whole(Some(oneshot::seal(&key, &plain)?.into()));
        Ok(Sealed { metadata: Envelope::one_shot(wrapped.clone()).to_metadata()?, body })
    }

    async fn open_one_shot(
        &self,
        envelope: &Envelope,
        source: impl ReadAt,
        sealed_len: u64,
        context: &EncryptionContext,
    ) -> Result<Object> {
        self.policy.check_one_shot_len(sealed_len)?;
        let key = self.unwrap(envelope, None, context).await?;
        let sealed = object::read_exactly(&source, 0..sealed_len).await?;
        let mut sealed = BytesMut::from(sealed);
        let plain_len = oneshot::open(&key, &mut sealed)?.len();
        let end = sealed.len() - TAG_LEN;
        Ok(Object::whole(sealed.freeze().slice(end - plain_len..end)))
    }
}

impl SealedBody {
    #[cfg(feature = "s3")]
    /// The next sealed bytes: at least `batch_len`, unless they are the last. They may stand in
    /// `spare`.
    pub(crate) async fn next(
        &mut self,
        batch_len: usize,
        spare: Option<BytesMut>,
    ) -> Result<Option<Bytes>> {
        match self {
            Self::Segments(sealing) => {
                sealing.set_batch_len(batch_len);
                spare.into_iter().for_each(|buffer| sealing.reuse(buffer));
                sealing.next().await.transpose()
            }
            Self::File(segments) => segments.next(batch_len, spare).await,
            Self::Whole(sealed) => Ok(sealed.take()),
        }
    }

    /// Whether everything was taken.
    #[cfg(feature = "s3")]
    pub(crate) fn is_finished(&self) -> bool {
        match self {
            Self::Segments(sealing) => sealing.is_finished(),
            Self::File(segments) => segments.is_finished(),
            Self::Whole(sealed) => sealed.is_none(),
        }
    }

    /// Number of sealed bytes, if that of the plaintext is known. A hint.
    pub(crate) fn len_hint(&self) -> Option<u64> {
        match self {
            Self::Segments(sealing) => sealing.len_hint(),
            #[cfg(feature = "s3")]
            Self::File(segments) => Some(segments.len()),
            Self::Whole(sealed) => sealed.as_ref().map(|sealed| sealed.len() as u64),
        }
    }

    pub(super) fn into_body(self, batch_len: usize) -> Body {
        let len = self.len_hint();
        let body = match self {
            Self::Segments(mut sealing) => {
                sealing.set_batch_len(batch_len);
                Body::from_stream(Pin::from(sealing))
            }
            #[cfg(feature = "s3")]
            Self::File(segments) => Body::from_stream(futures_util::stream::try_unfold(
                segments,
                move |mut segments| async move {
                    let next = segments.next(batch_len, None).await?;
                    Ok::<_, Error>(next.map(|sealed| (sealed, segments)))
                },
            )),
            Self::Whole(sealed) => Body::from(sealed.unwrap_or_default()),
        };
        len.into_iter().fold(body, Body::with_len)
    }
}

/// The metadata to store, and what goes in front of the header.
fn place(
    envelope: Envelope,
    header: &[u8; floe::HEADER_LEN],
    placement: Placement,
) -> Result<(Metadata, Vec<u8>)> {
    Ok(match placement {
        Placement::Metadata => {
            let header = floe::Header::parse(header)?;
            (envelope.with_header(header).to_metadata()?, vec![])
        }
        Placement::Inline => (vec![], envelope.to_inline()?),
    })
}

/// Reads the inline envelope and the header behind it; most fit the first read.
pub(crate) async fn read_inline(
    source: &dyn ReadAt,
    sealed_len: u64,
) -> Result<(Envelope, u64, floe::Header)> {
    let first = FIRST_READ.min(sealed_len);
    let mut read = object::read_exactly(source, 0..first).await?;
    if let InlineLen::Known(len) = inline_len(&read)? {
        let wanted = len as u64 + FLOE_HEADER_LEN;
        if wanted > sealed_len {
            return Err(cut_short());
        }
        if wanted > first {
            read = object::read_exactly(source, 0..wanted).await?;
        }
    }
    let (envelope, at) = Envelope::from_inline(&read)?.ok_or_else(cut_short)?;
    let header = read.get(at..at + floe::HEADER_LEN).ok_or_else(cut_short)?;
    Ok((envelope, at as u64, floe::Header::parse(header)?))
}

/// Bytes of an inline envelope of the usual size and the header.
const FIRST_READ: u64 = 1024 + FLOE_HEADER_LEN;
