//! Messages under one data key, through the `floe` module: the header keeps them apart.

use waxseal::ErrorKind;
use waxseal::SecretKey;
use waxseal::floe;

use crate::floe_message;
use crate::sample::HEADER;
use crate::sample::PIECE;
use crate::sample::SEGMENT;
use crate::sample::flipped;
use crate::sample::plain;

const AAD: &[u8] = b"aad";
const LENS: [usize; 5] = [0, 1, PIECE, PIECE + 1, 3 * PIECE + 1];

#[test]
fn a_segment_or_header_of_another_message_under_the_same_data_key_is_refused() {
    for len in LENS {
        let (own, other) = (seal(AAD, &plain(len)), seal(AAD, &plain(len)));
        assert_opens(&own, &plain(len));
        assert_opens(&other, &plain(len));
        let segments = own[HEADER..].len().div_ceil(SEGMENT);
        for i in 0..segments {
            let place = HEADER + i * SEGMENT..(HEADER + (i + 1) * SEGMENT).min(own.len());
            let mut spliced = own.clone();
            spliced[place.clone()].copy_from_slice(&other[place]);
            assert_refused(AAD, &spliced, i * PIECE, &format!("{len} bytes, segment {i}"));
        }
        let header = [&other[..HEADER], &own[HEADER..]].concat();
        assert_refused(AAD, &header, 0, &format!("{len} bytes, the header"));
    }
}

#[test]
fn a_segment_of_a_message_with_another_aad_is_refused() {
    for len in LENS {
        let (own, other) = (seal(AAD, &plain(len)), seal(b"other", &plain(len)));
        assert_opens(&own, &plain(len));
        assert_refused(AAD, &other, 0, "another AAD");
        let spliced = [&own[..HEADER], &other[HEADER..]].concat();
        assert_refused(AAD, &spliced, 0, "a body made with another AAD");
    }
}

#[test]
fn aads_that_are_nearly_the_same_are_refused() {
    let sealed = seal(AAD, &plain(65));
    assert_opens(&sealed, &plain(65));
    let longer = [AAD, b"\0"].concat();
    for aad in [&b""[..], b"aa", b"Aad", b"aad ", &longer, b"\0aad"] {
        assert_refused(aad, &sealed, 0, &format!("{aad:?}"));
    }
}

#[test]
fn another_data_key_is_refused() {
    let sealed = seal(AAD, &plain(65));
    assert_opens(&sealed, &plain(65));
    for at in 0..32 {
        let other = SecretKey::try_from(&flipped(&[1; 32], at, 0)[..]).unwrap();
        let header = floe::Header::parse(&sealed[..HEADER]).unwrap();
        let error = floe::Decryptor::new(&other, AAD, &header).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
    }
}

#[test]
fn a_decryptor_opens_nothing_after_the_end_or_an_error_and_a_random_access_goes_on() {
    let sealed = seal(AAD, &plain(2 * PIECE));
    assert_opens(&sealed, &plain(2 * PIECE));
    let header = floe::Header::parse(&sealed[..HEADER]).unwrap();
    let segments: Vec<&[u8]> = sealed[HEADER..].chunks(SEGMENT).collect();

    let mut decryptor = floe::Decryptor::new(&key(), AAD, &header).unwrap();
    for segment in &segments {
        decryptor.decrypt(&mut segment.to_vec()).unwrap();
    }
    assert!(decryptor.is_finished());
    let mut after = segments[1].to_vec();
    assert!(decryptor.decrypt(&mut after).is_err());
    assert_eq!(after, [0; SEGMENT], "a refused segment is wiped");
    assert!(decryptor.finish().is_err(), "it was asked for more than there was");

    let mut decryptor = floe::Decryptor::new(&key(), AAD, &header).unwrap();
    assert!(decryptor.decrypt(&mut flipped(segments[0], 20, 0)).is_err());
    assert!(decryptor.decrypt(&mut segments[0].to_vec()).is_err(), "not even the right one");
    assert!(!decryptor.is_finished() && decryptor.finish().is_err());

    let layout = floe::Layout::of_body(header.segment_len(), 2 * SEGMENT as u64).unwrap();
    let mut last = segments[1].to_vec();
    let access = floe::RandomAccess::new(&key(), AAD, &header, layout, &mut last).unwrap();
    let span = layout.span(0..1).unwrap();
    let mut altered = flipped(segments[0], 20, 0);
    assert!(access.decrypt(&span, &mut altered).is_err());
    assert_eq!(altered, [0; SEGMENT], "a refused segment is wiped");
    access.decrypt(&span, &mut segments[0].to_vec()).unwrap();
}

fn key() -> SecretKey {
    SecretKey::try_from(&[1; 32][..]).unwrap()
}

fn seal(aad: &[u8], plain: &[u8]) -> Vec<u8> {
    floe_message::seal(&key(), aad, u32::try_from(SEGMENT).unwrap(), plain)
}

fn assert_opens(sealed: &[u8], plain: &[u8]) {
    let mut released = vec![];
    floe_message::open(&key(), AAD, sealed, &mut released).unwrap();
    assert_eq!(released, plain);
    assert_eq!(floe_message::open_at_random(&key(), AAD, sealed).unwrap(), plain);
}

fn assert_refused(aad: &[u8], sealed: &[u8], before: usize, what: &str) {
    let mut released = vec![];
    let error = floe_message::open(&key(), aad, sealed, &mut released).expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Authentication, "{what}");
    assert_eq!(released, plain(before), "{what}");
    let error = floe_message::open_at_random(&key(), aad, sealed).expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Authentication, "{what}");
}
