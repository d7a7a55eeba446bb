//! Where plaintext bytes live in a FLOE body.
//!
//! Pure `u64` arithmetic: no keys, no I/O, no allocation. Everything that turns a plaintext offset
//! into a sealed offset goes through [`Layout`], so there is one place to get it right.
//!
//! ```text
//! plaintext   0 ........ P-1 | P ....... 2P-1 | 2P .. N-1        P = S - 32
//! body       [4|12|   P  |16] [4|12|   P  |16] [4|12|  |16]
//!             <---- S ----->   <---- S ----->   32 ..= S
//! ```
//!
//! The body is what follows the header. Source: FLOE specification, "FLOE Ciphertext Layout".

use std::ops::Range;

use crate::error::Error;
use crate::error::Result;
use crate::floe::segment::DATA_OFFSET;
use crate::floe::segment::OVERHEAD;

/// The shape of one FLOE body: how many bytes, cut into segments of which length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of a full segment, overhead included. More than [`SEGMENT_OVERHEAD`].
    segment_len: u64,
    /// Number of segments. At least 1, at most [`MAX_SEGMENTS`].
    segments: u64,
    /// Bytes of plaintext.
    plain_len: u64,
}

/// The whole segments that hold a plaintext range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    layout: Layout,
    /// Segment numbers, half open.
    segments: Range<u64>,
    /// Plaintext bytes wanted, half open.
    plain: Range<u64>,
}

impl Layout {
    /// The layout that encrypting `plain_len` bytes produces.
    ///
    /// The final segment is full when it can be, and empty only for an empty plaintext.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `segment_len` is 32 or less or `u32::MAX`, or the body would need more
    /// than [`MAX_SEGMENTS`] or not fit in a `u64`.
    pub fn of_plaintext(segment_len: u32, plain_len: u64) -> Result<Self> {
        let per_segment = check_segment_len(segment_len)?;
        let segments = plain_len.div_ceil(per_segment).max(1);
        Self::new(segment_len, segments, plain_len)
    }

    /// The layout of a body of `body_len` bytes, as found in a store.
    ///
    /// A length from a store is a claim. It is proven only when the last segment opens as the
    /// final one, which every reader does before it hands out a plaintext length.
    ///
    /// # Errors
    ///
    /// `Authentication` if no plaintext has a body of that length: it was cut or extended.
    /// `InvalidInput` for a bad `segment_len`.
    pub fn of_body(segment_len: u32, body_len: u64) -> Result<Self> {
        check_segment_len(segment_len)?;
        let segments = body_len.div_ceil(u64::from(segment_len));
        let impossible = || Error::authentication("the body has an impossible length");
        let overhead = segments.checked_mul(SEGMENT_OVERHEAD).ok_or_else(impossible)?;
        let plain_len = body_len.checked_sub(overhead).ok_or_else(impossible)?;
        match body_len % u64::from(segment_len) {
            1..SEGMENT_OVERHEAD => Err(impossible()),
            _ if segments == 0 => Err(impossible()),
            _ => Self::new(segment_len, segments, plain_len).map_err(|_| impossible()),
        }
    }

    /// Plaintext length in bytes.
    pub fn plain_len(&self) -> u64 {
        self.plain_len
    }

    /// Length of the body, without the header, in bytes.
    pub fn body_len(&self) -> u64 {
        self.plain_len + self.segments * SEGMENT_OVERHEAD
    }

    /// Length of a full segment in bytes.
    pub fn segment_len(&self) -> u64 {
        self.segment_len
    }

    /// Number of segments, at least 1.
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// The body bytes of the final segment, half open: 32 bytes to a full segment.
    pub fn final_segment(&self) -> Range<u64> {
        self.offset_of(self.segments - 1)..self.body_len()
    }

    /// The segments that hold the plaintext bytes `plain`, half open.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `plain` is reversed or ends past the plaintext.
    pub fn span(&self, plain: Range<u64>) -> Result<Span> {
        if plain.start > plain.end || plain.end > self.plain_len {
            return Err(Error::invalid_input(format!(
                "bytes {}..{} are outside the plaintext of {} bytes",
                plain.start, plain.end, self.plain_len
            )));
        }
        let per_segment = self.segment_len - SEGMENT_OVERHEAD;
        let first = plain.start / per_segment;
        let end = if plain.is_empty() { first } else { plain.end.div_ceil(per_segment) };
        Ok(Span { layout: *self, segments: first..end, plain })
    }

