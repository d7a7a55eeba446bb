//! Every bit of objects with an inline envelope.

use waxseal::ErrorKind;

use crate::sample::BODY;
use crate::sample::CRYPTO;
use crate::sample::EITHER;
use crate::sample::FORMAT;
use crate::sample::LENS;
use crate::sample::PRELUDE;
use crate::sample::SEGMENT;
use crate::sample::Sample;
use crate::sample::flipped;

#[tokio::test]
async fn a_flipped_bit_of_the_body_is_refused_after_the_segments_before_it() {
    for len in LENS {
        let sample = Sample::new(len).await;
        for at in BODY..sample.sealed.len() {
            let segment = (at - BODY) / SEGMENT;
            for bit in 0..8 {
                let altered = flipped(&sample.sealed, at, bit);
                let what = format!("bit {bit} of body byte {}", at - BODY);
                sample.assert_refused(altered, segment, CRYPTO, &what).await;
            }
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_of_the_header_is_refused_and_says_whether_it_could_be_read() {
    for len in LENS {
        let sample = Sample::new(len).await;
        for at in PRELUDE..BODY {
            for bit in 0..8 {
                let altered = flipped(&sample.sealed, at, bit);
                let kinds = kind_of_header(altered[PRELUDE..BODY].try_into().unwrap());
                let what = format!("bit {bit} of header byte {}", at - PRELUDE);
                sample.assert_nothing_opens(altered, kinds, &what).await;
            }
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_of_the_envelope_is_refused_with_the_kind_of_the_field_it_hits() {
    assert_envelope_is_refused(&Sample::new(65).await).await;
}

/// Without the caller's context only the keyring and the header protect the stored one.
#[tokio::test]
async fn a_flipped_bit_of_the_envelope_is_refused_if_the_caller_demands_no_context() {
    let mut sample = Sample::new(1).await;
    sample.context = waxseal::EncryptionContext::new();
    sample.assert_opens().await;
    assert_envelope_is_refused(&sample).await;
}

async fn assert_envelope_is_refused(sample: &Sample) {
    for at in 0..PRELUDE {
        for bit in 0..8 {
            let altered = flipped(&sample.sealed, at, bit);
            let kinds = kind_of_envelope_byte(&sample.sealed, at, altered[at]);
            let what = format!("bit {bit} of envelope byte {at}");
            sample.assert_nothing_opens(altered, kinds, &what).await;
        }
    }
}

/// `Format` for parameters that are not supported or allowed; the rest is authenticated.
fn kind_of_header(header: [u8; 74]) -> &'static [ErrorKind] {
    let [aead, kdf, a, b, c, d, iv_len @ ..] = header;
    let segment_len = u32::from_be_bytes([a, b, c, d]);
    let supported = (aead, kdf) == (0, 0) && iv_len[..4] == 32u32.to_be_bytes();
    if supported && (33..=16 << 20).contains(&segment_len) { CRYPTO } else { FORMAT }
}

/// What a flip of the byte at `at` in the envelope, which makes it `to`, has to lead to.
fn kind_of_envelope_byte(sealed: &[u8], at: usize, to: u8) -> &'static [ErrorKind] {
    let line_start = sealed[..at].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    let line_len = sealed[line_start..].iter().position(|&b| b == b'\n').unwrap();
    let line = std::str::from_utf8(&sealed[line_start..line_start + line_len]).unwrap();
    if at == line_start + line_len || at - line_start <= line.find(' ').unwrap_or(line.len()) {
        return FORMAT; // the end of a line or the name of a field
    }
    let column = at - line_start;
    match line.split(' ').next() {
        // A context that still reads is one that the data key was not wrapped under.
        Some("context") => EITHER,
        Some("key-1") => {
            let spaces: Vec<usize> = line.match_indices(' ').map(|(i, _)| i).collect();
            let [_, after_provider, after_id] = spaces[..] else { panic!("{line}") };
            let lower = to.is_ascii_lowercase() || to.is_ascii_digit() || to == b'-';
            let base64 = to.is_ascii_alphanumeric() || to == b'-' || to == b'_';
            match column {
                c if c < after_provider && lower => &[ErrorKind::KeyAccess],
                c if c > after_provider && c < after_id && to.is_ascii_graphic() => {
                    &[ErrorKind::KeyAccess]
                }
                c if c > after_id && base64 => CRYPTO,
                _ => FORMAT,
            }
        }
        _ => FORMAT,
    }
}
