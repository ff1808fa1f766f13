//! Single requests, as the commands `requests` and `request` show them (docs/SPEC.md#requests).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::filters;
use crate::answer::ApiError;
use crate::operator::Operator;
use crate::parameters::{FromParameters, Id, Parameters, Params};
use callsign_store::ledger::query::RequestFilter;
use callsign_store::ledger::report::{request_json, time};

/// Requests of an answer, unless asked for more.
const LIMIT: u32 = 100;
/// Maximum requests of an answer.
const MOST: u32 = 1_000;
/// Time of a search without an index, so that one call does not keep the database busy (docs/SPEC.md#requests).
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);

/// The query parameters of `GET requests`.
#[derive(Clone, Debug)]
pub(super) struct Search {
    filter: RequestFilter,
    limit: u32,
}

impl FromParameters for Search {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let filter = filters::of_requests(parameters)?;
        let limit = parameters.parsed("limit", limit)?.unwrap_or(LIMIT);
        Ok(Self { filter, limit })
    }
}

/// Parses a number of requests.
fn limit(text: &str) -> Result<u32, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| format!("takes a number from 1 to {MOST}"))
}

/// `GET requests`: requests, newest first.
pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Params(Search { filter, limit }): Params<Search>,
) -> Result<Json<Value>, ApiError> {
    let page = operator.reader()?.requests(&filter, limit, PATIENCE).await?;
    Ok(Json(json!({
        "requests": page.requests.iter().map(request_json).collect::<Vec<_>>(),
        "next": page.next.map(|id| id.to_string()),
        "searched_back_to": time(page.searched_back_to),
    })))
}

/// `GET requests/{id}`: the request with this request id, or the latest one with this generation id.
pub(super) async fn one(
    State(operator): State<Arc<Operator>>,
    Id(id): Id,
    Params(()): Params<()>,
) -> Result<Json<Value>, ApiError> {
    let found = operator.reader()?.request(&id).await?;
    found.first().map(request_json).map(Json).ok_or(ApiError::NoRequest)
}
