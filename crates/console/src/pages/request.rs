//! The page of one request: what it cost, where its time went, who it was for, and what OpenRouter was told.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

use super::layout::{NoPage, heading, page, tile};
use super::period::Period;
use super::requests::{cost, ending, table};
use super::tables::person;
use super::text::{count, duration, link, name, short};
use super::zone;
use crate::answer::ApiError;
use crate::operator::Operator;
use crate::parameters::{Asks, FromParameters, Parameters, Params};
use callsign_core::error_code::ErrorCode;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::usage::judgement::Bill;
use callsign_core::visible::printable;
use callsign_store::archive::path::Named;
use callsign_store::archive::reader;
use callsign_store::ledger::query::StoredRequest;
use callsign_store::ledger::report::usd;

/// Width of the bar of times in units of the drawing.
const WIDTH: u64 = 1_000;

/// The query parameters of `GET /request`.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    id: String,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { id: parameters.needed("id", "a request id or a generation id")? })
    }
}

/// `GET /request`: the page.
pub(super) async fn request(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    let Params(Asked { id }) = asked?;
    let found = operator.reader()?.request(&id).await?;
    let (request, others) = found.split_first().ok_or(ApiError::NoRequest)?;
    let archive = archive_of(&operator, request).await;
    let content = html! {
        (heading(&html! { "Request " (name(&request.begun.id.to_string())) }, &html! {}))
        (tiles(request))
        (times(request))
        div.columns { (caller(request)) (told(request)) (answer(request)) (amounts(request)) (archived(archive.as_ref())) }
        @if !others.is_empty() {
            section.card { div.card-head { h2 { "Other requests of this generation" } } (table(others, true)) }
        }
    };
    Ok(page("Request", "/requests", &content))
}

/// The archive of a request.
enum Archived {
    /// Its path below the archive's directory.
    At(String),
    /// There is none under the formats in force.
    Nowhere,
    /// The directory cannot be read.
    Unreadable,
}

/// Finds the archive of a request; `None` if the archive is off. The search takes one folder.
async fn archive_of(operator: &Operator, request: &StoredRequest) -> Option<Archived> {
    let place = operator.deps.archive.clone()?;
    let labels = &request.begun.labels;
    let identity = CallerIdentity {
        tenant: labels.tenant.as_deref(),
        key: &labels.key,
        user: labels.user.as_deref(),
        session: labels.session.as_deref(),
        chat: labels.chat.as_deref(),
        message: labels.message.as_deref(),
        ..CallerIdentity::default()
    };
    let rendered = operator.view().tenants.policy_of(identity.tenant).ok()?.render_ids(&identity);
    let (tenant, id) = (labels.tenant.clone(), request.begun.id.to_string());
    let stand_in = request.generation.as_deref().map_or_else(|| id.clone(), str::to_owned);
    let search = move || {
        let named = Named {
            tenant: tenant.as_deref(),
            user: rendered.user.as_deref(),
            chat: rendered.chat.as_deref().unwrap_or(&stand_in),
            message: rendered.message.as_deref().unwrap_or(&stand_in),
        };
        let found = reader::of_request(&place, named, &id)?;
        Ok(found.map(|path| path.strip_prefix(&place.directory).unwrap_or(&path).display().to_string()))
    };
    let found: std::io::Result<_> = tokio::task::spawn_blocking(search).await.unwrap_or(Ok(None));
    Some(match found {
        Ok(Some(path)) => Archived::At(path),
        Ok(None) => Archived::Nowhere,
        Err(_) => Archived::Unreadable,
    })
}

/// Renders where the request is archived. The page shows nothing of its content.
fn archived(archive: Option<&Archived>) -> Markup {
    let Some(archive) = archive else { return html! {} };
    let rows = match archive {
        Archived::At(path) => [
            ("File", Some(html! { code { (printable(path)) } })),
            ("Read it with", Some(html! { code { "callsign archive show " (printable(path)) } })),
        ],
        Archived::Nowhere => [("File", Some(html! { span.none { "none under the formats in force" } })), ("", None)],
        Archived::Unreadable => {
            [("File", Some(html! { span.bad { "the archive's directory cannot be read" } })), ("", None)]
        }
    };
    facts("Archive", &rows)
}

fn tiles(request: &StoredRequest) -> Markup {
    let end = request.ended.as_ref();
    let usage = end.map(|end| end.usage).unwrap_or_default();
    let time = |us: Option<u64>| us.map_or_else(|| "–".to_owned(), duration);
    let spent = match usage.total_cost() {
        Some(cost) => format!("${}", usd(cost)),
        None if request.bill() == Bill::Free => "$0".to_owned(),
        None => "–".to_owned(),
    };
    let status = end.map_or_else(|| "running".to_owned(), |end| end.status.to_string());
    let (prompt, completion) = (usage.prompt_tokens.unwrap_or(0), usage.completion_tokens.unwrap_or(0));
    let began = jiff::Timestamp::from_microsecond(request.begun.began_us).unwrap_or_default();
    html! {
        dl.tiles {
            (tile(&format!("Began ({})", zone::name()), &zone::clock(began, "%H:%M:%S"), &html! { (zone::clock(began, "%Y-%m-%d")) }))
            (tile("Status", &status, &html! { (request.ending().unwrap_or("not ended").replace('_', " ")) }))
            (tile("Cost", &spent, &html! { @if usage.total_cost().is_none() { (cost(request)) } @else { "in USD" } }))
            (tile("First output", &time(end.and_then(|end| end.first_output_us)), &html! { "head after " (time(end.and_then(|end| end.head_us))) }))
            (tile("Duration", &time(end.map(|end| end.duration_us)), &html! { "to the end of the answer" }))
            (tile("Tokens", &short(prompt + completion), &html! { (count(prompt)) " in, " (count(completion)) " out" }))
        }
    }
}

