//! RSA keys for tests, and what is made of them without this library.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
use aws_lc_rs::rsa::OaepPrivateDecryptingKey;
use aws_lc_rs::rsa::OaepPublicEncryptingKey;
use aws_lc_rs::rsa::PrivateDecryptingKey;
use pem_rfc7468::LineEnding;
use waxseal::RsaKeyring;

/// A fresh key pair.
pub(crate) struct Pair(PrivateDecryptingKey);

impl Pair {
    pub(crate) fn new() -> Self {
        Self::of(KeySize::Rsa2048)
    }

    pub(crate) fn of(size: KeySize) -> Self {
        Self(PrivateDecryptingKey::generate(size).unwrap())
    }

    pub(crate) fn public_der(&self) -> Vec<u8> {
        self.0.public_key().as_der().unwrap().as_ref().to_vec()
    }

    pub(crate) fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public_der())
    }

    pub(crate) fn private_pem(&self) -> String {
        pem("PRIVATE KEY", self.0.as_der().unwrap().as_ref())
    }

    /// Seals only.
    pub(crate) fn public(&self) -> RsaKeyring {
        RsaKeyring::from_public_pem(&self.public_pem()).unwrap()
    }

    /// Seals and opens.
    pub(crate) fn private(&self) -> RsaKeyring {
        RsaKeyring::from_private_pem(&self.private_pem()).unwrap()
    }

    pub(crate) fn encrypt(&self, plain: &[u8]) -> Vec<u8> {
        let key = OaepPublicEncryptingKey::new(self.0.public_key()).unwrap();
        let mut out = vec![0; key.ciphertext_size()];
        key.encrypt(&OAEP_SHA256_MGF1SHA256, plain, &mut out, None).unwrap();
        out
    }

    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Vec<u8> {
        let key = OaepPrivateDecryptingKey::new(self.0.clone()).unwrap();
        let mut out = vec![0; key.min_output_size()];
        key.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut out, None).unwrap().to_vec()
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    pem_rfc7468::encode_string(label, LineEnding::LF, der).unwrap()
}

/// A SubjectPublicKeyInfo of an RSA key with a modulus of this many bits. Nobody has its private
/// half.
pub(crate) fn public_der_of(bits: usize, exponent: &[u8]) -> Vec<u8> {
    spki(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", bits, exponent)
}

/// The same key, for PSS signatures only.
pub(crate) fn pss_der_of(bits: usize, exponent: &[u8]) -> Vec<u8> {
    spki(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", bits, exponent)
}

fn spki(algorithm: &[u8], bits: usize, exponent: &[u8]) -> Vec<u8> {
    let mut modulus = vec![0x5b; bits.div_ceil(8)];
    let top = 1_u8 << ((bits - 1) % 8);
    modulus[0] = top | (modulus[0] & (top - 1));
    let numbers = [integer(&modulus), integer(exponent)].concat();
    let key = [&[0][..], &sequence(&numbers)].concat();
    sequence(&[sequence(algorithm), tagged(3, &key)].concat())
}

fn integer(magnitude: &[u8]) -> Vec<u8> {
    let sign = if magnitude[0] >= 0x80 { &[0][..] } else { &[] };
    tagged(2, &[sign, magnitude].concat())
}

fn sequence(content: &[u8]) -> Vec<u8> {
    tagged(0x30, content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    let len: &[u8] = match content.len() {
        0..=127 => &[len[1]],
        128..=255 => &[0x81, len[1]],
        _ => &[0x82, len[0], len[1]],
    };
    [&[tag][..], len, content].concat()
}
