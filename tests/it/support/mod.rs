//! Helpers of the integration tests. They do not sleep: they wait for an event, and fail after [`LIMIT`].
#![expect(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod chaos;
pub(crate) mod claims;
pub(crate) mod client;
pub(crate) mod json;
pub(crate) mod key_server;
pub(crate) mod log;
pub(crate) mod peer;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod records;
pub(crate) mod rows;
pub(crate) mod secrets;
pub(crate) mod signer;

use std::future::Future;
use std::time::Duration;

/// The longest wait for an event before a test fails. It is long because the machine may be busy.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Returns the output of `future`. Panics after [`LIMIT`] and names `what` was waited for.
#[track_caller]
pub(crate) fn within<F: Future>(what: &str, future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        let output = tokio::time::timeout(LIMIT, future).await;
        output.unwrap_or_else(|_| panic!("{place}: waited {LIMIT:?} for {what}"))
    }
}
