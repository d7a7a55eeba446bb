//! One format taken for another, and metadata that describes two.

use bytes::Bytes;
use waxseal::Envelope;
use waxseal::ErrorKind;
use waxseal::Format;

use crate::sample::CRYPTO;
use crate::sample::FORMAT;
use crate::sample::Sample;
use crate::sample::cipher;
use crate::sample::context;
use crate::stored::Stored;
use crate::stored::with;

/// Entries of the Amazon S3 Encryption Client.
const FOREIGN: [&str; 8] = [
    "x-amz-key-v2",
    "x-amz-iv",
    "x-amz-matdesc",
    "x-amz-wrap-alg",
    "x-amz-cek-alg",
    "x-amz-c",
    "x-amz-3",
    "x-amz-w",
];

#[tokio::test]
async fn a_body_with_the_metadata_of_the_other_format_is_refused() {
    for len in [0, 1, 65] {
        let floe = Stored::new(Format::Floe, len).await;
        let one_shot = Stored::new(Format::OneShot, len).await;
        floe.assert_metadata_refused(&one_shot.metadata, CRYPTO, "claimed to be one-shot").await;
        one_shot.assert_metadata_refused(&floe.metadata, CRYPTO, "claimed to be FLOE").await;
        // Even with the key that the body was sealed under.
        let wrapped = Envelope::from_metadata(entries(&floe)).unwrap().unwrap();
        let hex = hex(wrapped.wrapped_keys()[0].ciphertext());
        let relabelled = vec![("x-amz-key".to_owned(), hex)];
        floe.assert_metadata_refused(&relabelled, CRYPTO, "relabelled as one-shot").await;
    }
}

#[tokio::test]
async fn metadata_with_two_envelopes_is_refused() {
    let floe = Stored::new(Format::Floe, 65).await;
    let one_shot = Stored::new(Format::OneShot, 65).await;
    let both = [&floe.metadata[..], &one_shot.metadata].concat();
    floe.assert_metadata_refused(&both, FORMAT, "both").await;
    one_shot.assert_metadata_refused(&both, FORMAT, "both").await;
    for entry in &floe.metadata {
        let more = with(&one_shot.metadata, &entry.0, &entry.1);
        one_shot.assert_metadata_refused(&more, FORMAT, &entry.0).await;
    }
    for stored in [floe, one_shot] {
        for name in FOREIGN {
            for name in [name.to_owned(), name.to_uppercase()] {
                let more = with(&stored.metadata, &name, "AES/GCM/NoPadding");
                stored.assert_metadata_refused(&more, FORMAT, &name).await;
            }
        }
        let more = with(&stored.metadata, "waxseal-key-2", "local test AAA=");
        stored.assert_metadata_refused(&more, FORMAT, "a wrapped key that does not read").await;
        let more = with(&stored.metadata, "waxseal-new", "1");
        stored.assert_metadata_refused(&more, FORMAT, "an unknown field").await;
        let more = with(&stored.metadata, "title", "1");
        stored.assert_opens_with(&more, "an entry of the user's").await;
    }
}

/// A wrapped key that nobody wrapped may stand there: opening needs one that unwraps.
#[tokio::test]
async fn a_well_formed_second_wrapped_key_neither_hides_nor_replaces_the_first() {
    let floe = Stored::new(Format::Floe, 65).await;
    let bogus = format!("local test {}", "A".repeat(80));
    let more = with(&floe.metadata, "waxseal-key-2", &bogus);
    floe.assert_opens_with(&more, "a wrapped key added").await;
    let mut replaced = floe.metadata.clone();
    let (_, value) = replaced.iter_mut().find(|(name, _)| name == "waxseal-key-1").unwrap();
    let own = std::mem::replace(value, bogus);
    floe.assert_metadata_refused(&replaced, CRYPTO, "the wrapped key replaced").await;
    floe.assert_opens_with(&with(&replaced, "waxseal-key-2", &own), "moved to second").await;
}

#[tokio::test]
async fn what_is_not_sealed_is_refused_and_never_passed_through() {
    let sample = Sample::new(65).await;
    for other in [&b"plain text"[..], b"", b"PK\x03\x04", b"waxseal", &[0; 2000], &[0xff; 2000]] {
        let kinds = if b"waxseal ".starts_with(other) { CRYPTO } else { FORMAT };
        sample.assert_nothing_opens(other.to_vec(), kinds, &format!("{other:?}")).await;
    }
    for stored in [Stored::new(Format::Floe, 65).await, Stored::new(Format::OneShot, 65).await] {
        sample.assert_nothing_opens(stored.body.clone(), FORMAT, "without metadata").await;
        let plain = Bytes::from(stored.plain.clone());
        stored.assert_refused(&stored.metadata, &plain, CRYPTO, "plaintext").await;
        let foreign = vec![("x-amz-key-v2".to_owned(), "x".to_owned())];
        stored.assert_metadata_refused(&foreign, FORMAT, "another client's").await;
    }
}

#[tokio::test]
async fn an_inline_object_opens_with_metadata_that_holds_no_envelope_and_is_refused_with_one() {
    let sample = Sample::new(65).await;
    let title = [("title", "x")];
    let object = sample.cipher.open_with_metadata(title, sample.sealed.clone(), &context()).await;
    assert_eq!(object.unwrap().range(0..65).await.unwrap(), sample.plain);
    for other in [Stored::new(Format::Floe, 65).await, Stored::new(Format::OneShot, 65).await] {
        let source = sample.sealed.clone();
        let refused = cipher().open_with_metadata(entries(&other), source, &context()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Authentication);
    }
}

fn entries(stored: &Stored) -> impl Iterator<Item = (&str, &str)> {
    stored.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
