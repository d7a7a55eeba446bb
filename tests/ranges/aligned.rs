//! A plaintext that fills its segments may end with a full segment, as ours do, or with an empty
//! one, as the reference's may. Both are read.

use bytes::Bytes;
use waxseal::EncryptionContext;
use waxseal::Envelope;
use waxseal::EnvelopeCipher;
use waxseal::ReadPolicy;
use waxseal::SecretKey;
use waxseal::floe;

use crate::doors::Door;
use crate::fixed_key::FixedKey;
use crate::reference::Message;
use crate::sample::plain;
use crate::sources::Counting;

const SEGMENTS: [u32; 3] = [33, 40, 64];

#[test]
fn every_range_of_either_aligned_encoding_is_the_slice() {
    for segment_len in SEGMENTS {
        for segments in 0..4 {
            for empty_final in [false, true] {
                let plain = plain(segments * (segment_len as usize - 32));
                let message = message(segment_len, b"aad");
                let sealed = message.encrypt(&plain, empty_final, iv);
                assert_eq!(message.decrypt(&sealed).unwrap(), plain);
                every_range_is_the_slice(segment_len, &sealed, &plain);
            }
        }
    }
}

fn every_range_is_the_slice(segment_len: u32, sealed: &[u8], plain: &[u8]) {
    let key = SecretKey::try_from(&[1; 32][..]).unwrap();
    let (header, body) = sealed.split_at(floe::HEADER_LEN);
    let header = floe::Header::parse(header).unwrap();
    let layout = floe::Layout::of_body(segment_len, body.len() as u64).unwrap();
    assert_eq!(layout.plain_len(), plain.len() as u64);
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let last = layout.final_segment();
    let mut last = body[at(last.start)..at(last.end)].to_vec();
    let access = floe::RandomAccess::new(&key, b"aad", &header, layout, &mut last).unwrap();
    for start in 0..=plain.len() {
        for end in start..=plain.len() {
            let span = layout.span(start as u64..end as u64).unwrap();
            let fetched = span.body();
            let mut fetched = body[at(fetched.start)..at(fetched.end)].to_vec();
            access.decrypt(&span, &mut fetched).unwrap();
            let got: Vec<u8> = span.plaintext().flat_map(|at| fetched[at].to_vec()).collect();
            assert_eq!(got, plain[start..end], "S {segment_len}, {start}..{end}");
        }
    }
}

#[tokio::test]
async fn every_door_opens_either_aligned_encoding_and_refuses_it_without_its_end() {
    let context = EncryptionContext::from([("tenant", "acme")]);
    for segment_len in SEGMENTS {
        let cipher = EnvelopeCipher::new(FixedKey)
            .segment_len(segment_len)
            .read_policy(ReadPolicy::default().segment_lens(33..=64));
        let ours = cipher.seal(b"", &context).await.unwrap();
        let (_, prelude) = Envelope::from_inline(&ours).unwrap().unwrap();
        for segments in 0..4 {
            for empty_final in [false, true] {
                let plain = plain(segments * (segment_len as usize - 32));
                let sealed = message(segment_len, AAD).encrypt(&plain, empty_final, iv);
                let sealed = Bytes::from([&ours[..prelude], &sealed].concat());
                for door in Door::ALL {
                    let passed = door.pass(&cipher, &sealed, &context).await;
                    passed.outcome.unwrap();
                    assert_eq!(passed.released, plain, "{door:?}");
                    let len = (door == Door::Random).then_some(plain.len() as u64);
                    assert_eq!(passed.reported_len, len, "{door:?}");
                }
                let object = cipher.open_at(Counting::new(sealed.clone()), &context).await.unwrap();
                for start in 0..=plain.len() {
                    for end in start..=plain.len() {
                        let range = object.range(start as u64..end as u64).await.unwrap();
                        assert_eq!(range, plain[start..end], "{start}..{end}");
                    }
                }
                if empty_final && segments > 0 {
                    let cut = sealed.slice(..sealed.len() - 32);
                    for door in Door::ALL {
                        let passed = door.pass(&cipher, &cut, &context).await;
                        let kind = passed.outcome.unwrap_err().kind();
                        assert_eq!(kind, waxseal::ErrorKind::Authentication, "{door:?}");
                    }
                }
            }
        }
    }
}

fn message(segment_len: u32, aad: &[u8]) -> Message<'_> {
    Message { key: [1; 32], aad, segment_len, iv: [2; 32], epoch_bits: 20 }
}

fn iv(position: u64) -> [u8; 12] {
    let mut iv = [0; 12];
    iv[..8].copy_from_slice(&position.to_be_bytes());
    iv
}

/// `docs/format.md`, section 3: label, suite 1, binding 0, one pair, an empty binding value.
const AAD: &[u8] = b"waxseal/floe/v1\0\x01\0\0\x01\0\x06tenant\0\x04acme\0\0";