    /// All of the segments with these numbers, half open.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there are none with these numbers.
    pub fn segments_span(&self, segments: Range<u64>) -> Result<Span> {
        if segments.is_empty() || segments.end > self.segments {
            return Err(Error::invalid_input(format!(
                "segments {}..{} are not among the {} of the message",
                segments.start, segments.end, self.segments
            )));
        }
        let per_segment = self.segment_len - SEGMENT_OVERHEAD;
        let end = segments.end.saturating_mul(per_segment).min(self.plain_len);
        let plain = segments.start * per_segment..end;
        Ok(Span { layout: *self, segments, plain })
    }

    /// Body offset at which segment `index` begins; the body length past the last one.
    fn offset_of(&self, index: u64) -> u64 {
        index.saturating_mul(self.segment_len).min(self.body_len())
    }

    fn new(segment_len: u32, segments: u64, plain_len: u64) -> Result<Self> {
        // The second test is what keeps `body_len` from overflowing.
        if segments > MAX_SEGMENTS || plain_len > u64::MAX - MAX_SEGMENTS * SEGMENT_OVERHEAD {
            return Err(Error::invalid_input("a message has at most 2^40 segments"));
        }
        Ok(Self { segment_len: u64::from(segment_len), segments, plain_len })
    }
}

impl Span {
    /// The body bytes to fetch, half open; empty for an empty range.
    pub fn body(&self) -> Range<u64> {
        self.layout.offset_of(self.segments.start)..self.layout.offset_of(self.segments.end)
    }

    /// Number of body bytes to fetch.
    pub fn body_len(&self) -> u64 {
        let body = self.body();
        body.end - body.start
    }

    /// The places of the wanted plaintext within the fetched bytes, in order, once decrypted.
    pub fn plaintext(&self) -> impl Iterator<Item = Range<usize>> {
        let per_segment = self.layout.segment_len - SEGMENT_OVERHEAD;
        self.segments().map(move |(index, place)| {
            let first = index * per_segment;
            let data = place.start + DATA_OFFSET;
            let from = to_usize(self.plain.start.saturating_sub(first));
            let to = to_usize((self.plain.end - first).min(per_segment));
            data + from..data + to
        })
    }

    /// The plaintext bytes wanted, half open.
    pub fn plain(&self) -> Range<u64> {
        self.plain.clone()
    }

    /// The numbers of the segments, half open.
    pub(crate) fn segment_range(&self) -> Range<u64> {
        self.segments.clone()
    }

    /// The place of each segment within the fetched bytes, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = Range<usize>> {
        self.segments().map(|(_, place)| place)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn segment_count(&self) -> usize {
        to_usize(self.segments.end - self.segments.start)
    }

    /// Whether nothing of its segments is left out.
    pub(super) fn is_whole(&self) -> bool {
        self.layout
            .segments_span(self.segments.clone())
            .is_ok_and(|whole| whole.plain == self.plain)
    }

    /// Each segment's number and its place within the fetched bytes.
    pub(super) fn segments(&self) -> impl Iterator<Item = (u64, Range<usize>)> {
        let base = self.body().start;
        self.segments.clone().map(move |index| {
            let start = self.layout.offset_of(index) - base;
            let end = self.layout.offset_of(index + 1) - base;
            (index, to_usize(start)..to_usize(end))
        })
    }
}

/// Plaintext bytes in a full segment of `segment_len`.
///
/// # Errors
///
/// `InvalidInput` if that is none, or if a full final segment could not be told from an internal
/// one because its length is their marker.
pub(super) fn check_segment_len(segment_len: u32) -> Result<u64> {
    if !(MIN_SEGMENT_LEN..u32::MAX).contains(&segment_len) {
        return Err(Error::invalid_input(format!(
            "a segment has {MIN_SEGMENT_LEN} to {} bytes, not {segment_len}",
            u32::MAX - 1
        )));
    }
    Ok(u64::from(segment_len) - SEGMENT_OVERHEAD)
}

/// For places within bytes that are in memory, whose length therefore fits.
#[expect(clippy::cast_possible_truncation, reason = "an offset into a buffer that exists")]
fn to_usize(offset: u64) -> usize {
    offset as usize
}

/// Bytes a segment adds to its plaintext: length prefix, IV, tag.
pub const SEGMENT_OVERHEAD: u64 = OVERHEAD as u64;

/// Most segments in one message (FLOE specification, `AEAD_MAX_SEGMENTS`).
pub const MAX_SEGMENTS: u64 = 1 << 40;

