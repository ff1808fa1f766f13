//! `/readyz` and `/metrics`, which need no token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::operator::Operator;

/// The content type of OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /readyz`: 503 while callsign drains or after a failed self-audit (docs/SPEC.md#readiness).
pub(super) async fn ready(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    if (operator.deps.is_draining.0)() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if operator.deps.metrics.has_failed_audit(std::time::Instant::now()) {
        (StatusCode::SERVICE_UNAVAILABLE, "self-audit failed: see callsign_self_audit_failures_total and the log\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// `GET /metrics`: all metrics in the OpenMetrics text format.
pub(super) async fn metrics(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], operator.deps.metrics.encode())
}
