//! The operator's port: health, readiness and metrics (contract, section 2, `CALLSIGN_ADMIN_LISTEN`).
//!
//! It is never reached from the data port, knows no caller and passes nothing on.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use tower::ServiceExt;

use crate::observe::Metrics;
use crate::server::{Drain, Handler, Peer, Upload};

/// The content type of OpenMetrics 1.0, which Prometheus asks for first.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin port serves.
#[derive(Clone, Debug)]
pub struct Admin(Router);

#[derive(Clone, Debug)]
struct Watched {
    metrics: Arc<Metrics>,
    drain: Drain,
}

impl Admin {
    /// A port that shows these metrics, and is ready until `drain` begins or a self-audit fails.
    pub fn new(metrics: Arc<Metrics>, drain: Drain) -> Self {
        let router = Router::new()
            .route("/healthz", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics_text))
            .with_state(Watched { metrics, drain });
        Self(router)
    }
}

impl Handler for Admin {
    type Body = Body;

    async fn handle(&self, request: Request<Upload>, _peer: Peer) -> Response<Body> {
        match self.0.clone().oneshot(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

async fn ready(State(watched): State<Watched>) -> impl IntoResponse {
    if watched.drain.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if watched.metrics.has_failed_audit() {
        (StatusCode::SERVICE_UNAVAILABLE, "self-audit failed: see callsign_self_audit_failures_total and the log\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn metrics_text(State(watched): State<Watched>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], watched.metrics.encode())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::observe::audit::Finding;

    #[tokio::test]
    async fn a_failed_audit_is_the_end_of_readiness() {
        let metrics = Arc::new(Metrics::new());
        let admin = Admin::new(Arc::clone(&metrics), Drain::new(Duration::ZERO, Duration::ZERO));
        let readiness = || async {
            let request = Request::get("/readyz").body(Body::empty()).unwrap();
            admin.0.clone().oneshot(request).await.unwrap().status()
        };
        for finding in [Finding::Passed, Finding::Unreadable] {
            metrics.audited(finding);
            assert_eq!(readiness().await, 200, "{finding:?}");
        }
        metrics.audited(Finding::Failed);
        assert_eq!(readiness().await, 503);
        let text = metrics.encode();
        for line in [
            "callsign_self_audits_total 3",
            "callsign_self_audit_failures_total 1",
            "callsign_self_audit_unreadable_total 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{text}");
        }
    }
}
