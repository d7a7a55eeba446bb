//! The worked example of `docs/format.md` is what the format gives, and what this crate opens.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fmt::Write as _;

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit as _;
use aes_gcm::aead::Aead as _;
use aes_gcm::aead::Payload;
use aws_lc_rs::digest::Digest;
use aws_lc_rs::digest::SHA384;
use aws_lc_rs::signature::ECDSA_P384_SHA384_ASN1;
use aws_lc_rs::signature::ECDSA_P384_SHA384_ASN1_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::UnparsedPublicKey;
use sha2::Digest as _;
use waxseal::{
    EncryptionContext, EnvelopeCipher, Error, ErrorKind, KeyFile, LocalKeyring, ReadPolicy,
    SecretKey, Signature, SigningKey,
};

#[path = "support/reference.rs"]
mod reference;

const PLAIN: &[u8] = b"The quick brown fox jumps over the lazy dog.";
const WRAPPING_KEY: [u8; 32] = [0x11; 32];
const DATA_KEY: [u8; 32] = [0x22; 32];
const WRAP_NONCE: [u8; 12] = [0x33; 12];
const FLOE_IV: [u8; 32] = [0x44; 32];
const SEGMENT_LEN: u32 = 64;
/// RFC 6979, section A.2.6: x, and Ux and Uy behind the byte of an uncompressed point.
const SIGNING_KEY: &str = "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d8\
                           96d5724e4c70a825f872c9ea60d2edf5";
const PUBLIC_KEY: &str = "04ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64\
                          def8f0ea9055866064a254515480bc138015d9b72d7d57244ea8ef9ac0c62189\
                          6708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720";
/// One of many: a signature is made with a random number.
const SIGNATURE: &str = "30650231009ad604221f7c279fa23b511ca189b1ac2325a665983b2881f44437\
                         1da0e075d945a4daebf98cb525d8ee3c950a368bb1023072929340ed2fcbecae\
                         3d18657cf03341d24ba08be3564e3a6a9d7f414ad670e4641e02159cd801e3b5\
                         730dff33f97af7";
const CONTEXT: &[u8] = b"\x00\x01\x00\x06tenant\x00\x04acme";

#[tokio::test]
async fn the_worked_example_is_right() {
    let aad = [b"waxseal/floe/v1\0\x01\x00", CONTEXT, b"\x00\x00"].concat();
    let message = reference::Message {
        key: DATA_KEY,
        aad: &aad,
        segment_len: SEGMENT_LEN,
        iv: FLOE_IV,
        epoch_bits: 20,
    };
    let body = message.encrypt(PLAIN, false, |i| [0x50 + u8::try_from(i).unwrap(); 12]);
    assert_eq!(message.decrypt(&body).unwrap(), PLAIN);
    let wrapped = wrap();
    let digest = signed_digest(&aad, &body[..74]);
    assert!(is_signature(&digest, &unhex(SIGNATURE)), "SIGNATURE may be {}", hex(&sign(&digest)));
    let envelope = inline_envelope(&wrapped);
    let object = [envelope.as_bytes(), &body].concat();

    let keys = KeyFile::from_key("example", SecretKey::try_from(&WRAPPING_KEY[..]).unwrap());
    let cipher = EnvelopeCipher::new(LocalKeyring::new(keys.unwrap()))
        .read_policy(ReadPolicy::default().segment_lens(SEGMENT_LEN..=SEGMENT_LEN))
        .demand_signature(ExampleKey);
    let context = EncryptionContext::from([("tenant", "acme")]);
    assert_eq!(cipher.open(&object, &context).await.unwrap(), PLAIN);

    let text = describe(&aad, &message, &digest, &wrapped, &envelope, &body);
    compare(&text);
}

/// Section 8, by hand.
fn wrap() -> Vec<u8> {
    let aad = [b"waxseal/local/v1\0\x00\x07example", CONTEXT].concat();
    let cipher = Aes256Gcm::new_from_slice(&WRAPPING_KEY).unwrap();
    let payload = Payload { msg: &DATA_KEY, aad: &aad };
    [&WRAP_NONCE[..], &cipher.encrypt(&WRAP_NONCE.into(), payload).unwrap()].concat()
}

/// Section 4.1, by hand.
fn signed_digest(aad: &[u8], header: &[u8]) -> [u8; 48] {
    let aad_len = u32::try_from(aad.len()).unwrap().to_be_bytes();
    let signed = [b"waxseal/signature/v1\0", &aad_len[..], aad, header].concat();
    sha2::Sha384::digest(signed).into()
}

fn sign(digest: &[u8; 48]) -> Vec<u8> {
    let (algorithm, key) = (&ECDSA_P384_SHA384_ASN1_SIGNING, unhex(SIGNING_KEY));
    let key = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &key, &unhex(PUBLIC_KEY));
    let digest = Digest::import_less_safe(digest, &SHA384).unwrap();
    key.unwrap().sign_digest(&digest).unwrap().as_ref().to_vec()
}

