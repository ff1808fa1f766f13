//! The OpenRouter keys that pay for requests, and OpenRouter's refusals of them (`docs/SPEC.md#operator-key-refused`).
//!
//! A caller cannot do anything about a refused key of the operator, so the operator must learn of it: from the log, a
//! metric and `/readyz`. Keys that callers bring themselves (pass-through) are not accounts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use callsign_telemetry::health::Health;
use callsign_telemetry::logging::Untrusted;
use callsign_telemetry::metrics::Metrics;
use http::HeaderValue;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::upstream::PoolKey;

/// Shortest time between two log lines about the same key.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// An OpenRouter key of the operator or of a tenant.
#[derive(Debug)]
pub struct Account {
    /// The tenant that owns the key; `None` for the operator's.
    tenant: Option<String>,
    authorization: HeaderValue,
    /// The first 16 hexadecimal digits of the key's SHA-256. Ledger rows name the account that paid by it.
    fingerprint: Arc<str>,
    /// The pool of connections for requests that it pays for.
    pool: PoolKey,
    /// True from a refusal to the next success, so that successes need no lock otherwise.
    is_refused: AtomicBool,
    refusals: Mutex<Refusals>,
}

#[derive(Debug, Default)]
struct Refusals {
    logged: Option<Instant>,
    /// Has the note about this key; present from a refusal to the next success.
    noted_in: Option<Arc<Health>>,
}

impl Account {
    /// Creates the account of this key. `authorization` is the key as a header value.
    pub fn new(tenant: Option<String>, authorization: HeaderValue) -> Self {
        let fingerprint = fingerprint(authorization.as_bytes());
        let (is_refused, refusals) = (AtomicBool::new(false), Mutex::default());
        Self { tenant, authorization, fingerprint, pool: PoolKey::new(), is_refused, refusals }
    }

    /// Returns the `authorization` header.
    pub fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }

    /// Returns the fingerprint of the key.
    pub fn fingerprint(&self) -> &Arc<str> {
        &self.fingerprint
    }

    /// Returns the key of its pool of connections.
    pub fn pool(&self) -> &PoolKey {
        &self.pool
    }

    /// Returns true if `other` is the same key of the same owner.
    pub fn is(&self, other: &Self) -> bool {
        self.tenant == other.tenant && self.authorization == other.authorization
    }

    /// Records that OpenRouter accepted the key.
    pub fn accepted(&self) {
        if self.is_refused.load(Ordering::Relaxed) {
            let mut refusals = self.refusals.lock();
            self.is_refused.store(false, Ordering::Relaxed);
            self.clear(&mut refusals);
        }
    }

    /// Records that OpenRouter refused the key with 401, 402 or 403.
    pub fn refused(&self, status: u16, metrics: &Metrics, now: Instant) {
        metrics.attribution.count_key_refusal(status);
        let mut refusals = self.refusals.lock();
        self.is_refused.store(true, Ordering::Relaxed);
        let owner = if self.tenant.is_some() { "a tenant's" } else { "the operator's" };
        metrics.health.set(&self.part(), format!("OpenRouter refused {owner} key ({status})"));
        refusals.noted_in = Some(Arc::clone(&metrics.health));
        let is_logged = |at: Instant| now.saturating_duration_since(at) < LOG_INTERVAL;
        if !refusals.logged.is_some_and(is_logged) {
            refusals.logged = Some(now);
            let tenant = self.tenant.as_deref().map(Untrusted).map(tracing::field::display);
            tracing::error!(tenant, "OpenRouter refused {owner} key ({status}): {}", self.remedy(status));
        }
    }

    fn remedy(&self, status: u16) -> &'static str {
        match (status, &self.tenant) {
            (402, _) => "the account has no credit; add credit at OpenRouter",
            (403, _) => "the key's limit is used up or its permissions do not suffice; check the key at OpenRouter",
            (_, None) => "check OPENROUTER_API_KEY",
            (_, Some(_)) => "check the tenant's openrouter_api_key",
        }
    }

    /// Returns the name of this key's note.
    fn part(&self) -> String {
        format!("openrouter_key {}", self.tenant.as_deref().unwrap_or_default())
    }

    fn clear(&self, refusals: &mut Refusals) {
        if let Some(health) = refusals.noted_in.take() {
            health.clear(&self.part());
        }
    }
}

/// Returns the fingerprint of a key, given as the value of the `authorization` header.
pub fn fingerprint(authorization: &[u8]) -> Arc<str> {
    let key = authorization.strip_prefix(b"Bearer ").unwrap_or(authorization);
    let mut digits = data_encoding::HEXLOWER.encode(&Sha256::digest(key));
    digits.truncate(16);
    digits.into()
}

/// A key that is no longer configured takes its note along.
impl Drop for Account {
    fn drop(&mut self) {
        let mut refusals = std::mem::take(&mut *self.refusals.lock());
        self.clear(&mut refusals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(tenant: Option<&str>) -> Account {
        Account::new(tenant.map(str::to_owned), HeaderValue::from_static("Bearer sk-or-v1-x"))
    }

    #[test]
    fn a_note_lasts_until_the_next_success_of_the_same_key() {
        let (metrics, now) = (Metrics::new(), Instant::now());
        let (operator, acme) = (account(None), account(Some("acme")));
        operator.refused(401, &metrics, now);
        acme.refused(402, &metrics, now);
        let [first, second] =
            ["OpenRouter refused the operator's key (401)", "OpenRouter refused a tenant's key (402)"];
        assert_eq!(metrics.degraded(), [first, second]);
        operator.accepted();
        assert_eq!(metrics.degraded(), [second]);
        operator.refused(403, &metrics, now);
        assert_eq!(metrics.degraded().len(), 2);
        drop(operator);
        drop(acme);
        assert!(metrics.degraded().is_empty(), "a removed key is not degraded");
        let text = metrics.encode();
        for status in [401, 402, 403] {
            let line = format!("callsign_operator_key_refused_total{{status=\"{status}\"}} 1\n");
            assert!(text.contains(&line), "{line} in {text}");
        }
    }

    #[test]
    fn one_line_a_minute_is_logged() {
        let (metrics, now, account) = (Metrics::new(), Instant::now(), account(None));
        let logged_at = || account.refusals.lock().logged;
        account.refused(401, &metrics, now);
        account.accepted();
        account.refused(401, &metrics, now + LOG_INTERVAL / 2);
        assert_eq!(logged_at(), Some(now));
        account.refused(402, &metrics, now + LOG_INTERVAL);
        assert_eq!(logged_at(), Some(now + LOG_INTERVAL));
    }
}
