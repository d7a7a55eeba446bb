//! What the fuzz targets share: sealed objects, and scripts of edits that alter them.
//!
//! Sealing draws random IVs, so each process seals its own objects, once. An input names one and
//! says where to alter it; the same input does the same in every process, except to bytes that
//! are random themselves.

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use bytes::Bytes;
use futures_executor::block_on;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::Format;
use waxseal::KeyFile;
use waxseal::LocalKeyring;
use waxseal::ReadPolicy;
use waxseal::SecretKey;
use waxseal::Signature;
use waxseal::SigningKey;
use waxseal::async_trait;
use waxseal::floe::HEADER_LEN;

/// How an object is sealed and stored.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// FLOE, with the envelope in front.
    Inline,
    /// FLOE, with the envelope in metadata.
    Metadata,
    /// One-shot, whose key is in metadata.
    OneShot,
}

/// A sealed object and what is in it.
#[derive(Debug)]
pub struct Sample {
    /// What was sealed. No two samples of a layout agree in length or in any byte.
    pub plain: Vec<u8>,
    /// The entries stored beside it.
    pub metadata: Vec<(String, String)>,
    /// The stored bytes.
    pub stored: Bytes,
    /// Where in them the segments begin.
    body_at: usize,
}

impl Sample {
    /// The sample of this layout that `number` stands for.
    pub fn pick(layout: Layout, number: u8) -> &'static Self {
        let samples = Self::all(layout);
        &samples[usize::from(number) % samples.len()]
    }

    /// All samples of a layout: about every border between segments.
    pub fn all(layout: Layout) -> &'static [Self] {
        static INLINE: LazyLock<Vec<Sample>> = LazyLock::new(|| samples(Layout::Inline));
        static METADATA: LazyLock<Vec<Sample>> = LazyLock::new(|| samples(Layout::Metadata));
        static ONE_SHOT: LazyLock<Vec<Sample>> = LazyLock::new(|| samples(Layout::OneShot));
        match layout {
            Layout::Inline => &INLINE,
            Layout::Metadata => &METADATA,
            Layout::OneShot => &ONE_SHOT,
        }
    }

    /// The metadata entries as pairs of text.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn seal(layout: Layout, plain: Vec<u8>) -> Self {
        let cipher = match layout {
            Layout::Inline | Layout::Metadata => cipher().sign_with(Signer),
            Layout::OneShot => cipher().format(Format::OneShot),
        };
        let (metadata, stored) = if layout == Layout::Inline {
            (vec![], block_on(cipher.seal(&plain, &context())).expect("a sample can be sealed"))
        } else {
            let (metadata, body) = block_on(cipher.seal_with_metadata(plain.clone(), &context()))
                .expect("a sample can be sealed");
            (metadata, block_on(body.collect()).expect("a sample can be sealed"))
        };
        let body_at = match layout {
            Layout::Inline => 1024 + HEADER_LEN,
            Layout::Metadata => HEADER_LEN,
            Layout::OneShot => 12, // its IV
        };
        Self { plain, metadata, stored, body_at }
    }
}

/// A place in stored bytes; past the end it is the end.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum At {
    /// This many bytes from the start.
    Byte(u16),
    /// Where this segment begins, or the last one ends; counted in circles.
    Segment(u8),
    /// The end.
    End,
}

/// One alteration of stored bytes.
#[derive(Arbitrary, Clone, Debug)]
pub enum Edit {
    /// Flips bits of one byte.
    Flip(At, u8),
    /// Makes the segment here look final, or else internal.
    Mark(At, bool),
    /// Removes everything from here on.
    Cut(At),
    /// Inserts, removes or overwrites.
    Replace {
        /// What goes.
        old: (At, At),
        /// What comes in its place.
        new: Vec<u8>,
    },
    /// The same with bytes of a sample: repeats, exchanges and mixes segments.
    Splice {
        /// What goes.
        old: (At, At),
        /// The number of the sample that is copied from.
        sample: u8,
        /// What of it comes in its place.
        new: (At, At),
    },
}

