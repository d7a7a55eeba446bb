//! The worked example of `docs/format.md` is what the format gives, and what this crate opens.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fmt::Write as _;

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit as _;
use aes_gcm::aead::Aead as _;
use aes_gcm::aead::Payload;
use waxseal::{EncryptionContext, EnvelopeCipher, KeyFile, LocalKeyring, ReadPolicy, SecretKey};

#[path = "support/reference.rs"]
mod reference;

const PLAIN: &[u8] = b"The quick brown fox jumps over the lazy dog.";
const WRAPPING_KEY: [u8; 32] = [0x11; 32];
const DATA_KEY: [u8; 32] = [0x22; 32];
const WRAP_NONCE: [u8; 12] = [0x33; 12];
const FLOE_IV: [u8; 32] = [0x44; 32];
const SEGMENT_LEN: u32 = 64;
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
    let envelope = inline_envelope(&wrapped);
    let object = [envelope.as_bytes(), &body].concat();

    let keys = KeyFile::from_key("example", SecretKey::try_from(&WRAPPING_KEY[..]).unwrap());
    let cipher = EnvelopeCipher::new(LocalKeyring::new(keys.unwrap()))
        .read_policy(ReadPolicy::default().segment_lens(SEGMENT_LEN..=SEGMENT_LEN));
    let context = EncryptionContext::from([("tenant", "acme")]);
    assert_eq!(cipher.open(&object, &context).await.unwrap(), PLAIN);

    let text = describe(&aad, &message, &wrapped, &envelope, &body);
    compare(&text);
}

/// Section 8, by hand.
fn wrap() -> Vec<u8> {
    let aad = [b"waxseal/local/v1\0\x00\x07example", CONTEXT].concat();
    let cipher = Aes256Gcm::new_from_slice(&WRAPPING_KEY).unwrap();
    let payload = Payload { msg: &DATA_KEY, aad: &aad };
    [&WRAP_NONCE[..], &cipher.encrypt(&WRAP_NONCE.into(), payload).unwrap()].concat()
}

/// Section 5, by hand.
fn inline_envelope(wrapped: &[u8]) -> String {
    let mut text = format!(
        "waxseal 1024\nversion 1\nsuite floe-aes256gcm-hkdfsha384\nbinding none\n\
         context tenant=acme\nkey-1 local example {}\n",
        base64url(wrapped)
    );
    text.extend(std::iter::repeat_n('.', 1023 - text.len()));
    text + "\n"
}

fn describe(
    aad: &[u8],
    message: &reference::Message<'_>,
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
    writeln!(text, "plaintext      {}\n", std::str::from_utf8(PLAIN).unwrap()).unwrap();

    writeln!(text, "as metadata").unwrap();
    for (name, value) in [
        ("version", "1".to_owned()),
        ("suite", "floe-aes256gcm-hkdfsha384".to_owned()),
        ("binding", "none".to_owned()),
        ("context", "tenant=acme".to_owned()),
        ("key-1", format!("local example {}", base64url(wrapped))),
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

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

fn base64url(bytes: &[u8]) -> String {
    <base64ct::Base64UrlUnpadded as base64ct::Encoding>::encode_string(bytes)
}
