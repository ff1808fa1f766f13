//! One look-up: fetches the generation record of a request, or the state of a job, with the key that paid for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use callsign_core::secret::Secret;
use callsign_gateway::account::fingerprint;
use callsign_gateway::openrouter::{OpenRouterClient, OpenRouterError, Record, VideoState};
use callsign_store::ledger::query::{Pending, Price};
use callsign_telemetry::metrics::costs::Lookup;

use crate::config::Config;

/// The result of a look-up.
#[derive(Debug)]
pub(crate) enum Finding {
    /// The record has the cost.
    Found(Box<Price>),
    /// There is no record, or none with a cost yet.
    NotYet,
    /// The record is another request's, or the job has failed and tells no cost.
    Never,
    /// OpenRouter asks to retry later.
    Later {
        /// The answer's `retry-after`.
        after: Option<Duration>,
    },
    /// OpenRouter refuses the key with this status.
    Refused(u16),
    /// The request failed.
    Failed(OpenRouterError),
}

impl Finding {
    /// Returns the label in metrics.
    pub(super) fn label(&self) -> Lookup {
        match self {
            Self::Found(_) => Lookup::Found,
            Self::NotYet => Lookup::NotYet,
            Self::Never => Lookup::Never,
            Self::Later { .. } => Lookup::Later,
            Self::Refused(_) => Lookup::Refused,
            Self::Failed(_) => Lookup::Failed,
        }
    }

    fn of(answer: Result<Record, OpenRouterError>, request: &Pending) -> Self {
        match answer {
            Ok(record) if is_anothers(&record, request) => Self::Never,
            Ok(record) if record.price.usage.cost.is_none() => Self::NotYet,
            Ok(record) => Self::Found(Box::new(record.price)),
            Err(error) => Self::of_error(error),
        }
    }

    fn of_job(answer: Result<VideoState, OpenRouterError>) -> Self {
        match answer {
            Ok(VideoState::Charged(price)) => Self::Found(price),
            Ok(VideoState::Open) => Self::NotYet,
            Ok(VideoState::Failed) => Self::Never,
            Err(error) => Self::of_error(error),
        }
    }

    fn of_error(error: OpenRouterError) -> Self {
        match error {
            OpenRouterError::RetryLater { after, .. } => Self::Later { after },
            OpenRouterError::Refused(status @ 401..=403) => Self::Refused(status),
            // There is no record yet, or OpenRouter does not accept the id.
            OpenRouterError::NotFound | OpenRouterError::Refused(400..=499) => Self::NotYet,
            error => Self::Failed(error),
        }
    }
}

/// Returns true if a record names another user than the one that was sent.
fn is_anothers(record: &Record, request: &Pending) -> bool {
    let recorded = record.external_user.as_deref().filter(|user| !user.is_empty());
    recorded.zip(request.sent_user.as_deref()).is_some_and(|(recorded, sent)| recorded != sent)
}

/// The configured keys by fingerprint, and the client that asks with them.
#[derive(Debug)]
pub(crate) struct Records {
    client: OpenRouterClient,
    keys: HashMap<Arc<str>, Secret>,
}

impl Records {
    /// Prepares look-ups with the keys of a configuration.
    ///
    /// # Errors
    /// The upstream's URL is invalid or the HTTP client cannot be created.
    pub(crate) fn new(config: &Config) -> Result<Self, OpenRouterError> {
        let tenants = config.tenants.list.iter().filter_map(|tenant| tenant.api_key.as_ref());
        let keys = config.upstream.api_key.iter().chain(tenants);
        let keys = keys.map(|key| (fingerprint(key.expose().as_bytes()), key.clone())).collect();
        Ok(Self { client: OpenRouterClient::new(&config.upstream)?, keys })
    }

    /// Returns true if the key that paid for a request is configured.
    pub(super) fn has_key(&self, request: &Pending) -> bool {
        self.key(request).is_some()
    }

    fn key(&self, request: &Pending) -> Option<&Secret> {
        self.keys.get(request.account.as_deref()?)
    }

    /// Looks a request up.
    pub(super) async fn look_up(&self, request: &Pending) -> Finding {
        let Some(key) = self.key(request) else { return Finding::NotYet };
        if request.is_job {
            return Finding::of_job(self.client.video(key, &request.generation).await);
        }
        Finding::of(self.client.generation(key, &request.generation).await, request)
    }
}

#[cfg(test)]
mod tests {
    use callsign_core::request_id::RequestId;
    use callsign_core::usage::Usage;
    use callsign_core::usage::money::NanoUsd;
    use jiff::Timestamp;

    use super::*;

    fn finding(sent_user: Option<&str>, answer: Result<Record, OpenRouterError>) -> Finding {
        let request = Pending {
            id: RequestId::MIN,
            generation: "gen-1".to_owned(),
            is_job: false,
            account: None,
            tenant: None,
            key: "app".to_owned(),
            user: None,
            sent_user: sent_user.map(str::to_owned),
            began: Timestamp::UNIX_EPOCH,
        };
        Finding::of(answer, &request)
    }

    #[expect(clippy::unnecessary_wraps, reason = "an answer of the client")]
    fn record(external_user: Option<&str>, cost: Option<i64>) -> Result<Record, OpenRouterError> {
        let usage = Usage { cost: cost.map(NanoUsd), ..Usage::default() };
        let price = Price { usage, ..Price::default() };
        Ok(Record { price, external_user: external_user.map(str::to_owned), session_id: None })
    }

    #[test]
    fn a_record_of_another_user_is_another_requests() {
        for (sent, recorded) in [(None, Some("ada")), (Some("ada"), None), (Some("ada"), Some("ada")), (None, None)] {
            assert!(matches!(finding(sent, record(recorded, Some(1))), Finding::Found(_)), "{sent:?} {recorded:?}");
        }
        assert!(matches!(finding(Some("ada"), record(Some(""), Some(1))), Finding::Found(_)));
        assert!(matches!(finding(Some("ada"), record(Some("eve"), Some(1))), Finding::Never));
    }

    #[test]
    fn a_record_without_a_cost_and_a_failure_are_not_free() {
        assert!(matches!(finding(None, record(None, None)), Finding::NotYet));
        assert!(matches!(finding(None, Err(OpenRouterError::NotFound)), Finding::NotYet));
        assert!(matches!(finding(None, Err(OpenRouterError::Refused(400))), Finding::NotYet));
        assert!(matches!(finding(None, Err(OpenRouterError::Refused(403))), Finding::Refused(403)));
        assert!(matches!(finding(None, Err(OpenRouterError::Refused(308))), Finding::Failed(_)));
        assert!(matches!(finding(None, Err(OpenRouterError::Unreadable)), Finding::Failed(_)));
        let after = Some(Duration::from_secs(7));
        let later = finding(None, Err(OpenRouterError::RetryLater { status: 429, after }));
        assert!(matches!(later, Finding::Later { after: found } if found == after));
    }
}
