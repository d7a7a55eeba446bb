//! KMS calls that leave no trace.

use std::future::Future;

use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

/// A call of KMS that carries a key or a secret, during which the SDK logs nothing.
///
/// At TRACE the SDK prints whole replies, data keys in base64, once `LOG_SENSITIVE_BODIES` is set;
/// that it prints no request, where `Encrypt` has the key, hangs on how it holds the body. Silent
/// whatever the level and the variable are: a library must not read the environment. What went
/// wrong is in the error. `docs/key-hygiene.md` says what else that silences.
pub(super) fn quietly<F: Future>(call: F) -> impl Future<Output = F::Output> {
    call.with_subscriber(Dispatch::none())
}
