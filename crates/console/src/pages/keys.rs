//! The pages of keys in the database: list, create, rotate and revoke (docs/SPEC.md#database-keys).
//!
//! A new key is on the page that answers the form, which browsers do not store. No address and no other page has it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Redirect};
use maud::{Markup, html};

use super::actions::Done;
use super::layout::{NoPage, heading, page};
use super::text::{count, here, link, moment, name, name_or};
use super::zone;
use crate::answer::ApiError;
use crate::api::keys::ceiling;
use crate::operator::Operator;
use crate::parameters::{Asks, Form, FromParameters, Parameters, Params, span};
use crate::roles::Caller;
use callsign_core::allowance::{Ceiling, Limit};
use callsign_store::limits::keys::list::{KeyState, ListedKey, keys_csv};
use callsign_store::limits::orders::key::{Create, For, KeyOrderError, NewKey};

/// Maximum number of keys on the page. The CSV file has all.
const SHOWN: usize = 300;
/// The times until the end of a new key: value and name.
const ENDS: [(&str, &str); 4] = [("90d", "90 days"), ("30d", "30 days"), ("365d", "1 year"), ("", "does not end")];
/// The times for which the earlier key stays valid: value and name.
const OVERLAPS: [(&str, &str); 4] = [("24h", "1 day"), ("7d", "7 days"), ("30d", "30 days"), ("0s", "end it now")];

/// The query parameters of `GET /keys`.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    find: Option<String>,
    done: Option<Done>,
}

impl FromParameters for Asked {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        parameters.drop_empty();
        Ok(Self { find: parameters.text("find")?, done: parameters.parsed("done", Done::parse)? })
    }
}

/// `GET /keys`: the list, and the form for a new key.
pub(super) async fn keys(State(operator): State<Arc<Operator>>, asked: Asks<Asked>) -> Result<Html<String>, NoPage> {
    let Params(Asked { find, done }) = asked?;
    let state = operator.deps.limiter.operator_state();
    let mut keys = state.listed_keys();
    if let Some(find) = &find {
        keys.retain(|key| is_found(key, find.trim()));
    }
    let content = html! {
        (heading(&html! { "Keys" }, &html! {}))
        @if let Some(done) = done { (done.notice()) }
        @if state.keys().seal().is_none() {
            p.alert { "Keys in the database need " code { "CALLSIGN_ID_SECRET" } ", which seals their rows." }
        } @else { (create_form(&operator)) }
        section.card {
            div.card-head {
                h2 { "Keys in the database" }
                p { (count(keys.len() as u64)) @if keys.len() > SHOWN { ", the first " (count(SHOWN as u64)) " are shown" }
                    ". Configured keys are on " a href=(here("/settings")) { "Settings" } "." }
                a.button href=(here("/keys.csv")) download { "Download CSV" }
            }
            form.search action="/keys" {
                (zone::field())
                label.hidden for="find-key" { "Name or user" }
                input #find-key type="search" name="find" value=(find.as_deref().unwrap_or_default()) placeholder="Name or user…" autocomplete="off";
                button { "Filter" }
            }
            @if keys.is_empty() { p.none { "None." } } @else { (table(keys.get(..SHOWN).unwrap_or(&keys))) }
        }
    };
    Ok(page("Keys", "/keys", &content))
}

/// Returns true if the name or the user contains the text.
fn is_found(key: &ListedKey, text: &str) -> bool {
    key.row.name.contains(text) || key.row.holder.user.as_deref().is_some_and(|user| user.contains(text))
}

/// `GET /keys.csv`: all keys.
pub(super) async fn csv(State(operator): State<Arc<Operator>>, asked: Asks<()>) -> Result<Response<Body>, NoPage> {
    let Params(()) = asked?;
    let keys = operator.deps.limiter.operator_state().listed_keys();
    let disposition = "attachment; filename=\"callsign-keys.csv\"";
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, disposition)];
    Ok((headers, keys_csv(&keys)).into_response())
}

/// The key that a page is about.
#[derive(Clone, Debug)]
pub(super) struct Named(String);

impl FromParameters for Named {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self(parameters.needed("name", "the key's name")?))
    }
}

