//! FLOE: a message as independently encrypted segments, in order or at random.
//!
//! Synchronous, works on slices, knows nothing of I/O, key services or envelopes. Most users want
//! [`EnvelopeCipher`](crate::EnvelopeCipher); this module is for those who hold a key and want the
//! bare format.
//!
//! A message is a 74-byte [`Header`] and segments of one length `S`, each `prefix || IV ||
//! ciphertext || tag`, of which the last one is marked final. AES-256-GCM, HKDF-Expand-SHA-384, a
//! random 96-bit IV per segment, a new key every 2^20 segments. The header commits to key,
//! parameters and AAD.
//!
//! Position and finality are never arguments here: [`Encryptor`] and [`Decryptor`] count,
//! [`ParallelEncryptor`] follows the [`Layout`] it was made for, and [`RandomAccess`] one whose end
//! it has verified.
//!
//! Source: FLOE specification, C2SP text of 2026-03-02. What is written and read here is exactly
//! that, with `S` between [`MIN_SEGMENT_LEN`] and `u32::MAX - 1`.
//!
//! ```
//! use waxseal::{SecretKey, floe};
//!
//! let key = SecretKey::random()?;
//! let mut encryptor = floe::Encryptor::new(&key, b"aad", 64)?;
//! let header = *encryptor.header();
//!
//! // The plaintext stands where its ciphertext will be: 16 bytes into the segment.
//! let mut segment = [0; 16 + 5 + 16];
//! segment[16..21].copy_from_slice(b"hello");
//! encryptor.encrypt_final(&mut segment)?;
//!
//! let header = floe::Header::parse(&header)?;
//! let mut decryptor = floe::Decryptor::new(&key, b"aad", &header)?;
//! assert_eq!(decryptor.decrypt(&mut segment)?, b"hello");
//! decryptor.finish()?;
//! # Ok::<(), waxseal::Error>(())
//! ```

mod decryptor;
mod encryptor;
mod header;
mod kdf;
mod layout;
mod parallel;
mod random_access;
mod segment;
#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "lengths of buffers")]
mod vectors;

pub use decryptor::Decryptor;
pub use encryptor::Encryptor;
pub use header::HEADER_LEN;
pub use header::Header;
pub use layout::Layout;
pub use layout::MAX_SEGMENTS;
pub use layout::MIN_SEGMENT_LEN;
pub use layout::SEGMENT_OVERHEAD;
pub use layout::Span;
pub use parallel::ParallelEncryptor;
pub use random_access::RandomAccess;

pub(crate) use segment::DATA_OFFSET;
pub(crate) use segment::OVERHEAD;
pub(crate) use segment::is_internal;
