//! Orders of operators while callsign runs: blocks, run-time limits and keys, from the command line and the admin API.
//!
//! It finds the one person whom an id means (docs/SPEC.md#unseen-ids) and never guesses: an id of several persons, or of
//! nobody, is an error. Without a ledger the id is used as written, so that orders work at any time.

pub mod block;
pub mod key;
pub mod limit;
pub mod results;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::operator_state::OperatorState;
use super::operator_state::blocks::BlocksFullError;
use super::overrides::OverridesFullError;
use crate::ledger::{LedgerError, Reader};
use crate::org_ids::OrgIds;
use crate::person::{Meant, Named, Person};
use crate::whois::Scope;

/// Maximum length of an id in bytes.
const LONGEST_ID: usize = 1024;
/// Maximum time of a search in the ledger.
const LOOK_UP: Duration = Duration::from_secs(2);
/// Maximum length of a tenant's name in bytes.
const LONGEST_TENANT: usize = 256;

/// The sources for resolving an id.
#[derive(Clone, Copy, Debug)]
pub struct Knowledge<'a> {
    /// The ledger, if there is one.
    pub reader: Option<&'a Reader>,
    /// The formats, and the ids of the operator's accounts.
    pub scope: Scope<'a>,
    /// The users that the configuration names. They count as seen.
    pub configured: &'a [Person],
}

/// An order that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Several persons have the id.
    #[error("the identifier is of {} persons; choose one by user id and tenant", .0.len())]
    Several(BTreeSet<Person>),
    /// Nobody has the id.
    #[error("{}; nothing was changed. To name an id that was never seen, say so (--unseen)", absence(*.0))]
    Unseen(Option<Timestamp>),
    /// The id or the tenant is empty or too long.
    #[error("expected an id of 1 to {LONGEST_ID} bytes and a tenant of at most {LONGEST_TENANT} bytes")]
    NoId,
    /// The list of blocks has no room.
    #[error(transparent)]
    BlocksFull(#[from] BlocksFullError),
    /// The list of run-time limits has no room.
    #[error(transparent)]
    OverridesFull(#[from] OverridesFullError),
    /// A limit has two values.
    #[error("{0} is given twice: give each limit one value")]
    Twice(&'static str),
    /// The value is higher than the configured one, and the place of state is open to others.
    #[error(
        "{0} would be looser than configured, and run-time limits in Redis only tighten: use PostgreSQL \
         (CALLSIGN_LEDGER=postgres://…) for state, or set the limit in [[users]]"
    )]
    Looser(&'static str),
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
            Self::NoLedger => f.write_str("there is no ledger, so the id was not looked up; it is used as written"),
            Self::LedgerAway(why) => write!(f, "{why}; the id was not looked up; it is used as written"),
        }
    }
}

/// The id that an order names.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    id: &'a str,
    tenant: Option<&'a str>,
    /// True if the id may be one that was never seen.
    unseen: bool,
    /// True if only user ids are searched.
    user_id: bool,
}

/// The result of the search for an id.
enum Resolved {
    Person(Person),
    /// Callers with this id, as sent or as stated, of this tenant or of any.
    AsWritten(Option<String>, Option<Unchecked>),
}

impl Knowledge<'_> {
    /// Finds the person. A user with a key in the database counts as seen.
    async fn resolve(&self, state: &OperatorState, wanted: Wanted<'_>) -> Result<Resolved, OrderError> {
        let Wanted { id, tenant, unseen, user_id } = wanted;
        if id.is_empty() || id.len() > LONGEST_ID || tenant.is_some_and(|tenant| tenant.len() > LONGEST_TENANT) {
            return Err(OrderError::NoId);
        }
        let configured = self.configured.iter().filter(|person| person.user == *id && person.is_of(tenant)).cloned();
        let with_keys = state.people_with_keys(id).into_iter().filter(|person| person.is_of(tenant));
        let mut people: BTreeSet<_> = configured.chain(with_keys).collect();
        let (mut nameless, mut since, mut unchecked) = (BTreeSet::new(), None, None);
        // A ledger that hangs must not delay a block.
        match tokio::time::timeout(LOOK_UP, self.look_up(Named { id, tenant }, user_id)).await {
            Ok(Ok((meant, oldest))) => {
                people.extend(meant.people);
                (nameless, since) = (meant.nameless, oldest);
            }
            Ok(Err(LedgerError::Off)) => unchecked = Some(Unchecked::NoLedger),
            Ok(Err(error)) => unchecked = Some(Unchecked::LedgerAway(error.to_string())),
            Err(_) => {
                unchecked = Some(Unchecked::LedgerAway("the ledger does not answer (no answer within 2 s)".to_owned()));
            }
        }
        match (people.pop_first(), people.is_empty()) {
            (Some(person), true) => Ok(Resolved::Person(person)),
            (Some(person), false) => {
                people.insert(person);
                Err(OrderError::Several(people))
            }
            (None, _) if unchecked.is_some() => Ok(Resolved::AsWritten(tenant.map(str::to_owned), unchecked)),
            (None, _) if !nameless.is_empty() || unseen => Ok(Resolved::AsWritten(tenant.map(str::to_owned), None)),
            (None, _) => Err(OrderError::Unseen(since)),
        }
    }

    async fn look_up(&self, named: Named<'_>, user_id: bool) -> Result<(Meant, Option<Timestamp>), LedgerError> {
        let reader = self.reader.ok_or(LedgerError::Off)?;
        let meant = if user_id {
            let people = named.users(reader, &OrgIds::default(), true).await?;
            Meant { people, nameless: BTreeSet::new() }
        } else {
            named.meant(reader, self.scope).await?
        };
        Ok((meant, reader.oldest().await?))
    }
}
