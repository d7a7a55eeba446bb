//! Who may do what: a key that signs, and a keyring that counts what it is asked for.

use std::sync::Arc;
use std::sync::Mutex;

use aws_lc_rs::digest;
use aws_lc_rs::signature;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::KeyPair as _;
use waxseal::DataKey;
use waxseal::EncryptionContext;
use waxseal::EnvelopeCipher;
use waxseal::Error;
use waxseal::ErrorKind;
use waxseal::KeyFile;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::LocalKeyring;
use waxseal::ReadPolicy;
use waxseal::SecretKey;
use waxseal::Signature;
use waxseal::SigningKey;
use waxseal::WrappedKey;
use waxseal::async_trait;

/// A signing key in this process: ECDSA on P-384.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    id: &'static str,
    pair: Arc<EcdsaKeyPair>,
}

impl Signer {
    pub(crate) fn new(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        Self { id, pair: Arc::new(pair) }
    }
}

#[async_trait]
impl SigningKey for Signer {
    async fn sign(&self, digest: &[u8; 48]) -> waxseal::Result<Signature> {
        let signature = self.pair.sign_digest(&imported(digest)).unwrap();
        Signature::new("test", self.id, signature.as_ref())
    }

    async fn verify(&self, digest: &[u8; 48], signature: &Signature) -> waxseal::Result<()> {
        let (algorithm, key) = (&signature::ECDSA_P384_SHA384_ASN1, self.pair.public_key());
        let key = signature::UnparsedPublicKey::new(algorithm, key);
        let named = (signature.provider(), signature.key_id()) == ("test", self.id);
        match key.verify_digest(&imported(digest), signature.bytes()) {
            Ok(()) if named => Ok(()),
            _ => Err(Error::new(ErrorKind::Authentication, "not signed by this key")),
        }
    }
}

fn imported(digest: &[u8; 48]) -> digest::Digest {
    digest::Digest::import_less_safe(digest, &digest::SHA384).unwrap()
}

/// A keyring that anybody here may use, and that notes what it was asked: whether to generate, and
/// whether for a signed object.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    keyring: LocalKeyring,
    asked: Arc<Mutex<Vec<(Asked, bool)>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Generate,
    Unwrap,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let key = SecretKey::try_from(&[1; 32][..]).unwrap();
        let keyring = LocalKeyring::new(KeyFile::from_key("test", key).unwrap());
        Self { keyring, asked: Arc::default() }
    }

    /// A cipher with segments of 4 KiB, which signs and demands nothing.
    pub(crate) fn cipher(&self) -> EnvelopeCipher {
        let policy = ReadPolicy::default().segment_lens(33..=16 << 20);
        EnvelopeCipher::new(self.clone()).segment_len(4096).read_policy(policy)
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<(Asked, bool)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn note(&self, asked: Asked, request: &KeyRequest<'_>) {
        self.asked.lock().unwrap().push((asked, request.is_signed()));
    }
}

#[async_trait]
impl Keyring for Shared {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> waxseal::Result<DataKey> {
        self.note(Asked::Generate, request);
        self.keyring.generate_data_key(request).await
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> waxseal::Result<SecretKey> {
        self.note(Asked::Unwrap, request);
        self.keyring.unwrap_data_key(wrapped, request).await
    }
}

pub(crate) fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

pub(crate) fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}
