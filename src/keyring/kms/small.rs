//! Small secrets, encrypted by KMS itself.

use crate::context::EncryptionContext;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring::kms::KmsKeyring;
use crate::keyring::kms::calls::malformed_reply;
use crate::secret::SecretBytes;

impl KmsKeyring {
    /// Encrypts a small secret, such as a password, without a data key: KMS Encrypt.
    ///
    /// `plain` has 1 to 4,096 bytes and goes to KMS in the request. The ciphertext is KMS's own,
    /// which any KMS client can decrypt: it names its key, but is not a sealed object.
    ///
    /// ```
    /// use waxseal::{EncryptionContext, KmsKeyring};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let aws = waxseal_testkit::LocalAws::start().await?;
    /// # aws.create_key("alias/passwords");
    /// let keyring = KmsKeyring::new(aws.kms(), "alias/passwords");
    /// let context = EncryptionContext::from([("database", "orders")]);
    /// let ciphertext = keyring.encrypt(b"correct horse", &context).await?;
    /// assert_eq!(keyring.decrypt(&ciphertext, &context).await?.expose(), b"correct horse");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `plain` has another length, or `context` breaks a limit of
    /// [`EncryptionContext`]; `KeyAccess` if KMS refuses; `Keyring` if it cannot be asked;
    /// `Authentication` if KMS used another key.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the request.
    pub async fn encrypt(&self, plain: &[u8], context: &EncryptionContext) -> Result<Vec<u8>> {
        if !(1..=MAX_PLAIN_LEN).contains(&plain.len()) {
            return Err(Error::invalid_input(format!(
                "KMS encrypts 1 to {MAX_PLAIN_LEN} bytes, these are {}: seal them instead",
                plain.len()
            )));
        }
        context.encode()?;
        let wrapped = self.calls.encrypt(&self.key()?, plain, context).await?;
        Ok(self.learned(wrapped).into_ciphertext())
    }

    /// Decrypts what [`encrypt`](Self::encrypt) made, under the configured key only.
    ///
    /// # Errors
    ///
    /// `Authentication` if `ciphertext` was altered or made under another key or context, or KMS
    /// used another key; `KeyAccess` if KMS refuses; `Keyring` if it cannot be asked;
    /// `InvalidInput` if `context` breaks a limit of [`EncryptionContext`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the request.
    pub async fn decrypt(
        &self,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<SecretBytes> {
        context.encode()?;
        let plain = self.calls.decrypt(&self.key()?, None, ciphertext, context).await;
        let plain = plain.map_err(|e| match e.kind() {
            ErrorKind::Authentication => Error::authentication(NOT_AUTHENTIC).with_source(e),
            _ => e,
        })?;
        if !(1..=MAX_PLAIN_LEN).contains(&plain.len()) {
            return Err(malformed_reply("no secret of a length that it encrypts"));
        }
        Ok(SecretBytes::new(plain))
    }
}

const NOT_AUTHENTIC: &str = "the secret does not decrypt: another key, context or altered bytes";
/// Most bytes that KMS encrypts.
const MAX_PLAIN_LEN: usize = 4096;
