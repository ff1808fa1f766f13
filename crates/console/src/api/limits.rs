//! Run-time limits: show, set and reset, as the commands `limits show`, `set` and `reset` do
//! (docs/SPEC.md#run-time-limits).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::blocks::time;
use crate::answer::ApiError;
use crate::ask::OfTenant;
use crate::operator::Operator;
use crate::parameters::{Id, JsonBody, Params};
use crate::roles::Caller;
use callsign_core::allowance::Limit;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_store::limits::Subject;
use callsign_store::limits::orders::limit::{self as order, Changed, Order};
use callsign_store::limits::orders::results;

/// The body of `PUT limits/{user_id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    limits: BTreeMap<String, Amount>,
    seconds: Option<u64>,
    #[serde(default)]
    unseen: bool,
    #[serde(default)]
    user_id: bool,
}

/// A value of one limit.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Amount {
    Number(serde_json::Number),
    Text(String),
}

impl Amount {
    /// Returns the value as text.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// `GET limits/{user_id}`: shows a user's limits, their use, and who set them.
pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    Id(user): Id,
    Params(of): Params<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let limiter = &operator.deps.limiter;
    let tenant = of.tenant.as_deref().filter(|tenant| !tenant.is_empty());
    let caller = CallerIdentity { tenant, user: Some(&user), ..CallerIdentity::default() };
    let view = operator.view();
    let ceilings = view.rules.ceilings(&caller, &limiter.overrides());
    // Null while the store of limits is away.
    let gauges = limiter.look(Subject::user(tenant, &user), ceilings).await.ok();
    let mut limits = Map::new();
    for limit in Limit::ALL {
        let Some(most) = ceilings.of(limit) else { continue };
        let gauge = gauges.as_ref().map(|gauges| gauges[limit as usize]);
        let seconds = gauge.map(|gauge| gauge.wait_ms.max(0).saturating_add(999) / 1000);
        let taken = gauge.map(|gauge| limit.shown(gauge.used));
        let shown = json!({ "limit": limit.shown(most), "used": taken, "reset_seconds": seconds });
        limits.insert(limit.name().to_owned(), shown);
    }
    let overrides: Vec<_> = limiter.overrides().of(tenant, &user).map(results::limit).collect();
    Ok(Json(json!({ "user": user, "tenant": tenant, "limits": limits, "set": overrides })))
}

/// `PUT limits/{user_id}`: sets limits of a user.
pub(super) async fn set(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    Id(id): Id,
    Params(of): Params<OfTenant>,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<Json<Value>, ApiError> {
    let Some(Wish { limits, seconds, unseen, user_id }) = wish.filter(|wish| !wish.limits.is_empty()) else {
        return Err(ApiError::Invalid("expected a body such as {\"limits\":{\"rpm\":5}}".to_owned()));
    };
    let time = time("seconds", seconds)?;
    let values = limits.into_iter().map(|(name, amount)| {
        let text = amount.into_text();
        order::value(&name, &text).map_err(|problem| ApiError::Invalid(format!("limits.{name}: {problem}")))
    });
    let values = values.collect::<Result<_, _>>()?;
    let order = Order { id, tenant: of.tenant, values, time, by: caller.name().to_owned(), unseen, user_id };
    let view = operator.view();
    let state = operator.deps.limiter.operator_state();
    let changed = order::set(state, &view.rules, operator.knowledge(&view), order).await?;
    tracing::info!(set = changed.set.len(), reset = changed.removed, "admin: changed a user's limits");
    Ok(Json(told(&operator, &changed).await))
}

/// `DELETE limits/{user_id}`: returns a user's limits to what is configured.
pub(super) async fn reset(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    Id(id): Id,
    Params(of): Params<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let (view, state) = (operator.view(), operator.deps.limiter.operator_state());
    let changed = order::reset(state, operator.knowledge(&view), &id, of.tenant.as_deref(), caller.name()).await?;
    tracing::info!(reset = changed.removed, "admin: reset a user's limits");
    Ok(Json(told(&operator, &changed).await))
}

async fn told(operator: &Operator, changed: &Changed) -> Value {
    let mut told = results::changed(changed);
    let state = operator.deps.limiter.operator_state();
    results::acknowledge(&mut told, &state.acknowledged(changed.generation).await);
    told
}
