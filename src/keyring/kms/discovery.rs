//! Opening under whichever key sealed, within named accounts.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_kms::Client;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::keyring;
use crate::keyring::DataKey;
use crate::keyring::KeyRequest;
use crate::keyring::Keyring;
use crate::keyring::Standing;
use crate::keyring::WrappedKey;
use crate::keyring::kms::PROVIDER;
use crate::keyring::kms::arn::Arn;
use crate::keyring::kms::calls::Calls;
use crate::keyring::kms::calls::KeyName;
use crate::keyring::kms::calls::secret_key;
use crate::secret::SecretKey;

/// Opens what was sealed under any KMS key of the accounts it is given, and seals nothing.
///
/// For tools that read what many keys sealed. Which key is asked comes from storage, so whoever can
/// write an object chooses it among the keys of these accounts that the caller may use: prefer
/// [`KmsKeyring`](crate::KmsKeyring), and name only accounts whose keys you trust.
///
/// A key must also be in the Region of the client; a multi-Region key is asked for there. The
/// one-shot layout, which names no key, is refused.
#[derive(Clone, Debug)]
pub struct KmsDiscoveryKeyring {
    calls: Calls,
    partition: String,
    accounts: Arc<[String]>,
}

impl KmsDiscoveryKeyring {
    /// A keyring of the keys in these accounts of one partition, such as `aws`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is no account, or one is not an account id of 12 digits, or the
    /// partition is empty.
    pub fn new(
        client: Client,
        partition: impl Into<String>,
        accounts: impl IntoIterator<Item: Into<String>>,
    ) -> Result<Self> {
        let partition = partition.into();
        let accounts: Arc<[String]> = accounts.into_iter().map(Into::into).collect();
        if partition.is_empty() {
            return Err(Error::invalid_input("a discovery keyring needs a partition, such as aws"));
        }
        if accounts.is_empty() {
            return Err(Error::invalid_input("a discovery keyring needs at least one account"));
        }
        let is_account = |id: &&String| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
        if let Some(bad) = accounts.iter().find(|id| !is_account(id)) {
            return Err(Error::invalid_input(format!("{bad:?} is not an account id of 12 digits")));
        }
        Ok(Self { calls: Calls::new(client), partition, accounts })
    }

    /// The ARN of the key to ask for; `None` if `stored` is not one of those to open with.
    fn admitted<'a>(&self, stored: &'a str) -> Option<Cow<'a, str>> {
        let arn = Arn::of_key(stored)?;
        let is_trusted =
            arn.partition == self.partition && self.accounts.iter().any(|id| id == arn.account);
        if is_trusted { self.calls.here(stored) } else { None }
    }
}

#[async_trait]
impl Keyring for KmsDiscoveryKeyring {
    /// Refuses with `InvalidInput`: there is no key to seal under.
    async fn generate_data_key(&self, _: &KeyRequest<'_>) -> Result<DataKey> {
        Err(only_opens())
    }

    /// Refuses with `InvalidInput`: there is no key to wrap under.
    async fn wrap_data_key(&self, _: &SecretKey, _: &KeyRequest<'_>) -> Result<Vec<WrappedKey>> {
        Err(only_opens())
    }

    async fn standing(&self, wrapped: &WrappedKey) -> Result<Standing> {
        let admitted = wrapped.key_id().and_then(|stored| self.admitted(stored));
        let opens = wrapped.is_for(PROVIDER) && admitted.is_some();
        Ok(if opens { Standing::Opens } else { Standing::Foreign })
    }

    /// Asks KMS at most once for each of `wrapped` that names a key to open with.
    async fn unwrap_data_key(
        &self,
        wrapped: &[WrappedKey],
        request: &KeyRequest<'_>,
    ) -> Result<SecretKey> {
        let mut refused = None;
        for wrapped in wrapped.iter().filter(|w| w.is_for(PROVIDER)) {
            let Some(arn) = wrapped.key_id().and_then(|stored| self.admitted(stored)) else {
                continue;
            };
            let key = KeyName::new(&*arn);
            let ciphertext = wrapped.ciphertext();
            match self.calls.decrypt(&key, Some(&arn), ciphertext, request.context()).await {
                // Another wrapped key names another wrapping key, which may let the caller in.
                Err(e) if matches!(e.kind(), ErrorKind::Authentication | ErrorKind::KeyAccess) => {
                    refused = Some(e);
                }
                done => return secret_key(&done?),
            }
        }
        Err(refused.unwrap_or_else(|| {
            let configured = format!(
                "any of {PROVIDER} that the ARN places in partition {}, Region {:?} and account {}",
                self.partition,
                self.calls.region(),
                self.accounts.join(" or ")
            );
            keyring::no_matching_key(&configured, wrapped)
        }))
    }
}

fn only_opens() -> Error {
    Error::invalid_input("a discovery keyring only opens: seal under a KmsKeyring")
}
