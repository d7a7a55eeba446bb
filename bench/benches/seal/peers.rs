//! Other crates that seal, on the same buffers.
//!
//! Not all do the same work: aead-stream and Tink draw one nonce prefix a message where FLOE draws
//! an IV a segment, and Tink and aead-stream always run on RustCrypto's cipher (Tink on an older
//! release of it).

use std::io::Cursor;
use std::io::Read as _;
use std::io::Write as _;

use aead_stream::EncryptorBE32;
use aead_stream::aead;
use aes_gcm::Aes256Gcm;
use bytes::Bytes;
use fast_floe::Key;
use fast_floe::Parameters;
use fast_floe::Provider;
use tink_core::StreamingAead as _;
use tink_proto::HashType;
use tink_streaming_aead::subtle::AesGcmHkdf;
use waxseal_bench::Entrant;
use waxseal_bench::FixedKey;
use waxseal_bench::Work;
use waxseal_bench::plain_len;

/// Those with an interface for one segment in place. Tink has none.
pub(crate) fn segments(segment_len: usize, work: Work) -> [Entrant<Vec<u8>>; 2] {
    let parameters = parameters(segment_len);
    let (mut state, _) = fast_floe::low_level::start_encryption(&key(), AAD, parameters).unwrap();
    let fast_floe = move |hot: &mut Vec<u8>| {
        let plain_len = hot.len() / segment_len * plain_len(segment_len);
        let layout = parameters.plaintext_layout(plain_len as u64).unwrap();
        for (segment, place) in hot.chunks_exact_mut(segment_len).zip(layout) {
            state.encrypt_segment_in_place_raw(segment, place).unwrap();
        }
    };
    let mut stream = stream_encryptor();
    let aead_stream = move |hot: &mut Vec<u8>| {
        for segment in hot.chunks_exact_mut(segment_len) {
            let len = segment_len - 32;
            stream
                .encrypt_next_in_place(b"", &mut Segment { data: &mut segment[16..], len })
                .unwrap();
        }
    };
    [
        Entrant::new("fast-floe segments", work, fast_floe),
        Entrant::new("aead-stream", work, aead_stream),
    ]
}

/// Those that take and return bytes.
pub(crate) fn memory(segment_len: usize, work: Work, times: usize) -> [Entrant<Bytes>; 1] {
    let parameters = parameters(segment_len);
    let fast_floe = move |plain: &mut Bytes| {
        for _ in 0..times {
            drop(fast_floe::encrypt(&key(), AAD, parameters, plain).unwrap());
        }
    };
    [Entrant::new("fast-floe encrypt", work, fast_floe)]
}

/// Streams, each through the interface that the crate offers for it.
pub(crate) fn stream(segment_len: usize, work: Work, times: usize) -> [Entrant<Bytes>; 4] {
    let parameters = parameters(segment_len);
    let [writer, reader] = FAST_FLOE_STREAMS;
    let fast_floe_writer = move |plain: &mut Bytes| {
        for _ in 0..times {
            let sink = std::io::sink();
            let mut writer =
                fast_floe::io::EncryptWriter::new(sink, &key(), AAD, parameters).unwrap();
            writer.write_all(plain).unwrap();
            writer.finish().unwrap();
        }
    };
    let mut sealed = vec![0; segment_len];
    let fast_floe_reader = move |plain: &mut Bytes| {
        for _ in 0..times {
            let source = Cursor::new(&plain[..]);
            let mut reader =
                fast_floe::io::EncryptReader::new(source, &key(), AAD, parameters).unwrap();
            while reader.read(&mut sealed).unwrap() > 0 {}
        }
    };
    let mut segment = Vec::with_capacity(segment_len);
    let aead_stream = move |plain: &mut Bytes| {
        for _ in 0..times {
            let mut stream = stream_encryptor();
            for piece in plain.chunks(plain_len(segment_len)) {
                segment.clear();
                segment.extend_from_slice(piece);
                stream.encrypt_next_in_place(b"", &mut segment).unwrap();
            }
        }
    };
    let tink = AesGcmHkdf::new(&FixedKey::BYTES, HashType::Sha256, 32, segment_len, 0).unwrap();
    let tink = move |plain: &mut Bytes| {
        for _ in 0..times {
            let sink = Box::new(std::io::sink());
            let mut writer = tink.new_encrypting_writer(sink, AAD).unwrap();
            writer.write_all(plain).unwrap();
            writer.close().unwrap();
        }
    };
    [
        Entrant::new(writer, work, fast_floe_writer),
        Entrant::new(reader, work, fast_floe_reader),
        Entrant::new("aead-stream, copied", work, aead_stream),
        Entrant::new("Tink", work, tink),
    ]
}

fn stream_encryptor() -> EncryptorBE32<Aes256Gcm> {
    EncryptorBE32::new(&FixedKey::BYTES.into(), &[0; 7].into())
}

/// The default of a build with one provider; with several, fast-floe wants to be told.
fn key() -> Key {
    Key::from_bytes_with_provider(FixedKey::BYTES, Provider::COMPILED[0])
}

fn parameters(segment_len: usize) -> Parameters {
    Parameters::with_segment_length(u32::try_from(segment_len).unwrap()).unwrap()
}

/// Plaintext in a place that has room for the tag: what aead-stream encrypts in place.
struct Segment<'a> {
    data: &'a mut [u8],
    len: usize,
}

impl aead::Buffer for Segment<'_> {
    fn extend_from_slice(&mut self, more: &[u8]) -> aead::Result<()> {
        let room = self.data.get_mut(self.len..self.len + more.len()).ok_or(aead::Error)?;
        room.copy_from_slice(more);
        self.len += more.len();
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl AsRef<[u8]> for Segment<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.data[..self.len]
    }
}

impl AsMut<[u8]> for Segment<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.data[..self.len]
    }
}

pub(crate) const FAST_FLOE_STREAMS: [&str; 2] =
    ["fast-floe EncryptWriter", "fast-floe EncryptReader"];
const AAD: &[u8] = b"aad";
