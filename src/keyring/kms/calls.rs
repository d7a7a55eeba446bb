//! The calls to KMS, and what every one of its replies is checked for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::context::EncryptionContext;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring;
use crate::keyring::WrappedKey;
use crate::keyring::kms::PROVIDER;
use crate::keyring::kms::arn::Arn;
use crate::keyring::kms::arn::arn_in;
use crate::keyring::kms::arn::may_name;
use crate::keyring::kms::arn::names_alias;
use crate::keyring::kms::failure::DESCRIBE_KEY;
use crate::keyring::kms::failure::failed;
use crate::keyring::kms::quiet::quietly;
use crate::secret::SecretKey;

/// KMS as one caller reaches it, with the grants of that caller.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    pub(super) client: Client,
    grant_tokens: Arc<[String]>,
}

/// The key of a call.
#[derive(Clone, Debug)]
pub(super) struct KeyName<'a> {
    /// What KMS is told.
    name: Cow<'a, str>,
    /// The ARN of an alias or id, once a reply told it.
    arn: Option<Arc<str>>,
}

impl<'a> KeyName<'a> {
    pub(super) fn new(name: impl Into<Cow<'a, str>>) -> Self {
        Self { name: name.into(), arn: None }
    }

    pub(super) fn with_arn(self, arn: Option<Arc<str>>) -> Self {
        Self { arn, ..self }
    }

    /// The ARN; of an id whose ARN is not known, its last part.
    pub(super) fn to_refuse(&self) -> String {
        let name = self.arn.as_deref().unwrap_or(&self.name);
        let is_id = Arn::parse(name).is_none() && !names_alias(name);
        if is_id { format!("key/{name}") } else { name.to_owned() }
    }
}

impl Deref for KeyName<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for KeyName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.arn {
            Some(arn) if **arn != *self.name => write!(f, " ({arn})"),
            _ => Ok(()),
        }
    }
}

impl Calls {
    pub(super) fn new(client: Client) -> Self {
        Self { client, grant_tokens: Arc::new([]) }
    }

    pub(super) fn with_grant_tokens(self, grant_tokens: Vec<String>) -> Self {
        Self { grant_tokens: grant_tokens.into(), ..self }
    }

    /// The Region of the client; empty if it has none, and every call fails.
    pub(super) fn region(&self) -> &str {
        self.client.config().region().map_or("", AsRef::as_ref)
    }

