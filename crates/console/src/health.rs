//! `/readyz` and `/metrics`, which need no token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;

use crate::operator::Operator;

/// The content type of OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The content type of Prometheus' older text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The reason of a 503 after a failed self-audit.
const FAILED_AUDIT: &str = "self-audit failed: see callsign_self_audit_failures_total and the log";

/// `GET /readyz`: 503 while callsign refuses new requests or after a failed self-audit, else 200
/// (docs/SPEC.md#readiness). The first line is `ready` or the reason of the 503; a line `degraded: …` follows for each
/// other problem.
pub(super) async fn ready(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    let metrics = &operator.deps.metrics;
    let failed_audit = || metrics.has_failed_audit(std::time::Instant::now()).then_some(FAILED_AUDIT);
    let (status, first) = match (operator.deps.refuses.0)().or_else(failed_audit) {
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
        None => (StatusCode::OK, "ready"),
    };
    let mut text = format!("{first}\n");
    for reason in metrics.degraded() {
        text.extend(["degraded: ", &reason, "\n"]);
    }
    (status, text)
}

/// `GET /metrics`: all metrics, in the OpenMetrics text format if the scraper accepts it (docs/SPEC.md#metrics).
pub(super) async fn metrics(State(operator): State<Arc<Operator>>, headers: HeaderMap) -> impl IntoResponse {
    let metrics = &operator.deps.metrics;
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if accepts_openmetrics(accepted) {
        ([(CONTENT_TYPE, OPENMETRICS)], metrics.encode())
    } else {
        ([(CONTENT_TYPE, PROMETHEUS)], metrics.encode_text())
    }
}

/// Returns true if one of the accepted types is OpenMetrics and not excluded by `q=0` (RFC 9110, section 12.4.2).
fn accepts_openmetrics<'a>(accepted: impl Iterator<Item = &'a str>) -> bool {
    accepted.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_openmetrics = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_openmetrics && quality.is_none_or(|quality| quality.parse::<f32>().is_ok_and(|quality| quality > 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_sent_to_who_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        for (accepted, expected) in [
            (prometheus, true),
            ("Application/OpenMetrics-Text", true),
            ("text/plain, application/openmetrics-text; version=0.0.1", true),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-textual", false),
            ("text/plain;version=0.0.4", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(accepts_openmetrics(std::iter::once(accepted)), expected, "{accepted}");
        }
        assert!(accepts_openmetrics(["text/plain", prometheus].into_iter()));
    }
}
