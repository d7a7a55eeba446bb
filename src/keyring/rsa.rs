//! Wrapping under RSA keys.
//!
//! ```text
//! wrapped = RSAES-OAEP-SHA-256(data key (32) || tag (32))
//! tag     = HKDF-Expand-SHA-384(data key, "waxseal/rsa/v1" 0x00 || canonical context, 32)
//! ```
//!
//! The tag binds the context. OAEP has a label for that, but KMS, which opens these too, has none.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::context::EncryptionContext;
use crate::crypto;
use crate::crypto::Hash;
use crate::crypto::rsa::RsaPrivateKey;
use crate::crypto::rsa::RsaPublicKey;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring;
use crate::keyring::DataKey;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::keyring::Standing;
use crate::keyring::WrappedKey;
use crate::secret::Secret;
use crate::secret::SecretKey;

/// Wraps data keys under an RSA key, by RSAES-OAEP with SHA-256: the public key seals, the private
/// key opens.
///
/// For those who seal and must not open, and for recovery keys whose private half is kept offline:
/// see [`MultiKeyring`](crate::MultiKeyring). Keys have 2,048 to 8,192 bits. The encryption context
/// is bound to each wrapped key.
///
/// RSA does not tell who sealed: anyone who has the public key can. And unlike AES-256 it does not
/// stand against a quantum computer, for which what is sealed today can be kept.
///
/// Opening computes on the calling task: about 1 ms with 2,048 bits, 4 ms with 4,096 and 50 ms with
/// 8,192.
///
/// Without this library, `openssl pkeyutl -decrypt -pkeyopt rsa_padding_mode:oaep -pkeyopt
/// rsa_oaep_md:sha256` unwraps; the data key is in the first 32 bytes.
///
/// Needs the feature `aws-lc`: the `rsa` crate, of the other cipher backend, has a timing leak that
/// reveals private keys (RUSTSEC-2023-0071).
#[derive(Clone)]
pub struct RsaKeyring {
    recipient: Arc<Recipient>,
    private: Option<Arc<RsaPrivateKey>>,
}

impl RsaKeyring {
    /// A keyring that seals only, of a public key in PEM (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is something else, or no RSA key of 2,048 to 8,192 bits.
    pub fn from_public_pem(pem: &str) -> Result<Self> {
        Ok(Self { recipient: Arc::new(Recipient::from_pem(pem)?), private: None })
    }

    /// A keyring that seals only, of a public key as a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is something else, or no RSA key of 2,048 to 8,192 bits.
    pub fn from_public_der(der: &[u8]) -> Result<Self> {
        Ok(Self { recipient: Arc::new(Recipient::from_der(der)?), private: None })
    }

    /// A keyring that opens and seals, of a private key in PKCS#8 PEM (`BEGIN PRIVATE KEY`), which
    /// the caller wipes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is something else, encrypted, or no RSA key of 2,048 to 8,192 bits.
    pub fn from_private_pem(pem: &str) -> Result<Self> {
        let der = decode_pem(pem, PRIVATE_LABEL)?;
        let (private, public) = RsaPrivateKey::from_pkcs8(&der).ok_or_else(not_rsa)?;
        Ok(Self {
            recipient: Arc::new(Recipient { key: public }),
            private: Some(Arc::new(private)),
        })
    }

    /// The key's name in envelopes: SHA-256 of the public key as SubjectPublicKeyInfo in DER, in
    /// lower case hex.
    ///
    /// `openssl pkey -in KEY -pubout -outform DER | sha256sum` gives the same.
    pub fn key_id(&self) -> &str {
        self.recipient.id()
    }

    /// Whether it has the private key.
    pub fn can_open(&self) -> bool {
        self.private.is_some()
    }
}

#[async_trait]
impl Keyring for RsaKeyring {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        self.recipient.generate(request.context())
    }

    async fn wrap_data_key(
        &self,
        key: &SecretKey,
        request: &KeyRequest<'_>,
    ) -> Result<Vec<WrappedKey>> {
        Ok(vec![self.recipient.wrap(key, request.context())?])
    }

    async fn standing(&self, wrapped: &WrappedKey) -> Result<Standing> {
        Ok(self.recipient.standing(wrapped))
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        let mut failed = None;
        for wrapped in wrapped.iter().filter(|w| self.recipient.is_for(w)) {
            let private = self.private.as_ref().ok_or_else(|| self.recipient.only_public())?;
            let payload = private.decrypt(wrapped.ciphertext());
            match payload.and_then(|payload| open_payload(&payload, request.context()).transpose())
            {
                Some(key) => return key,
                None => failed = Some(keyring::unwrap_failed()),
            }
        }
        Err(failed.unwrap_or_else(|| self.recipient.no_match(wrapped)))
    }
}

/// Prints the key's name, and whether it can open.
impl fmt::Debug for RsaKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaKeyring")
            .field("key_id", &self.key_id())
            .field("can_open", &self.can_open())
            .finish()
    }
}

/// The public key: all that sealing needs, wherever the private one is.
pub(super) struct Recipient {
    key: RsaPublicKey,
}

impl Recipient {
    pub(super) fn from_pem(pem: &str) -> Result<Self> {
        Self::from_der(&decode_pem(pem, PUBLIC_LABEL)?)
    }