    /// The key that a caller configured, as the Region of the client names it.
    pub(super) fn key<'a>(&self, configured: &'a str) -> Result<KeyName<'a>> {
        if Arn::parse(configured).is_none() {
            return Ok(KeyName::new(configured));
        }
        self.here(configured).map(KeyName::new).ok_or_else(|| {
            let text = format!(
                "{configured} is not in {:?}, the Region of the KMS client: use a client of its \
                 Region",
                self.region()
            );
            Error::new(ErrorKind::KeyAccess, text)
        })
    }

    /// What goes by this ARN, as the Region of the client names it.
    pub(super) fn here<'a>(&self, arn: &'a str) -> Option<Cow<'a, str>> {
        arn_in(arn, self.region())
    }

    pub(super) async fn generate_data_key(
        &self,
        key: &KeyName<'_>,
        context: &EncryptionContext,
    ) -> Result<(SecretKey, WrappedKey)> {
        let request = self
            .client
            .generate_data_key()
            .key_id(&**key)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(pairs(context))
            .set_grant_tokens(self.grant_tokens());
        let sent = quietly(request.send()).await;
        let mut reply = sent.map_err(|e| failed(key, "GenerateDataKey", e))?;
        // First of all, here and in `decrypt`, so that no path leaves it in the SDK's memory.
        let data_key = secret_key(&take(reply.plaintext.take()))?;
        let wrapped = self.wrapped(key, reply.key_id.take(), reply.ciphertext_blob.take())?;
        Ok((data_key, wrapped))
    }

    pub(super) async fn generate_without_plaintext(
        &self,
        key: &KeyName<'_>,
        context: &EncryptionContext,
    ) -> Result<WrappedKey> {
        let reply = self
            .client
            .generate_data_key_without_plaintext()
            .key_id(&**key)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(pairs(context))
            .set_grant_tokens(self.grant_tokens())
            .send()
            .await
            .map_err(|e| failed(key, "GenerateDataKeyWithoutPlaintext", e))?;
        self.wrapped(key, reply.key_id, reply.ciphertext_blob)
    }

    /// A wrapped key of whatever is in `plaintext`.
    pub(super) async fn encrypt(
        &self,
        key: &KeyName<'_>,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<WrappedKey> {
        // Wiped when the SDK drops it. What it makes of it for the wire is not.
        let plaintext = Bytes::from_owner(Zeroizing::new(plaintext.to_vec()));
        let request = self
            .client
            .encrypt()
            .key_id(&**key)
            .plaintext(Blob::from_maybe_shared(plaintext))
            .set_encryption_context(pairs(context))
            .set_grant_tokens(self.grant_tokens());
        let reply = quietly(request.send()).await.map_err(|e| failed(key, "Encrypt", e))?;
        self.wrapped(key, reply.key_id, reply.ciphertext_blob)
    }

    /// What `ciphertext` holds. KMS must have used the key `expected`, if that is known.
    pub(super) async fn decrypt(
        &self,
        key: &KeyName<'_>,
        expected: Option<&str>,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>> {
        if ciphertext.is_empty() || ciphertext.len() > MAX_CIPHERTEXT {
            return Err(keyring::unwrap_failed());
        }
        let request = self
            .client
            .decrypt()
            .key_id(&**key)
            .ciphertext_blob(Blob::new(ciphertext))
            .set_encryption_context(pairs(context))
            .set_grant_tokens(self.grant_tokens());
        let mut reply = quietly(request.send()).await.map_err(|e| failed(key, "Decrypt", e))?;
        let plaintext = take(reply.plaintext.take());
        let used = self.checked(key, reply.key_id)?;
        match expected {
            Some(expected) if used != expected => Err(another_key(expected, &used)),
            _ => Ok(plaintext),
        }
    }

    /// The ARN of the key that an alias means.
    pub(super) async fn describe(&self, alias: &KeyName<'_>) -> Result<String> {
        let reply = self
            .client
            .describe_key()
            .key_id(&**alias)
            .set_grant_tokens(self.grant_tokens())
            .send()
            .await
            .map_err(|e| failed(alias, DESCRIBE_KEY, e))?;
        self.checked(alias, reply.key_metadata.and_then(|metadata| metadata.arn))
    }

    pub(super) fn wrapped(
        &self,
        key: &KeyName<'_>,
        used: Option<String>,
        ciphertext: Option<Blob>,
    ) -> Result<WrappedKey> {
        let used = self.checked(key, used)?;
        let ciphertext = ciphertext.map(Blob::into_inner).unwrap_or_default();
        WrappedKey::new(PROVIDER, used, ciphertext)
            .map_err(|e| malformed_reply("a ciphertext that cannot be stored").with_source(e))
    }

    /// The key that KMS says it used must be one that `name` can mean here.
    pub(super) fn checked(&self, name: &str, used: Option<String>) -> Result<String> {
        let used = used.unwrap_or_default();
        let is_here = Arn::of_key(&used).is_some_and(|arn| arn.region == self.region());
        if is_here && may_name(name, &used) {
            return Ok(used);
        }
        Err(another_key(name, &used))
    }

    pub(super) fn grant_tokens(&self) -> Option<Vec<String>> {
        (!self.grant_tokens.is_empty()).then(|| self.grant_tokens.to_vec())
    }
}

/// The data key in the plaintext of a reply.
pub(super) fn secret_key(plaintext: &[u8]) -> Result<SecretKey> {
    if plaintext.iter().all(|&b| b == 0) {
        return Err(malformed_reply("no key"));
    }
    SecretKey::try_from(plaintext).map_err(|_| malformed_reply("a key that is not of 32 bytes"))
}

pub(super) fn malformed_reply(what: &str) -> Error {
    Error::new(ErrorKind::Keyring, format!("KMS replied with {what}"))
}

/// Takes the plaintext out of a reply, in the memory where the SDK has it, to be wiped.
pub(super) fn take(plaintext: Option<Blob>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(plaintext.map(Blob::into_inner).unwrap_or_default())
}

pub(super) fn another_key(asked: &str, used: &str) -> Error {
    Error::authentication(format!("KMS used the key {used:?}, asked for was {asked}"))
}

pub(super) fn pairs(context: &EncryptionContext) -> Option<HashMap<String, String>> {
    let own = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
    (!context.is_empty()).then(|| context.iter().map(own).collect())
}

/// Most bytes of a ciphertext that KMS takes.
pub(super) const MAX_CIPHERTEXT: usize = 6144;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_key_has_32_bytes_that_are_not_all_zero() {
        assert!(secret_key(&take(Some(Blob::new([1; 32])))).is_ok());
        for bad in [None, Some(vec![]), Some(vec![0; 32]), Some(vec![1; 31]), Some(vec![1; 64])] {
            assert!(secret_key(&take(bad.map(Blob::new))).is_err());
        }
    }
}