/// Least length of a full segment: one byte of plaintext.
pub const MIN_SEGMENT_LEN: u32 = 33;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "small numbers")]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    /// Body offset of every plaintext byte, built the slow and obvious way.
    fn model(segment_len: u64, plain_len: u64) -> Vec<u64> {
        let mut at = 0;
        let mut offsets = vec![];
        for i in 0..plain_len {
            if i % (segment_len - 32) == 0 {
                at = (i / (segment_len - 32)) * segment_len + 16;
            }
            offsets.push(at);
            at += 1;
        }
        offsets
    }

    #[test]
    fn of_body_inverts_of_plaintext() {
        for segment_len in 33..=70 {
            for plain_len in 0..300 {
                let layout = Layout::of_plaintext(segment_len, plain_len).unwrap();
                assert_eq!(Layout::of_body(segment_len, layout.body_len()).unwrap(), layout);
            }
        }
    }

    #[test]
    fn every_range_names_exactly_its_segments_and_bytes() {
        for segment_len in [33, 40, 64] {
            for plain_len in 0..80 {
                let layout = Layout::of_plaintext(segment_len, plain_len).unwrap();
                let offsets = model(u64::from(segment_len), plain_len);
                for start in 0..=plain_len {
                    for end in start..=plain_len {
                        let span = layout.span(start..end).unwrap();
                        let base = span.body().start;
                        let places: Vec<u64> =
                            span.plaintext().flatten().map(|at| base + at as u64).collect();
                        assert_eq!(places, offsets[start as usize..end as usize]);
                        assert_eq!(span.body().is_empty(), start == end);
                        if let (Some(first), Some(last)) = (places.first(), places.last()) {
                            assert!(first - base < u64::from(segment_len));
                            assert!(span.body().end > *last);
                            assert!(span.body().end - last <= u64::from(segment_len));
                            assert!(span.body().end <= layout.body_len());
                        }
                    }
                }
            }
        }
    }

    /// `java_lastSegAligned` and `java_lastSegEmpty` of the FLOE known answers.
    #[test]
    fn a_full_and_an_empty_final_segment_are_both_read() {
        assert_eq!(Layout::of_body(40, 80).unwrap().plain_len(), 16);
        assert_eq!(Layout::of_body(40, 112).unwrap().plain_len(), 16);
        assert_eq!(Layout::of_body(40, 112).unwrap().final_segment(), 80..112);
    }

    #[test]
    fn extremes_do_not_overflow() {
        for segment_len in [33, 1 << 16, u32::MAX - 1] {
            for len in [1, u64::MAX - (1 << 46), u64::MAX - 1, u64::MAX] {
                if let Ok(layout) = Layout::of_plaintext(segment_len, len) {
                    assert_eq!(layout.span(0..len).unwrap().body(), 0..layout.body_len());
                }
                let _ = Layout::of_body(segment_len, len);
            }
        }
        for segment_len in [0, 31, 32, u32::MAX] {
            assert!(Layout::of_plaintext(segment_len, 1).is_err());
            assert!(Layout::of_body(segment_len, 100).is_err());
        }
    }

    #[test]
    fn impossible_bodies_are_refused() {
        for body_len in (0..32).chain(65..96) {
            let err = Layout::of_body(64, body_len).unwrap_err();
            assert_eq!(err.kind(), ErrorKind::Authentication, "{body_len}");
        }
        let most = MAX_SEGMENTS * 33;
        assert_eq!(Layout::of_body(33, most).unwrap().segments(), MAX_SEGMENTS);
        assert!(Layout::of_body(33, most + 32).is_err());
    }

    proptest! {
        /// Up to 2^40 segments: lengths invert, and a range lies within its segments.
        #[test]
        fn layouts_hold_at_any_size(
            segment_len in prop_oneof![33..200u32, 4096..=(8u32 << 20)],
            segments in 0..=MAX_SEGMENTS,
            rest in any::<u64>(),
            a in any::<u64>(),
            b in any::<u64>(),
        ) {
            let per_segment = u64::from(segment_len) - 32;
            let plain_len = segments.saturating_sub(1) * per_segment + rest % (per_segment + 1);
            let layout = Layout::of_plaintext(segment_len, plain_len).unwrap();
            prop_assert!(layout.segments() <= MAX_SEGMENTS);
            prop_assert_eq!(layout.plain_len(), plain_len);
            prop_assert_eq!(Layout::of_body(segment_len, layout.body_len()).unwrap(), layout);
            let last = layout.final_segment();
            prop_assert!((32..=u64::from(segment_len)).contains(&(last.end - last.start)));
            prop_assert!(layout.span(0..plain_len + 1).is_err());

            let (a, b) = (a % (plain_len + 1), b % (plain_len + 1));
            let span = layout.span(a.min(b)..a.max(b)).unwrap();
            let body = span.body();
            prop_assert!(body.start <= body.end && body.end <= layout.body_len());
            prop_assert_eq!(body.is_empty(), a == b);
            prop_assert!(span.body_len() <= a.abs_diff(b) + 2 * u64::from(segment_len)
                + 32 * (a.abs_diff(b) / per_segment));
        }
    }
}
