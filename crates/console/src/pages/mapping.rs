//! The page of the user mapping: mapped users, colliding users, and omitted identifiers with their reasons.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

use super::layout::{NoPage, heading, page, tile};
use super::period::Period;
use super::tables::person;
use super::text::{count, link, moment, name, name_or};
use crate::answer::ApiError;
use crate::api::{collided, success_rate, unmapped};
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use crate::view::View;
use callsign_store::ledger::query::{Mapping, Statistics};

/// Maximum number of users on one page.
const SHOWN: u32 = 100;

/// The query parameters of `GET /mapping`: the last user of the previous page.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    after: Option<String>,
    tenant: Option<String>,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { after: parameters.text("after")?, tenant: parameters.text("tenant")? })
    }
}

/// `GET /mapping`: the page.
pub(super) async fn mapping(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    let Params(asked) = asked?;
    let reader = operator.reader()?;
    let statistics = reader.statistics().await?;
    let after = match &asked.after {
        Some(user) => Some(operator.person(user, asked.tenant.as_deref()).await?),
        None => None,
    };
    let users = reader.mappings(after.as_ref(), SHOWN).await?;
    let omitted = operator.deps.metrics.omitted.by_reason();
    let content = html! {
        (heading(&html! { "Mapping" }, &html! {}))
        (tiles(&statistics))
        @if !statistics.collisions.is_empty() { (collisions(&statistics)) }
        (left_out(&omitted))
        section.card {
            div.card-head { h2 { "Users" } p { "in order of tenant and id" } }
            @if users.is_empty() { p.none { @if after.is_some() { "No more." } @else { "No user has been seen yet." } } }
            @else { (table(&operator.view(), &users)) }
            @if let Some(last) = users.last().filter(|_| users.len() >= SHOWN as usize) {
                p.more { a href=(link("/mapping", &[("after", &last.user), ("tenant", last.tenant.as_deref().unwrap_or_default())])) {
                    "Next " (SHOWN) " users"
                } }
            }
        }
    };
    Ok(page("Mapping", "/mapping", &content))
}

fn tiles(statistics: &Statistics) -> Markup {
    let rate = format!("{:.1}\u{202f}%", success_rate(statistics));
    html! {
        dl.tiles {
            (tile("Users seen", &count(statistics.users), &html! { "since the ledger began" }))
            (tile("Mapped", &count(statistics.mapped), &html! { (rate) " of users" }))
            (tile("No identifier sent", &count(statistics.unmapped), &html! { "in the user's latest request" }))
            (tile("Identifiers", &count(statistics.distinct), &html! { "different ones sent for users" }))
            (tile("Collisions", &count(statistics.collisions.len() as u64), &html! {
                @if statistics.collisions.is_empty() { "everybody can be told apart" } @else { span.bad { "users cannot be told apart" } }
            }))
        }
    }
}

fn collisions(statistics: &Statistics) -> Markup {
    html! {
        section.alert role="alert" {
            h2 { "Identifiers collide" }
            p { "Each of these stands for several users: their spend, limits and blocks at OpenRouter run together. Give "
                code { "USER_ID_FORMAT" } " more digits." }
            ul { @for collision in &statistics.collisions { li { (callsign_core::visible::printable(&collided(collision))) } } }
        }
    }
}

fn left_out(omitted: &[(&'static str, u64)]) -> Markup {
    let why = |reason: &str| match reason {
        "no_source" => "The caller brought nothing for it",
        "too_long" => "Longer than OpenRouter may be given; an identifier is never cut",
        "invalid" => "OpenRouter would refuse this pair of metadata",
        "too_many_pairs" => "There were sixteen pairs of metadata already",
        _ => "",
    };
    let some: Vec<_> = omitted.iter().filter(|(_, number)| *number > 0).collect();
    html! {
        section.card {
            div.card-head { h2 { "Left out" } p { "identifiers whose valve is open, since the start" } }
            @if some.is_empty() { p.none { "None." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Identifiers left out" {
                    table {
                        caption.hidden { "Identifiers left out, by reason" }
                        thead { tr { th scope="col" { "Reason" } th scope="col" { "Meaning" } th.number scope="col" { "Identifiers" } } }
                        tbody { @for (reason, number) in some {
                            tr { th scope="row" { code { (reason) } } td { (why(reason)) } td.number { (count(*number)) } }
                        } }
                    }
                }
            }
        }
    }
}

fn table(view: &View, users: &[Mapping]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Users and their identifiers" {
            table {
                caption.hidden { "Users and the identifiers that were sent for them last" }
                thead { tr {
                    th scope="col" { "User" } th scope="col" { "Tenant" } th scope="col" { "Sent as" }
                    th.number scope="col" { "Requests" } th scope="col" { "Last seen" }
                } }
                tbody { @for user in users {
                    tr {
                        th scope="row" { a href=(person(&user.user, user.tenant.as_deref(), Period::default())) { (name(&user.user)) } }
                        td { (name_or(user.tenant.as_deref(), "–")) }
                        td { @match unmapped(view, user) {
                            Some(reason) => span.none { "not sent: " (reason) },
                            None => (name_or(user.external_user_id.as_deref(), "")),
                        } }
                        td.number { (count(user.requests)) }
                        td { (moment(user.last_seen)) }
                    }
                } }
            }
        }
    }
}
