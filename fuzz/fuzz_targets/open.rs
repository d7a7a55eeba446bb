//! Any bytes, any edits of a sealed object, however the stream was cut: what opens was sealed.
//!
//! `open`, `open_stream` and `open_at` agree on whether it opens; what opens is a whole original,
//! and what a stream released before it failed is the start of one.

#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use futures_executor::block_on;
use futures_executor::block_on_stream;
use futures_util::stream;
use libfuzzer_sys::fuzz_target;
use waxseal::Body;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal_fuzz::At;
use waxseal_fuzz::Edit;
use waxseal_fuzz::Layout;
use waxseal_fuzz::Sample;
use waxseal_fuzz::cipher;
use waxseal_fuzz::context;
use waxseal_fuzz::edited;
use waxseal_fuzz::pieces;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    sealed: Sealed<'a>,
    cuts: Vec<At>,
}

#[derive(Arbitrary, Debug)]
enum Sealed<'a> {
    Raw(&'a [u8]),
    Edited { sample: u8, edits: Vec<Edit> },
}

fuzz_target!(|input: Input<'_>| {
    let sealed = match &input.sealed {
        Sealed::Raw(bytes) => Bytes::copy_from_slice(bytes),
        Sealed::Edited { sample, edits } => {
            edited(Layout::Inline, Sample::pick(Layout::Inline, *sample), edits)
        }
    };
    let originals = Sample::all(Layout::Inline);
    let untouched = originals.iter().any(|sample| sample.stored == sealed);

    let opened = block_on(cipher().open(&sealed, &context()));
    check(&opened);
    assert!(opened.is_ok() || !untouched);
    if let Ok(plain) = &opened {
        assert!(originals.iter().any(|sample| sample.plain == *plain));
    }

    let (released, outcome) = stream(&sealed, &input.cuts);
    check(&outcome);
    assert!(originals.iter().any(|sample| sample.plain.starts_with(&released)));
    assert_eq!(outcome.is_ok(), opened.is_ok());

    let at_random = block_on(random(sealed));
    check(&at_random);
    assert_eq!(at_random.is_ok(), opened.is_ok());
    if let Ok(plain) = opened {
        assert_eq!(released, plain);
        assert_eq!(at_random.unwrap(), plain);
    }
});

/// What `open_stream` released, and how it ended.
fn stream(sealed: &Bytes, cuts: &[At]) -> (Vec<u8>, Result<(), Error>) {
    let items = pieces(sealed, cuts).into_iter().map(Ok::<_, Error>);
    let body = Body::from_stream(stream::iter(items));
    let mut released = vec![];
    let opened = match block_on(cipher().open_stream(body, &context())) {
        Ok(opened) => opened,
        Err(error) => return (released, Err(error)),
    };
    for plain in block_on_stream(opened) {
        match plain {
            Ok(plain) => released.extend_from_slice(&plain),
            Err(error) => return (released, Err(error)),
        }
    }
    (released, Ok(()))
}

async fn random(sealed: Bytes) -> Result<Bytes, Error> {
    cipher().open_at(sealed, &context()).await?.into_stream().collect().await
}

/// Only the bytes can be at fault, never the store or the machine.
fn check<T>(outcome: &Result<T, Error>) {
    use ErrorKind::{Authentication, Format, KeyAccess};
    if let Err(error) = outcome {
        assert!(matches!(error.kind(), Authentication | Format | KeyAccess));
    }
}
