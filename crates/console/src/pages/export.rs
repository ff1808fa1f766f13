//! The CSV export of usage, for a signed-in operator.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use jiff::Timestamp;

use super::layout::NoPage;
use super::period::Period;
use crate::answer::ApiError;
use crate::api::csv as file;
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use callsign_store::ledger::query::Grouping;

/// The query parameters of `GET /export.csv`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    by: Grouping,
    range: Period,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { by: parameters.parsed("by", str::parse)?.unwrap_or_default(), range: Period::read(parameters)? })
    }
}

/// `GET /export.csv`.
pub(super) async fn csv(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Response<Body>, NoPage> {
    let Params(asked) = asked?;
    let rows = operator.reader()?.usage(asked.by, &asked.range.filter(Timestamp::now())).await?;
    Ok(file(asked.by, &rows))
}
