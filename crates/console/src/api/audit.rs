//! The audit log, as the command `audit` shows it (docs/SPEC.md#audit-log).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde_json::Value;

use crate::answer::ApiError;
use crate::operator::Operator;
use crate::parameters::{FromParameters, Parameters, Params};
use callsign_store::ledger::since;
use callsign_store::limits::acts::report::acts_json;

/// The query parameters of `GET audit`.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub(crate) since: Option<Timestamp>,
    pub(crate) by: Option<String>,
}

impl FromParameters for Search {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let since = parameters.parsed("since", |text| since(text, Timestamp::now()))?;
        Ok(Self { since, by: parameters.name("by")? })
    }
}

/// `GET audit`: the acts of operators, latest first.
pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Params(Search { since, by }): Params<Search>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(acts_json(&operator.deps.limiter.operator_state().acts(since, by.as_deref()))))
}