/// `GET /keys/key`: one key, with the forms that rotate and revoke it.
pub(super) async fn key(State(operator): State<Arc<Operator>>, asked: Asks<Named>) -> Result<Html<String>, NoPage> {
    let Params(Named(wanted)) = asked?;
    let mut keys = operator.deps.limiter.operator_state().listed_keys();
    keys.retain(|key| key.row.name == wanted);
    if keys.is_empty() {
        return Err(NoPage::from(ApiError::NoKey));
    }
    let content = html! {
        (heading(&html! { "Key " (name(&wanted)) }, &html! {}))
        section.card { (table(&keys)) }
        div.columns {
            form.card method="post" action=(here("/keys/rotate")) {
                h2 { "Rotate" }
                p { "A new key replaces this one, with the same name, limits and end." }
                input type="hidden" name="name" value=(wanted);
                label { span { "The earlier key stays valid for" } select name="overlap" {
                    @for (value, name) in OVERLAPS { option value=(value) { (name) } }
                } }
                button { "Rotate" }
            }
            form.card method="post" action=(here("/keys/revoke")) {
                h2 { "Revoke" }
                p { "Every server refuses the key within a second. It cannot be undone." }
                input type="hidden" name="name" value=(wanted);
                label.check { input type="checkbox" name="cut" value="1"; span { "End running answers too" } }
                label.check { input type="checkbox" name="confirm" value="1" required; span { "Revoke this key for good" } }
                button.danger { "Revoke" }
            }
        }
        p { a href=(here("/keys")) { "All keys" } }
    };
    Ok(page("Key", "/keys", &content))
}

/// The form for a new key.
#[derive(Clone, Debug)]
pub(super) struct CreateForm {
    of: For,
    name: Option<String>,
    tenant: Option<String>,
    expires: Option<Duration>,
    limits: Vec<(Limit, Ceiling)>,
}

impl FromParameters for CreateForm {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        parameters.drop_empty();
        let kind = parameters.text("kind")?.unwrap_or_default();
        let missing = || ApiError::Invalid("holder is missing".to_owned());
        let holder = parameters.text("holder")?.ok_or_else(missing)?;
        let preset = parameters.text("preset")?;
        let of = match kind.as_str() {
            "user" => For::User(holder),
            "app" => For::App(holder, preset),
            _ => return Err(ApiError::Invalid("kind takes user or app".to_owned())),
        };
        let expires = parameters.parsed("expires", span)?;
        let limit = parameters.text("limit")?;
        let value = parameters.text("value")?;
        let limits = match (limit, value) {
            (Some(limit), Some(value)) => vec![ceiling(&limit, value.trim())?],
            _ => Vec::new(),
        };
        Ok(Self { of, name: parameters.text("name")?, tenant: parameters.text("tenant")?, expires, limits })
    }
}

/// `POST /keys`: creates a key, and shows it.
pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    form: Result<Form<CreateForm>, ApiError>,
) -> Result<Html<String>, NoPage> {
    let Form(CreateForm { of, name, tenant, expires, limits }) = form?;
    let by = caller.name().to_owned();
    let order = Create { of, name, tenant, expires, limits, from: Vec::new(), by };
    let (new, told) = operator.create_key(order).await.map_err(ApiError::from)?;
    tracing::info!("console: created a key");
    Ok(shown(&new, Done::told(&told)))
}

/// The form that rotates a key.
#[derive(Clone, Debug)]
pub(super) struct RotateForm {
    name: String,
    overlap: Duration,
}

impl FromParameters for RotateForm {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let Named(name) = Named::read(parameters)?;
        let missing = || ApiError::Invalid("overlap is missing".to_owned());
        Ok(Self { name, overlap: parameters.parsed("overlap", span)?.ok_or_else(missing)? })
    }
}

/// `POST /keys/rotate`: replaces a key, and shows the new one.
pub(super) async fn rotate(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    form: Result<Form<RotateForm>, ApiError>,
) -> Result<Html<String>, NoPage> {
    let Form(RotateForm { name, overlap }) = form?;
    let (new, told) = operator.rotate_key(&name, overlap, caller.name()).await.map_err(ApiError::from)?;
    tracing::info!("console: rotated a key");
    Ok(shown(&new, Done::told(&told)))
}

/// The form that revokes a key.
#[derive(Clone, Debug)]
pub(super) struct RevokeForm {
    name: String,
    cut: bool,
}

