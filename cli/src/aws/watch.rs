//! Where requests really go, and what time it is there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::SystemTime;

use aws_sdk_kms::config::ConfigBag;
use aws_sdk_kms::config::Intercept;
use aws_sdk_kms::config::RuntimeComponents;
use aws_sdk_kms::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_kms::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_kms::error::BoxError;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::primitives::DateTimeFormat;

/// Sees requests and answers. Clones share what was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Mutex<Seen>>);

/// Scheme and host of what was asked, and by how much clocks differ.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) kms: BTreeSet<String>,
    pub(crate) s3: BTreeSet<String>,
    /// Seconds that the clock of a server is ahead of the one here, at the most; negative if it is
    /// behind.
    pub(crate) clock_ahead: Option<i64>,
}

impl Watch {
    /// All so far.
    pub(crate) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let is_kms = request.headers().get("x-amz-target").is_some();
        let mut seen = self.lock();
        let endpoints = if is_kms { &mut seen.kms } else { &mut seen.s3 };
        endpoints.insert(endpoint(request.uri()));
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let ahead = context.response().headers().get("date").and_then(ahead);
        let mut seen = self.lock();
        seen.clock_ahead = seen.clock_ahead.into_iter().chain(ahead).max_by_key(|by| by.abs());
        Ok(())
    }
}

fn endpoint(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    format!("{scheme}://{host}")
}

fn ahead(date: &str) -> Option<i64> {
    let date = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
    Some(date.secs() - DateTime::from(SystemTime::now()).secs())
}
