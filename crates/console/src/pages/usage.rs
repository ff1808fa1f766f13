//! The pages that list usage by user, model, provider and app.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;
use maud::{Markup, html};

use super::layout::{NoPage, heading, page};
use super::marks::Marks;
use super::period::Period;
use super::selection::{Query, address};
use super::tables::{Depth, Sort, Usage};
use super::text::{count, money};
use super::zone;
use crate::answer::ApiError;
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{By, UsageRow};

/// Maximum number of rows on a page. The CSV export has no limit.
const SHOWN: usize = 500;

/// The query parameters of pages with a period and no other parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) range: Period,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { range: Period::read(parameters)? })
    }
}

/// The query parameters of lists.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) range: Period,
    sort: Sort,
    /// A part of the names to show, in lower case; empty for all.
    find: String,
}

impl FromParameters for Listed {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let range = Period::read(parameters)?;
        let sort = parameters.parsed("sort", Sort::parse)?.unwrap_or_default();
        let find = parameters.text("find")?.unwrap_or_default().trim().to_lowercase();
        Ok(Self { range, sort, find })
    }
}

impl Listed {
    /// Sorts rows and removes those that were not asked for.
    pub(super) fn select(&self, rows: &mut Vec<UsageRow>) {
        let has = |text: &Option<String>| text.as_ref().is_some_and(|text| text.to_lowercase().contains(&self.find));
        if !self.find.is_empty() {
            rows.retain(|row| has(&row.key) || has(&row.tenant) || has(&row.external_user_id));
        }
        self.sort.sort(rows);
    }

    /// Returns the parameters except the period and the order.
    fn found(&self) -> Query {
        if self.find.is_empty() { Query::new() } else { vec![("find", self.find.clone())] }
    }
}

/// `GET /users`.
pub(super) async fn users(state: State<Arc<Operator>>, asked: Asks<Listed>) -> Result<Html<String>, NoPage> {
    list(By::User, "Users", "/users", &state, asked).await
}

/// `GET /models`.
pub(super) async fn models(state: State<Arc<Operator>>, asked: Asks<Listed>) -> Result<Html<String>, NoPage> {
    list(By::Model, "Models", "/models", &state, asked).await
}

/// `GET /providers`.
pub(super) async fn providers(state: State<Arc<Operator>>, asked: Asks<Listed>) -> Result<Html<String>, NoPage> {
    list(By::Provider, "Providers", "/providers", &state, asked).await
}

/// `GET /apps`.
pub(super) async fn apps(state: State<Arc<Operator>>, asked: Asks<Listed>) -> Result<Html<String>, NoPage> {
    list(By::Key, "Apps and keys", "/apps", &state, asked).await
}

async fn list(
    by: By,
    title: &str,
    path: &str,
    operator: &Operator,
    asked: Asks<Listed>,
) -> Result<Html<String>, NoPage> {
    let Params(asked) = asked?;
    let (period, filter) = (asked.range, asked.range.filter(Timestamp::now()));
    let mut rows = operator.reader()?.usage(by, &filter).await?;
    let is_empty = rows.is_empty();
    asked.select(&mut rows);
    let shown = rows.get(..SHOWN).unwrap_or(&rows);
    let marks = Marks::read(operator, by, shown, (period, &filter)).await?;
    let (found, sort) = (asked.found(), vec![("sort", asked.sort.name().to_owned())]);
    let here = [found.clone(), period.query()].concat();
    let csv = [vec![("by", by.name().to_owned())], here.clone(), sort.clone()].concat();
    let sorted = Some((asked.sort, path, &here));
    let table = Usage { by, period, filter: &filter, depth: Depth::Full, sort: sorted, marks: Some(&marks) };
    let content = html! {
        (heading(&html! { (title) }, &period.picker(path, &[found, sort.clone()].concat())))
        @if is_empty {
            div.empty { p { "No request in " (period.words()) "." } }
        } @else {
            section.card {
                div.card-head {
                    p { (summary(&rows)) " in " (period.words())
                        @if shown.len() < rows.len() { "; the first " (count(shown.len() as u64)) " are shown" } }
                    (search(path, &asked, &[period.query(), sort].concat()))
                    a.button href=(address("/export.csv", &csv)) download { "Download CSV" }
                }
                @if rows.is_empty() { p.none { "No name contains this text." } } @else { (table.table(shown)) }
            }
        }
    };
    Ok(page(title, path, &content))
}

/// Renders the number of rows and their totals.
fn summary(rows: &[UsageRow]) -> Markup {
    let requests = rows.iter().map(|row| row.requests).fold(0, u64::saturating_add);
    let spend = rows.iter().map(UsageRow::total_cost).fold(NanoUsd::ZERO, NanoUsd::saturating_add);
    let lines = if rows.len() == 1 { " line, " } else { " lines, " };
    html! { (count(rows.len() as u64)) (lines) (money(spend)) ", " (count(requests)) " requests" }
}

fn search(path: &str, asked: &Listed, others: &Query) -> Markup {
    html! {
        form.find role="search" action=(path) {
                (zone::field())
            @for (name, value) in others { input type="hidden" name=(name) value=(value); }
            label.hidden for="find-box" { "Part of a name" }
            input #find-box type="search" name="find" value=(asked.find) placeholder="Part of a name" maxlength="512"
                autocomplete="off" spellcheck="false";
            button { "Search" }
        }
    }
}