impl FromParameters for RevokeForm {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let Named(name) = Named::read(parameters)?;
        let cut = parameters.text("cut")?.is_some();
        if parameters.text("confirm")?.is_none() {
            return Err(ApiError::Invalid("nothing is revoked: confirm is missing".to_owned()));
        }
        Ok(Self { name, cut })
    }
}

/// `POST /keys/revoke`: revokes a key.
pub(super) async fn revoke(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    form: Result<Form<RevokeForm>, ApiError>,
) -> Result<Redirect, NoPage> {
    let Form(RevokeForm { name, cut }) = form?;
    let state = operator.deps.limiter.operator_state();
    let revoked = state.revoke_key(&name, cut, caller.name());
    let generation = revoked.map_err(|error| ApiError::from(KeyOrderError::from(error)))?;
    tracing::info!(cut, "console: revoked a key");
    Ok(Redirect::to(&link("/keys", &[("done", Done::of(&operator, generation).await.name())])))
}

/// Renders the page with a new key, and with a notice unless every running server applies it.
fn shown(new: &NewKey, done: Done) -> Html<String> {
    let content = html! {
        (heading(&html! { "New key for " (name(&new.row.name)) }, &html! {}))
        p.notice role="status" { "This is the only time that the key is shown. Copy it now." }
        @if done != Done::Applied { (done.notice()) }
        section.card {
            label { span { "Key " } input.key readonly value=(new.key.expose()) autocomplete="off" spellcheck="false"; }
            p { @match new.row.expires { Some(end) => { "It ends at " (moment(end)) "." } None => "It does not end." } }
        }
        p { a href=(here("/keys")) { "All keys" } }
    };
    page("New key", "/keys", &content)
}

fn create_form(operator: &Operator) -> Markup {
    let view = operator.view();
    html! {
        details.act {
            summary { "Create a key" }
            form.card method="post" action=(here("/keys")) {
                label { span { "For" } select name="kind" { option value="user" { "one user" } option value="app" { "an app that names its users" } } }
                label { span { "User id, or the app's name" } input name="holder" required maxlength="512" autocomplete="off"; }
                label { span { "Headers of the app" } select name="preset" {
                    option value="" { "generic" }
                    @for preset in view.callers.named_presets().keys().filter(|name| *name != "generic") { option value=(preset) { (preset) } }
                } }
                label { span { "Name of the key, by default the same" } input name="name" maxlength="256" autocomplete="off"; }
                @if !view.tenants.list.is_empty() {
                    label { span { "Tenant" } select name="tenant" {
                        option value="" { "none" }
                        @for tenant in &view.tenants.list { option value=(tenant.name) { (tenant.name) } }
                    } }
                }
                label { span { "It ends after" } select name="expires" { @for (value, name) in ENDS { option value=(value) { (name) } } } }
                label { span { "Limit of each caller" } select name="limit" {
                    option value="" { "none" }
                    @for limit in Limit::ALL { option value=(limit.name()) { (limit.name()) } }
                } }
                label { span { "Value of the limit" } input name="value" maxlength="40" autocomplete="off"; }
                button { "Create" }
            }
        }
    }
}

fn table(keys: &[ListedKey]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Keys" {
            table {
                caption.hidden { "Keys in the database" }
                thead { tr {
                    th scope="col" { "Name" } th scope="col" { "Callers" } th scope="col" { "Tenant" } th scope="col" { "State" }
                    th scope="col" { "Ends" } th scope="col" { "Limits" } th scope="col" { "Created" } th scope="col" { "By" }
                } }
                tbody { @for ListedKey { row, state } in keys { tr {
                    th scope="row" { a href=(link("/keys/key", &[("name", &row.name)])) { (name(&row.name)) } }
                    td { @match &row.holder.user {
                        Some(user) => { (name(user)) }
                        None => { "users in headers of " (name_or(row.holder.preset.as_deref(), "–")) }
                    } }
                    td { (name_or(row.holder.tenant.as_deref(), "–")) }
                    td { @match state { KeyState::Valid | KeyState::Old => (state.name()), _ => span.state.bad { (state.name()) } } }
                    td { @match row.expires { Some(end) => (moment(end)), None => "–" } }
                    td { (row.limits().iter().map(|(limit, value)| format!("{limit}={value}")).collect::<Vec<_>>().join(" ")) }
                    td { (moment(row.since)) }
                    td { (name(&row.by)) }
                } } }
            }
        }
    }
}
