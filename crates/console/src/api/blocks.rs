//! Blocks: set, lift and list, as the commands `block` and `unblock` do (docs/SPEC.md#blocking).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::ApiError;
use crate::ask::OfTenant;
use crate::operator::Operator;
use crate::parameters::{Id, JsonBody, Params};
use callsign_store::limits::blocks::Block;
use callsign_store::limits::blocks::order::{self, Knowledge, Order};

/// Maximum duration of a temporary block: a hundred years.
const LONGEST_SECONDS: u64 = 3_155_760_000;

/// The body of `PUT users/{user_id}/block`. The body and each member are optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    reason: Option<String>,
    seconds: Option<u64>,
    #[serde(default)]
    cut: bool,
}

/// `PUT users/{user_id}/block`: blocks a user.
pub(super) async fn block(
    State(operator): State<Arc<Operator>>,
    Id(id): Id,
    Params(of): Params<OfTenant>,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<Json<Value>, ApiError> {
    let wish = wish.unwrap_or_default();
    if wish.seconds.is_some_and(|seconds| !(1..=LONGEST_SECONDS).contains(&seconds)) {
        return Err(ApiError::Invalid(format!("seconds takes a number from 1 to {LONGEST_SECONDS}")));
    }
    let limiter = &operator.deps.limiter;
    let time = wish.seconds.map(Duration::from_secs);
    let order = Order { id, tenant: of.tenant, time, reason: wish.reason, cut: wish.cut };
    let (block, blocks) = order::block(limiter.shelf(), operator.knowledge(), order).await?;
    // Applies to this process now. Other processes read the shared block list periodically.
    limiter.gate().set(blocks);
    tracing::info!(cut = block.cut, "admin: blocked a user");
    let mut told = json(&block);
    told["kept"] = json!(limiter.shelf().is_shared());
    Ok(Json(told))
}

/// `DELETE users/{user_id}/block`: lifts a user's blocks.
pub(super) async fn unblock(
    State(operator): State<Arc<Operator>>,
    Id(id): Id,
    Params(of): Params<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let limiter = &operator.deps.limiter;
    let (blocks, lifted) = order::unblock(limiter.shelf(), operator.knowledge(), &id, of.tenant.as_deref()).await?;
    limiter.gate().set(blocks);
    if lifted == 0 {
        return Err(ApiError::NotBlocked);
    }
    tracing::info!("admin: unblocked a user");
    Ok(Json(json!({ "id": id, "lifted": lifted })))
}

/// `GET blocks`: lists the blocks in force, latest first.
pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Params(()): Params<()>,
) -> Result<Json<Value>, ApiError> {
    let now = jiff::Timestamp::now();
    let mut blocks = operator.deps.limiter.shelf().list().await?;
    blocks.retain(|block| block.holds(now));
    blocks.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.id.cmp(&b.id)));
    Ok(Json(blocks.iter().map(json).collect()))
}

fn json(block: &Block) -> Value {
    json!({
        "id": block.id,
        "tenant": block.tenant,
        "since": block.since,
        "until": block.until,
        "reason": block.reason,
        "cut": block.cut,
    })
}

impl Operator {
    /// Returns the sources that resolve an id or a sent identifier to users.
    fn knowledge(&self) -> Knowledge<'_> {
        Knowledge { reader: self.reader().ok(), org_id: self.view().org_id.clone() }
    }
}
