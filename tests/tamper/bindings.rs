//! Objects bound to a label, and ciphers that demand it.

use waxseal::Binding;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;

use crate::sample::FORMAT;
use crate::sample::PRELUDE;
use crate::sample::Sample;
use crate::sample::cipher;
use crate::sample::context;
use crate::sample::plain;

#[tokio::test]
async fn an_object_bound_to_a_label_opens_under_that_label_only() {
    let bound = bound_to("orders/1").await;
    for label in ["orders/2", "orders/1 ", "Orders/1", "orders/", "orders/11", ""] {
        refused_by(&bound, &labelled(label), ErrorKind::Authentication).await;
    }
    let empty = bound_to("").await;
    refused_by(&empty, &labelled("x"), ErrorKind::Authentication).await;
}

/// The caller has to say the label: the object cannot be trusted to.
#[tokio::test]
async fn an_object_bound_to_a_label_is_refused_by_a_cipher_without_one() {
    let bound = bound_to("orders/1").await;
    refused_by(&bound, &cipher(), ErrorKind::Format).await;
}

#[tokio::test]
async fn an_object_not_bound_as_the_cipher_demands_is_refused() {
    let unbound = Sample::new(65).await;
    let bound = bound_to("orders/1").await;
    for binding in [Binding::Key, Binding::BucketAndKey] {
        let demanding = cipher().binding(binding);
        refused_by(&unbound, &demanding, ErrorKind::Format).await;
        refused_by(&bound, &demanding, ErrorKind::Format).await;
    }
    for label in ["orders/1", ""] {
        refused_by(&unbound, &labelled(label), ErrorKind::Format).await;
    }
}

#[tokio::test]
async fn an_envelope_rewritten_to_another_binding_is_refused() {
    let bound = bound_to("orders/1").await;
    let unbound = Sample::new(65).await;
    let stripped = Sample { sealed: rewritten(&bound, "label", "none"), ..Sample::new(65).await };
    refused_by(&stripped, &cipher(), ErrorKind::Authentication).await;
    refused_by(&stripped, &labelled("orders/1"), ErrorKind::Format).await;
    let claimed = Sample { sealed: rewritten(&unbound, "none", "label"), ..Sample::new(65).await };
    refused_by(&claimed, &labelled(""), ErrorKind::Authentication).await;
    refused_by(&claimed, &labelled("orders/1"), ErrorKind::Authentication).await;
    unbound
        .assert_nothing_opens(rewritten(&unbound, "none", "place"), FORMAT, "no such binding")
        .await;
}

/// There is no place that these methods know of, whatever the envelope claims.
#[tokio::test]
async fn an_object_that_claims_to_be_bound_to_its_key_does_not_open_outside_s3() {
    let unbound = Sample::new(65).await;
    for claim in ["key", "bucket-key"] {
        let sealed = rewritten(&unbound, "none", claim);
        let claimed = Sample { sealed, ..Sample::new(65).await };
        refused_by(&claimed, &cipher(), ErrorKind::Format).await;
    }
}

#[tokio::test]
async fn a_binding_to_a_place_cannot_be_sealed_outside_s3() {
    for binding in [Binding::Key, Binding::BucketAndKey] {
        let error = cipher().binding(binding).seal(b"x", &context()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

fn labelled(label: &str) -> EnvelopeCipher {
    cipher().binding(Binding::Label(label.to_owned()))
}

/// An object bound to `label`, which opens under it.
async fn bound_to(label: &str) -> Sample {
    let (cipher, plain) = (labelled(label), plain(65));
    let sealed = cipher.seal(&plain, &context()).await.unwrap();
    let sample = Sample { cipher, context: context(), plain, sealed };
    sample.assert_opens().await;
    sample
}

/// The object with another binding in its envelope, whose padding makes up for the length.
fn rewritten(sample: &Sample, from: &str, to: &str) -> bytes::Bytes {
    let (envelope, rest) = sample.sealed.split_at(PRELUDE);
    let envelope = std::str::from_utf8(envelope).unwrap();
    let (from, to) = (format!("binding {from}\n"), format!("binding {to}\n"));
    let rewritten = envelope.replace(&from, &to);
    assert_ne!(rewritten, envelope);
    let lines = rewritten.trim_end_matches(['.', '\n']);
    let padding = ".".repeat(PRELUDE - lines.len() - 2);
    [format!("{lines}\n{padding}\n").as_bytes(), rest].concat().into()
}

async fn refused_by(sample: &Sample, cipher: &EnvelopeCipher, kind: ErrorKind) {
    sample.assert_refused_by(cipher, &sample.context, kind).await;
}
