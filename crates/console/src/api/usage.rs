//! Usage, whois and forget, as the commands of the same names do.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::Response;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::ApiError;
use crate::ask::OfTenant;
use crate::operator::Operator;
use callsign_store::archive;
use callsign_store::ledger::query::{By, Filter, Forgotten, UsageRow};
use callsign_store::ledger::{self, LedgerError, report};
use callsign_store::whois::{self, Candidates, Question};

/// The query parameters of `GET usage`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    pub(crate) by: By,
    since: Option<String>,
    #[serde(default)]
    format: Format,
    tenant: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Csv,
}

impl Asked {
    /// Returns the filter of `since` and `tenant`.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if `since` cannot be parsed.
    pub(crate) fn filter(&self) -> Result<Filter, ApiError> {
        let since = self.since.as_deref().map(|text| ledger::since(text, Timestamp::now())).transpose();
        let since = since.map_err(|error| ApiError::Invalid(format!("since {error}")))?;
        Ok(Filter { since, tenant: self.tenant.clone(), ..Filter::default() })
    }
}

/// `GET usage`: usage as JSON or CSV.
pub(super) async fn usage(
    State(operator): State<Arc<Operator>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response<Body>, ApiError> {
    let Query(asked) = asked.map_err(|rejection| invalid(&rejection))?;
    let rows = operator.reader()?.usage(asked.by, &asked.filter()?).await?;
    Ok(match asked.format {
        Format::Json => Json(report::usage_json(asked.by, &rows)).into_response(),
        Format::Csv => csv(asked.by, &rows),
    })
}

/// Returns rows as a CSV download.
pub(crate) fn csv(by: By, rows: &[UsageRow]) -> Response<Body> {
    let name = format!("attachment; filename=\"callsign-usage-by-{}.csv\"", by.name());
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)];
    (headers, report::usage_csv(by, rows)).into_response()
}

/// `GET whois/{id}`: the users of an identifier (docs/SPEC.md#whois).
pub(super) async fn who(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    Query(of): Query<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let candidates = Candidates::default();
    let question = Question { identifier: &id, tenant: of.tenant.as_deref(), candidates: &candidates };
    let found = match operator.reader() {
        Ok(reader) => whois::ask(operator.view().whois_scope(), reader, question).await?,
        Err(_) => whois::by_formats(operator.view().whois_scope(), question),
    };
    if found.is_empty() { Err(ApiError::Nobody) } else { Ok(Json(report::whois_json(&found))) }
}

/// `DELETE users/{user_id}`: erases a user from archive and ledger (docs/SPEC.md#forget).
pub(super) async fn forget(
    State(operator): State<Arc<Operator>>,
    Path(user): Path<String>,
    Query(of): Query<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let place = operator.deps.archive.as_ref();
    let asked = || of.tenant.clone().filter(|tenant| !tenant.is_empty());
    let (tenant, is_known) = match operator.person(&user, of.tenant.as_deref()).await {
        Ok(person) => (person.tenant, true),
        // The archive may contain users that the ledger does not know.
        Err(ApiError::NoUser | ApiError::Ledger(LedgerError::Off)) if place.is_some() => (asked(), false),
        Err(error) => return Err(error),
    };
    // The archive comes first: if it fails, the ledger still knows the user, and the operator can retry.
    let archived = match place {
        Some(place) => archive::forget_person(place, tenant.as_deref(), &user).await?,
        None => archive::Forgotten::default(),
    };
    if !is_known && archived.removed == 0 {
        return Err(ApiError::NoUser);
    }
    let forgotten = match operator.keeper() {
        Ok(keeper) if is_known => keeper.forget(&user, tenant.as_deref()).await?,
        _ => Forgotten::default(),
    };
    let archive::Forgotten { removed, unreadable } = archived;
    tracing::info!(
        requests = forgotten.requests,
        identifiers = forgotten.identifiers,
        archives = removed,
        "admin: forgot a user"
    );
    if unreadable > 0 {
        tracing::warn!(unreadable, "admin: could not decrypt all archives; some may belong to the forgotten user");
    }
    Ok(Json(json!({
        "user_id": user,
        "tenant": tenant,
        "requests": forgotten.requests,
        "identifiers": forgotten.identifiers,
        "archives": removed,
        "archives_unreadable": unreadable,
    })))
}

fn invalid(rejection: &QueryRejection) -> ApiError {
    // The text names the parameter and repeats its value. Only the operator sees it.
    ApiError::Invalid(rejection.body_text())
}
