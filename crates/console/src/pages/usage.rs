//! The pages that list usage by user, model and app.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;
use maud::html;

use super::layout::{NoPage, heading, page};
use super::period::Period;
use super::tables::{self, Depth};
use super::text::{count, link};
use crate::answer::ApiError;
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters};
use callsign_store::ledger::query::By;

/// Maximum number of rows on a page. The CSV export has no limit.
const SHOWN: usize = 500;

/// The query parameters of these pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) range: Period,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { range: Period::read(parameters)? })
    }
}

/// `GET /users`.
pub(super) async fn users(state: State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    list(By::User, "Users", "/users", &state, asked?.0.range).await
}

/// `GET /models`.
pub(super) async fn models(state: State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    list(By::Model, "Models", "/models", &state, asked?.0.range).await
}

/// `GET /apps`.
pub(super) async fn apps(state: State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    list(By::Key, "Apps and keys", "/apps", &state, asked?.0.range).await
}

async fn list(by: By, title: &str, path: &str, operator: &Operator, period: Period) -> Result<Html<String>, NoPage> {
    let rows = operator.reader()?.usage(by, &period.filter(Timestamp::now())).await?;
    let shown = rows.get(..SHOWN).unwrap_or(&rows);
    let csv = link("/export.csv", &[("by", by.name()), ("range", period.name())]);
    let content = html! {
        (heading(&html! { (title) }, &period.picker(path, &[])))
        @if rows.is_empty() {
            div.empty { p { "No request in the last " (period.words()) "." } }
        } @else {
            section.card {
                div.card-head {
                    p { (count(rows.len() as u64)) @if rows.len() == 1 { " line" } @else { " lines" }
                        " in the last " (period.words())
                        @if shown.len() < rows.len() { ", of which the first " (count(shown.len() as u64)) " are shown" } }
                    a.button href=(csv) download { "Download CSV" }
                }
                (tables::usage(by, shown, period, Depth::Full))
            }
        }
    };
    Ok(page(title, path, &content))
}
