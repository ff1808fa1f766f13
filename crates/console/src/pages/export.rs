//! The CSV export of usage, for a signed-in operator: the rows and the order of the list, and a line of totals.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use jiff::Timestamp;

use super::layout::NoPage;
use super::usage::Listed;
use crate::answer::ApiError;
use crate::api::csv as file;
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use callsign_store::ledger::query::Grouping;

/// The query parameters of `GET /export.csv`.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    by: Grouping,
    listed: Listed,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let by = parameters.parsed("by", str::parse)?.unwrap_or_default();
        Ok(Self { by, listed: Listed::read(parameters)? })
    }
}

/// `GET /export.csv`.
pub(super) async fn csv(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Response<Body>, NoPage> {
    let Params(Asked { by, listed }) = asked?;
    let mut rows = operator.reader()?.usage(by, &listed.range.filter(Timestamp::now())).await?;
    listed.select(&mut rows);
    Ok(file(by, &rows))
}
