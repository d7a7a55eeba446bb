//! Signed objects that somebody altered, mixed or wrapped anew.

use base64ct::Base64UrlUnpadded;
use base64ct::Encoding as _;
use bytes::Bytes;
use waxseal::Body;
use waxseal::EncryptionContext;
use waxseal::Envelope;
use waxseal::EnvelopeCipher;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::KeyRequest;
use waxseal::KeyUse;
use waxseal::Keyring as _;
use waxseal::LocalKeyring;
use waxseal::floe;

use crate::people::Shared;
use crate::people::Signer;
use crate::people::context;
use crate::people::plain;

type Metadata = Vec<(String, String)>;

/// Of all that stands in front of the segments only the wrapped keys are not signed: whatever else
/// is altered, no data key is asked for.
#[tokio::test]
async fn a_flipped_bit_in_front_of_the_segments_is_refused_and_only_one_of_a_wrapped_key_costs_a_call()
 {
    let (shared, signer) = (Shared::new(), Signer::new("writers"));
    let sealed = shared.cipher().sign_with(signer.clone()).seal(b"x", &context()).await.unwrap();
    let reader = shared.cipher().demand_signature(signer);
    // A reader without expectations, so that only the signature protects the context.
    let given = EncryptionContext::new();
    assert_eq!(reader.open(&sealed, &given).await.unwrap(), &b"x"[..]);
    shared.asked();
    let (_, header_at) = Envelope::from_inline(&sealed).unwrap().unwrap();
    let (mut bits, mut calls) = (0, 0);
    for at in 0..header_at + floe::HEADER_LEN {
        for bit in 0..8 {
            let mut altered = sealed.to_vec();
            altered[at] ^= 1 << bit;
            let error = reader.open(&altered, &given).await.expect_err("altered");
            let asked = shared.asked().len();
            bits += 1;
            calls += asked;
            assert!(
                asked == 0 || field_of(&sealed, at).starts_with("key-1 "),
                "byte {at}: {error}"
            );
            if field_of(&sealed, at).starts_with("signature ") || at >= header_at {
                let kinds = [ErrorKind::Authentication, ErrorKind::Format];
                assert!(kinds.contains(&error.kind()), "byte {at}: {error}");
            }
        }
    }
    assert_eq!(bits, (1024 + 74) * 8);
    assert!(calls > 100, "wrapped keys are not signed: the keyring refuses them");
    assert_eq!(reader.open(&sealed, &given).await.unwrap(), &b"x"[..]);
}

/// The line of the envelope that byte `at` is in.
fn field_of(sealed: &[u8], at: usize) -> String {
    let start = sealed[..at].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    let end = sealed[at..].iter().position(|&b| b == b'\n').map_or(sealed.len(), |i| at + i);
    String::from_utf8_lossy(&sealed[start..end]).into_owned()
}

#[tokio::test]
async fn a_signature_of_another_object_or_taken_off_is_refused() {
    let world = World::new().await;
    let (own, other) = (&world.a, &world.b);
    world.assert_opens(own).await;
    world.assert_opens(other).await;
    let mut unsigned = own.0.clone();
    unsigned.retain(|(name, _)| name != "waxseal-signature");
    let foreign = exchanged(&own.0, &other.0, "waxseal-signature");
    let foreign_header = exchanged(&own.0, &other.0, "waxseal-header");
    let mut doubled = own.0.clone();
    doubled.push(("waxseal-signature".into(), value(&other.0, "waxseal-signature").into()));
    for (metadata, kind) in [
        (unsigned, ErrorKind::Authentication),
        (foreign, ErrorKind::Authentication),
        (foreign_header, ErrorKind::Authentication),
        (doubled, ErrorKind::Format),
    ] {
        let error = world.open(&world.reader, &metadata, &own.1).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{metadata:?}: {error}");
        assert!(world.shared.asked().is_empty());
    }
}

