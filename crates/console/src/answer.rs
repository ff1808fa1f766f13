//! Errors of the admin API: their messages, statuses, codes and JSON shape (docs/SPEC.md#admin-api).
//!
//! An error is not sent with status 200 (test: `errors_have_their_status_and_are_json`).

use axum::Json;
use axum::body::Body;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::json;

use super::attempts::TooManyAttemptsError;
use callsign_store::archive::ArchiveError;
use callsign_store::ledger::LedgerError;
use callsign_store::limits::keys::changes::KeyChangeError;
use callsign_store::limits::operator_state::blocks::BlocksFullError;
use callsign_store::limits::orders::OrderError;
use callsign_store::limits::orders::key::KeyOrderError;
use callsign_store::limits::overrides::OverridesFullError;
use callsign_store::person::Person;
use callsign_store::whois::Answer;

/// An error of the admin API.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The `Host` is not one of the port's names.
    #[error("unknown Host: use localhost or an IP address, or add the name to CALLSIGN_ADMIN_HOSTS")]
    UnknownHost,
    /// No admin token is configured.
    #[error("set CALLSIGN_ADMIN_TOKEN to use the admin API and the console")]
    NoToken,
    /// The bearer token is missing or wrong.
    #[error(
        "missing or wrong admin token: send CALLSIGN_ADMIN_TOKEN or a token of [[admin.tokens]] as `Authorization: Bearer …`"
    )]
    Unauthorized,
    /// Too many wrong tokens were sent.
    #[error(transparent)]
    TooManyAttempts(#[from] TooManyAttemptsError),
    /// The token does not permit the request.
    #[error("you may not do that: it needs {0}")]
    Forbidden(&'static str),
    /// A form came from another site's page (cross-site request forgery).
    #[error(
        "refused a form from another origin: the Origin header must match the Host header. Requests of apps go to the \
         data port (8484 by default); this is the admin port"
    )]
    ForeignOrigin,
    /// The path does not exist.
    #[error("unknown path; see /api/v1/admin/openapi.json")]
    NoRoute,
    /// The path does not support the method.
    #[error("method not allowed; see /api/v1/admin/openapi.json")]
    Method,
    /// No request of a user with this id was recorded.
    #[error("unknown user: no request with this user id was recorded")]
    NoUser,
    /// The identifier belongs to no known user.
    #[error("unknown identifier: no user with this identifier was found")]
    Nobody,
    /// The ledger does not have the identifier. The response has the guesses as notes.
    #[error("unknown identifier: {}", .0.absence())]
    NotInLedger(Answer),
    /// The ledger does not have the request.
    #[error("unknown request: no request in the ledger has this request id or generation id")]
    NoRequest,
    /// The id is not blocked.
    #[error("this id is not blocked")]
    NotBlocked,
    /// The block list has no room.
    #[error(transparent)]
    BlocksFull(#[from] BlocksFullError),
    /// The list of run-time limits has no room.
    #[error(transparent)]
    LimitsFull(#[from] OverridesFullError),
    /// The value is looser than configured, and run-time limits in Redis only tighten.
    #[error("{0}")]
    Looser(String),
    /// There is no key with this name.
    #[error("no key in the database has this name")]
    NoKey,
    /// A key cannot be created, rotated or revoked.
    #[error(transparent)]
    Key(#[from] KeyOrderError),
    /// The identifier is of several persons. The response lists them.
    #[error("the identifier is of several persons: choose one by user id with ?tenant= and `user_id`")]
    SeveralPersons(Vec<Person>),
    /// The ledger does not have the id of a block.
    #[error("{0}: `unseen` in the body")]
    Unseen(String),
    /// The user id exists in several tenants. The response lists them.
    #[error("this id exists in several tenants: choose one with ?tenant= (empty for users without a tenant)")]
    SeveralTenants(Vec<Option<String>>),
    /// The tenant is not configured.
    #[error("{0}")]
    NoTenant(#[from] callsign_core::tenant::UnknownTenantError),
    /// A parameter or the body is invalid.
    #[error("{0}")]
    Invalid(String),
    /// The self-test could not run.
    #[error("the self-test failed: {0}")]
    SelfTest(String),
    /// The ledger is off or unavailable.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The archive cannot be read or changed.
    #[error("the archive {0}")]
    Archive(#[from] ArchiveError),
}

impl ApiError {
    /// Returns the status and the value of `error.code`.
    fn row(&self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownHost => (StatusCode::FORBIDDEN, "unknown_host"),
            Self::NoToken => (StatusCode::NOT_FOUND, "admin_token_not_set"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::TooManyAttempts(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NoUser => (StatusCode::NOT_FOUND, "unknown_user"),
            Self::NoRequest => (StatusCode::NOT_FOUND, "unknown_request"),
            Self::Nobody | Self::NotInLedger(_) => (StatusCode::NOT_FOUND, "unknown_identifier"),
            Self::NotBlocked => (StatusCode::NOT_FOUND, "not_blocked"),
            Self::BlocksFull(_) => (StatusCode::CONFLICT, "blocks_full"),
            Self::LimitsFull(_) => (StatusCode::CONFLICT, "limits_full"),
            Self::Looser(_) => (StatusCode::CONFLICT, "looser_than_configured"),
            Self::NoKey => (StatusCode::NOT_FOUND, "unknown_key"),
            Self::Key(error) => of_key(error),
            Self::SeveralPersons(_) => (StatusCode::CONFLICT, "several_persons"),
            Self::Unseen(_) => (StatusCode::NOT_FOUND, "unseen_id"),
            Self::SeveralTenants(_) => (StatusCode::CONFLICT, "several_tenants"),
            Self::NoTenant(_) => (StatusCode::NOT_FOUND, "unknown_tenant"),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::SelfTest(_) => (StatusCode::BAD_GATEWAY, "self_test_failed"),
            Self::Ledger(LedgerError::Off) => (StatusCode::SERVICE_UNAVAILABLE, "ledger_off"),
            Self::Ledger(_) => (StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable"),
            Self::Archive(_) => (StatusCode::SERVICE_UNAVAILABLE, "archive_unavailable"),
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.row().0
    }
}

/// Returns the status and the code of an order about a key.
fn of_key(error: &KeyOrderError) -> (StatusCode, &'static str) {
    match error {
        KeyOrderError::Configured | KeyOrderError::Change(KeyChangeError::Taken | KeyChangeError::Exists) => {
            (StatusCode::CONFLICT, "key_name_taken")
        }
        KeyOrderError::Unpaid => (StatusCode::CONFLICT, "no_openrouter_key"),
        KeyOrderError::Change(KeyChangeError::NoSecret) => (StatusCode::CONFLICT, "id_secret_not_set"),
        KeyOrderError::Change(KeyChangeError::Expired) => (StatusCode::CONFLICT, "key_expired"),
        KeyOrderError::Change(KeyChangeError::Full) => (StatusCode::CONFLICT, "keys_full"),
        KeyOrderError::Change(KeyChangeError::Unknown) => (StatusCode::NOT_FOUND, "unknown_key"),
        KeyOrderError::Tenant(_) => (StatusCode::NOT_FOUND, "unknown_tenant"),
        KeyOrderError::Away => (StatusCode::SERVICE_UNAVAILABLE, "state_unavailable"),
        KeyOrderError::Random(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        KeyOrderError::NoName
        | KeyOrderError::Preset(_)
        | KeyOrderError::Network
        | KeyOrderError::Twice(_)
        | KeyOrderError::Overlap
        | KeyOrderError::Change(KeyChangeError::Long) => (StatusCode::BAD_REQUEST, "invalid_request"),
    }
}

impl From<OrderError> for ApiError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Several(people) => Self::SeveralPersons(people.into_iter().collect()),
            OrderError::Unseen(_) => Self::Unseen(error.to_string()),
            OrderError::NoId | OrderError::Twice(_) => Self::Invalid(error.to_string()),
            OrderError::BlocksFull(error) => Self::BlocksFull(error),
            OrderError::OverridesFull(error) => Self::LimitsFull(error),
            OrderError::Looser(_) => Self::Looser(error.to_string()),
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
        if let Self::SeveralPersons(people) = &self {
            let shown = |person: &Person| json!({ "user_id": person.user, "tenant": person.tenant });
            error["persons"] = people.iter().map(shown).collect();
        }
        let mut body = json!({ "error": error });
        if let Self::NotInLedger(answer) = &self {
            body["notes"] = json!(answer.notes());
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"callsign\""));
            }
            Self::TooManyAttempts(TooManyAttemptsError(wait)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
            }
            _ => {}
        }
        response
    }
}
