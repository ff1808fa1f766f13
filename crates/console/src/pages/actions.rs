//! The forms of a user's page that act: block, unblock, and run-time limits (docs/SPEC.md#console).
//!
//! A form leads back to the page with `done`, which selects a fixed notice, so that a reload does not act again.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Redirect;
use jiff::Timestamp;
use maud::{Markup, html};

use super::layout::NoPage;
use super::text::{here, link};
use crate::answer::ApiError;
use crate::ask::{only_user, tenant_of};
use crate::operator::Operator;
use crate::parameters::{Form, FromParameters, NO_SPAN, Parameters, span};
use crate::roles::Caller;
use callsign_core::allowance::Limit;
use callsign_store::ledger::query::Mapping;
use callsign_store::limits::blocks::Block;
use callsign_store::limits::operator_state::acknowledgement::{Acknowledgement, Stored};
use callsign_store::limits::orders::{block as block_order, limit as limit_order};

/// The durations that can be chosen: value and name.
const TIMES: [(&str, &str); 5] =
    [("", "until it is lifted"), ("1h", "1 hour"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days")];

/// The result of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// Every running server applies the change.
    Applied,
    /// The change is stored, but some running server has not applied it yet.
    Late,
    /// Only this server has the change, because no place of state takes it.
    Unstored,
    /// There was nothing to change.
    Nothing,
}

impl Done {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Applied, "applied", "Done. Every running server applies it."),
        (Self::Late, "late", "Stored, but not every running server has applied it yet. See their logs."),
        (
            Self::Unstored,
            "unstored",
            "In force on this server only: no place of state takes it. It is passed on when one returns; a restart loses it.",
        ),
        (Self::Nothing, "nothing", "There was nothing to change."),
    ];

    /// Parses the query parameter `done`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(_, name, _)| *name == text).map(|(done, ..)| done);
        found.ok_or_else(|| format!("takes {}", Self::ALL.map(|(_, name, _)| name).join(", ")))
    }

    /// Returns the value of the query parameter.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(done, ..)| *done == self).map_or("", |(_, name, _)| name)
    }

    /// Renders the notice.
    pub(super) fn notice(self) -> Markup {
        let words = Self::ALL.into_iter().find(|(done, ..)| *done == self).map_or("", |(.., words)| words);
        html! { p.notice role="status" { (words) } }
    }

    /// Waits until the running servers have the change of this generation.
    pub(super) async fn of(operator: &Operator, generation: u64) -> Self {
        Self::told(&operator.deps.limiter.operator_state().acknowledged(generation).await)
    }

    /// Returns the result that an acknowledgement tells.
    pub(super) fn told(told: &Acknowledgement) -> Self {
        match told.stored {
            Stored::Unread | Stored::Memory => Self::Unstored,
            _ if !told.late.is_empty() => Self::Late,
            _ => Self::Applied,
        }
    }
}

/// The user that a form is about, and the page that it came from.
#[derive(Clone, Debug)]
pub(super) struct Whom {
    pub(super) id: String,
    /// Absent for a block of any tenant, empty for none.
    pub(super) tenant: Option<String>,
    is_from_audit: bool,
}

impl FromParameters for Whom {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let id = parameters.needed("id", "the user's id")?;
        let tenant = parameters.text("tenant")?;
        Ok(Self { id, tenant, is_from_audit: parameters.text("from")?.is_some() })
    }
}

impl Whom {
    /// Returns the redirect to the page that the form came from.
    fn back(&self, done: Done) -> Redirect {
        let done = ("done", done.name());
        if self.is_from_audit {
            return Redirect::to(&link("/audit", &[done]));
        }
        let tenant = self.tenant.as_deref().unwrap_or_default();
        Redirect::to(&link("/user", &[("id", &self.id), ("tenant", tenant), done]))
    }

    /// Renders the hidden fields of a form.
    fn fields(of: &Mapping) -> Markup {
        html! { input type="hidden" name="id" value=(of.user); input type="hidden" name="tenant" value=(tenant_of(of)); }
    }
}

