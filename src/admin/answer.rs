//! What the admin API says when it cannot do what is asked: one JSON shape, with the status that it deserves, never inside a
//! 200.

use axum::Json;
use axum::body::Body;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::json;

use super::attempts::TooMany;
use crate::archive::ArchiveError;
use crate::ledger::LedgerError;
use crate::limits::blocks::order::OrderError;
use crate::limits::blocks::shelf::ShelfError;

/// Why there is no answer. The texts repeat nothing from outside but names of tenants that are configured or known.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// A `Host` that may be somebody else's.
    #[error("this port is not known by that name; call it by an address, or add the name to CALLSIGN_ADMIN_HOSTS")]
    UnknownHost,
    /// Nobody can be let in.
    #[error("set CALLSIGN_ADMIN_TOKEN to use the admin API and the dashboard")]
    NoToken,
    /// No token, or a wrong one.
    #[error("send the admin token as `Authorization: Bearer …`")]
    Unauthorized,
    /// Too many wrong ones.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// A form that another site's page has sent.
    #[error("this form was not sent by a page of callsign's own")]
    ForeignOrigin,
    /// No such path.
    #[error("there is nothing at this path; see /api/v1/admin/openapi.json")]
    NoRoute,
    /// The path takes another method.
    #[error("this path takes another method; see /api/v1/admin/openapi.json")]
    Method,
    /// Nobody of this id.
    #[error("no request of such a user has been seen")]
    NoUser,
    /// Nothing is known of this identifier.
    #[error("nobody has been seen with this identifier")]
    Nobody,
    /// Nobody of this id is stopped.
    #[error("nobody is blocked under this id")]
    NotBlocked,
    /// The list of blocks cannot be had.
    #[error(transparent)]
    Blocks(#[from] ShelfError),
    /// An id that means several people.
    #[error("this id exists in several tenants; say which by ?tenant= (empty for the users of no tenant)")]
    SeveralTenants(Vec<Option<String>>),
    /// A tenant that is not configured.
    #[error("{0}")]
    NoTenant(#[from] crate::config::UnknownTenant),
    /// A parameter or a body that says nothing.
    #[error("{0}")]
    Invalid(String),
    /// The rehearsal could not be held.
    #[error("the pipeline could not be tried: {0}")]
    Rehearsal(String),
    /// The ledger is off, or does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The archive cannot be read or changed.
    #[error("the archive {0}")]
    Archive(#[from] ArchiveError),
}

impl ApiError {
    /// The status, and the code for programs.
    fn row(&self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownHost => (StatusCode::FORBIDDEN, "unknown_host"),
            Self::NoToken => (StatusCode::NOT_FOUND, "admin_token_not_set"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NoUser => (StatusCode::NOT_FOUND, "unknown_user"),
            Self::Nobody => (StatusCode::NOT_FOUND, "unknown_identifier"),
            Self::NotBlocked => (StatusCode::NOT_FOUND, "not_blocked"),
            Self::Blocks(_) => (StatusCode::SERVICE_UNAVAILABLE, "blocks_unavailable"),
            Self::SeveralTenants(_) => (StatusCode::CONFLICT, "several_tenants"),
            Self::NoTenant(_) => (StatusCode::NOT_FOUND, "unknown_tenant"),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Rehearsal(_) => (StatusCode::BAD_GATEWAY, "rehearsal_failed"),
            Self::Ledger(LedgerError::Off) => (StatusCode::SERVICE_UNAVAILABLE, "ledger_off"),
            Self::Ledger(_) => (StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable"),
            Self::Archive(_) => (StatusCode::SERVICE_UNAVAILABLE, "archive_unavailable"),
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.row().0
    }
}

impl From<OrderError> for ApiError {
    fn from(error: OrderError) -> Self {
        let named = |tenant: String| Some(tenant).filter(|tenant| !tenant.is_empty());
        match error {
            OrderError::Several(tenants) => Self::SeveralTenants(tenants.into_iter().map(named).collect()),
            OrderError::NoId => Self::Invalid(error.to_string()),
            OrderError::Shelf(error) => Self::Blocks(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        let (status, code) = self.row();
        let mut error = json!({ "message": self.to_string(), "code": code });
        if let Self::SeveralTenants(tenants) = &self {
            error["tenants"] = json!(tenants);
        }
        let mut response = (status, Json(json!({ "error": error }))).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"callsign\""));
            }
            Self::TooMany(TooMany(wait)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
            }
            _ => {}
        }
        response
    }
}
