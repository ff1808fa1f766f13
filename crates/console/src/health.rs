//! `/readyz` and `/metrics`, which need no token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::operator::Operator;

/// The content type of OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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

/// `GET /metrics`: all metrics in the OpenMetrics text format.
pub(super) async fn metrics(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], operator.deps.metrics.encode())
}
