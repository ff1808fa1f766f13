//! The page of costs that are not known yet, and the button that fetches them now (docs/SPEC.md#console).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, Redirect};
use maud::{Markup, html};

use super::layout::{NoPage, heading, page};
use super::text::{count, here, link};
use crate::answer::ApiError;
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use crate::reconcile::{ReconcileError, Reconciled};
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::report::usd;

/// The query parameters of `GET /costs`: the result of the button, if it was pressed.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    done: Option<Reconciled>,
    is_busy: bool,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let mut number = |name| parameters.parsed(name, |text| text.parse::<u64>().map_err(|_| "takes a number"));
        let added = number("added")?;
        let cost = number("nano_usd")?.and_then(|nano| i64::try_from(nano).ok()).map_or(NanoUsd::ZERO, NanoUsd);
        let [never, not_there, no_key, failed, left] =
            [number("never")?, number("not_there")?, number("no_key")?, number("failed")?, number("left")?]
                .map(Option::unwrap_or_default);
        let done = added.map(|added| Reconciled { added, cost, never, not_there, no_key, failed, left });
        Ok(Self { done, is_busy: parameters.text("busy")?.is_some() })
    }
}

/// `GET /costs`: the page.
pub(super) async fn costs(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    let Params(Asked { done, is_busy }) = asked?;
    let (pending, never) = operator.reader()?.unpriced().await?;
    let content = html! {
        (heading(&html! { "Costs" }, &html! {}))
        @if is_busy { p.notice role="status" { (ReconcileError::Busy) "." } }
        @if let Some(done) = done { (notice(&done)) }
        section.card {
            div.card-head { h2 { "Requests without a cost" } }
            p { (count(pending)) " wait for their cost, " (count(never)) " never get one." }
            p { "The costs of cancelled and broken streams come from OpenRouter's generation records. callsign fetches them by itself, "
                "at most five a second on all nodes together." }
            @if operator.deps.reconcile.is_some() {
                form method="post" action=(here("/costs/reconcile")) { button { "Fetch costs now" } }
                p.hint { "Takes ten seconds at most. " code { "callsign reconcile" } " fetches all." }
            }
        }
    };
    Ok(page("Costs", "/", &content))
}

/// `POST /costs/reconcile`: fetches costs for some seconds.
pub(super) async fn reconcile(State(operator): State<Arc<Operator>>) -> Result<Redirect, NoPage> {
    let Some(reconcile) = &operator.deps.reconcile else { return Err(NoPage::from(ApiError::NoRoute)) };
    let done = match (reconcile.0)().await {
        Ok(done) => done,
        Err(ReconcileError::Busy) => return Ok(Redirect::to("/costs?busy=1")),
        Err(ReconcileError::Ledger(error)) => return Err(NoPage::from(error)),
        Err(ReconcileError::Client(reason)) => return Err(NoPage::from(ApiError::Invalid(reason))),
    };
    tracing::info!(added = done.added, failed = done.failed, left = done.left, "console: fetched costs");
    let numbers = [
        ("added", done.added),
        ("nano_usd", u64::try_from(done.cost.0).unwrap_or_default()),
        ("never", done.never),
        ("not_there", done.not_there),
        ("no_key", done.no_key),
        ("failed", done.failed),
        ("left", done.left),
    ];
    let numbers: Vec<_> = numbers.iter().map(|(name, number)| (*name, number.to_string())).collect();
    let query: Vec<_> = numbers.iter().map(|(name, number)| (*name, number.as_str())).collect();
    Ok(Redirect::to(&link("/costs", &query)))
}

/// Renders the result.
fn notice(done: &Reconciled) -> Markup {
    let others = [
        (done.never, "will never have one"),
        (done.not_there, "have no record at OpenRouter yet"),
        (done.no_key, "are of accounts whose keys are not configured"),
        (done.failed, "could not be looked up: see the log"),
        (done.left, "were left for want of time"),
    ];
    html! {
        p.notice role="status" {
            (count(done.added)) " costs added, $" (usd(done.cost)) " in all."
            @for (number, words) in others { @if number > 0 { " " (count(number)) " " (words) "." } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notice_names_what_is_left() {
        let done = Reconciled { added: 2, cost: NanoUsd(1_500_000_000), left: 1_200, ..Reconciled::default() };
        let shown = notice(&done).into_string();
        assert!(shown.contains("2 costs added, $1.5 in all. 1,200 were left for want of time."), "{shown}");
    }
}