/// Reads the field `time`; empty means no end.
fn time(parameters: &mut Parameters) -> Result<Option<Duration>, ApiError> {
    let parse = |text: &str| match span(text) {
        _ if text.is_empty() => Ok(None),
        Ok(Duration::ZERO) => Err(NO_SPAN),
        span => span.map(Some),
    };
    Ok(parameters.parsed("time", parse)?.flatten())
}

/// The form that blocks a user.
#[derive(Clone, Debug)]
pub(super) struct BlockForm {
    whom: Whom,
    time: Option<Duration>,
    reason: Option<String>,
    cut: bool,
}

impl FromParameters for BlockForm {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let whom = Whom::read(parameters)?;
        let reason = parameters.text("reason")?.filter(|reason| !reason.trim().is_empty());
        Ok(Self { whom, time: time(parameters)?, reason, cut: parameters.text("cut")?.is_some() })
    }
}

/// `POST /user/block`: blocks the user.
pub(super) async fn block(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    form: Result<Form<BlockForm>, ApiError>,
) -> Result<Redirect, NoPage> {
    let Form(BlockForm { whom, time, reason, cut }) = form?;
    let order = block_order::Order {
        id: whom.id.clone(),
        tenant: whom.tenant.clone(),
        time,
        reason,
        cut,
        unseen: false,
        user_id: true,
        by: caller.name().to_owned(),
    };
    let view = operator.view();
    let state = operator.deps.limiter.operator_state();
    let blocked = block_order::block(state, operator.knowledge(&view), order).await.map_err(ApiError::from)?;
    tracing::info!(cut, "console: blocked a user");
    Ok(whom.back(Done::of(&operator, blocked.generation).await))
}

/// `POST /user/unblock`: lifts the blocks of the user.
pub(super) async fn unblock(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    form: Result<Form<Whom>, ApiError>,
) -> Result<Redirect, NoPage> {
    let Form(whom) = form?;
    let (view, state) = (operator.view(), operator.deps.limiter.operator_state());
    let knowledge = operator.knowledge(&view);
    let lifted = block_order::unblock(state, knowledge, &whom.id, whom.tenant.as_deref(), caller.name()).await;
    let (lifted, generation) = lifted.map_err(ApiError::from)?;
    if lifted == 0 {
        return Ok(whom.back(Done::Nothing));
    }
    tracing::info!("console: unblocked a user");
    Ok(whom.back(Done::of(&operator, generation).await))
}

/// The form that sets a limit of a user.
#[derive(Clone, Debug)]
pub(super) struct SetLimit {
    whom: Whom,
    value: limit_order::Value,
    time: Option<Duration>,
}

impl FromParameters for SetLimit {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let whom = Whom::read(parameters)?;
        let limit = parameters.text("limit")?.unwrap_or_default();
        let value = parameters.parsed("value", |text| limit_order::value(&limit, text.trim()))?;
        let value = value.ok_or_else(|| ApiError::Invalid("value is missing: the limit's new value".to_owned()))?;
        Ok(Self { whom, value, time: time(parameters)? })
    }
}

/// `POST /user/limits`: sets a limit of the user.
pub(super) async fn set_limit(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    form: Result<Form<SetLimit>, ApiError>,
) -> Result<Redirect, NoPage> {
    let Form(SetLimit { whom, value, time }) = form?;
    let order = limit_order::Order {
        id: whom.id.clone(),
        tenant: whom.tenant.clone(),
        values: vec![value],
        time,
        by: caller.name().to_owned(),
        unseen: false,
        user_id: true,
    };
    let (view, state) = (operator.view(), operator.deps.limiter.operator_state());
    let changed = limit_order::set(state, &view.rules, operator.knowledge(&view), order).await;
    let changed = changed.map_err(ApiError::from)?;
    tracing::info!("console: set a limit of a user");
    Ok(whom.back(Done::of(&operator, changed.generation).await))
}

