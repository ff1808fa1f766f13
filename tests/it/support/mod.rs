//! What the integration tests share. Nothing here sleeps: whatever waits, waits for an event, and fails after [`LIMIT`].
#![expect(dead_code, reason = "each capability uses a part of it")]

pub(crate) mod chaos;
pub(crate) mod claims;
pub(crate) mod client;
pub(crate) mod json;
pub(crate) mod key_server;
pub(crate) mod peer;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod secrets;
pub(crate) mod signer;

use std::future::Future;
use std::time::Duration;

/// How long anything may take before its test fails. Long, since the machine may be busy; nothing waits it out when all is well.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What `future` yields; panics, naming `what` was waited for, if that takes longer than [`LIMIT`].
#[track_caller]
pub(crate) fn within<F: Future>(what: &str, future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        let output = tokio::time::timeout(LIMIT, future).await;
        output.unwrap_or_else(|_| panic!("{place}: waited {LIMIT:?} for {what}"))
    }
}
