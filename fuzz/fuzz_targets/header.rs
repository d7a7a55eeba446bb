//! Any header, any lengths: no panic, and what is accepted is consistent.
//!
//! A header that parses is the bytes it was parsed from. The layout of a plaintext is that of its
//! body. A layout made from the length of a body has that length; its final segment and every span
//! lie within the body; a span's plaintext places are within the bytes it fetches and add up to the
//! range.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use waxseal::floe::Header;
use waxseal::floe::Layout;
use waxseal::floe::MAX_SEGMENTS;
use waxseal::floe::MIN_SEGMENT_LEN;
use waxseal::floe::SEGMENT_OVERHEAD;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    segment_len: u32,
    body_len: u64,
    plain: (u64, u64),
    header: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    headers(input.header, input.segment_len);
    for plain_len in [input.plain.0, input.plain.1] {
        if let Ok(layout) = Layout::of_plaintext(input.segment_len, plain_len) {
            assert_eq!(layout.plain_len(), plain_len);
            assert_eq!(Layout::of_body(input.segment_len, layout.body_len()).unwrap(), layout);
        }
    }
    layouts(&input);
});

fn headers(bytes: &[u8], segment_len: u32) {
    if let Ok(header) = Header::parse(bytes) {
        assert_eq!(header.as_bytes(), bytes);
    }
    let likely = [&[0, 0], &segment_len.to_be_bytes()[..], &[0, 0, 0, 32], bytes].concat();
    if let Ok(header) = Header::parse(&likely) {
        assert_eq!(header.as_bytes()[..], likely);
        assert_eq!(header.segment_len(), segment_len);
        assert!((MIN_SEGMENT_LEN..u32::MAX).contains(&segment_len));
    }
}

fn layouts(input: &Input<'_>) {
    let Ok(layout) = Layout::of_body(input.segment_len, input.body_len) else { return };
    assert_eq!(layout.body_len(), input.body_len);
    assert!((1..=MAX_SEGMENTS).contains(&layout.segments()));

    let last = layout.final_segment();
    assert_eq!(last.end, input.body_len);
    assert!((SEGMENT_OVERHEAD..=layout.segment_len()).contains(&(last.end - last.start)));

    // A full segment and an empty final one are also read, but never written.
    let written = Layout::of_plaintext(input.segment_len, layout.plain_len()).unwrap();
    assert!(written.segments() <= layout.segments() && layout.segments() <= written.segments() + 1);

    let plain = input.plain.0..input.plain.1;
    let valid = plain.start <= plain.end && plain.end <= layout.plain_len();
    let span = layout.span(plain.clone());
    assert_eq!(span.is_ok(), valid);
    let Ok(span) = span else { return };
    let body = span.body();
    assert!(body.start <= body.end && body.end <= input.body_len);
    assert_eq!(span.body_len(), body.end - body.start);
    assert_eq!(body.is_empty(), plain.is_empty());
    assert!(plain.is_empty() || body.start % layout.segment_len() == 0);

    // Up to 2^40 segments: the first of them will do, unless they are all.
    let mut found = 0;
    let mut at = 0;
    for place in span.plaintext().take(MOST_PLACES) {
        assert!(at <= place.start && place.start < place.end);
        at = place.end;
        found += place.len() as u64;
    }
    assert!(at as u64 <= span.body_len());
    let all = span.body_len().div_ceil(layout.segment_len()) <= MOST_PLACES as u64;
    let wanted = plain.end - plain.start;
    assert!(if all { found == wanted } else { found < wanted });
}

const MOST_PLACES: usize = 64;
