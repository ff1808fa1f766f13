//! Blocks and unblocks users, for the command line and the admin API. It finds the one person whom an id means
//! (docs/SPEC.md#unseen-ids) and changes the list. It never guesses: an id of several persons, or of nobody, is an
//! error. Without a ledger the id is used as written, so that blocking works at any time.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::store::{BlockStore, FullError};
use super::{Block, LONGEST_REASON};
use crate::ledger::{LedgerError, Reader};
use crate::person::{Named, Person};
use crate::whois::Scope;

/// Maximum length of an id in bytes.
const LONGEST_ID: usize = 1024;
/// Maximum length of a tenant's name in bytes.
const LONGEST_TENANT: usize = 256;

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
}

/// The sources for resolving an id.
#[derive(Clone, Copy, Debug)]
pub struct Knowledge<'a> {
    /// The ledger, if there is one.
    pub reader: Option<&'a Reader>,
    /// The formats, and `OPENROUTER_ORG_ID`.
    pub scope: Scope<'a>,
    /// The users that the configuration names. They count as seen.
    pub configured: &'a [Person],
}

/// An error of blocking or unblocking.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Several persons have the id.
    #[error("the identifier is of {} persons; choose one by user id and tenant", .0.len())]
    Several(BTreeSet<Person>),
    /// Nobody has the id.
    #[error("{}; nobody was blocked. To block an id that was never seen, say so (--unseen)", absence(*.0))]
    Unseen(Option<Timestamp>),
    /// The id or the tenant is empty or too long.
    #[error("expected an id of 1 to {LONGEST_ID} bytes and a tenant of at most {LONGEST_TENANT} bytes")]
    NoId,
    /// The list has no room.
    #[error(transparent)]
    Full(#[from] FullError),
}

fn absence(since: Option<Timestamp>) -> String {
    match since {
        Some(since) => format!("no request in the ledger has this id; it goes back to {}", since.strftime("%Y-%m-%d")),
        None => "no request in the ledger has this id; the ledger is empty".to_owned(),
    }
}

/// The reason why an id was used as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchecked {
    /// There is no ledger.
    NoLedger,
    /// The ledger could not be read.
    LedgerAway(String),
}

impl std::fmt::Display for Unchecked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoLedger => f.write_str("there is no ledger, so the id was not looked up; it is blocked as written"),
            Self::LedgerAway(why) => write!(f, "{why}; the id was not looked up; it is blocked as written"),
        }
    }
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

/// The result of the search for an id.
enum Resolved {
    Person(Person),
    /// Callers with this id, as sent or as stated, of this tenant or of any.
    AsWritten(Option<String>, Option<Unchecked>),
}

impl Knowledge<'_> {
    async fn resolve(&self, order: &Order) -> Result<Resolved, OrderError> {
        let (id, tenant) = (order.id.as_str(), order.tenant.as_deref());
        if id.is_empty() || id.len() > LONGEST_ID || tenant.is_some_and(|tenant| tenant.len() > LONGEST_TENANT) {
            return Err(OrderError::NoId);
        }
        let configured = self.configured.iter().filter(|person| person.user == *id && person.is_of(tenant)).cloned();
        let mut people: BTreeSet<_> = configured.collect();
        let (mut nameless, mut since, mut unchecked) = (BTreeSet::new(), None, None);
        match self.look_up(Named { id, tenant }, order.user_id).await {
            Ok((meant, oldest)) => {
                people.extend(meant.people);
                (nameless, since) = (meant.nameless, oldest);
            }
            Err(LedgerError::Off) => unchecked = Some(Unchecked::NoLedger),
            Err(error) => unchecked = Some(Unchecked::LedgerAway(error.to_string())),
        }
        match (people.pop_first(), people.is_empty()) {
            (Some(person), true) => Ok(Resolved::Person(person)),
            (Some(person), false) => {
                people.insert(person);
                Err(OrderError::Several(people))
            }
            (None, _) if unchecked.is_some() => Ok(Resolved::AsWritten(order.tenant.clone(), unchecked)),
            (None, _) if !nameless.is_empty() || order.unseen => Ok(Resolved::AsWritten(order.tenant.clone(), None)),
            (None, _) => Err(OrderError::Unseen(since)),
        }
    }

    async fn look_up(
        &self,
        named: Named<'_>,
        user_id: bool,
    ) -> Result<(crate::person::Meant, Option<Timestamp>), LedgerError> {
        let reader = self.reader.ok_or(LedgerError::Off)?;
        let meant = if user_id {
            let people = named.users(reader, None, true).await?;
            crate::person::Meant { people, nameless: BTreeSet::new() }
        } else {
            named.meant(reader, self.scope).await?
        };
        Ok((meant, reader.oldest().await?))
    }
}

/// Blocks a user in this process. The exchange with other processes follows.
///
/// # Errors
/// [`OrderError`]. The list is unchanged then.
pub async fn block(store: &BlockStore, knowledge: Knowledge<'_>, order: Order) -> Result<Blocked, OrderError> {
    let (id, tenant, user_id, unchecked) = match knowledge.resolve(&order).await? {
        Resolved::Person(person) => (person.user, Some(person.tenant.unwrap_or_default()), true, None),
        Resolved::AsWritten(tenant, unchecked) => (order.id, tenant, order.user_id, unchecked),
    };
    let since = Timestamp::now();
    let until = order.time.map(|time| since.saturating_add(time).unwrap_or(Timestamp::MAX));
    let reason = order.reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
    let block = Block { id, tenant, since, until, reason, cut: order.cut, user_id };
    let generation = store.put(&block)?;
    Ok(Blocked { block, generation, unchecked })
}

/// Unblocks a user in this process: lifts the blocks of this id as written, and those of the one person whom it means.
/// Returns the number of lifted blocks and the generation of the list.
///
/// # Errors
/// [`OrderError`] if the id is invalid, or if it is of several persons and no block has it as written.
pub async fn unblock(
    store: &BlockStore,
    knowledge: Knowledge<'_>,
    id: &str,
    tenant: Option<&str>,
) -> Result<(usize, u64), OrderError> {
    let order = Order {
        id: id.to_owned(),
        tenant: tenant.map(str::to_owned),
        time: None,
        reason: None,
        cut: false,
        unseen: true,
        user_id: false,
    };
    let resolved = knowledge.resolve(&order).await;
    if matches!(resolved, Err(OrderError::NoId)) {
        return Err(OrderError::NoId);
    }
    let (mut lifted, mut generation) = store.lift(id, tenant);
    match resolved {
        Ok(Resolved::Person(person)) => {
            let (more, after) = store.lift(&person.user, Some(person.tenant.as_deref().unwrap_or_default()));
            (lifted, generation) = (lifted + more, after);
        }
        Err(error @ OrderError::Several(_)) if lifted == 0 => return Err(error),
        _ => {}
    }
    Ok((lifted, generation))
}
