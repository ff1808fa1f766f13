//! The page of valves, formats and sources in force, per tenant, with the identifiers of a sample caller.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, Redirect};
use maud::{Markup, html};
use serde_json::Value;

use super::layout::{NoPage, heading, page};
use super::text::{count, here, link, name, name_or};
use crate::answer::ApiError;
use crate::api::{example, formats, sources};
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use crate::view::View;
use callsign_core::identity::Policy;
use callsign_core::identity::caller_identity::{CallerIdentity, Field};
use callsign_telemetry::alerts::{Alert, AlertKind};

/// `GET /settings`: the page.
pub(super) async fn settings(State(operator): State<Arc<Operator>>, of: Asks<Asked>) -> Result<Html<String>, NoPage> {
    let Params(of) = of?;
    let view = operator.view();
    let tenant = of.tenant.as_deref().filter(|name| !name.is_empty());
    let policy = view.tenants.policy_of(tenant)?;
    let content = html! {
        (heading(&html! { "Settings" }, &tenants(&view, tenant)))
        p.lead { "What is in force " @if let Some(tenant) = tenant { "for tenant " (name(tenant)) } @else { "for callers of no tenant" }
            ". It is changed in the configuration; " code { "callsign config" } " says where each value comes from." }
        @if !policy.valves.any() {
            p.alert { strong { "Attribution is off. " } "All valves are closed, so that no identifier of a caller leaves. Open the first by "
                code { "SEND_END_USER_ID=true" } "." }
        }
        div.columns { (valves(policy)) (written(policy)) }
        (shown(policy, tenant))
        (who(&view))
        (alerts(&operator, of.sent))
    };
    Ok(page("Settings", "/settings", &content))
}

/// The query parameters of `GET /settings`.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    tenant: Option<String>,
    /// True after a test of the alerts.
    sent: bool,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { tenant: parameters.text("tenant")?, sent: parameters.text("alert")?.is_some() })
    }
}

/// `POST /alerts/test`: sends a test alert to the webhook.
pub(super) async fn test_alert(State(operator): State<Arc<Operator>>) -> Redirect {
    operator.deps.metrics.alerts.raise(|| Alert::new(AlertKind::Test, ""));
    Redirect::to("/settings?alert=sent")
}

/// Renders whether there are alerts, and a button that tests them.
fn alerts(operator: &Operator, sent: bool) -> Markup {
    html! {
        section.card {
            div.card-head { h2 { "Alerts" } }
            @if sent { p.notice role="status" { "A test is on its way to the webhook. If it does not arrive, the log says why." } }
            @if operator.deps.metrics.alerts.is_on() {
                p { "Budgets, suspensions, requests without a user, collisions and trouble are sent to the webhook." }
                form method="post" action=(here("/alerts/test")) { button { "Send a test" } }
            } @else {
                p { "None. Set " code { "CALLSIGN_ALERT_WEBHOOK" } " to be told of budgets, suspensions and trouble." }
            }
        }
    }
}

fn tenants(view: &View, current: Option<&str>) -> Markup {
    html! {
        @if !view.tenants.list.is_empty() {
            nav.periods aria-label="Tenant" { ul {
                li { a href=(here("/settings")) aria-current=[current.is_none().then_some("true")] { "no tenant" } }
                @for tenant in &view.tenants.list {
                    li { a href=(link("/settings", &[("tenant", &tenant.name)]))
                        aria-current=[(current == Some(&*tenant.name)).then_some("true")] { (name(&tenant.name)) } }
                }
            } }
        }
    }
}

fn valves(policy: &Policy) -> Markup {
    html! {
        section.card {
            div.card-head { h2 { "Valves" } p { "which identifiers may leave" } }
            table {
                caption.hidden { "Valves" }
                thead { tr { th scope="col" { "Setting" } th scope="col" { "State" } } }
                tbody { @for valve in policy.valves.list() {
                    tr { th scope="row" { code { (valve.variable) } }
                        td { @if valve.on { span.state.on { "open" } } @else { span.state { "closed" } } } }
                } }
            }
        }
    }
}

fn written(policy: &Policy) -> Markup {
    html! {
        section.card {
            div.card-head { h2 { "Formats and limits" } p { "how they are written" } }
            div.scroll tabindex="0" role="region" aria-label="Formats and limits" { table {
                caption.hidden { "Formats and limits" }
                thead { tr { th scope="col" { "Setting" } th scope="col" { "Value" } } }
                tbody {
                    @for (setting, format) in formats(policy) { tr { th scope="row" { code { (setting) } } td { code { (format) } } } }
                    tr { th scope="row" { code { "CALLSIGN_MISSING_USER" } } td { code { (policy.missing_user) } } }
                    tr { th scope="row" { code { "CALLSIGN_MAX_ID_CHARS" } } td { code { (count(policy.max_id_chars as u64)) } } }
                }
            } }
        }
    }
}

fn shown(policy: &Policy, tenant: Option<&str>) -> Markup {
    let example = example(policy, tenant);
    let endpoints = example["identifiers"].as_object().cloned().unwrap_or_default();
    let sample = CallerIdentity::SAMPLE;
    html! {
        section.card {
            div.card-head { h2 { "An example" } p { "of a caller made up for showing" } }
            dl.facts {
                @for id in Field::IDS {
                    div { dt { (id.name()) } dd { code { (sample.get(id).unwrap_or_default()) } } }
                }
            }
            @for (endpoint, members) in &endpoints {
                h3 { "sent to " code { (endpoint) } }
                pre tabindex="0" { @match members {
                    Value::Null => "403 user_required",
                    members => (serde_json::to_string_pretty(members).unwrap_or_default()),
                } }
            }
        }
    }
}

fn who(view: &View) -> Markup {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    html! {
        section.card {
            div.card-head { h2 { "Who is let in" } p { "and where their identity is read" } }
            div.scroll tabindex="0" role="region" aria-label="Sources" { table {
                caption.hidden { "Keys, issuers and pass-through" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Kind" } th scope="col" { "Tenant" } th scope="col" { "Identity" }
                    th scope="col" { "State" } } }
                tbody { @for source in sources(view, None) {
                    tr {
                        th scope="row" { (name(&text(&source["name"]))) }
                        td { (text(&source["kind"]).replace('_', " ")) }
                        td { (name_or(source["tenant"].as_str(), "–")) }
                        td { @match source["user"].as_str() {
                            Some(user) => { "user " (name(user)) },
                            None => @for header in source["headers"].as_array().into_iter().flatten() { code { (text(header)) } " " },
                        } }
                        td { @if source["disabled"] == true { span.state { "disabled" } } @else { span.state.on { "in force" } } }
                    }
                } }
            } }
        }
    }
}
