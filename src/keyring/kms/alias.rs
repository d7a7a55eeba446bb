//! The key that an alias means.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::error::Result;
use crate::keyring::kms::calls::Calls;
use crate::keyring::kms::calls::KeyName;

/// The ARN that KMS last gave for a name, if it was asked.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    arn: Mutex<Option<Arc<str>>>,
    /// Held by the one who asks, so that the others wait for the answer.
    asking: tokio::sync::Mutex<()>,
}

impl Resolved {
    pub(super) fn known(&self) -> Option<Arc<str>> {
        self.lock().clone()
    }

    /// Remembers the key of a reply, since the alias may have moved.
    pub(super) fn learn(&self, arn: &str) {
        let mut known = self.lock();
        if known.as_deref() != Some(arn) {
            *known = Some(arn.into());
        }
    }

    /// The ARN, for which KMS is asked if nothing was learnt yet.
    pub(super) async fn arn(&self, calls: &Calls, alias: &KeyName<'_>) -> Result<Arc<str>> {
        if let Some(arn) = self.known() {
            return Ok(arn);
        }
        let _asking = self.asking.lock().await;
        if let Some(arn) = self.known() {
            return Ok(arn);
        }
        let arn = calls.describe(alias).await?;
        // What was learnt by sealing meanwhile is newer.
        Ok(self.lock().get_or_insert_with(|| arn.into()).clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.arn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
