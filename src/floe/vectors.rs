//! Known answers, generated vectors and negatives, through both decryptors, in place and out of it.

use std::ops::Range;

use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha256;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::floe::Decryptor;
use crate::floe::Encryptor;
use crate::floe::Header;
use crate::floe::Layout;
use crate::floe::RandomAccess;
use crate::floe::header::HEADER_LEN;
use crate::floe::kdf::MessageKeys;
use crate::floe::segment;
use crate::floe::segment::Position;
use crate::secret::SecretKey;

#[allow(clippy::duplicate_mod, reason = "shared with the integration tests")]
#[path = "../../tests/support/vectors.rs"]
mod files;
#[path = "../../tests/support/reference.rs"]
mod reference;

/// Every pair of the specification and of the C++ implementation.
#[test]
fn known_answers() {
    let Some(floe) = files::folder("floe") else { return };
    let mut seen = 0;
    for folder in ["reference", "snowflakedb_cpp"] {
        for entry in std::fs::read_dir(floe.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(stem) = name.strip_suffix("_ct.txt") else { continue };
            let read = |path| files::hex(&std::fs::read_to_string(path).unwrap());
            let message = read(path.clone());
            let plain = read(path.with_file_name(format!("{stem}_pt.txt")));
            let bits = if stem.ends_with("rotation") { 2 } else { 20 };
            let key = SecretKey::try_from(&[0; 32][..]).unwrap();
            let opened = open_every_way(&key, b"This is AAD", &message, bits);
            assert_eq!(opened.unwrap(), plain, "{name}");
            if bits == 2 {
                let err = open_every_way(&key, b"This is AAD", &message, 20).unwrap_err();
                assert_eq!(err.kind(), ErrorKind::Authentication, "{name}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 20);
}

#[test]
fn generated_messages() {
    let Some(floe) = files::folder("floe") else { return };
    let file = files::json(&floe.join("generated/floe_generated.json"));
    let mut seen = 0;
    for case in file["messages"].as_array().unwrap() {
        let (key, aad) = key_and_aad(case);
        let message = reference::Message {
            key: *key.expose(),
            aad: &aad,
            segment_len: u32::try_from(case["segment_length"].as_u64().unwrap()).unwrap(),
            iv: bytes(case, "floe_iv").try_into().unwrap(),
            epoch_bits: u32::try_from(case["epoch_bits"].as_u64().unwrap()).unwrap(),
        };
        assert_eq!(message.header(), bytes(case, "header"), "{case}");
        let header = Header::parse(&message.header()).unwrap();
        let mut keys = MessageKeys::verify(&key, &aad, &header).unwrap();
        keys.set_epoch_bits(message.epoch_bits);
        assert_eq!(keys.message_key()[..], bytes(case, "message_key"));
        if let Some(segments) = case["segments"].as_array() {
            segments.iter().for_each(|segment| sparse_segment(&keys, &message, segment));
            seen += segments.len();
            continue;
        }
        let plain_len = case["plaintext"]["len"].as_u64().unwrap();
        let plain: Vec<u8> = (0..plain_len).map(|i| (i % 251) as u8).collect();
        let sealed = message.encrypt(&plain, case["empty_final"].as_bool().unwrap(), |i| {
            let hash = Sha256::new().chain_update(b"iv").chain_update(message.iv);
            hash.chain_update(i.to_be_bytes()).finalize()[..12].try_into().unwrap()
        });
        assert_eq!(Sha256::digest(&sealed)[..], bytes(case, "ciphertext_sha256"));
        let opened = open_every_way(&key, &aad, &sealed, message.epoch_bits).unwrap();
        assert_eq!(opened, plain, "{}", case["name"]);
        assert_eq!(message.decrypt(&sealed).unwrap(), plain, "{}", case["name"]);
        seen += 1;
    }
    assert_eq!(seen, 15 + 15);
}

/// A single segment far into a message, around the borders of real epochs.
fn sparse_segment(keys: &MessageKeys, message: &reference::Message<'_>, case: &Value) {
    let is_final = case["final"].as_bool().unwrap();
    let position = Position { index: case["position"].as_u64().unwrap(), is_final };
    assert_eq!(keys.epoch(position.index), case["epoch"].as_u64().unwrap());
    assert_eq!(message.segment_key(position.index), bytes(case, "dek"));
    let (plain, sealed) = (bytes(case, "plaintext"), bytes(case, "ciphertext"));
    let iv = bytes(case, "iv").try_into().unwrap();
    assert_eq!(message.encrypt_segment(position.index, is_final, iv, &plain), sealed);

    let aead = keys.cipher(keys.epoch(position.index)).unwrap();
    let open =
        |position| segment::decrypt(&aead, 64, position, &mut sealed.clone()).map(|p| p.to_vec());
    assert_eq!(open(position).unwrap(), plain);
    assert!(open(Position { index: position.index ^ 1, ..position }).is_err());
    assert!(open(Position { is_final: !is_final, ..position }).is_err());
}

#[test]
fn negatives() {
    let Some(floe) = files::folder("floe") else { return };
    let file = files::json(&floe.join("generated/floe_negative.json"));
    let (mut accepted, mut refused) = (0, 0);
    for case in file["cases"].as_array().unwrap() {
        let (key, aad) = key_and_aad(if case["key"].is_null() { &file } else { case });
        let opened = open_every_way(&key, &aad, &bytes(case, "ciphertext"), 20);
        let Some(classes) = case["error"].as_array() else {
            assert_eq!(opened.unwrap(), bytes(case, "plaintext"), "{case}");
            accepted += 1;
            continue;
        };
        let format = classes.iter().any(|c| c == "header_params" || c == "header_length");
        let wanted = if format { ErrorKind::Format } else { ErrorKind::Authentication };
        assert_eq!(opened.unwrap_err().kind(), wanted, "{case}");
        refused += 1;
    }
    assert_eq!((accepted, refused), (3, 43));
}

/// The last positions that the 40-bit counter allows, and the first that it does not.
#[test]
fn the_position_limit_holds() {
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    let last = super::MAX_SEGMENTS - 1;
    let encryptor = |at| Encryptor::new(&key, b"", 33).unwrap().at(at);
    let mut internal = [0; 33];
    let mut end = [0; 32];
    assert!(encryptor(last).encrypt(&mut internal).is_err());
    assert!(encryptor(last + 1).encrypt_final(&mut end).is_err());

    let mut writer = encryptor(last - 1);
    let header = Header::parse(writer.header()).unwrap();
    writer.encrypt(&mut internal).unwrap();
    writer.encrypt_final(&mut end).unwrap();
    let decryptor = |at| Decryptor::new(&key, b"", &header).unwrap().at(at);
    assert!(decryptor(last).decrypt(&mut internal.clone()).is_err());
    assert!(decryptor(last + 1).decrypt(&mut end.clone()).is_err());
    let mut reader = decryptor(last - 1);
    reader.decrypt(&mut internal).unwrap();
    reader.decrypt(&mut end).unwrap();
    reader.finish().unwrap();
}

/// A final segment of another length than the layout's proves another length than it says.
#[test]
fn a_final_segment_must_be_the_one_of_the_layout() {
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    let encryptor = Encryptor::new(&key, b"", 64).unwrap();
    let header = Header::parse(encryptor.header()).unwrap();
    let mut segment = [0; 40];
    encryptor.encrypt_final(&mut segment).unwrap();
    let open = |body_len| {
        let layout = Layout::of_body(64, body_len).unwrap();
        RandomAccess::new(&key, b"", &header, layout, &mut segment.clone()).map(drop)
    };
    assert!(open(40).is_ok());
    assert_eq!(open(45).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// Opens in order and at random, in place and out of it, checks that all agree, and says what the
/// first said.
fn open_every_way(key: &SecretKey, aad: &[u8], message: &[u8], epoch_bits: u32) -> Result<Vec<u8>> {
    let in_order = open_in_order(key, aad, message, epoch_bits, Target::InPlace);
    let mut others = vec![open_in_order(key, aad, message, epoch_bits, Target::Elsewhere)];
    if epoch_bits == 20 {
        others.push(open_at_random(key, aad, message, Target::InPlace));
        others.push(open_at_random(key, aad, message, Target::Elsewhere));
    }
    for other in others {
        assert_eq!(in_order.is_ok(), other.is_ok());
        assert!(in_order.is_err() || in_order.as_ref().ok() == other.as_ref().ok());
    }
    in_order
}

/// Where the plaintext comes to stand.
#[derive(Clone, Copy)]
enum Target {
    InPlace,
    Elsewhere,
}

fn open_in_order(
    key: &SecretKey,
    aad: &[u8],
    message: &[u8],
    epoch_bits: u32,
    target: Target,
) -> Result<Vec<u8>> {
    let (header, body) = split(message)?;
    let mut decryptor = Decryptor::new(key, aad, &header)?;
    decryptor.keys_mut().set_epoch_bits(epoch_bits);
    let mut plain = vec![];
    for segment in body.chunks(header.segment_len() as usize) {
        match target {
            Target::InPlace => {
                let mut segment = segment.to_vec();
                match decryptor.decrypt(&mut segment) {
                    Ok(decrypted) => plain.extend_from_slice(decrypted),
                    Err(error) => return Err(cleared(error, &segment)),
                }
            }
            Target::Elsewhere => {
                let mut data = vec![0xff; segment.len().saturating_sub(32)];
                let decrypted = decryptor.decrypt_to(segment, &mut data);
                decrypted.map_err(|error| cleared(error, &data))?;
                plain.extend_from_slice(&data);
            }
        }
    }
    decryptor.finish()?;
    Ok(plain)
}

/// Segments from the last to the first, each by itself.
fn open_at_random(key: &SecretKey, aad: &[u8], message: &[u8], target: Target) -> Result<Vec<u8>> {
    let (header, body) = split(message)?;
    let layout = Layout::of_body(header.segment_len(), body.len() as u64)?;
    let slice = |range: Range<u64>| body[range.start as usize..range.end as usize].to_vec();
    let mut last = slice(layout.final_segment());
    let reader = RandomAccess::new(key, aad, &header, layout, &mut last)?;
    let mut plain = vec![0xff; usize::try_from(layout.plain_len()).unwrap()];
    for index in (0..layout.segments()).rev() {
        let span = layout.segments_span(index..index + 1)?;
        let place = span.plain().start as usize..span.plain().end as usize;
        let mut fetched = slice(span.body());
        match target {
            Target::InPlace => {
                let decrypted = reader.decrypt(&span, &mut fetched);
                decrypted.map_err(|error| cleared(error, &fetched))?;
                let data = span.plaintext().next().unwrap();
                plain[place].copy_from_slice(&fetched[data]);
            }
            Target::Elsewhere => {
                let decrypted = reader.decrypt_to(&span, &fetched, &mut plain[place.clone()]);
                decrypted.map_err(|error| cleared(error, &plain[place]))?;
            }
        }
    }
    Ok(plain)
}

/// The error, after which no byte of the plaintext is there.
fn cleared(error: Error, buffer: &[u8]) -> Error {
    assert!(buffer.iter().all(|&b| b == 0), "no plaintext after a failure");
    error
}

fn split(message: &[u8]) -> Result<(Header, &[u8])> {
    let (header, body) = message.split_at(message.len().min(HEADER_LEN));
    Ok((Header::parse(header)?, body))
}

fn key_and_aad(case: &Value) -> (SecretKey, Vec<u8>) {
    (SecretKey::try_from(&bytes(case, "key")[..]).unwrap(), bytes(case, "aad"))
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    files::hex(case[field].as_str().unwrap())
}
