//! Lookups of generation records: their number, and failures that a test orders.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::plan::Plan;
use super::{asked, errors};

/// Most keys whose lookups are counted. A demo has one.
const MAX_KEYS: usize = 1024;

/// A failed lookup of a generation record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupFailure {
    /// 429 with this `retry-after` in seconds.
    RateLimited {
        /// The seconds to wait.
        retry_after: u32,
    },
    /// 500.
    ServerError,
}

impl LookupFailure {
    pub(super) fn plan(self) -> Plan {
        let (status, retry_after) = match self {
            Self::RateLimited { retry_after } => (StatusCode::TOO_MANY_REQUESTS, Some(retry_after)),
            Self::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let mut plan = errors::error("generation", status, errors::usual_message(status), "");
        if let Some(seconds) = retry_after {
            plan.headers.insert("retry-after", HeaderValue::from(seconds));
        }
        plan
    }
}

/// The lookups of one mock server.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    total: watch::Sender<usize>,
    /// Counts by the hash of the key, so that no key is stored.
    by_key: Mutex<HashMap<u64, usize>>,
    /// Failures of the next lookups, each with how often it is left.
    failures: Mutex<VecDeque<(usize, LookupFailure)>>,
}

impl Lookups {
    /// Counts a lookup with these request headers. Returns its failure if one is ordered.
    pub(super) fn begin(&self, headers: &HeaderMap) -> Option<LookupFailure> {
        let key = hash(asked::bearer(headers).unwrap_or_default());
        let mut by_key = self.by_key.lock();
        if by_key.len() < MAX_KEYS || by_key.contains_key(&key) {
            *by_key.entry(key).or_default() += 1;
        }
        drop(by_key);
        self.total.send_modify(|total| *total += 1);
        self.next_failure()
    }

    fn next_failure(&self) -> Option<LookupFailure> {
        let mut failures = self.failures.lock();
        let (left, failure) = failures.front_mut()?;
        *left -= 1;
        let failure = *failure;
        if *left == 0 {
            failures.pop_front();
        }
        Some(failure)
    }

    /// Makes `count` lookups fail after the failures that are already ordered.
    pub(super) fn fail(&self, count: usize, failure: LookupFailure) {
        if count > 0 {
            self.failures.lock().push_back((count, failure));
        }
    }

    /// Returns the number of lookups with this key.
    pub(super) fn with_key(&self, key: &str) -> usize {
        self.by_key.lock().get(&hash(key.as_bytes())).copied().unwrap_or(0)
    }

    /// Waits until there were at least `count` lookups.
    pub(super) async fn wait(&self, count: usize) {
        // The only error is that the sender is gone, and `self` owns the sender.
        let _ = self.total.subscribe().wait_for(|total| *total >= count).await;
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap())])
    }

    #[test]
    fn lookups_fail_in_the_order_of_the_orders() {
        let lookups = Lookups::default();
        let limited = LookupFailure::RateLimited { retry_after: 7 };
        lookups.fail(0, limited);
        lookups.fail(2, limited);
        lookups.fail(1, LookupFailure::ServerError);
        let failures: Vec<_> = (0..5).map(|_| lookups.begin(&with("k"))).collect();
        assert_eq!(failures, [Some(limited), Some(limited), Some(LookupFailure::ServerError), None, None]);
        let (limited, broken) = (limited.plan(), LookupFailure::ServerError.plan());
        assert_eq!(
            (limited.status, limited.headers["retry-after"].as_bytes()),
            (StatusCode::TOO_MANY_REQUESTS, &b"7"[..])
        );
        assert_eq!((broken.status.as_u16(), broken.headers.get("retry-after")), (500, None));
    }

    #[test]
    fn lookups_are_counted_by_key() {
        let lookups = Lookups::default();
        for key in ["a", "b", "a"] {
            lookups.begin(&with(key));
        }
        lookups.begin(&HeaderMap::new());
        assert_eq!(["a", "b", "", "c"].map(|key| lookups.with_key(key)), [2, 1, 1, 0]);
        for number in 0..2 * MAX_KEYS {
            lookups.begin(&with(&number.to_string()));
        }
        lookups.begin(&with("a"));
        let counted = lookups.by_key.lock().len();
        assert_eq!((counted, lookups.with_key("a")), (MAX_KEYS, 3));
    }
}
