//! Other crates that open what they sealed, into the same buffers.
//!
//! What is opened is sealed at the first run, so that a filter leaves out what it does not need.
//!
//! Tink and aead-stream always run on RustCrypto's cipher (Tink on an older release of it).

use std::cell::LazyCell;
use std::io::Cursor;
use std::io::Read as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::Mutex;

use aead_stream::DecryptorBE32;
use aead_stream::EncryptorBE32;
use aead_stream::aead;
use aes_gcm::Aes256Gcm;
use bytes::Bytes;
use fast_floe::Header;
use fast_floe::Key;
use fast_floe::Parameters;
use fast_floe::Provider;
use tink_core::StreamingAead as _;
use tink_proto::HashType;
use tink_streaming_aead::subtle::AesGcmHkdf;
use waxseal_bench::Entrant;
use waxseal_bench::FixedKey;
use waxseal_bench::Work;
use waxseal_bench::noise;
use waxseal_bench::plain_len;

/// Those with an interface for one segment in place. Tink has none.
pub(crate) fn segments(hot_len: usize, segment_len: usize, work: Work) -> [Entrant<Vec<u8>>; 2] {
    let plain_len = hot_len / segment_len * plain_len(segment_len);
    let message = seal_floe(plain_len, segment_len);
    let header = Header::try_from(&message[..Header::LEN]).unwrap();
    let mut state = fast_floe::low_level::start_decryption_inferred(&key(), AAD, &header).unwrap();
    let layout = parameters(segment_len).plaintext_layout(plain_len as u64).unwrap();
    let fast_floe = Entrant::prepared(
        "fast-floe segments",
        work,
        move |hot: &mut Vec<u8>| hot.copy_from_slice(&message[Header::LEN..]),
        move |hot, ()| {
            for (segment, place) in hot.chunks_exact_mut(segment_len).zip(layout) {
                state.decrypt_segment_in_place_raw(segment, place).unwrap();
            }
        },
    );
    // Each segment lies in as much room as those of FLOE.
    let sealed = seal_aead_stream(plain_len, segment_len);
    let aead_stream = Entrant::prepared(
        "aead-stream",
        work,
        move |hot: &mut Vec<u8>| {
            for (place, sealed) in hot.chunks_exact_mut(segment_len).zip(&sealed) {
                place[16..].copy_from_slice(sealed);
            }
            DecryptorBE32::<Aes256Gcm>::new(&FixedKey::BYTES.into(), &[0; 7].into())
        },
        move |hot, mut stream| {
            for place in hot.chunks_exact_mut(segment_len) {
                stream.decrypt_next_in_place(b"", &mut Segment(&mut place[16..])).unwrap();
            }
        },
    );
    [fast_floe, aead_stream]
}

/// Those that take and return bytes.
pub(crate) fn memory<S>(
    len: usize,
    segment_len: usize,
    work: Work,
    times: usize,
) -> [Entrant<S>; 1] {
    let message = LazyCell::new(move || seal_floe(len, segment_len));
    let fast_floe = move |_: &mut S| {
        for _ in 0..times {
            drop(fast_floe::decrypt(&key(), AAD, &message).unwrap());
        }
    };
    [Entrant::new("fast-floe decrypt", work, fast_floe)]
}

/// Streams, each through the interface that the crate offers for it.
pub(crate) fn stream<S>(
    len: usize,
    segment_len: usize,
    work: Work,
    times: usize,
) -> [Entrant<S>; 3] {
    let message = LazyCell::new(move || seal_floe(len, segment_len));
    let mut plain = vec![0; segment_len];
    let fast_floe = move |_: &mut S| {
        for _ in 0..times {
            let mut reader = fast_floe::io::DecryptReader::new(&message[..], &key(), AAD).unwrap();
            while reader.read(&mut plain).unwrap() > 0 {}
            reader.finish().unwrap();
        }
    };
    let sealed = LazyCell::new(move || seal_aead_stream(len, segment_len));
    let mut segment = Vec::with_capacity(segment_len);
    let aead_stream = move |_: &mut S| {
        for _ in 0..times {
            let mut stream =
                DecryptorBE32::<Aes256Gcm>::new(&FixedKey::BYTES.into(), &[0; 7].into());
            for sealed in &*sealed {
                segment.clear();
                segment.extend_from_slice(sealed);
                stream.decrypt_next_in_place(b"", &mut segment).unwrap();
            }
        }
    };
    let tink = tink(segment_len);
    let own = tink.clone();
    let tink_message = LazyCell::new(move || seal_tink(&own, len));
    let mut plain = vec![0; segment_len];
    let tink = move |_: &mut S| {
        for _ in 0..times {
            let source = Box::new(Cursor::new(Bytes::clone(&tink_message)));
            let mut reader = tink.new_decrypting_reader(source, AAD).unwrap();
            while reader.read(&mut plain).unwrap() > 0 {}
        }
    };
    [
        Entrant::new(FAST_FLOE_STREAM, work, fast_floe),
        Entrant::new("aead-stream, copied", work, aead_stream),
        Entrant::new("Tink", work, tink),
    ]
}

fn seal_floe(len: usize, segment_len: usize) -> Vec<u8> {
    fast_floe::encrypt(&key(), AAD, parameters(segment_len), &noise(len)).unwrap()
}

/// The default of a build with one provider; with several, fast-floe wants to be told.
fn key() -> Key {
    Key::from_bytes_with_provider(FixedKey::BYTES, Provider::COMPILED[0])
}

fn parameters(segment_len: usize) -> Parameters {
    Parameters::with_segment_length(u32::try_from(segment_len).unwrap()).unwrap()
}

fn seal_aead_stream(len: usize, segment_len: usize) -> Vec<Vec<u8>> {
    let mut stream = EncryptorBE32::<Aes256Gcm>::new(&FixedKey::BYTES.into(), &[0; 7].into());
    let plain = noise(len);
    plain.chunks(plain_len(segment_len)).map(|piece| stream.encrypt_next(piece).unwrap()).collect()
}

fn tink(segment_len: usize) -> AesGcmHkdf {
    AesGcmHkdf::new(&FixedKey::BYTES, HashType::Sha256, 32, segment_len, 0).unwrap()
}

/// Tink wants to own what it writes to.
fn seal_tink(tink: &AesGcmHkdf, len: usize) -> Bytes {
    let sink = Shared::default();
    let mut writer = tink.new_encrypting_writer(Box::new(sink.clone()), AAD).unwrap();
    writer.write_all(&noise(len)).unwrap();
    writer.close().unwrap();
    let sealed = std::mem::take(&mut *sink.0.lock().unwrap());
    sealed.into()
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A sealed segment in place: what aead-stream decrypts, and then cuts the tag off.
struct Segment<'a>(&'a mut [u8]);

impl aead::Buffer for Segment<'_> {
    fn extend_from_slice(&mut self, _: &[u8]) -> aead::Result<()> {
        Err(aead::Error)
    }

    fn truncate(&mut self, len: usize) {
        self.0 = &mut std::mem::take(&mut self.0)[..len];
    }
}

impl AsRef<[u8]> for Segment<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl AsMut<[u8]> for Segment<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.0
    }
}

pub(crate) const FAST_FLOE_STREAM: &str = "fast-floe DecryptReader";
const AAD: &[u8] = b"aad";
