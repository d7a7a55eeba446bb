//! The cipher and the key derivation with nothing around them: the floor.
//!
//! Of the backend that waxseal was built with, and laid out as FLOE lays out a segment, so that a
//! ratio shows what our code adds and not what the format asks of the cipher.

/// The backend in use.
pub const BACKEND: &str = if cfg!(feature = "aws-lc") { "aws-lc" } else { "rust-crypto" };

/// AES-256-GCM under one key, nonces from a counter.
pub struct Raw {
    key: backend::Key,
    next: u64,
}

impl Raw {
    /// Sets up the key schedule.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: backend::key(key), next: 0 }
    }

    /// Encrypts in place: the plaintext stands from byte 16 to 16 before the end.
    pub fn seal(&mut self, segment: &mut [u8]) {
        let nonce = self.next_nonce();
        let (head, rest) = segment.split_at_mut(16);
        let (data, tag) = rest.split_last_chunk_mut().unwrap();
        *tag = backend::seal(&self.key, nonce, AAD, data);
        head[4..].copy_from_slice(&nonce);
    }

    /// Encrypts `plain` into `segment` in one pass, where [`seal`](Self::seal) would need a copy.
    pub fn seal_from(&mut self, plain: &[u8], segment: &mut [u8]) {
        let nonce = self.next_nonce();
        let (head, sealed) = segment.split_at_mut(16);
        backend::seal_from(&self.key, nonce, AAD, plain, sealed);
        head[4..].copy_from_slice(&nonce);
    }

    /// Decrypts what [`seal`](Self::seal) made, in place.
    pub fn open(&self, segment: &mut [u8]) {
        let (head, sealed) = segment.split_at_mut(16);
        backend::open(&self.key, head[4..].try_into().unwrap(), AAD, sealed);
    }

    /// Decrypts what [`seal`](Self::seal) made into `plain`.
    pub fn open_into(&self, segment: &[u8], plain: &mut [u8]) {
        let (head, sealed) = segment.split_at(16);
        backend::open_into(&self.key, head[4..].try_into().unwrap(), AAD, sealed, plain);
    }

    fn next_nonce(&mut self) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.next.to_be_bytes());
        self.next += 1;
        nonce
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Raw").finish_non_exhaustive()
    }
}

/// HKDF-Expand-SHA-384: one HMAC, as `out` is no longer than the hash.
pub fn hkdf_expand(key: &[u8], info: &[&[u8]], out: &mut [u8]) {
    backend::hkdf_expand(key, info, out);
}

#[cfg(feature = "aws-lc")]
mod backend {
    use aws_lc_rs::aead::AES_256_GCM;
    use aws_lc_rs::aead::Aad;
    use aws_lc_rs::aead::LessSafeKey;
    use aws_lc_rs::aead::Nonce;
    use aws_lc_rs::aead::UnboundKey;
    use aws_lc_rs::hkdf;

    pub(super) type Key = LessSafeKey;

    pub(super) fn key(key: &[u8; 32]) -> Key {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap())
    }

    pub(super) fn seal(key: &Key, nonce: [u8; 12], aad: [u8; 9], data: &mut [u8]) -> [u8; 16] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), data).unwrap();
        tag.as_ref().try_into().unwrap()
    }

    pub(super) fn open(key: &Key, nonce: [u8; 12], aad: [u8; 9], sealed: &mut [u8]) {
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.open_in_place(nonce, Aad::from(aad), sealed).unwrap();
    }

    pub(super) fn seal_from(
        key: &Key,
        nonce: [u8; 12],
        aad: [u8; 9],
        plain: &[u8],
        sealed: &mut [u8],
    ) {
        // All of the plaintext is what this call takes to be extra input.
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_scatter(nonce, Aad::from(aad), &mut [], plain, sealed).unwrap();
    }

    pub(super) fn open_into(
        key: &Key,
        nonce: [u8; 12],
        aad: [u8; 9],
        sealed: &[u8],
        plain: &mut [u8],
    ) {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let (data, tag) = sealed.split_at(sealed.len() - 16);
        key.open_separate_gather(nonce, Aad::from(aad), data, tag, plain).unwrap();
    }

    pub(super) fn hkdf_expand(key: &[u8], info: &[&[u8]], out: &mut [u8]) {
        let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA384, key);
        prk.expand(info, Len(out.len())).unwrap().fill(out).unwrap();
    }

    struct Len(usize);

    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
}

#[cfg(not(feature = "aws-lc"))]
mod backend {
    use aes_gcm::Aes256Gcm;
    use aes_gcm::KeyInit as _;
    use aes_gcm::aead::AeadInOut as _;
    use aes_gcm::aead::inout::InOutBuf;
    use hkdf::Hkdf;
    use sha2::Sha384;

    pub(super) type Key = Aes256Gcm;

    pub(super) fn key(key: &[u8; 32]) -> Key {
        Aes256Gcm::new(key.into())
    }

    pub(super) fn seal(key: &Key, nonce: [u8; 12], aad: [u8; 9], data: &mut [u8]) -> [u8; 16] {
        key.encrypt_inout_detached(&nonce.into(), &aad, data.into()).unwrap().into()
    }

    pub(super) fn open(key: &Key, nonce: [u8; 12], aad: [u8; 9], sealed: &mut [u8]) {
        let (data, tag) = sealed.split_last_chunk_mut::<16>().unwrap();
        key.decrypt_inout_detached(&nonce.into(), &aad, data.into(), &(*tag).into()).unwrap();
    }

    pub(super) fn seal_from(
        key: &Key,
        nonce: [u8; 12],
        aad: [u8; 9],
        plain: &[u8],
        sealed: &mut [u8],
    ) {
        let (data, tag) = sealed.split_last_chunk_mut().unwrap();
        let data = InOutBuf::new(plain, data).unwrap();
        *tag = key.encrypt_inout_detached(&nonce.into(), &aad, data).unwrap().into();
    }

    pub(super) fn open_into(
        key: &Key,
        nonce: [u8; 12],
        aad: [u8; 9],
        sealed: &[u8],
        plain: &mut [u8],
    ) {
        let (data, tag) = sealed.split_last_chunk::<16>().unwrap();
        let data = InOutBuf::new(data, plain).unwrap();
        key.decrypt_inout_detached(&nonce.into(), &aad, data, &(*tag).into()).unwrap();
    }

    pub(super) fn hkdf_expand(key: &[u8], info: &[&[u8]], out: &mut [u8]) {
        // The crate refuses keys shorter than the hash, which FLOE has. HMAC pads with zeros.
        let mut padded = [0; 64];
        padded[..key.len()].copy_from_slice(key);
        Hkdf::<Sha384>::from_prk(&padded).unwrap().expand_multi_info(info, out).unwrap();
    }
}

/// As long as the AAD of a FLOE segment.
const AAD: [u8; 9] = [0; 9];
