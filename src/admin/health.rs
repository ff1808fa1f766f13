//! What machines ask: alive, ready, metrics. Open to everybody who reaches the port.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Operator;

/// The content type of OpenMetrics 1.0, which Prometheus asks for first.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/readyz`.
pub(super) async fn ready(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    if operator.fixtures.drain.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if operator.fixtures.metrics.has_failed_audit() {
        (StatusCode::SERVICE_UNAVAILABLE, "self-audit failed: see callsign_self_audit_failures_total and the log\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// `/metrics`.
pub(super) async fn metrics(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], operator.fixtures.metrics.encode())
}
