//! RSAES-OAEP (RFC 8017, section 7.1) with SHA-256, MGF1 with SHA-256 and no label. On AWS-LC only:
//! decryption by the `rsa` crate leaks through its timing (RUSTSEC-2023-0071).

use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
use aws_lc_rs::rsa::OaepPrivateDecryptingKey;
use aws_lc_rs::rsa::OaepPublicEncryptingKey;
use aws_lc_rs::rsa::PrivateDecryptingKey;
use aws_lc_rs::rsa::PublicEncryptingKey;
use zeroize::Zeroizing;

use crate::crypto::internal;
use crate::error::Result;

/// Encrypts. 2,048 to 8,192 bits.
pub(crate) struct RsaPublicKey {
    key: OaepPublicEncryptingKey,
    fingerprint: String,
}

impl RsaPublicKey {
    /// Reads a SubjectPublicKeyInfo in DER; `None` if it is none of an RSA key of these lengths.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let key = PublicEncryptingKey::from_der(der).ok()?;
        // AWS-LC also takes bytes after it, and keys that are for PSS signatures only.
        let is_exact = key.as_der().ok()?.as_ref() == der;
        if is_exact { Self::new(key) } else { None }
    }

    fn new(key: PublicEncryptingKey) -> Option<Self> {
        let der = key.as_der().ok()?;
        let hash = digest::digest(&digest::SHA256, der.as_ref());
        Some(Self {
            key: OaepPublicEncryptingKey::new(key).ok()?,
            fingerprint: base16ct::lower::encode_string(hash.as_ref()),
        })
    }

    /// SHA-256 of the SubjectPublicKeyInfo in DER, in hex.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Bytes of the modulus, and so of every ciphertext.
    pub(crate) fn len(&self) -> usize {
        self.key.key_size_bytes()
    }

    /// # Errors
    ///
    /// `Keyring` if the system has no randomness.
    pub(crate) fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let mut ciphertext = vec![0; self.len()];
        let done = self.key.encrypt(&OAEP_SHA256_MGF1SHA256, plain, &mut ciphertext, None);
        done.map_err(|_| internal())?;
        Ok(ciphertext)
    }
}

/// Decrypts. 2,048 to 8,192 bits.
pub(crate) struct RsaPrivateKey(OaepPrivateDecryptingKey);

impl RsaPrivateKey {
    /// Reads PKCS#8 in DER; `None` if it is none of an RSA key of these lengths.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Option<(Self, RsaPublicKey)> {
        let key = PrivateDecryptingKey::from_pkcs8(der).ok()?;
        let public = RsaPublicKey::new(key.public_key())?;
        Some((Self(OaepPrivateDecryptingKey::new(key).ok()?), public))
    }

    /// `None` if it does not decrypt.
    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut plain = Zeroizing::new(vec![0; self.0.min_output_size()]);
        let len = self.0.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut plain, None).ok()?.len();
        plain.truncate(len); // which leaves the rest in place, to be wiped with it
        Some(plain)
    }
}
