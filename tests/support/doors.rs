//! Every way in which the library opens sealed bytes.

use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use waxseal::Body;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::Object;

/// A way in which bytes that begin with their envelope are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// `open`.
    Slice,
    /// `open_stream`, fed everything at once.
    Stream,
    /// `open_stream`, fed one byte at a time.
    ByteStream,
    /// `open_at`, then a read of the whole object.
    Random,
}

/// What came through a door.
#[derive(Debug)]
pub(crate) struct Passed {
    /// The length that was reported before anything was read.
    pub(crate) reported_len: Option<u64>,
    /// The plaintext let out, of which an error may follow.
    pub(crate) released: Vec<u8>,
    pub(crate) outcome: Result<(), Error>,
}

impl Door {
    pub(crate) const ALL: [Self; 4] = [Self::Slice, Self::Stream, Self::ByteStream, Self::Random];

    pub(crate) async fn pass(
        self,
        cipher: &EnvelopeCipher,
        sealed: &Bytes,
        context: &EncryptionContext,
    ) -> Passed {
        let opened = match self {
            Self::Slice => match cipher.open(sealed, context).await {
                Ok(plain) => return Passed::all_of(plain.to_vec()),
                Err(error) => Err(error),
            },
            Self::Stream => cipher.open_stream(sealed.clone(), context).await,
            Self::ByteStream => cipher.open_stream(one_byte_at_a_time(sealed), context).await,
            Self::Random => {
                return Passed::read(cipher.open_at(sealed.clone(), context).await).await;
            }
        };
        match opened {
            Ok(body) => Passed::drain(body, None).await,
            Err(error) => Passed::nothing(error),
        }
    }
}

impl Passed {
    /// Reads the whole of an object that was opened at random.
    pub(crate) async fn read(opened: Result<Object, Error>) -> Self {
        match opened {
            Ok(object) => {
                let len = object.len();
                Self::drain(object.into_stream(), Some(len)).await
            }
            Err(error) => Self::nothing(error),
        }
    }

    async fn drain(mut body: Body, reported_len: Option<u64>) -> Self {
        let mut released = vec![];
        while let Some(item) = body.next().await {
            match item {
                Ok(more) => released.extend_from_slice(&more),
                Err(error) => {
                    assert!(body.next().await.is_none(), "the stream goes on after an error");
                    return Self { reported_len, released, outcome: Err(error) };
                }
            }
        }
        Self { reported_len, released, outcome: Ok(()) }
    }

    fn all_of(released: Vec<u8>) -> Self {
        Self { reported_len: None, released, outcome: Ok(()) }
    }

    fn nothing(error: Error) -> Self {
        Self { reported_len: None, released: vec![], outcome: Err(error) }
    }
}

/// But for the middle of the envelope, of which there is so much that it would take most of the
/// time of the tests; `tests/streams.rs` feeds that one byte at a time too.
fn one_byte_at_a_time(sealed: &Bytes) -> Body {
    let middle = ENVELOPE_MIDDLE.start.min(sealed.len())..ENVELOPE_MIDDLE.end.min(sealed.len());
    let single = |range: Range<usize>| range.map(|at| at..at + 1);
    let items: Vec<_> = single(0..middle.start)
        .chain([middle.clone()])
        .chain(single(middle.end..sealed.len()))
        .map(|range| Ok::<_, Error>(sealed.slice(range)))
        .collect();
    Body::from_stream(stream::iter(items))
}

/// Behind the first line and before the last bytes.
const ENVELOPE_MIDDLE: Range<usize> = 20..1000;
