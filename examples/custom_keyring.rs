//! A keyring of your own: here an "HSM" that wraps by sealing under a key it never shows.
//!
//!     cargo run --example custom_keyring

use waxseal::{
    DataKey, EncryptionContext, EnvelopeCipher, Error, ErrorKind, KeyFile, KeyRequest, Keyring,
    LocalKeyring, Result, SecretKey, WrappedKey, async_trait,
};

#[derive(Debug)]
struct HsmKeyring {
    hsm: EnvelopeCipher,
}

#[async_trait]
impl Keyring for HsmKeyring {
    async fn generate_data_key(&self, request: &KeyRequest<'_>) -> Result<DataKey> {
        let key = SecretKey::random()?;
        let wrapped = self.hsm.seal(key.expose(), request.context()).await?;
        Ok(DataKey::new(key, vec![WrappedKey::new("hsm", "slot-7", wrapped.to_vec())?]))
    }

    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        // What is stored only says what to look for; it never chooses the wrapping key.
        let mine = wrapped.iter().find(|w| (w.provider(), w.key_id()) == ("hsm", Some("slot-7")));
        let mine = mine.ok_or_else(|| Error::new(ErrorKind::KeyAccess, "not sealed by slot 7"))?;
        SecretKey::try_from(&self.hsm.open(mine.ciphertext(), request.context()).await?[..])
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let hsm = EnvelopeCipher::new(LocalKeyring::new(KeyFile::generate()?));
    let cipher = EnvelopeCipher::new(HsmKeyring { hsm });
    let context = EncryptionContext::from([("tenant", "acme")]);

    let sealed = cipher.seal(b"attack at dawn", &context).await?;
    let plain = cipher.open(&sealed, &context).await?;
    println!("opened: {}", String::from_utf8_lossy(&plain));
    Ok(())
}