/// `POST /user/limits/reset`: returns the user's limits to what is configured.
pub(super) async fn reset_limits(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    form: Result<Form<Whom>, ApiError>,
) -> Result<Redirect, NoPage> {
    let Form(whom) = form?;
    let (view, state) = (operator.view(), operator.deps.limiter.operator_state());
    let changed =
        limit_order::reset(state, operator.knowledge(&view), &whom.id, whom.tenant.as_deref(), caller.name()).await;
    let changed = changed.map_err(ApiError::from)?;
    if changed.removed == 0 {
        return Ok(whom.back(Done::Nothing));
    }
    tracing::info!("console: reset a user's limits");
    Ok(whom.back(Done::of(&operator, changed.generation).await))
}

/// Returns true if the operator has blocked the user, or the configuration does.
fn is_blocked(operator: &Operator, tenant: Option<&str>, user: &str) -> bool {
    let now = Timestamp::now();
    let blocks = operator.deps.limiter.operator_state().blocks();
    let is_of = |block: &Block| block.has_id(user) && block.is_of(tenant) && block.holds(now);
    blocks.iter().any(is_of) || operator.view().rules.stops(&only_user(user, tenant))
}

/// Renders a mark beside the name of a blocked user.
pub(super) fn badge(operator: &Operator, tenant: Option<&str>, user: &str) -> Markup {
    html! { @if is_blocked(operator, tenant, user) { " " span.state.bad { "blocked" } } }
}

/// Renders the forms of a user's page.
pub(super) fn cards(operator: &Operator, person: &Mapping) -> Markup {
    let limiter = &operator.deps.limiter;
    let (tenant, user) = (person.tenant.as_deref(), person.user.as_str());
    let is_blocked = is_blocked(operator, tenant, user);
    let is_limited = limiter.overrides().of(tenant, user).next().is_some();
    let forget = link("/user/forget", &[("id", user), ("tenant", tenant.unwrap_or_default())]);
    html! {
        details.act open[is_blocked] {
            summary { @if is_blocked { "Blocked: unblock or change" } @else { "Block, limit, forget" } }
            div.columns {
                @if is_blocked { form.card method="post" action=(here("/user/unblock")) {
                    h2 { "Unblock" } p { "New requests are served again." } (Whom::fields(person)) button { "Unblock" }
                } }
                (block_form(person))
                (limit_form(person))
                @if is_limited { form.card method="post" action=(here("/user/limits/reset")) {
                    h2 { "Reset limits" } p { "The configured limits apply again." } (Whom::fields(person)) button { "Reset limits" }
                } }
                section.card { h2 { "Forget" } p { "Erase this person from ledger and archive. Sums are kept." }
                    a.button.danger href=(forget) { "See what would be erased" } }
            }
        }
    }
}

fn times() -> Markup {
    html! { label { span { "For how long" } select name="time" { @for (value, name) in TIMES { option value=(value) { (name) } } } } }
}

fn block_form(person: &Mapping) -> Markup {
    html! {
        form.card method="post" action=(here("/user/block")) {
            h2 { "Block" }
            p { "Requests of this user are refused, here and on every other server." }
            (Whom::fields(person))
            label { span { "Reason, for the audit log" } input name="reason" maxlength="500" autocomplete="off"; }
            (times())
            label.check { input type="checkbox" name="cut" value="1"; span { "End running answers too" } }
            button.danger { "Block" }
        }
    }
}

fn limit_form(person: &Mapping) -> Markup {
    html! {
        form.card method="post" action=(here("/user/limits")) {
            h2 { "Set a limit" }
            p { "It replaces the configured value of this user." }
            (Whom::fields(person))
            label { span { "Limit" } select name="limit" { @for limit in Limit::ALL { option value=(limit.name()) { (limit.name()) } } } }
            label { span { "Value" } input name="value" required maxlength="40" autocomplete="off"; }
            (times())
            button { "Set limit" }
        }
    }
}
