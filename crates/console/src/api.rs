//! The routes of the admin API, `/api/v1/admin/…` (docs/SPEC.md#admin-api). The bearer token was checked before.

pub(super) mod audit;
mod blocks;
mod configuration;
pub(super) mod filters;
pub(super) mod keys;
mod limits;
mod mapping;
mod openapi;
mod requests;
mod test_mapping;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post, put};

use super::answer::ApiError;
use crate::operator::Operator;
pub(super) use configuration::{example, formats, sources};
pub(super) use mapping::{collided, per_endpoint, success_rate, unmapped};
pub(super) use requests::PATIENCE;
pub(super) use usage::csv;

/// Returns all routes. The test `every_route_is_documented` compares them with the OpenAPI document.
pub(super) fn router() -> Router<Arc<Operator>> {
    let routes = Router::new()
        .route("/openapi.json", get(openapi::answer))
        .route("/user-mapping/validate", get(mapping::validate))
        .route("/user-mapping/configuration", get(configuration::configuration))
        .route("/user-mapping/statistics", get(mapping::statistics))
        .route("/user-mapping/user/{user_id}/mapping", get(mapping::of_user))
        .route("/user-mapping/test-mapping", post(test_mapping::test_mapping))
        .route("/usage", get(usage::usage))
        .route("/requests", get(requests::list))
        .route("/requests/{id}", get(requests::one))
        .route("/whois/{id}", get(usage::who))
        .route("/users/{user_id}", delete(usage::forget))
        .route("/users/{user_id}/block", put(blocks::block).delete(blocks::unblock))
        .route("/blocks", get(blocks::list))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{name}", delete(keys::revoke))
        .route("/keys/{name}/rotate", post(keys::rotate))
        .route("/audit", get(audit::list))
        .route("/limits/{user_id}", get(limits::show).put(limits::set).delete(limits::reset))
        .fallback(|| async { ApiError::NoRoute })
        .method_not_allowed_fallback(|| async { ApiError::Method });
    Router::new()
        .nest("/api/v1/admin", routes)
        .route("/api/{*rest}", axum::routing::any(|| async { ApiError::NoRoute }))
}
