//! Usage, whois and forget, as the commands of the same names do.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::filters;
use crate::answer::ApiError;
use crate::ask::OfTenant;
use crate::operator::Operator;
use crate::parameters::{FromParameters, Id, Parameters, Params};
use crate::roles::Caller;
use callsign_store::ledger::query::{By, Filter, Grouping, UsageRow};
use callsign_store::ledger::report;
use callsign_store::whois::{self, Candidates, Question};

/// The query parameters of `GET usage`.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    by: Grouping,
    filter: Filter,
    is_csv: bool,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let by = parameters.parsed("by", str::parse)?.unwrap_or_default();
        let filter = filters::read(parameters)?;
        let is_csv = parameters.parsed("format", |text| match text {
            "json" => Ok(false),
            "csv" => Ok(true),
            _ => Err("takes json or csv"),
        });
        Ok(Self { by, filter, is_csv: is_csv?.unwrap_or_default() })
    }
}

/// `GET usage`: usage as JSON or CSV.
pub(super) async fn usage(
    State(operator): State<Arc<Operator>>,
    Params(asked): Params<Asked>,
) -> Result<Response<Body>, ApiError> {
    let rows = operator.reader()?.usage(asked.by, &asked.filter).await?;
    Ok(if asked.is_csv { csv(asked.by, &rows) } else { Json(report::usage_json(asked.by, &rows)).into_response() })
}

/// Returns rows as a CSV download.
pub(crate) fn csv(by: Grouping, rows: &[UsageRow]) -> Response<Body> {
    let by_name = by.iter().map(By::name).collect::<Vec<_>>().join("-");
    let name = format!("attachment; filename=\"callsign-usage-by-{by_name}.csv\"");
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)];
    (headers, report::usage_csv(by, rows)).into_response()
}

/// `GET whois/{id}`: the users of an identifier (docs/SPEC.md#whois).
pub(super) async fn who(
    State(operator): State<Arc<Operator>>,
    Id(id): Id,
    Params(of): Params<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let candidates = Candidates::default();
    let question = Question { identifier: &id, tenant: of.tenant.as_deref(), candidates: &candidates };
    let view = operator.view();
    let found = match operator.reader() {
        Ok(reader) => {
            let answer = whois::ask(view.whois_scope(), reader, question).await?;
            if answer.found.is_empty() {
                return Err(ApiError::NotInLedger(answer));
            }
            answer.found
        }
        Err(_) => whois::by_formats(view.whois_scope(), question),
    };
    if found.is_empty() { Err(ApiError::Nobody) } else { Ok(Json(report::whois_json(&found))) }
}

/// `DELETE users/{user_id}`: erases a user from archive and ledger (docs/SPEC.md#forget).
pub(super) async fn forget(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    Id(user): Id,
    Params(of): Params<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let erased = operator.forget(&user, of.tenant.as_deref(), caller.name()).await?;
    Ok(Json(json!({
        "user_id": user,
        "tenant": erased.tenant,
        "requests": erased.requests,
        "identifiers": erased.identifiers,
        "archives": erased.archives,
        "archives_unreadable": erased.unreadable,
    })))
}
