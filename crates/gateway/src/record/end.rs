//! The end of a request, as each consumer needs it.

use std::time::{Duration, Instant};

use callsign_core::identity::attribution::Attribution;
use callsign_core::request_id::RequestId;
use callsign_core::usage::judgement::{Bill, Judgement};
use callsign_core::usage::outcome::Outcome;
use callsign_core::usage::reader::ResponseUsage;
use callsign_store::archive;
use callsign_store::ledger::{Finished, Name};
use callsign_telemetry::logging::Untrusted;
use callsign_telemetry::metrics::Metrics;

use crate::account::Account;

/// Error names with which providers, or OpenRouter for them, refuse a user's request (`docs/SPEC.md#auto-block`).
/// The usage reader names moderation errors `moderation`.
const REFUSALS: [&str; 5] =
    ["moderation", "user_blocked", "content_policy", "content_policy_violation", "content_filter"];

/// Everything that is known of a request when it ends.
#[derive(Debug)]
pub(super) struct RequestEnd<'r> {
    pub(super) id: RequestId,
    pub(super) endpoint: &'static str,
    pub(super) key: Option<&'r str>,
    /// The status that the client got, or would have got if it had not left; 0 if none.
    pub(super) status: u16,
    /// callsign's own error code.
    pub(super) code: Option<&'static str>,
    /// The limit that refused the request.
    pub(super) limit: Option<&'static str>,
    /// The reason why a known key was refused.
    pub(super) reason: Option<&'static str>,
    pub(super) attribution: Option<Attribution>,
    /// The request's end, its error and the knowledge of its cost.
    pub(super) judgement: Judgement,
    pub(super) requested_model: Option<Name>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    /// The time from the request's head to the head of OpenRouter's answer; `None` without an answer.
    pub(super) head: Option<Duration>,
    /// The time from the request's head to the first output.
    pub(super) first_output: Option<Duration>,
    pub(super) duration: Duration,
    /// Usage, model and error of the answer; empty if the answer was not read.
    pub(super) answer: ResponseUsage,
}

impl RequestEnd<'_> {
    /// Returns the status of OpenRouter's answer, if it answered.
    pub(super) fn upstream_status(&self) -> Option<u16> {
        self.head.map(|_| self.status)
    }

    /// Counts the request.
    pub(super) fn count(&self, metrics: &Metrics) {
        metrics.attribution.add_usage(&self.answer.usage);
        metrics.request(self.endpoint, self.status, self.judgement.outcome.name(), self.duration, self.head);
        metrics.request_bytes.inc_by(self.request_bytes);
        metrics.response_bytes.inc_by(self.response_bytes);
        if self.judgement.bill == Bill::Never {
            metrics.costs.never.inc();
        }
        if let Some(code) = self.code {
            metrics.count_refusal(code);
        }
    }

    /// Counts an answer that the operator pays, by model, provider and the key of an app.
    pub(super) fn count_spending(&self, metrics: &Metrics, app: Option<&str>) {
        let answer = &self.answer;
        if self.head.is_some() {
            let names = (answer.model.as_deref(), answer.provider.as_deref());
            metrics.spending.count(names, app, answer.usage.total_cost());
        }
    }

    /// Writes the request's log line (`docs/SPEC.md#request-log`).
    pub(super) fn log(&self) {
        tracing::info!(
            request_id = %self.id,
            endpoint = self.endpoint,
            status = self.status,
            outcome = self.judgement.outcome.name(),
            code = self.code,
            error = self.judgement.error.as_deref().filter(|_| self.code.is_none()).map(Untrusted).map(tracing::field::display),
            limit = self.limit,
            reason = self.reason,
            key = self.key.map(Untrusted).map(tracing::field::display),
            user = self.attribution.map(Attribution::name),
            duration_ms = millis(self.duration),
            head_ms = self.head.map(millis),
            first_output_ms = self.first_output.map(millis),
            request_bytes = self.request_bytes,
            response_bytes = self.response_bytes,
            "request"
        );
    }

    /// Returns true if the answer's error refuses the user or the prompt.
    pub(super) fn refuses_user(&self) -> bool {
        self.answer.error.as_deref().is_some_and(|error| REFUSALS.contains(&error))
    }

    /// Records if OpenRouter accepted or refused the key that pays. A 403 refuses the key if its body is an error in
    /// OpenRouter's format that does not refuse the prompt. A 403 without a readable body says nothing.
    pub(super) fn judge(&self, account: &Account, metrics: &Metrics) {
        let is_read = self.judgement.outcome == Outcome::Complete && self.answer.error.is_some();
        match self.upstream_status() {
            Some(200..=299) => account.accepted(),
            Some(status @ (401 | 402)) => account.refused(status, metrics, Instant::now()),
            Some(403) if is_read && !self.refuses_user() => account.refused(403, metrics, Instant::now()),
            _ => {}
        }
    }

    /// Returns the end for the archive.
    pub(super) fn for_archive(&self) -> archive::Finished {
        archive::Finished {
            status: self.status,
            outcome: self.judgement.outcome.name(),
            code: self.code,
            seen: self.answer.clone(),
            first_byte_us: self.head.map(micros),
            duration_us: micros(self.duration),
        }
    }

    /// Returns the end for the ledger.
    pub(super) fn for_ledger(self) -> Finished {
        let Judgement { outcome, error, bill } = self.judgement;
        let answer = self.answer;
        Finished {
            outcome: Some(outcome),
            status: self.status,
            error: error.map(Name::from),
            limit: self.limit.map(Name::from),
            bill,
            requested_model: self.requested_model,
            model: answer.model.map(Name::from),
            provider: answer.provider.map(Name::from),
            generation: answer.generation.map(Name::from),
            usage: answer.usage,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            head_us: self.head.map(micros),
            first_output_us: self.first_output.map(micros),
            duration_us: micros(self.duration),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
