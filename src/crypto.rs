//! The cipher, the key derivation and the randomness that formats are built from.
//!
//! One narrow interface, [`Backend`], and the only code that names a cryptographic library. It
//! knows no format. AWS-LC is used when it is compiled in, RustCrypto otherwise; both give the
//! same bytes, and the tests run every enabled backend.

#[cfg(feature = "aws-lc")]
mod aws_lc;
pub(crate) mod passphrase;
#[cfg(feature = "aws-lc")]
pub(crate) mod rsa;
#[cfg(all(feature = "rust-crypto", any(test, not(feature = "aws-lc"))))]
mod rust_crypto;
#[cfg(test)]
mod wycheproof;

#[cfg(not(any(feature = "aws-lc", feature = "rust-crypto")))]
compile_error!("waxseal needs a cipher backend: enable the feature `aws-lc` or `rust-crypto`");

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;

#[cfg(feature = "aws-lc")]
type Active = aws_lc::AwsLc;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc")))]
type Active = rust_crypto::RustCrypto;

/// What a cryptographic library gives us. Errors carry no reason.
trait Backend {
    /// AES-256-GCM with its key schedule set up.
    type Aead: Send + Sync;

    fn aead(key: &[u8; 32]) -> Result<Self::Aead, Failed>;
    /// Encrypts `in_out` in place under one of `nonces`.
    fn seal(
        aead: &Self::Aead,
        nonces: &mut Nonces,
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<(Nonce, Tag), Failed>;
    /// Encrypts `plain` into `sealed`, which has 16 bytes more, for the tag.
    fn seal_from(
        aead: &Self::Aead,
        nonces: &mut Nonces,
        aad: &[u8],
        plain: &[u8],
        sealed: &mut [u8],
    ) -> Result<Nonce, Failed>;
    /// Decrypts the ciphertext in `in_out`, whose last 16 bytes are the tag, in place.
    fn open(aead: &Self::Aead, nonce: &Nonce, aad: &[u8], in_out: &mut [u8]) -> Result<(), Failed>;
    /// Decrypts the ciphertext of `sealed` into `plain`, which is as long. What is there after a
    /// failure is not to be used.
    fn open_to(
        aead: &Self::Aead,
        nonce: &Nonce,
        aad: &[u8],
        sealed: (&[u8], &Tag),
        plain: &mut [u8],
    ) -> Result<(), Failed>;
    #[cfg_attr(not(test), expect(dead_code, reason = "for S3EC and ESDK; HKDF tests need it"))]
    /// HMAC of the parts, joined. `out` is as long as the hash.
    fn hmac(hash: Hash, key: &[u8], parts: &[&[u8]], out: &mut [u8]) -> Result<(), Failed>;
    fn hkdf_expand(hash: Hash, prk: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), Failed>;
    fn sha384(parts: &[&[u8]]) -> Result<[u8; 48], Failed>;
    /// `a == b` in time that depends on the lengths only.
    fn equal(a: &[u8], b: &[u8]) -> bool;
    fn fill_random(out: &mut [u8]) -> Result<(), Failed>;
}

/// "It did not work", with no detail that could help an attacker.
#[derive(Debug)]
struct Failed;

/// The hash under an HMAC or HKDF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "FLOE uses SHA-384 only; the others are tested"))]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// An AES-GCM nonce.
pub(crate) type Nonce = [u8; NONCE_LEN];
/// An AES-GCM tag.
pub(crate) type Tag = [u8; TAG_LEN];

/// Random nonces for messages that are sealed together.
///
/// Asking the system for 12 random bytes takes as long as sealing some 8 KiB, and asking for 64
/// times as many hardly longer. What is drawn ahead could be used twice after a `fork` or when a
/// virtual machine is cloned, so nothing is: whoever draws has all messages in place, seals them in
/// the same call and keeps none. A child process does not have the thread that was sealing; clones
/// of a machine that was stopped in between go on to seal the same messages, to the same bytes.
/// The next call draws anew, from a generator that notices forks.
///
/// With the feature `internal-nonces` none are drawn ahead: the cryptographic module draws each
/// one itself as it seals, which is what its FIPS build counts as approved.
#[cfg_attr(feature = "internal-nonces", allow(dead_code, reason = "none are drawn ahead"))]
pub(crate) struct Nonces {
    drawn: [Nonce; Self::MOST],
    left: usize,
}

impl Nonces {
    /// Most nonces drawn at a time.
    pub(crate) const MOST: usize = 64;

    /// Draws nonces for `count` messages; those beyond [`MOST`](Self::MOST) get theirs singly. A
    /// single one is drawn when it is used.
    ///
    /// # Errors
    ///
    /// `Keyring` if the system has no randomness.
    pub(crate) fn draw(count: usize) -> Result<Self> {
        let mut drawn = [[0; NONCE_LEN]; Self::MOST];
        let ahead = count > 1 && !cfg!(feature = "internal-nonces");
        let left = if ahead { count.min(Self::MOST) } else { 0 };
        if ahead {
            fill_random(drawn[..left].as_flattened_mut())?;
        }
        Ok(Self { drawn, left })
    }

    /// Takes one out, or draws one.
    #[cfg_attr(feature = "internal-nonces", allow(dead_code, reason = "the module draws its own"))]
    fn next(&mut self) -> Result<Nonce, Failed> {
        let mut nonce = [0; NONCE_LEN];
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                nonce = self.drawn[left];
            }
            None => Active::fill_random(&mut nonce)?,
        }
        Ok(nonce)
    }
}

