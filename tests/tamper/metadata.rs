//! FLOE objects whose envelope is in metadata: every bit of it, and its body.

use bytes::Bytes;
use waxseal::ErrorKind;
use waxseal::Format;

use crate::sample::CRYPTO;
use crate::sample::EITHER;
use crate::sample::FORMAT;
use crate::sample::HEADER;
use crate::sample::LENS;
use crate::sample::PIECE;
use crate::sample::SEGMENT;
use crate::sample::flipped;
use crate::stored::Metadata;
use crate::stored::Stored;

#[tokio::test]
async fn a_flipped_bit_of_a_metadata_value_is_refused() {
    for len in LENS {
        let stored = Stored::new(Format::Floe, len).await;
        for i in 0..stored.metadata.len() {
            for at in 0..stored.metadata[i].1.len() {
                // Metadata is text: the eighth bit would make it something else.
                for bit in 0..7 {
                    let mut altered = stored.metadata.clone();
                    let value = flipped(altered[i].1.as_bytes(), at, bit);
                    altered[i].1 = String::from_utf8(value).unwrap();
                    let what = format!("bit {bit} of byte {at}: {:?}", altered[i]);
                    let kinds = kinds_of_value(&stored.metadata[i], &altered[i].1, at);
                    stored.assert_metadata_refused(&altered, kinds, &what).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_of_a_metadata_name_is_refused_unless_it_is_case() {
    let stored = Stored::new(Format::Floe, 65).await;
    for i in 0..stored.metadata.len() {
        for at in 0..stored.metadata[i].0.len() {
            for bit in 0..7 {
                let mut altered = stored.metadata.clone();
                let name = flipped(altered[i].0.as_bytes(), at, bit);
                altered[i].0 = String::from_utf8(name).unwrap();
                let what = format!("bit {bit} of byte {at}: {:?}", altered[i].0);
                if altered[i].0.eq_ignore_ascii_case(&stored.metadata[i].0) {
                    stored.assert_opens_with(&altered, &what).await; // stores fold case
                } else {
                    stored.assert_metadata_refused(&altered, EITHER, &what).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_metadata_entry_that_is_removed_or_doubled_is_refused() {
    let stored = Stored::new(Format::Floe, 65).await;
    for i in 0..stored.metadata.len() {
        let mut removed = stored.metadata.clone();
        let (name, value) = removed.remove(i);
        let kinds = if name == "waxseal-context" { CRYPTO } else { FORMAT };
        stored.assert_metadata_refused(&removed, kinds, &format!("without {name}")).await;
        for doubled in [
            stored.metadata.iter().cloned().chain([(name.clone(), value.clone())]).collect(),
            stored.metadata.iter().cloned().chain([(name.to_uppercase(), value.clone())]).collect(),
            with_value(&stored.metadata, i, &format!("{value}, {value}")),
            with_value(&stored.metadata, i, &format!("{value},{value}")),
            with_value(&stored.metadata, i, &format!(" {value}")),
            with_value(&stored.metadata, i, ""),
        ] {
            let what = format!("doubled {name}: {doubled:?}");
            stored.assert_metadata_refused(&doubled, FORMAT, &what).await;
        }
    }
    stored.assert_metadata_refused(&vec![], FORMAT, "no metadata at all").await;
}

#[tokio::test]
async fn metadata_entries_exchanged_between_two_objects_are_refused() {
    let stored = Stored::new(Format::Floe, 65).await;
    let other = Stored::new(Format::Floe, 65).await;
    let differing: Vec<usize> =
        (0..stored.metadata.len()).filter(|&i| stored.metadata[i] != other.metadata[i]).collect();
    assert_eq!(differing.len(), 2, "the wrapped key and the header");
    for &i in &differing {
        let mut mixed = stored.metadata.clone();
        mixed[i] = other.metadata[i].clone();
        let what = format!("{} of another object", mixed[i].0);
        stored.assert_metadata_refused(&mixed, CRYPTO, &what).await;
    }
    stored.assert_metadata_refused(&other.metadata, CRYPTO, "all of another object").await;
    stored.assert_refused(&stored.metadata, &other.body, CRYPTO, "another object's body").await;
    let mixed = Bytes::from([&stored.body[..HEADER], &other.body[HEADER..]].concat());
    stored.assert_refused(&stored.metadata, &mixed, CRYPTO, "but for its header").await;
}

#[tokio::test]
async fn metadata_in_any_order_and_beside_other_entries_opens() {
    let stored = Stored::new(Format::Floe, 65).await;
    let mut reversed = stored.metadata.clone();
    reversed.reverse();
    reversed.insert(2, ("title".to_owned(), "a, b".to_owned()));
    stored.assert_opens_with(&reversed, "reversed").await;
}

#[tokio::test]
async fn a_flipped_bit_of_a_body_is_refused_after_the_segments_before_it() {
    for len in LENS {
        let stored = Stored::new(Format::Floe, len).await;
        let last = (stored.body.len() - HEADER).div_ceil(SEGMENT) - 1;
        for at in 0..stored.body.len() {
            let segment = at.saturating_sub(HEADER) / SEGMENT;
            let final_hit = at >= HEADER + last * SEGMENT;
            for bit in 0..8 {
                let altered = flipped(&stored.body, at, bit).into();
                let passed = stored.open(&stored.metadata, &altered).await;
                let what = format!("{len} bytes, bit {bit} of byte {at}: {passed:?}");
                let kind = passed.outcome.as_ref().expect_err(&what).kind();
                assert_eq!(kind, ErrorKind::Authentication, "{what}");
                let released = if final_hit { 0 } else { segment * PIECE };
                assert_eq!(passed.released, stored.plain[..released], "{what}");
                assert_eq!(passed.reported_len.is_none(), final_hit, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_cut_or_extended_is_refused_and_has_no_length() {
    for len in LENS {
        let stored = Stored::new(Format::Floe, len).await;
        for cut in 0..stored.body.len() {
            let altered = stored.body.slice(..cut);
            let what = format!("cut to {cut}");
            stored.assert_refused(&stored.metadata, &altered, CRYPTO, &what).await;
        }
        for more in 1..SEGMENT + 33 {
            let altered = [&stored.body[..], &vec![0; more]].concat().into();
            let what = format!("{more} bytes appended");
            stored.assert_refused(&stored.metadata, &altered, CRYPTO, &what).await;
        }
    }
}

/// The header in front of the body is a copy: ranges use the one in the metadata.
#[tokio::test]
async fn ranges_do_not_depend_on_the_header_in_front_of_the_body() {
    let stored = Stored::new(Format::Floe, 97).await;
    let mut altered = stored.body.to_vec();
    altered[..HEADER].fill(0);
    let entries = stored.metadata.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let source = Bytes::from(altered);
    let object = stored.cipher.open_with_metadata(entries, source, &stored.context).await.unwrap();
    assert_eq!(object.range(5..90).await.unwrap(), stored.plain[5..90]);
    let error = object.into_stream().collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
}

fn with_value(metadata: &Metadata, i: usize, value: &str) -> Metadata {
    let mut metadata = metadata.clone();
    metadata[i].1 = value.to_owned();
    metadata
}

/// What it has to lead to that the byte at `at` of a value was changed.
fn kinds_of_value(
    (name, before): &(String, String),
    after: &str,
    at: usize,
) -> &'static [ErrorKind] {
    let to = after.as_bytes()[at];
    let base64 = to.is_ascii_alphanumeric() || to == b'-' || to == b'_';
    match name.as_str() {
        "waxseal-context" => EITHER,
        "waxseal-header" if !base64 => FORMAT,
        "waxseal-header" => EITHER,
        "waxseal-key-1" => {
            let spaces: Vec<usize> = before.match_indices(' ').map(|(i, _)| i).collect();
            let [after_provider, after_id] = spaces[..] else { panic!("{before}") };
            let lower = to.is_ascii_lowercase() || to.is_ascii_digit() || to == b'-';
            match at {
                at if at < after_provider && lower => &[ErrorKind::KeyAccess],
                at if at > after_provider && at < after_id && to.is_ascii_graphic() => {
                    &[ErrorKind::KeyAccess]
                }
                at if at > after_id && base64 => CRYPTO,
                _ => FORMAT,
            }
        }
        _ => FORMAT,
    }
}
