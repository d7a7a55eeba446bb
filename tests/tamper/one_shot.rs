//! The one-shot layout: one wrapped key in hex, one AES-GCM call.

use bytes::Bytes;
use waxseal::Binding;
use waxseal::EncryptionContext;
use waxseal::ErrorKind;
use waxseal::Format;

use crate::sample::CRYPTO;
use crate::sample::FORMAT;
use crate::sample::cipher;
use crate::sample::cipher_with;
use crate::sample::context;
use crate::sample::flipped;
use crate::sample::policy;
use crate::stored::Stored;

const LENS: [usize; 5] = [0, 1, 16, 33, 97];

#[tokio::test]
async fn a_flipped_bit_of_a_one_shot_body_is_refused() {
    for len in LENS {
        let stored = Stored::new(Format::OneShot, len).await;
        assert_eq!(stored.body.len(), 12 + len + 16);
        for at in 0..stored.body.len() {
            for bit in 0..8 {
                let altered = flipped(&stored.body, at, bit).into();
                let what = format!("bit {bit} of byte {at}");
                stored.assert_refused(&stored.metadata, &altered, CRYPTO, &what).await;
            }
        }
    }
}

#[tokio::test]
async fn a_one_shot_body_cut_or_extended_is_refused() {
    for len in LENS {
        let stored = Stored::new(Format::OneShot, len).await;
        for cut in 0..stored.body.len() {
            let (front, back) = (stored.body.slice(..cut), stored.body.slice(cut + 1..));
            let what = format!("cut at {cut}");
            stored.assert_refused(&stored.metadata, &front, CRYPTO, &what).await;
            stored.assert_refused(&stored.metadata, &back, CRYPTO, &what).await;
        }
        for more in 1..40 {
            let longer = [&stored.body[..], &vec![0; more]].concat().into();
            let what = format!("{more} bytes appended");
            stored.assert_refused(&stored.metadata, &longer, CRYPTO, &what).await;
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_of_x_amz_key_is_refused_unless_it_is_the_case_of_a_digit() {
    let stored = Stored::new(Format::OneShot, 33).await;
    let [(name, hex)] = &stored.metadata[..] else { panic!("one entry") };
    assert_eq!(name, "x-amz-key");
    for at in 0..hex.len() {
        for bit in 0..7 {
            let altered = String::from_utf8(flipped(hex.as_bytes(), at, bit)).unwrap();
            let metadata = vec![(name.clone(), altered.clone())];
            let what = format!("bit {bit} of digit {at}");
            if altered.eq_ignore_ascii_case(hex) {
                stored.assert_opens_with(&metadata, &what).await; // others write capitals
            } else if altered.as_bytes()[at].is_ascii_hexdigit() {
                stored.assert_metadata_refused(&metadata, CRYPTO, &what).await;
            } else {
                stored.assert_metadata_refused(&metadata, FORMAT, &what).await;
            }
        }
    }
}

#[tokio::test]
async fn an_x_amz_key_of_another_length_object_or_number_is_refused() {
    let stored = Stored::new(Format::OneShot, 33).await;
    let other = Stored::new(Format::OneShot, 33).await;
    let [(name, hex)] = &stored.metadata[..] else { panic!("one entry") };
    let entry = |value: &str| (name.clone(), value.to_owned());
    for cut in 0..hex.len() {
        let kinds = if cut % 2 == 1 || cut == 0 { FORMAT } else { CRYPTO };
        let metadata = vec![entry(&hex[..cut])];
        stored.assert_metadata_refused(&metadata, kinds, &format!("cut to {cut}")).await;
    }
    for (metadata, kinds) in [
        (vec![entry(&format!("{hex}00"))], CRYPTO),
        (vec![entry(&format!("{hex}0"))], FORMAT),
        (vec![entry(&format!(" {hex}"))], FORMAT),
        (vec![entry(&format!("{hex}, {hex}"))], FORMAT),
        (vec![entry(hex), entry(hex)], FORMAT),
        (vec![], FORMAT),
        (other.metadata.clone(), CRYPTO),
    ] {
        stored.assert_metadata_refused(&metadata, kinds, &format!("{metadata:?}")).await;
    }
    stored.assert_refused(&stored.metadata, &other.body, CRYPTO, "another's body").await;
}

#[tokio::test]
async fn a_one_shot_object_opens_only_with_the_whole_context_and_the_key_it_was_sealed_with() {
    let stored = Stored::new(Format::OneShot, 33).await;
    for other in [
        vec![],
        vec![("tenant", "acme")],
        vec![("table", "orders"), ("tenant", "rival")],
        vec![("table", "orders"), ("tenant", "acme"), ("more", "")],
    ] {
        let context = EncryptionContext::from_iter(other);
        let what = format!("{context:?}");
        let stored = Stored { context, ..copy(&stored) };
        stored.assert_metadata_refused(&stored.metadata, CRYPTO, &what).await;
    }
    // The layout does not name the key, so another one cannot be told from altered bytes.
    for (id, key) in [("other", [1; 32]), ("test", [2; 32])] {
        let stored = Stored { cipher: cipher_with(id, key), ..copy(&stored) };
        stored.assert_metadata_refused(&stored.metadata, CRYPTO, id).await;
    }
}

#[tokio::test]
async fn a_one_shot_object_is_refused_by_policies_and_bindings_that_exclude_it() {
    let stored = Stored::new(Format::OneShot, 33).await;
    let len = stored.body.len() as u64;
    let largest = Stored { cipher: cipher().read_policy(policy().max_one_shot_len(len)), ..stored };
    largest.assert_opens_with(&largest.metadata, "as long as allowed").await;
    for cipher in [
        cipher().read_policy(policy().formats([Format::Floe])),
        cipher().read_policy(policy().max_one_shot_len(len - 1)),
        cipher().binding(Binding::Label(String::new())),
        cipher().binding(Binding::Key),
    ] {
        let stored = Stored { cipher, ..copy(&largest) };
        stored.assert_metadata_refused(&stored.metadata, FORMAT, "excluded").await;
    }
}

#[tokio::test]
async fn the_one_shot_layout_is_neither_sealed_inline_nor_bound() {
    let one_shot = cipher().format(Format::OneShot);
    assert!(one_shot.seal_with_metadata("x", &context()).await.is_ok());
    for error in [
        one_shot.seal(b"x", &context()).await.unwrap_err(),
        one_shot.seal_stream("x", &context()).await.unwrap_err(),
        one_shot
            .binding(Binding::Label("x".to_owned()))
            .seal_with_metadata("x", &context())
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

fn copy(stored: &Stored) -> Stored {
    Stored {
        cipher: stored.cipher.clone(),
        context: stored.context.clone(),
        plain: stored.plain.clone(),
        metadata: stored.metadata.clone(),
        body: Bytes::clone(&stored.body),
    }
}