/// Signed is the header that opens the segments: the copy in metadata, not the one in front of the
/// body, which a reader of all of it compares.
#[tokio::test]
async fn the_header_that_is_verified_is_the_one_that_opens() {
    let world = World::new().await;
    let (metadata, body) = &world.a;
    let entries = || metadata.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let mixed = [&world.b.1[..74], &body[74..]].concat();
    let source = Bytes::from(mixed);
    let object = world.reader.open_with_metadata(entries(), source, &context()).await.unwrap();
    assert_eq!(object.range(5000..5009).await.unwrap(), plain(9000)[5000..5009]);
    let error = object.into_stream().collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    // Signed metadata of one object in front of another's segments.
    let error = world.open(&world.reader, metadata, &world.b.1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    world.shared.asked();
    world.assert_opens(&world.a).await;
}

#[tokio::test]
async fn a_key_that_is_wrapped_anew_keeps_the_signature() {
    let world = World::new().await;
    let (metadata, body) = &world.a;
    let envelope = Envelope::from_metadata(metadata.iter().map(|(n, v)| (&**n, &**v)));
    let (context, envelope) = (context(), envelope.unwrap().unwrap());
    let request = KeyRequest::new(&context).with_key_use(KeyUse::Derived);
    let key = world.shared.unwrap_data_key(envelope.wrapped_keys(), &request).await.unwrap();
    let new = LocalKeyring::new(KeyFile::generate().unwrap());
    let wrapped = &new.wrap_data_key(&key, &request).await.unwrap()[0];
    let ciphertext = Base64UrlUnpadded::encode_string(wrapped.ciphertext());
    let text = format!("{} {} {ciphertext}", wrapped.provider(), wrapped.key_id().unwrap());
    let rewrapped = with_value(metadata, "waxseal-key-1", &text);

    let reader = EnvelopeCipher::new(new).demand_signature(world.signer.clone());
    assert_eq!(world.open(&reader, &rewrapped, body).await.unwrap(), plain(9000));
    let error = world.open(&reader, metadata, body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyAccess, "it is another key");
}

/// Two signed objects, with the envelope in metadata.
struct World {
    shared: Shared,
    signer: Signer,
    reader: EnvelopeCipher,
    a: (Metadata, Bytes),
    b: (Metadata, Bytes),
}

impl World {
    async fn new() -> Self {
        let (shared, signer) = (Shared::new(), Signer::new("writers"));
        let writer = shared.cipher().sign_with(signer.clone());
        let seal = async || {
            let (metadata, body) =
                writer.seal_with_metadata(Body::from(plain(9000)), &context()).await.unwrap();
            (metadata, body.collect().await.unwrap())
        };
        let (a, b) = (seal().await, seal().await);
        shared.asked();
        let reader = shared.cipher().demand_signature(signer.clone());
        Self { shared, signer, reader, a, b }
    }

    async fn open(
        &self,
        reader: &EnvelopeCipher,
        metadata: &Metadata,
        body: &Bytes,
    ) -> waxseal::Result<Bytes> {
        let entries = metadata.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let object = reader.open_with_metadata(entries, body.clone(), &context()).await?;
        object.into_stream().collect().await
    }

    async fn assert_opens(&self, (metadata, body): &(Metadata, Bytes)) {
        assert_eq!(self.open(&self.reader, metadata, body).await.unwrap(), plain(9000));
        assert_eq!(self.shared.asked().len(), 1);
    }
}

fn value<'a>(metadata: &'a Metadata, name: &str) -> &'a str {
    &metadata.iter().find(|(n, _)| n == name).unwrap().1
}

fn with_value(metadata: &Metadata, name: &str, value: &str) -> Metadata {
    let mut metadata = metadata.clone();
    metadata.iter_mut().find(|(n, _)| n == name).unwrap().1 = value.to_owned();
    metadata
}

fn exchanged(own: &Metadata, other: &Metadata, name: &str) -> Metadata {
    with_value(own, name, value(other, name))
}