/// AES-256-GCM under one key.
pub(crate) struct Aead(<Active as Backend>::Aead);

impl Aead {
    /// Sets up the key schedule.
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self> {
        Active::aead(key).map(Self).map_err(|Failed| internal())
    }

    /// Encrypts `in_out` in place under a fresh random nonce.
    ///
    /// # Errors
    ///
    /// `Keyring` if the system has no randomness; `in_out` is then all zero.
    pub(crate) fn seal(&self, aad: &[u8], in_out: &mut [u8]) -> Result<(Nonce, Tag)> {
        self.seal_with(&mut Nonces::draw(1)?, aad, in_out)
    }

    /// Encrypts `in_out` in place under one of `nonces`.
    ///
    /// # Errors
    ///
    /// `Keyring` if the system has no randomness; `in_out` is then all zero.
    pub(crate) fn seal_with(
        &self,
        nonces: &mut Nonces,
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<(Nonce, Tag)> {
        check_len(in_out.len())?;
        Active::seal(&self.0, nonces, aad, in_out).map_err(|Failed| {
            in_out.fill(0);
            internal()
        })
    }

    /// Encrypts `plain` into `sealed`, which has 16 bytes more, under one of `nonces`.
    ///
    /// Quicker than to copy and encrypt in place, as the bytes pass through the processor once.
    ///
    /// # Errors
    ///
    /// `Keyring` if the system has no randomness; `sealed` is then all zero.
    pub(crate) fn seal_from(
        &self,
        nonces: &mut Nonces,
        aad: &[u8],
        plain: &[u8],
        sealed: &mut [u8],
    ) -> Result<Nonce> {
        check_len(plain.len())?;
        Active::seal_from(&self.0, nonces, aad, plain, sealed).map_err(|Failed| {
            sealed.fill(0);
            internal()
        })
    }

    /// Decrypts `sealed`, ciphertext followed by tag, into `plain`, which has 16 bytes less.
    ///
    /// `false` if it is not authentic; `plain` is then all zero.
    pub(crate) fn open_to(
        &self,
        nonce: &Nonce,
        aad: &[u8],
        sealed: &[u8],
        plain: &mut [u8],
    ) -> bool {
        let opened = sealed.split_last_chunk().is_some_and(|parts| {
            parts.0.len() == plain.len()
                && check_len(plain.len()).is_ok()
                && Active::open_to(&self.0, nonce, aad, parts, plain).is_ok()
        });
        if !opened {
            plain.fill(0);
        }
        opened
    }

    /// Decrypts `in_out`, ciphertext followed by tag, in place, and returns the plaintext.
    ///
    /// `None` if it is not authentic; `in_out` is then all zero.
    pub(crate) fn open<'a>(
        &self,
        nonce: &Nonce,
        aad: &[u8],
        in_out: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        let plain_len = in_out.len().checked_sub(TAG_LEN)?;
        let opened =
            check_len(plain_len).is_ok() && Active::open(&self.0, nonce, aad, in_out).is_ok();
        if !opened {
            in_out.fill(0);
            return None;
        }
        Some(&mut in_out[..plain_len])
    }
}

/// HKDF-Expand (RFC 5869, section 2.3), `info` given in parts.
pub(crate) fn hkdf_expand(hash: Hash, prk: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<()> {
    // AWS-LC's bindings move the key through several frames, and wipe only the last.
    let expanded = on_wiped_stack(|| Active::hkdf_expand(hash, prk, info, out));
    expanded.map_err(|Failed| internal())
}

/// Makes a call, then overwrites the stack that it used.
///
/// As far as safe code can: nothing says that the compiler puts both at the same place. That it
/// does is what `tests/memory_scan.rs` shows.
#[inline(never)]
fn on_wiped_stack<T>(call: impl FnOnce() -> T) -> T {
    #[inline(never)]
    fn used<T>(call: impl FnOnce() -> T) -> T {
        call()
    }
    #[inline(never)]
    fn wiped() {
        std::hint::black_box(&mut [0u8; WIPED_STACK_LEN]);
    }
    let done = used(call);
    wiped();
    done
}

/// SHA-384 of the parts, joined.
pub(crate) fn sha384(parts: &[&[u8]]) -> Result<[u8; 48]> {
    Active::sha384(parts).map_err(|Failed| internal())
}

/// Whether two byte strings are equal, in time that does not depend on where they differ.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    Active::equal(a, b)
}

/// Fills `out` from the system's randomness.
///
/// # Errors
///
/// `Keyring` if there is none.
pub(crate) fn fill_random(out: &mut [u8]) -> Result<()> {
    Active::fill_random(out).map_err(|Failed| internal())
}

/// NIST SP 800-38D, section 5.2.1.1: at most 2^36 - 32 bytes a call.
fn check_len(plain_len: usize) -> Result<()> {
    if plain_len as u64 > (1 << 36) - 32 {
        return Err(Error::invalid_input("more than 64 GiB in one AES-GCM call"));
    }
    Ok(())
}

fn internal() -> Error {
    Error::new(ErrorKind::Keyring, "the cryptographic library failed: no system randomness?")
}

/// Bytes: several times what a key derivation uses, which is more without optimisation.
const WIPED_STACK_LEN: usize = if cfg!(debug_assertions) { 16 << 10 } else { 4 << 10 };
pub(crate) const NONCE_LEN: usize = 12;
pub(crate) const TAG_LEN: usize = 16;
