//! Blocks and unblocks users.

use std::time::Duration;

use jiff::Timestamp;

use super::{Knowledge, OrderError, Resolved, Unchecked, Wanted};
use crate::limits::acts::{Act, Verb};
use crate::limits::blocks::{Block, LONGEST_REASON};
use crate::limits::operator_state::OperatorState;

/// A request to block a user.
#[derive(Clone, Debug)]
pub struct Order {
    /// The user's id, or an identifier of any kind.
    pub id: String,
    /// The tenant: absent for any, empty for none.
    pub tenant: Option<String>,
    /// Duration of the block; unlimited if absent.
    pub time: Option<Duration>,
    /// The operator's reason.
    pub reason: Option<String>,
    /// True if running responses are ended.
    pub cut: bool,
    /// True if the id may be one that was never seen.
    pub unseen: bool,
    /// True if only user ids are searched.
    pub user_id: bool,
    /// The operator, for the audit log.
    pub by: String,
}

/// A block that was put on the list.
#[derive(Clone, Debug)]
pub struct Blocked {
    /// The block.
    pub block: Block,
    /// The generation of the list that has it.
    pub generation: u64,
    /// Set if the id was used as written without a look-up.
    pub unchecked: Option<Unchecked>,
}

/// Blocks a user in this process. The exchange with other processes follows.
///
/// # Errors
/// [`OrderError`]. The list is unchanged then.
pub async fn block(state: &OperatorState, knowledge: Knowledge<'_>, order: Order) -> Result<Blocked, OrderError> {
    let Order { id, tenant, unseen, user_id, .. } = &order;
    let wanted = Wanted { id, tenant: tenant.as_deref(), unseen: *unseen, user_id: *user_id };
    let (id, tenant, user_id, unchecked) = match knowledge.resolve(state, wanted).await? {
        Resolved::Person(person) => (person.user, Some(person.tenant.unwrap_or_default()), true, None),
        Resolved::AsWritten(tenant, unchecked) => (order.id, tenant, order.user_id, unchecked),
    };
    let since = Timestamp::now();
    let until = order.time.map(|time| since.saturating_add(time).unwrap_or(Timestamp::MAX));
    let reason = order.reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
    let block = Block { id, tenant, since, until, reason, cut: order.cut, user_id, forgotten: false };
    let generation = state.put(&block, &order.by)?;
    Ok(Blocked { block, generation, unchecked })
}

/// Unblocks a user in this process: lifts the blocks of this id as written, and those of the one person whom it means.
/// `by` is the operator.
/// Returns the number of lifted blocks and the generation of the list.
///
/// # Errors
/// [`OrderError`] if the id is invalid, or if it is of several persons and no block has it as written.
pub async fn unblock(
    state: &OperatorState,
    knowledge: Knowledge<'_>,
    id: &str,
    tenant: Option<&str>,
    by: &str,
) -> Result<(usize, u64), OrderError> {
    let resolved = knowledge.resolve(state, Wanted { id, tenant, unseen: true, user_id: false }).await;
    let (person, several) = match resolved {
        Err(OrderError::NoId) => return Err(OrderError::NoId),
        Ok(Resolved::Person(person)) => (Some(person), None),
        Err(error @ OrderError::Several(_)) => (None, Some(error)),
        _ => (None, None),
    };
    let is_of = |block: &Block, id: &str, tenant: &str| block.has_id(id) && block.tenant.as_deref() == Some(tenant);
    let is_meant = |block: &Block| {
        tenant.map_or_else(|| block.has_id(id), |tenant| is_of(block, id, tenant))
            || person.as_ref().is_some_and(|one| is_of(block, &one.user, one.tenant.as_deref().unwrap_or_default()))
    };
    let act = match &person {
        Some(one) => Act::about(Verb::Unblock, by, one, None),
        None => Act::new(Verb::Unblock, by, id, tenant, None),
    };
    match (state.lift(is_meant, &act), several) {
        ((0, _), Some(error)) => Err(error),
        (lifted, _) => Ok(lifted),
    }
}
