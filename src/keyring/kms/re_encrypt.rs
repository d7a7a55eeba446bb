//! A wrapped key brought from one KMS key under another, within KMS.

use aws_sdk_kms::primitives::Blob;

use crate::context::EncryptionContext;
use crate::error::Result;
use crate::keyring;
use crate::keyring::KmsKeyring;
use crate::keyring::WrappedKey;
use crate::keyring::kms::calls::KeyName;
use crate::keyring::kms::calls::MAX_CIPHERTEXT;
use crate::keyring::kms::calls::another_key;
use crate::keyring::kms::calls::pairs;
use crate::keyring::kms::failure::RE_ENCRYPT;
use crate::keyring::kms::failure::failed;

impl KmsKeyring {
    /// Whether one call can name the keys of both.
    pub(in crate::keyring) fn shares_region_with(&self, other: &Self) -> bool {
        let region = self.calls.region();
        !region.is_empty() && region == other.calls.region()
    }

    /// What `wrapped` holds, wrapped under the key of `to`, with the same context: the body binds
    /// it. The client and the grants are this keyring's, with the grants of `to`.
    ///
    /// Neither request nor reply has a secret.
    pub(in crate::keyring) async fn re_encrypt(
        &self,
        wrapped: &WrappedKey,
        to: &Self,
        context: &EncryptionContext,
    ) -> Result<WrappedKey> {
        let (own, target) = (self.key()?, to.key()?);
        // As in opening: the stored name is compared with the configured key and never used.
        let (source, expected) = match wrapped.key_id() {
            Some(stored) => match self.key_of(&own, stored).await? {
                Some((key, arn)) => (key, Some(arn)),
                None => {
                    let configured = format!("{} {own}", keyring::kms::PROVIDER);
                    return Err(keyring::no_matching_key(
                        &configured,
                        std::slice::from_ref(wrapped),
                    ));
                }
            },
            None => (own, None),
        };
        let ciphertext = wrapped.ciphertext();
        if ciphertext.len() > MAX_CIPHERTEXT {
            return Err(keyring::unwrap_failed());
        }
        let grants = [self.calls.grant_tokens(), to.calls.grant_tokens()];
        let grants: Vec<_> = grants.into_iter().flatten().flatten().collect();
        let request = self
            .calls
            .client
            .re_encrypt()
            .ciphertext_blob(Blob::new(ciphertext))
            .source_key_id(&*source)
            .set_source_encryption_context(pairs(context))
            .destination_key_id(&*target)
            .set_destination_encryption_context(pairs(context))
            .set_grant_tokens((!grants.is_empty()).then_some(grants));
        let reply = request.send().await.map_err(|e| {
            failed(&KeyName::new(format!("{source} and, to wrap, {target}")), RE_ENCRYPT, e)
        })?;
        let used = self.calls.checked(&source, reply.source_key_id)?;
        if let Some(expected) = expected.filter(|expected| *expected != used) {
            return Err(another_key(&expected, &used));
        }
        let made = to.calls.wrapped(&target, reply.key_id, reply.ciphertext_blob)?;
        Ok(to.learned(made))
    }
}
