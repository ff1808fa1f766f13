//! Blocks and unblocks users, for the command line and the admin API. It resolves the id with the ledger and then
//! changes the list. If the ledger is unavailable, the id is used literally, so that blocking works without it.

use std::time::Duration;

use jiff::Timestamp;

use super::shelf::{Shelf, ShelfError};
use super::{Block, LONGEST_REASON, Meant, meant};
use crate::ledger::Reader;

/// Maximum length of an id in bytes.
const LONGEST_ID: usize = 1024;

/// A request to block a user.
#[derive(Clone, Debug)]
pub struct Order {
    /// The user's id, or the identifier as sent.
    pub id: String,
    /// The tenant: absent for any, empty for none.
    pub tenant: Option<String>,
    /// Duration of the block; unlimited if absent.
    pub time: Option<Duration>,
    /// The operator's reason.
    pub reason: Option<String>,
    /// True if running responses are ended.
    pub cut: bool,
}

/// The sources for resolving an id.
#[derive(Clone, Debug, Default)]
pub struct Knowledge<'a> {
    /// The ledger, if there is one.
    pub reader: Option<&'a Reader>,
    /// `OPENROUTER_ORG_ID`.
    pub org_id: Option<String>,
}

/// An error of blocking or unblocking.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The id exists in several tenants.
    #[error("this id exists in several tenants: {}", listed(.0))]
    Several(Vec<String>),
    /// The id is empty or too long.
    #[error("invalid id: expected 1 to {LONGEST_ID} bytes")]
    NoId,
    /// The list cannot be read or written.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

fn listed(tenants: &[String]) -> String {
    let shown = |tenant: &String| if tenant.is_empty() { "(none)".to_owned() } else { tenant.clone() };
    tenants.iter().map(shown).collect::<Vec<_>>().join(", ")
}

impl Knowledge<'_> {
    async fn of(&self, id: &str, tenant: Option<&str>) -> Result<Meant, OrderError> {
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(OrderError::NoId);
        }
        let Some(reader) = self.reader else { return Ok(Meant::Literal) };
        match meant(reader, id, tenant, self.org_id.as_deref()).await {
            Ok(Meant::Several(tenants)) => Err(OrderError::Several(tenants)),
            Ok(meant) => Ok(meant),
            Err(error) => {
                tracing::warn!(%error, "blocks: ledger unavailable; using the id literally");
                Ok(Meant::Literal)
            }
        }
    }
}

/// Blocks a user. Returns the block and the resulting list.
///
/// # Errors
/// [`OrderError`]. The list is unchanged then.
pub async fn block(shelf: &Shelf, knowledge: Knowledge<'_>, order: Order) -> Result<(Block, Vec<Block>), OrderError> {
    let (id, tenant) = match knowledge.of(&order.id, order.tenant.as_deref()).await? {
        Meant::User { id, tenant } => (id, Some(tenant)),
        Meant::Literal | Meant::Several(_) => (order.id, order.tenant),
    };
    let since = Timestamp::now();
    let until = order.time.map(|time| since.saturating_add(time).unwrap_or(Timestamp::MAX));
    let reason = order.reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
    let block = Block { id, tenant, since, until, reason, cut: order.cut };
    let blocks = shelf.put(block.clone()).await?;
    Ok((block, blocks))
}

/// Unblocks a user. Returns the resulting list and the number of removed blocks.
///
/// # Errors
/// [`OrderError`] if the id is invalid or ambiguous, or the list cannot be changed.
pub async fn unblock(
    shelf: &Shelf,
    knowledge: Knowledge<'_>,
    id: &str,
    tenant: Option<&str>,
) -> Result<(Vec<Block>, usize), OrderError> {
    let meant = knowledge.of(id, tenant).await;
    let (mut blocks, mut lifted) = match meant {
        // Several users have the id. All blocks under it are removed.
        Ok(_) | Err(OrderError::Several(_)) => shelf.lift(id, tenant).await?,
        Err(error) => return Err(error),
    };
    if let Ok(Meant::User { id: user, tenant }) = meant
        && user != id
    {
        let (left, more) = shelf.lift(&user, Some(&tenant)).await?;
        (blocks, lifted) = (left, lifted + more);
    }
    Ok((blocks, lifted))
}
