//! Blocks: set, lift and list, as the commands `block` and `unblock` do (docs/SPEC.md#blocking).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;

use crate::answer::ApiError;
use crate::ask::OfTenant;
use crate::operator::Operator;
use crate::parameters::{Id, JsonBody, Params};
use crate::roles::Caller;
use crate::view::View;
use callsign_store::limits::orders::Knowledge;
use callsign_store::limits::orders::block::{self as order, Order};
use callsign_store::limits::orders::results;

/// Maximum duration of a temporary block, a run-time limit or a key: a hundred years.
const LONGEST_SECONDS: u64 = 3_155_760_000;

/// The body of `PUT users/{user_id}/block`. The body and each member are optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    reason: Option<String>,
    seconds: Option<u64>,
    #[serde(default)]
    cut: bool,
    #[serde(default)]
    unseen: bool,
    #[serde(default)]
    user_id: bool,
}

/// `PUT users/{user_id}/block`: blocks a user.
pub(super) async fn block(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    Id(id): Id,
    Params(of): Params<OfTenant>,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<Json<Value>, ApiError> {
    let wish = wish.unwrap_or_default();
    let time = time("seconds", wish.seconds)?;
    let limiter = &operator.deps.limiter;
    let Wish { reason, cut, unseen, user_id, .. } = wish;
    let order = Order { id, tenant: of.tenant, time, reason, cut, unseen, user_id, by: caller.name().to_owned() };
    let view = operator.view();
    // In force in this process when it returns. The others follow.
    let blocked = order::block(limiter.operator_state(), operator.knowledge(&view), order).await?;
    tracing::info!(cut, "admin: blocked a user");
    let mut told = results::blocked(&blocked);
    results::acknowledge(&mut told, &limiter.operator_state().acknowledged(blocked.generation).await);
    Ok(Json(told))
}

/// `DELETE users/{user_id}/block`: lifts a user's blocks.
pub(super) async fn unblock(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    Id(id): Id,
    Params(of): Params<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let limiter = &operator.deps.limiter;
    let (view, tenant) = (operator.view(), of.tenant.as_deref());
    let knowledge = operator.knowledge(&view);
    let (lifted, generation) = order::unblock(limiter.operator_state(), knowledge, &id, tenant, caller.name()).await?;
    if lifted == 0 {
        return Err(ApiError::NotBlocked);
    }
    tracing::info!("admin: unblocked a user");
    let mut told = results::unblocked(&id, lifted);
    results::acknowledge(&mut told, &limiter.operator_state().acknowledged(generation).await);
    Ok(Json(told))
}

/// `GET blocks`: lists the blocks in force, latest first.
pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Params(()): Params<()>,
) -> Result<Json<Value>, ApiError> {
    let now = jiff::Timestamp::now();
    let mut blocks = operator.deps.limiter.operator_state().blocks();
    blocks.retain(|block| block.holds(now));
    blocks.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.id.cmp(&b.id)));
    Ok(Json(blocks.iter().map(results::block).collect()))
}

/// Checks the member `name`, the duration of a change in seconds.
pub(super) fn time(name: &str, seconds: Option<u64>) -> Result<Option<Duration>, ApiError> {
    if seconds.is_some_and(|seconds| !(1..=LONGEST_SECONDS).contains(&seconds)) {
        return Err(ApiError::Invalid(format!("{name} takes a number from 1 to {LONGEST_SECONDS}")));
    }
    Ok(seconds.map(Duration::from_secs))
}

impl Operator {
    /// Returns the sources that resolve an id or a sent identifier to users.
    pub(crate) fn knowledge<'a>(&'a self, view: &'a View) -> Knowledge<'a> {
        Knowledge { reader: self.reader().ok(), scope: view.whois_scope(), configured: &view.people }
    }
}
