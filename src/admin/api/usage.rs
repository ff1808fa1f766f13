//! What was used, who stands behind an identifier, and forgetting somebody: as the commands of the same names.

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

use crate::admin::Operator;
use crate::admin::answer::ApiError;
use crate::admin::ask::OfTenant;
use crate::archive;
use crate::ledger::query::{By, Filter, Forgotten, UsageRow};
use crate::ledger::{self, LedgerError, report};
use crate::whois::{self, Candidates, Question};

/// `?by=…&since=…&format=…&tenant=…`.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::admin) struct Asked {
    #[serde(default)]
    pub(in crate::admin) by: By,
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
    /// Which requests are asked about.
    ///
    /// # Errors
    /// When `since` is no beginning of a period.
    pub(in crate::admin) fn filter(&self) -> Result<Filter, ApiError> {
        let since = self.since.as_deref().map(|text| ledger::since(text, Timestamp::now())).transpose();
        let since = since.map_err(|error| ApiError::Invalid(format!("since {error}")))?;
        Ok(Filter { since, tenant: self.tenant.clone(), ..Filter::default() })
    }
}

/// `GET usage`.
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

/// Rows as a file to save.
pub(in crate::admin) fn csv(by: By, rows: &[UsageRow]) -> Response<Body> {
    let name = format!("attachment; filename=\"callsign-usage-by-{}.csv\"", by.name());
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)];
    (headers, report::usage_csv(by, rows)).into_response()
}

/// `GET whois/{id}`.
pub(super) async fn who(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    Query(of): Query<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let candidates = Candidates::default();
    let question = Question { identifier: &id, tenant: of.tenant.as_deref(), candidates: &candidates };
    let found = match operator.reader() {
        Ok(reader) => whois::ask(&operator.config(), reader, question).await?,
        Err(_) => whois::by_formats(&operator.config(), question),
    };
    if found.is_empty() { Err(ApiError::Nobody) } else { Ok(Json(report::whois_json(&found))) }
}

/// `DELETE users/{user_id}`.
pub(super) async fn forget(
    State(operator): State<Arc<Operator>>,
    Path(user): Path<String>,
    Query(of): Query<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let place = operator.fixtures.archive.as_ref();
    let asked = || of.tenant.clone().filter(|tenant| !tenant.is_empty());
    let (tenant, is_known) = match operator.person(&user, of.tenant.as_deref()).await {
        Ok(person) => (person.tenant, true),
        // The archive may know whom the ledger does not.
        Err(ApiError::NoUser | ApiError::Ledger(LedgerError::Off)) if place.is_some() => (asked(), false),
        Err(error) => return Err(error),
    };
    // First: should it fail, the ledger still knows whom to ask for again.
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
        "a person was forgotten"
    );
    if unreadable > 0 {
        tracing::warn!(unreadable, "archives that this password does not open may be that person's, and stay");
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
    // It says which parameter, and repeats what was given; only the operator sees it.
    ApiError::Invalid(rejection.body_text())
}
