//! A keyring whose data key is known, so that a body can be made by other means.

use waxseal::DataKey;
use waxseal::KeyRequest;
use waxseal::Keyring;
use waxseal::SecretKey;
use waxseal::WrappedKey;
use waxseal::async_trait;

/// Every data key is `[1; 32]`.
#[derive(Debug)]
pub(crate) struct FixedKey;

#[async_trait]
impl Keyring for FixedKey {
    async fn generate_data_key(&self, _: &KeyRequest<'_>) -> waxseal::Result<DataKey> {
        Ok(DataKey::new(key(), vec![WrappedKey::new("fixed", "one", [0])?]))
    }

    async fn unwrap_data_key(
        &self,
        _: &[WrappedKey],
        _: &KeyRequest<'_>,
    ) -> waxseal::Result<SecretKey> {
        Ok(key())
    }
}

fn key() -> SecretKey {
    SecretKey::try_from(&[1; 32][..]).unwrap()
}
