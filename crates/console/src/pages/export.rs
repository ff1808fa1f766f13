//! The CSV export of usage, for a signed-in operator.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::layout::NoPage;
use super::period::Period;
use crate::api::csv as file;
use crate::operator::Operator;
use callsign_store::ledger::query::By;

/// The query parameters of `GET /export.csv`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    by: By,
    #[serde(default)]
    range: Period,
}

/// `GET /export.csv`.
pub(super) async fn csv(
    State(operator): State<Arc<Operator>>,
    Query(asked): Query<Asked>,
) -> Result<Response<Body>, NoPage> {
    let rows = operator.reader()?.usage(asked.by, &asked.range.filter(Timestamp::now())).await?;
    Ok(file(asked.by, &rows))
}
