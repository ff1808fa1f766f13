//! Blocking and unblocking somebody, as the command line and the admin API do it: finds out whom the id means, then changes
//! the list. A ledger that does not answer stops nobody from being stopped: the id is then taken literally.

use std::time::Duration;

use jiff::Timestamp;

use super::shelf::{Shelf, ShelfError};
use super::{Block, LONGEST_REASON, Meant, meant};
use crate::ledger::Reader;

/// The longest id, in bytes.
const LONGEST_ID: usize = 1024;

/// What is ordered.
#[derive(Clone, Debug)]
pub struct Order {
    /// The user's id, or the identifier as sent.
    pub id: String,
    /// The tenant: absent for any, empty for none.
    pub tenant: Option<String>,
    /// For how long; for good without.
    pub time: Option<Duration>,
    /// Why.
    pub reason: Option<String>,
    /// Whether running answers are cut.
    pub cut: bool,
}

/// Who knows whom an id means.
#[derive(Clone, Debug, Default)]
pub struct Knowledge<'a> {
    /// The ledger, if there is one.
    pub reader: Option<&'a Reader>,
    /// `OPENROUTER_ORG_ID`.
    pub org_id: Option<String>,
}

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The id alone does not say who.
    #[error("this id exists in several tenants: {}", listed(.0))]
    Several(Vec<String>),
    /// Nobody.
    #[error("an id has 1 to {LONGEST_ID} bytes")]
    NoId,
    /// The list cannot be had.
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
                tracing::warn!(%error, "the ledger cannot say whom the id means; it is taken literally");
                Ok(Meant::Literal)
            }
        }
    }
}

/// Stops somebody; the block, and the list afterwards.
///
/// # Errors
/// [`OrderError`]; nothing has changed then.
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

/// Lets somebody in again; the list afterwards, and how many blocks there were.
///
/// # Errors
/// [`OrderError`].
pub async fn unblock(
    shelf: &Shelf,
    knowledge: Knowledge<'_>,
    id: &str,
    tenant: Option<&str>,
) -> Result<(Vec<Block>, usize), OrderError> {
    let meant = knowledge.of(id, tenant).await;
    let (mut blocks, mut lifted) = match meant {
        // Several people have the id; whichever of them is blocked under it is let in.
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
