//! The markup of `/callsign/me`.

use callsign_core::visible::printable;
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

/// The style sheet.
pub(super) const STYLE: &str = include_str!("style.css");

/// Renders the form that asks for a key.
pub(super) fn form(problem: Option<&str>) -> String {
    document(&html! {
        h1 { "Your usage" }
        @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
        form method="post" action="me" {
            label for="key" { "Your key or token" }
            input #key type="password" name="key" autocomplete="off" spellcheck="false" maxlength="12000" required;
            button { "Show" }
        }
        p.note { "The key is sent to this server only, and not kept: the next page asks again." }
    })
}

/// Renders what `/callsign/v1/me` says.
pub(super) fn shown(said: &Value) -> String {
    let user = said.get("user").and_then(Value::as_str);
    document(&html! {
        h1 { @match user { Some(user) => { "Usage of " bdi { (printable(user)) } }, None => "Your usage" } }
        dl {
            dt { "Key" } dd { (text(said.get("key"))) }
            @if said.get("tenant").is_some_and(|tenant| !tenant.is_null()) { dt { "Tenant" } dd { (text(said.get("tenant"))) } }
        }
        @if user.is_none() { p.note { "This key names no user, so there is no usage of a single person to show." } }
        (usage(said.get("usage")))
        (limits(said.get("limits")))
        (identifiers(said.get("identifiers")))
        (recent(said.get("recent")))
        p { a href="me" { "Close" } }
    })
}

fn document(content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { "Your usage · callsign" }
                link rel="stylesheet" href="me.css";
            }
            body { main { (content) } }
        }
    };
    page.into_string()
}

/// Renders a value; a dash for none.
fn text(value: Option<&Value>) -> Markup {
    html! {
        @match value {
            None | Some(Value::Null) => "–",
            Some(Value::String(text)) => bdi { (printable(text)) },
            Some(other) => (printable(&other.to_string())),
        }
    }
}

fn usage(usage: Option<&Value>) -> Markup {
    let Some(usage) = usage.filter(|usage| usage.is_object()) else { return html! {} };
    let rows = [
        ("requests", "Requests"),
        ("errors", "Errors"),
        ("cost_usd", "Cost in USD"),
        ("prompt_tokens", "Prompt tokens"),
        ("cached_tokens", "Cached tokens"),
        ("completion_tokens", "Completion tokens"),
        ("reasoning_tokens", "Reasoning tokens"),
        ("last_seen", "Latest request (UTC)"),
    ];
    html! {
        h2 { "In all" }
        table {
            caption { "Usage" }
            tbody { @for (name, label) in rows { tr { th scope="row" { (label) } td { (text(usage.get(name))) } } } }
        }
    }
}

fn limits(limits: Option<&Value>) -> Markup {
    let Some(limits) = limits.and_then(Value::as_object) else {
        return html! { h2 { "Limits" } p.note { "The limits cannot be read now." } };
    };
    html! {
        h2 { "Limits" }
        @if limits.is_empty() { p.note { "You have none." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Limits" { table {
                caption { "Limits" }
                thead { tr {
                    th scope="col" { "Limit" } th scope="col" { "Used" } th scope="col" { "of" } th scope="col" { "Left" }
                    th scope="col" { "Comes back in" }
                } }
                tbody { @for (name, limit) in limits { tr {
                    th scope="row" { (printable(name)) }
                    td { (text(limit.get("used"))) } td { (text(limit.get("limit"))) } td { (text(limit.get("remaining"))) }
                    td { (seconds(limit.get("reset_seconds"))) }
                } } }
            } }
        }
    }
}

/// Formats seconds for people.
fn seconds(value: Option<&Value>) -> String {
    match value.and_then(Value::as_u64) {
        None | Some(0) => "–".to_owned(),
        Some(seconds @ 1..120) => format!("{seconds} s"),
        Some(seconds @ 120..7_200) => format!("{} min", seconds / 60),
        Some(seconds @ 7_200..172_800) => format!("{} h", seconds / 3_600),
        Some(seconds) => format!("{} days", seconds / 86_400),
    }
}

/// Renders what is sent for the caller with a chat request.
fn identifiers(identifiers: Option<&Value>) -> Markup {
    let sent = identifiers.and_then(|all| all.get("chat/completions")).and_then(Value::as_object);
    let mut rows = Vec::new();
    for (name, value) in sent.into_iter().flatten() {
        match value.as_object() {
            Some(nested) => rows.extend(nested.iter().map(|(inner, value)| (format!("{name}.{inner}"), value))),
            None => rows.push((name.clone(), value)),
        }
    }
    html! {
        h2 { "Sent to OpenRouter about you" }
        @if rows.is_empty() { p.note { "Nothing." } } @else {
            table {
                caption { "Identifiers with a chat request" }
                tbody { @for (name, value) in rows { tr { th scope="row" { code { (printable(&name)) } } td { (text(Some(value))) } } } }
            }
        }
    }
}

fn recent(recent: Option<&Value>) -> Markup {
    let Some(requests) = recent.and_then(Value::as_array) else { return html! {} };
    html! {
        h2 { "Latest requests" }
        @if requests.is_empty() { p.note { "None yet." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Latest requests" { table {
                caption { "Latest requests" }
                thead { tr {
                    th scope="col" { "Began (UTC)" } th scope="col" { "Model" } th scope="col" { "Status" }
                    th scope="col" { "Tokens in" } th scope="col" { "out" } th scope="col" { "USD" } th scope="col" { "Request id" }
                } }
                tbody { @for request in requests { tr {
                    @for name in ["began", "model", "status", "prompt_tokens", "completion_tokens", "cost_usd"] {
                        td { (text(request.get(name))) }
                    }
                    td { code { (text(request.get("request_id"))) } }
                } } }
            } }
        }
    }
}
