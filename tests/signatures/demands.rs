//! What is demanded, and of whom.

use std::sync::Arc;

use bytes::Bytes;
use sha2::Digest as _;
use sha2::Sha384;
use waxseal::Binding;
use waxseal::Body;
use waxseal::EncryptionContext;
use waxseal::Envelope;
use waxseal::ErrorKind;
use waxseal::Format;
use waxseal::Signature;
use waxseal::SigningKey as _;

use crate::people::Asked;
use crate::people::Shared;
use crate::people::Signer;
use crate::people::context;
use crate::people::plain;
use crate::ways::Way;

#[tokio::test]
async fn what_the_demanded_key_signed_opens_in_every_way() {
    let (shared, signer) = (Shared::new(), Signer::new("writers"));
    let writer = shared.cipher().sign_with(signer.clone());
    let reader = shared.cipher().demand_signature(Arc::new(signer));
    for way in Way::all() {
        way.pass(&writer, &reader).await.unwrap_or_else(|error| panic!("{way:?}: {error}"));
        let keyring_is_told = [(Asked::Generate, true), (Asked::Unwrap, true)];
        assert_eq!(shared.asked(), keyring_is_told, "{way:?}");
    }
}

#[tokio::test]
async fn what_another_key_signed_or_none_is_refused_in_every_way_before_a_data_key_is_asked_for() {
    let (shared, signer) = (Shared::new(), Signer::new("writers"));
    let reader = shared.cipher().demand_signature(signer.clone());
    // The id in the envelope says nothing.
    let rival = shared.cipher().sign_with(Signer::new("writers"));
    for way in Way::all() {
        for (writer, is_signed) in [(&rival, true), (&shared.cipher(), false)] {
            let error = way.pass(writer, &reader).await.expect_err(&format!("{way:?}"));
            assert_eq!(error.kind(), ErrorKind::Authentication, "{way:?}: {error}");
            assert_eq!(error.to_string().contains("is not signed"), !is_signed, "{error}");
            assert_eq!(shared.asked(), [(Asked::Generate, is_signed)], "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_reader_that_demands_none_does_not_look_at_a_signature() {
    let shared = Shared::new();
    let writer = shared.cipher().sign_with(Signer::new("writers"));
    for way in Way::all() {
        way.pass(&writer, &shared.cipher()).await.unwrap();
        assert_eq!(shared.asked(), [(Asked::Generate, true), (Asked::Unwrap, false)]);
    }
}

/// By hand, from `docs/format.md`: section 3 for the AAD, 4.1 for the rest.
#[tokio::test]
async fn signed_are_the_label_the_aad_with_its_length_and_the_header() {
    let (shared, signer) = (Shared::new(), Signer::new("writers"));
    let label = Binding::Label("a name".into());
    let writer = shared.cipher().binding(label).sign_with(signer.clone());
    let sealed = writer.seal(b"x", &context()).await.unwrap();
    let (envelope, at) = Envelope::from_inline(&sealed).unwrap().unwrap();
    let signature = envelope.signature().unwrap();
    assert_eq!((signature.provider(), signature.key_id()), ("test", "writers"));

    let aad = b"waxseal/floe/v1\0\x01\x03\x00\x01\x00\x06tenant\x00\x04acme\x00\x06a name";
    let aad_len = u32::try_from(aad.len()).unwrap().to_be_bytes();
    let header = &sealed[at..at + 74];
    let signed = [b"waxseal/signature/v1\0", &aad_len[..], aad, header].concat();
    signer.verify(&Sha384::digest(signed).into(), signature).await.unwrap();
}

#[tokio::test]
async fn what_was_signed_for_another_binding_or_context_asks_for_no_data_key() {
    let (shared, signer) = (Shared::new(), Signer::new("writers"));
    let named = |name: &str| shared.cipher().binding(Binding::Label(name.to_owned()));
    let sealed = named("a").sign_with(signer.clone()).seal(b"x", &context()).await.unwrap();
    shared.asked();
    let reader = named("b").demand_signature(signer.clone());
    let error = reader.open(&sealed, &context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(shared.asked().is_empty());
    let reader = named("a").demand_signature(signer);
    assert_eq!(reader.open(&sealed, &context()).await.unwrap(), &b"x"[..]);
}

#[tokio::test]
async fn one_shot_objects_can_neither_be_signed_nor_meet_a_demand() {
    let (shared, signer) = (Shared::new(), Signer::new("writers"));
    let one_shot = || shared.cipher().format(Format::OneShot);
    let signing = one_shot().sign_with(signer.clone());
    let error = signing.seal_with_metadata(Body::from("x"), &context()).await.map(drop);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("signature"), "{error}");
    assert!(shared.asked().is_empty(), "no key is made for nothing");

    let (metadata, body) = one_shot().seal_with_metadata("x", &context()).await.unwrap();
    let body = body.collect().await.unwrap();
    shared.asked();
    let entries = || metadata.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let demanding = shared.cipher().demand_signature(signer);
    let error = demanding.open_with_metadata(entries(), body.clone(), &context()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(shared.asked().is_empty());
    let opened = shared.cipher().open_with_metadata(entries(), body, &context()).await;
    assert_eq!(opened.unwrap().range(0..1).await.unwrap(), &b"x"[..]);
}

#[tokio::test]
async fn what_the_signing_key_does_not_sign_is_not_sealed() {
    #[derive(Debug)]
    struct Denied;
    #[waxseal::async_trait]
    impl waxseal::SigningKey for Denied {
        async fn sign(&self, _: &[u8; 48]) -> waxseal::Result<Signature> {
            Err(waxseal::Error::new(ErrorKind::KeyAccess, "denied"))
        }
        async fn verify(&self, _: &[u8; 48], _: &Signature) -> waxseal::Result<()> {
            Err(waxseal::Error::new(ErrorKind::KeyAccess, "denied"))
        }
    }
    let shared = Shared::new();
    for way in Way::all() {
        let error = way.pass(&shared.cipher().sign_with(Denied), &shared.cipher()).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::KeyAccess, "{way:?}");
        assert_eq!(shared.asked(), [(Asked::Generate, true)]);
    }
}

#[tokio::test]
async fn a_signature_has_bounds_as_a_wrapped_key_has() {
    let (id, bytes) = ("k".repeat(2048), vec![1; 512]);
    assert!(Signature::new("a-1", &*id, bytes.clone()).is_ok());
    assert!(Signature::new("a-1", "k", [1]).is_ok());
    for (provider, key_id, bytes) in [
        ("", "k", bytes.clone()),
        ("A", "k", bytes.clone()),
        ("a b", "k", bytes.clone()),
        ("a", "", bytes.clone()),
        ("a", "k k", bytes.clone()),
        ("a", "k\n", bytes.clone()),
        ("a", "k", vec![]),
        ("a", "k", vec![1; 513]),
        (&*"a".repeat(33), "k", vec![1]),
        ("a", &*format!("{id}k"), vec![1]),
    ] {
        let error = Signature::new(provider, key_id, bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

/// Whoever opens an object must not be asked for more than the object's own context.
#[tokio::test]
async fn a_demanded_signature_needs_no_context_of_the_caller() {
    let (shared, signer) = (Shared::new(), Signer::new("writers"));
    let sealed = shared.cipher().sign_with(signer.clone()).seal(&plain(9), &context()).await;
    let reader = shared.cipher().demand_signature(signer);
    let opened = reader.open(&sealed.unwrap(), &EncryptionContext::new()).await;
    assert_eq!(opened.unwrap(), Bytes::from(plain(9)));
}