/// The stored bytes of `sample`, altered.
pub fn edited(layout: Layout, sample: &Sample, edits: &[Edit]) -> Bytes {
    let mut stored = sample.stored.to_vec();
    let body_at = sample.body_at;
    for edit in edits.iter().take(MAX_EDITS) {
        match edit {
            Edit::Flip(at, bits) => {
                let at = offset(*at, body_at, stored.len());
                if let Some(byte) = stored.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Edit::Mark(at, is_final) => {
                let at = offset(*at, body_at, stored.len());
                let len = SEGMENT_LEN.min((stored.len() - at) as u32);
                if let Some(prefix) = stored[at..].first_chunk_mut() {
                    *prefix = if *is_final { len } else { u32::MAX }.to_be_bytes();
                }
            }
            Edit::Cut(at) => stored.truncate(offset(*at, body_at, stored.len())),
            Edit::Replace { old, new } => {
                let old = range(*old, body_at, stored.len());
                stored.splice(old, new.iter().copied());
            }
            Edit::Splice { old, sample, new } => {
                let from = Sample::pick(layout, *sample);
                let new = range(*new, from.body_at, from.stored.len());
                let old = range(*old, body_at, stored.len());
                stored.splice(old, from.stored[new].iter().copied());
            }
        }
    }
    stored.into()
}

/// Cuts `bytes` at these places.
pub fn pieces(bytes: &Bytes, cuts: &[At]) -> Vec<Bytes> {
    let body_at = Sample::pick(Layout::Inline, 0).body_at;
    let mut cuts: Vec<_> = cuts.iter().map(|at| offset(*at, body_at, bytes.len())).collect();
    cuts.sort_unstable();
    let ends = cuts.iter().copied().chain([bytes.len()]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    starts.zip(ends).map(|(start, end)| bytes.slice(start..end)).collect()
}

/// Seals under a fixed key, in segments so small that there are many.
pub fn cipher() -> EnvelopeCipher {
    let key = SecretKey::try_from(&[1; 32][..]).expect("32 bytes are a key");
    let keys = KeyFile::from_key("test", key).expect("an id of letters");
    EnvelopeCipher::new(LocalKeyring::new(keys))
        .segment_len(SEGMENT_LEN)
        .read_policy(ReadPolicy::default().segment_lens(33..=16 << 20))
}

/// Signs FLOE samples, with what anybody could compute but no edit will.
#[derive(Debug)]
pub struct Signer;

#[async_trait]
impl SigningKey for Signer {
    async fn sign(&self, digest: &[u8; 48]) -> waxseal::Result<Signature> {
        Signature::new("fuzz", "signer", *digest)
    }

    async fn verify(&self, digest: &[u8; 48], signature: &Signature) -> waxseal::Result<()> {
        let refused = || Error::new(ErrorKind::Authentication, "not signed");
        (*signature == self.sign(digest).await?).then_some(()).ok_or_else(refused)
    }
}

/// The encryption context of every sample.
pub fn context() -> EncryptionContext {
    EncryptionContext::from([("table", "orders"), ("tenant", "acme")])
}

fn samples(layout: Layout) -> Vec<Sample> {
    // Multiples of 37 differ, so no two samples have a byte in common at any place.
    let plain = |number: u8, len: u16| (0..len).map(|i| (number * 37) ^ (i % 251) as u8).collect();
    (0..).zip(LENS).map(|(number, len)| Sample::seal(layout, plain(number, len))).collect()
}

fn range((a, b): (At, At), body_at: usize, len: usize) -> std::ops::Range<usize> {
    let (a, b) = (offset(a, body_at, len), offset(b, body_at, len));
    a.min(b)..a.max(b)
}

fn offset(at: At, body_at: usize, len: usize) -> usize {
    match at {
        At::Byte(at) => usize::from(at).min(len),
        At::Segment(index) => {
            let segment_len = SEGMENT_LEN as usize;
            let segments = len.saturating_sub(body_at).div_ceil(segment_len);
            (body_at + usize::from(index) % (segments + 1) * segment_len).min(len)
        }
        At::End => len,
    }
}

/// Length of a full segment: 32 bytes of plaintext.
pub const SEGMENT_LEN: u32 = 64;
/// Lengths of the plaintexts: empty, one byte, about one segment, full and short last segments.
const LENS: [u16; 6] = [0, 1, 32, 33, 96, 300];
/// Bounds how much an input can make of itself.
const MAX_EDITS: usize = 16;
