//! `/api/v1/admin/…`: the operator's questions in JSON (contract, section 6). Who asks has shown the admin token already.

mod configuration;
mod mapping;
mod openapi;
mod test_mapping;
mod usage;

use std::sync::Arc;

use axum::routing::{delete, get, post};
use axum::{Json, Router};

use super::Operator;
use super::answer::ApiError;
pub(super) use configuration::{example, formats, sources};
pub(super) use mapping::{collided, per_endpoint, success_rate, unmapped};
pub(super) use usage::csv;

/// Every route, under the paths that the OpenAPI document lists; a test compares the two.
pub(super) fn router() -> Router<Arc<Operator>> {
    let routes = Router::new()
        .route("/openapi.json", get(|| async { Json(openapi::document()) }))
        .route("/user-mapping/validate", get(mapping::validate))
        .route("/configuration", get(configuration::configuration))
        .route("/statistics", get(mapping::statistics))
        .route("/user/{user_id}/mapping", get(mapping::of_user))
        .route("/test-mapping", post(test_mapping::test_mapping))
        .route("/usage", get(usage::usage))
        .route("/whois/{id}", get(usage::who))
        .route("/users/{user_id}", delete(usage::forget))
        .fallback(|| async { ApiError::NoRoute })
        .method_not_allowed_fallback(|| async { ApiError::Method });
    Router::new()
        .nest("/api/v1/admin", routes)
        .route("/api/{*rest}", axum::routing::any(|| async { ApiError::NoRoute }))
}
