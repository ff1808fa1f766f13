//! Stopping a person, letting them in again, and who is stopped: as the commands of the same names.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::Operator;
use crate::admin::answer::ApiError;
use crate::admin::ask::OfTenant;
use crate::limits::blocks::Block;
use crate::limits::blocks::order::{self, Knowledge, Order};

/// The longest block that is not for good: a hundred years.
const LONGEST_SECONDS: u64 = 3_155_760_000;

/// What is ordered; all of it may be left out, the body too.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    reason: Option<String>,
    seconds: Option<u64>,
    #[serde(default)]
    cut: bool,
}

/// `PUT users/{user_id}/block`.
pub(super) async fn block(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    Query(of): Query<OfTenant>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let wish: Wish = match body.trim_ascii() {
        [] => Wish::default(),
        body => serde_json::from_slice(body).map_err(|error| ApiError::Invalid(format!("the body: {error}")))?,
    };
    if wish.seconds.is_some_and(|seconds| !(1..=LONGEST_SECONDS).contains(&seconds)) {
        return Err(ApiError::Invalid(format!("seconds: a number from 1 to {LONGEST_SECONDS}")));
    }
    let limiter = &operator.fixtures.limiter;
    let time = wish.seconds.map(Duration::from_secs);
    let order = Order { id, tenant: of.tenant, time, reason: wish.reason, cut: wish.cut };
    let (block, blocks) = order::block(limiter.shelf(), operator.knowledge(), order).await?;
    // Here at once, elsewhere when the others look.
    limiter.gate().set(blocks);
    tracing::info!(cut = block.cut, "a person was blocked");
    let mut told = json(&block);
    told["kept"] = json!(limiter.shelf().is_shared());
    Ok(Json(told))
}

/// `DELETE users/{user_id}/block`.
pub(super) async fn unblock(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    Query(of): Query<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let limiter = &operator.fixtures.limiter;
    let (blocks, lifted) = order::unblock(limiter.shelf(), operator.knowledge(), &id, of.tenant.as_deref()).await?;
    limiter.gate().set(blocks);
    if lifted == 0 {
        return Err(ApiError::NotBlocked);
    }
    tracing::info!("a person was let in again");
    Ok(Json(json!({ "id": id, "lifted": lifted })))
}

/// `GET blocks`.
pub(super) async fn list(State(operator): State<Arc<Operator>>) -> Result<Json<Value>, ApiError> {
    let now = jiff::Timestamp::now();
    let mut blocks = operator.fixtures.limiter.shelf().list().await?;
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
    /// Who knows whom an id means.
    fn knowledge(&self) -> Knowledge<'_> {
        Knowledge { reader: self.reader().ok(), org_id: self.config().upstream.org_id.clone() }
    }
}