    pub(super) fn from_der(der: &[u8]) -> Result<Self> {
        Ok(Self { key: RsaPublicKey::from_der(der).ok_or_else(not_rsa)? })
    }

    pub(super) fn id(&self) -> &str {
        self.key.fingerprint()
    }

    pub(super) fn generate(&self, context: &EncryptionContext) -> Result<DataKey> {
        let key = SecretKey::random()?;
        let wrapped = self.wrap(&key, context)?;
        Ok(DataKey::new(key, vec![wrapped]))
    }

    pub(super) fn wrap(&self, key: &SecretKey, context: &EncryptionContext) -> Result<WrappedKey> {
        let mut payload = Secret::<PAYLOAD_LEN>::zeroed();
        let (key_at, tag_at) = payload.expose_mut().split_at_mut(32);
        key_at.copy_from_slice(key.expose());
        context_tag(key, context, tag_at)?;
        WrappedKey::new(PROVIDER, self.id(), self.key.encrypt(payload.expose())?)
    }

    /// Whether it was wrapped under this key, by what is stored with it.
    pub(super) fn is_for(&self, wrapped: &WrappedKey) -> bool {
        wrapped.is_for(PROVIDER) && wrapped.key_id().is_none_or(|id| id == self.id())
    }

    pub(super) fn standing(&self, wrapped: &WrappedKey) -> Standing {
        match (self.is_for(wrapped), wrapped.key_id()) {
            (false, _) => Standing::Foreign,
            (true, None) => Standing::Opens,
            (true, Some(_)) => Standing::Current,
        }
    }

    /// Whether it is as long as what this key wraps.
    #[cfg(feature = "kms")]
    pub(super) fn fits(&self, wrapped: &WrappedKey) -> bool {
        wrapped.ciphertext().len() == self.key.len()
    }

    pub(super) fn no_match(&self, wrapped: &[WrappedKey]) -> Error {
        keyring::no_matching_key(&format!("{PROVIDER} {}", self.id()), wrapped)
    }

    fn only_public(&self) -> Error {
        let text = format!("the key in use is the public half of {PROVIDER} {}", self.id());
        Error::new(ErrorKind::KeyAccess, format!("{text}, which seals; its private half opens"))
    }
}

/// What was encrypted, taken apart; `None` if it is not for this context.
pub(super) fn open_payload(
    payload: &[u8],
    context: &EncryptionContext,
) -> Result<Option<SecretKey>> {
    let Some((key, tag)) = payload.split_at_checked(32) else { return Ok(None) };
    let key = SecretKey::try_from(key)?;
    let mut wanted = Secret::<32>::zeroed();
    context_tag(&key, context, wanted.expose_mut())?;
    Ok(crypto::equal(tag, wanted.expose()).then_some(key))
}

fn context_tag(key: &SecretKey, context: &EncryptionContext, tag: &mut [u8]) -> Result<()> {
    crypto::hkdf_expand(Hash::Sha384, key.expose(), &[LABEL, &context.encode()?], tag)
}

/// The DER within a PEM with the label `wanted`.
fn decode_pem(pem: &str, wanted: &str) -> Result<Zeroizing<Vec<u8>>> {
    let text = match pem_rfc7468::decode_label(pem.as_bytes()) {
        Ok(label) if label == wanted => {
            let mut der = Zeroizing::new(vec![0; pem.len()]);
            if let Ok((_, decoded)) = pem_rfc7468::decode(pem.as_bytes(), &mut der) {
                let len = decoded.len();
                der.truncate(len);
                return Ok(der);
            }
            "the PEM is damaged: make it anew with `openssl pkey`"
        }
        Ok("ENCRYPTED PRIVATE KEY") => {
            "the private key is encrypted: decrypt it with `openssl pkey -in KEY -out PLAIN`"
        }
        Ok("RSA PRIVATE KEY") => {
            "the private key is in PKCS#1: convert it with `openssl pkey -in KEY -out PKCS8`"
        }
        Ok("RSA PUBLIC KEY") => {
            "the public key is in PKCS#1: convert it with \
             `openssl rsa -RSAPublicKey_in -in KEY -pubout -out PUBLIC`"
        }
        Ok("CERTIFICATE") => {
            "this is a certificate: take its key with `openssl x509 -in CERT -pubkey -noout`"
        }
        Ok(PRIVATE_LABEL) => {
            "this is a private key: take its public half with `openssl pkey -in KEY -pubout`"
        }
        Ok(PUBLIC_LABEL) => "this is a public key: the private one is needed",
        _ => "this is not an RSA key in PEM, as `openssl genpkey -algorithm RSA` makes",
    };
    Err(Error::invalid_input(text))
}

fn not_rsa() -> Error {
    Error::invalid_input("not an RSA key of 2048 to 8192 bits")
}

/// Names these keys in envelopes, wherever the private half is.
pub(super) const PROVIDER: &str = "rsa";
/// No other use of a data key begins like this.
const LABEL: &[u8] = b"waxseal/rsa/v1\0";
const PAYLOAD_LEN: usize = 64;
const PUBLIC_LABEL: &str = "PUBLIC KEY";
const PRIVATE_LABEL: &str = "PRIVATE KEY";