/// Renders where the time went: until the head, until the first output, until the end.
fn times(request: &StoredRequest) -> Markup {
    let Some(end) = request.ended.as_ref().filter(|end| end.duration_us > 0) else { return html! {} };
    let whole = end.duration_us;
    let head = end.head_us.unwrap_or(whole).min(whole);
    let output = end.first_output_us.unwrap_or(head).clamp(head, whole);
    let parts = [
        ("until the head", "second", 0, head),
        ("until the first output", "third", head, output),
        ("until the end", "first", output, whole),
    ];
    let scaled = |us: u64| u64::try_from(u128::from(us) * u128::from(WIDTH) / u128::from(whole)).unwrap_or(WIDTH);
    html! {
        figure.chart.times {
            figcaption { h2 { "Time" } p.total { (duration(whole)) } }
            svg viewBox={ "0 0 " (WIDTH) " 20" } preserveAspectRatio="none" role="img" aria-labelledby="times-title times-told" {
                title #times-title { "Time" }
                desc #times-told { @for (name, _, from, to) in parts { (name) ": " (duration(to - from)) ". " } }
                @for (name, class, from, to) in parts {
                    rect.(class) x=(scaled(from)) width=(scaled(to) - scaled(from)) height="20" {
                        title { (name) ": " (duration(to - from)) }
                    }
                }
            }
            ul.legend { @for (name, class, from, to) in parts {
                li { span.swatch.(class) {} (name) " " (duration(to - from)) }
            } }
        }
    }
}

/// Renders a table of names and values. Rows without a value are left out.
fn facts(title: &str, rows: &[(&str, Option<Markup>)]) -> Markup {
    html! {
        section.card {
            div.card-head { h2 { (title) } }
            table {
                caption.hidden { (title) }
                tbody { @for (name, value) in rows {
                    @if let Some(value) = value { tr { th scope="row" { (name) } td { (value) } } }
                } }
            }
        }
    }
}

fn caller(request: &StoredRequest) -> Markup {
    let labels = &request.begun.labels;
    let text = |value: Option<&str>| value.map(name);
    let user = html! {
        @if let Some(user) = labels.user.as_deref() {
            a href=(person(user, labels.tenant.as_deref(), Period::default())) { (name(user)) }
        } @else {
            span.none { "Unattributed: the caller named no user" }
        }
    };
    facts(
        "Caller",
        &[
            ("User", Some(user)),
            ("Tenant", text(labels.tenant.as_deref())),
            ("App or key", text(Some(&labels.key))),
            ("Session", text(labels.session.as_deref())),
            ("Chat", text(labels.chat.as_deref())),
            ("Message", text(labels.message.as_deref())),
        ],
    )
}

fn told(request: &StoredRequest) -> Markup {
    let sent = &request.begun.sent;
    let id = |value: &Option<callsign_store::ledger::Name>| {
        value.as_deref().map(|value| html! { a href=(link("/whois", &[("id", value)])) { (name(value)) } })
    };
    let nothing = sent.user.is_none().then(|| html! { span.bad { "nothing" } });
    let was_refused = request.ending() == Some("refused");
    facts(
        if was_refused { "What OpenRouter would have been told" } else { "What OpenRouter was told" },
        &[
            ("user", id(&sent.user).or(nothing)),
            ("session_id", id(&sent.session)),
            ("metadata.session_id", id(&sent.metadata_session)),
            ("metadata.chat_id", id(&sent.chat)),
            ("metadata.message_id", id(&sent.message)),
        ],
    )
}

fn answer(request: &StoredRequest) -> Markup {
    let end = request.ended.as_ref();
    let text = |value: Option<&str>| value.map(name);
    let cause = |code: &str| ErrorCode::find(code).map(|code| code.row().cause);
    let error = end.and_then(|end| end.error.as_deref()).map(|error| {
        html! { span.bad { (name(error)) } @if let Some(cause) = cause(error) { br; small { (cause) } } }
    });
    facts(
        "Answer",
        &[
            ("Endpoint", text(Some(&request.begun.endpoint))),
            ("Requested model", text(end.and_then(|end| end.requested_model.as_deref()))),
            ("Model", text(end.and_then(|end| end.model.as_deref()))),
            ("Provider", text(end.and_then(|end| end.provider.as_deref()))),
            ("Generation", text(request.generation.as_deref())),
            ("Ending", Some(ending(request))),
            ("Error", error),
            ("Limit that refused it", text(end.and_then(|end| end.limit.as_deref()))),
            ("Equal refusals of this minute", (request.count > 1).then(|| html! { (count(request.count)) })),
            ("Request", end.map(|end| html! { (count(end.request_bytes)) " bytes" })),
            ("Response", end.map(|end| html! { (count(end.response_bytes)) " bytes" })),
        ],
    )
}

fn amounts(request: &StoredRequest) -> Markup {
    let usage = request.ended.as_ref().map(|end| end.usage).unwrap_or_default();
    let tokens = |number: Option<u64>| number.map(|number| html! { (count(number)) });
    let money = |amount: Option<_>| amount.map(|amount| html! { "$" (usd(amount)) });
    facts(
        "Tokens and cost",
        &[
            ("Prompt", tokens(usage.prompt_tokens)),
            ("Cached", tokens(usage.cached_tokens)),
            ("Written to a cache", tokens(usage.cache_write_tokens)),
            ("Completion", tokens(usage.completion_tokens)),
            ("Reasoning", tokens(usage.reasoning_tokens)),
            ("Charged by OpenRouter", money(usage.cost)),
            ("Billed by the provider", money(usage.provider_cost)),
            ("Server tools", money(usage.server_tool_cost)),
            ("Cost", Some(cost(request))),
        ],
    )
}