fn is_signature(digest: &[u8; 48], signature: &[u8]) -> bool {
    let digest = Digest::import_less_safe(digest, &SHA384).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, unhex(PUBLIC_KEY));
    key.verify_digest(&digest, signature).is_ok()
}

#[derive(Debug)]
struct ExampleKey;

#[waxseal::async_trait]
impl SigningKey for ExampleKey {
    async fn sign(&self, digest: &[u8; 48]) -> waxseal::Result<Signature> {
        Signature::new("example", "rfc6979", sign(digest))
    }

    async fn verify(&self, digest: &[u8; 48], signature: &Signature) -> waxseal::Result<()> {
        let refused = || Error::new(ErrorKind::Authentication, "not signed by the example's key");
        is_signature(digest, signature.bytes()).then_some(()).ok_or_else(refused)
    }
}

/// Section 5, by hand.
fn inline_envelope(wrapped: &[u8]) -> String {
    let mut text = format!(
        "waxseal 1024\nversion 1\nsuite floe-aes256gcm-hkdfsha384\nbinding none\n\
         context tenant=acme\nkey-1 local example {}\nsignature {}\n",
        base64url(wrapped),
        signature_field()
    );
    text.extend(std::iter::repeat_n('.', 1023 - text.len()));
    text + "\n"
}

fn describe(
    aad: &[u8],
    message: &reference::Message<'_>,
    digest: &[u8; 48],
    wrapped: &[u8],
    envelope: &str,
    body: &[u8],
) -> String {
    let mut text = String::from("```text\n");
    let mut line = |name: &str, bytes: &[u8]| {
        for (i, part) in bytes.chunks(32).enumerate() {
            let name = if i == 0 { name } else { "" };
            writeln!(text, "{name:<14} {}", hex(part)).unwrap();
        }
    };
    line("wrapping key", &WRAPPING_KEY);
    line("data key", &DATA_KEY);
    line("wrapped", wrapped);
    line("AAD", aad);
    line("message key", &message.message_key());
    line("segment key 0", &message.segment_key(0));
    line("public key", &unhex(PUBLIC_KEY));
    line("signed digest", digest);
    line("signature", &unhex(SIGNATURE));
    writeln!(text, "plaintext      {}\n", std::str::from_utf8(PLAIN).unwrap()).unwrap();

    writeln!(text, "as metadata").unwrap();
    for (name, value) in [
        ("version", "1".to_owned()),
        ("suite", "floe-aes256gcm-hkdfsha384".to_owned()),
        ("binding", "none".to_owned()),
        ("context", "tenant=acme".to_owned()),
        ("key-1", format!("local example {}", base64url(wrapped))),
        ("signature", signature_field()),
        ("header", base64url(&body[..74])),
    ] {
        writeln!(text, "  waxseal-{name}: {value}").unwrap();
    }
    writeln!(text, "\ninline").unwrap();
    for envelope_line in envelope.lines() {
        let shown = if envelope_line.starts_with('.') {
            format!("... {} dots", envelope_line.len())
        } else {
            envelope_line.to_owned()
        };
        writeln!(text, "  {shown}").unwrap();
    }
    writeln!(text, "\nbody, in both cases; offsets from its first byte").unwrap();
    let (header, segments) = body.split_at(74);
    let mut at = 0;
    let mut field = |name: &str, bytes: &[u8]| {
        for part in bytes.chunks(32) {
            writeln!(text, "  {at:04x}  {:<64}  {name}", hex(part)).unwrap();
            at += part.len();
        }
    };
    field("AEAD 0, KDF 0", &header[..2]);
    field("S", &header[2..6]);
    field("FLOE IV length", &header[6..10]);
    field("FLOE IV", &header[10..42]);
    field("header tag", &header[42..]);
    for (i, segment) in segments.chunks(SEGMENT_LEN as usize).enumerate() {
        let end = segment.len() - 16;
        field(&format!("segment {i}: prefix"), &segment[..4]);
        field("IV", &segment[4..16]);
        field("ciphertext", &segment[16..end]);
        field("tag", &segment[end..]);
    }
    text + "```\n"
}

fn compare(text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/format.md");
    let doc = std::fs::read_to_string(path).unwrap();
    let (before, rest) = doc.split_once("<!-- example -->\n").unwrap();
    let (stated, after) = rest.split_once("<!-- end -->").unwrap();
    if std::env::var_os("WAXSEAL_BLESS").is_some() {
        let doc = format!("{before}<!-- example -->\n{text}<!-- end -->{after}");
        std::fs::write(path, doc).unwrap();
        return;
    }
    assert_eq!(stated, text, "docs/format.md: WAXSEAL_BLESS=1 cargo test --test format_doc");
}

fn signature_field() -> String {
    format!("example rfc6979 {}", base64url(&unhex(SIGNATURE)))
}

fn unhex(text: &str) -> Vec<u8> {
    base16ct::lower::decode_vec(text).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

fn base64url(bytes: &[u8]) -> String {
    <base64ct::Base64UrlUnpadded as base64ct::Encoding>::encode_string(bytes)
}
