//! KMS calls that leave no trace.

use std::future::Future;
use std::sync::OnceLock;

use tracing::Dispatch;
use tracing::Event;
use tracing::Metadata;
use tracing::Subscriber;
use tracing::instrument::WithSubscriber;
use tracing::level_filters::LevelFilter;
use tracing::span;

/// A call of KMS that carries a key or a secret, during which the SDK logs nothing.
///
/// At TRACE the SDK prints whole replies, data keys in base64, once `LOG_SENSITIVE_BODIES` is set;
/// that it prints no request, where `Encrypt` has the key, hangs on how it holds the body. Silent
/// whatever the level and the variable are: a library must not read the environment. What went
/// wrong is in the error. `docs/key-hygiene.md` says what else that silences.
pub(super) fn quietly<F: Future>(call: F) -> impl Future<Output = F::Output> {
    static SILENCE: OnceLock<Dispatch> = OnceLock::new();
    call.with_subscriber(SILENCE.get_or_init(|| Dispatch::new(Silence)).clone())
}

/// Hears nothing, and is known to `tracing`.
///
/// Not [`Dispatch::none`], which `tracing` has no list of: a line of the SDK that is first reached
/// during a quiet call would be taken as wanted by nobody, and stay off for calls of S3 too.
struct Silence;

impl Subscriber for Silence {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
