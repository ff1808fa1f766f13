//! The block list. Requests are compared with it by user id and by the identifier that would be sent. No I/O.
//!
//! `shelf` stores the list for other processes and the command line; `gate` checks requests.

mod file;
pub mod gate;
pub mod order;
pub mod shelf;

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::LedgerError;
use crate::ledger::Reader;

/// Maximum length of a reason in characters.
pub const LONGEST_REASON: usize = 500;

/// A block of one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The user's id, or the identifier as sent upstream.
    pub id: String,
    /// The tenant: absent for any, empty for users without a tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Start of the block.
    pub since: Timestamp,
    /// End of the block; absent if unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The operator's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// True if running responses are ended.
    #[serde(default)]
    pub cut: bool,
}

impl Block {
    /// Returns true if the block has not expired.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Returns true if the block has this id and tenant.
    pub fn is_about(&self, id: &str, tenant: Option<&str>) -> bool {
        self.id == id && self.tenant.as_deref() == tenant
    }

    /// Returns true if the block applies to users of this tenant.
    pub fn is_of(&self, tenant: Option<&str>) -> bool {
        self.tenant.as_deref().is_none_or(|of| of == tenant.unwrap_or_default())
    }
}

/// The block list, indexed for lookups.
#[derive(Clone, Debug, Default)]
pub struct BlockList {
    by_id: HashMap<String, Vec<Block>>,
}

impl BlockList {
    /// Creates the list.
    pub fn new(blocks: Vec<Block>) -> Self {
        let mut by_id: HashMap<String, Vec<Block>> = HashMap::new();
        for block in blocks {
            by_id.entry(block.id.clone()).or_default().push(block);
        }
        Self { by_id }
    }

    /// Returns true if the list is empty.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Returns true if a user of this tenant, for whom `sent` would go upstream, is blocked.
    pub fn stops(&self, tenant: Option<&str>, user: Option<&str>, sent: Option<&str>, now: Timestamp) -> bool {
        let named = [user, sent].into_iter().flatten().filter_map(|name| self.by_id.get(name));
        named.flatten().any(|block| block.is_of(tenant) && block.holds(now))
    }

    /// Iterates over all blocks.
    pub fn iter(&self) -> impl Iterator<Item = &Block> {
        self.by_id.values().flatten()
    }
}

/// Inserts or replaces a block and drops expired ones.
pub fn put(blocks: &mut Vec<Block>, block: Block) {
    blocks.retain(|other| other.holds(block.since) && !other.is_about(&block.id, block.tenant.as_deref()));
    blocks.push(block);
}

/// Removes the blocks of `id`, either of one tenant or of all, and returns their number.
pub fn lift(blocks: &mut Vec<Block>, id: &str, tenant: Option<&str>) -> usize {
    let before = blocks.len();
    blocks.retain(|block| block.id != id || tenant.is_some_and(|tenant| block.tenant.as_deref() != Some(tenant)));
    before - blocks.len()
}

/// The users that an id refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// One user.
    User {
        /// The id.
        id: String,
        /// The tenant; empty for none.
        tenant: String,
    },
    /// Any user with this id or sent identifier, because the ledger knows none or several.
    Literal,
    /// Users of several tenants, which are listed.
    Several(Vec<String>),
}

/// Resolves an id with the ledger. A user id takes precedence over a sent identifier.
///
/// # Errors
/// The ledger's errors.
pub async fn meant(
    reader: &Reader,
    id: &str,
    tenant: Option<&str>,
    org_id: Option<&str>,
) -> Result<Meant, LedgerError> {
    let users = reader.mapping(id, tenant).await?.into_iter().map(|of| (of.tenant.unwrap_or_default(), of.user));
    let mut people: Vec<_> = users.collect();
    if people.is_empty() {
        let found = reader.whois(id, org_id).await?.into_iter();
        let people_of = found.filter_map(|found| Some((found.tenant.unwrap_or_default(), found.user?)));
        people = people_of.filter(|(of, _)| tenant.is_none_or(|tenant| tenant == of)).collect();
        people.sort();
        people.dedup();
        if people.len() > 1 && people.iter().any(|(of, _)| *of == people[0].0) && same_tenant(&people) {
            // Several users share the identifier, as with `shared:ID`.
            return Ok(Meant::Literal);
        }
    }
    Ok(match people.as_slice() {
        [] => Meant::Literal,
        [(tenant, user)] => Meant::User { id: user.clone(), tenant: tenant.clone() },
        several => Meant::Several(several.iter().map(|(tenant, _)| tenant.clone()).collect()),
    })
}

fn same_tenant(people: &[(String, String)]) -> bool {
    people.iter().all(|(tenant, _)| people.first().is_some_and(|(first, _)| first == tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(id: &str, tenant: Option<&str>) -> Block {
        Block {
            id: id.to_owned(),
            tenant: tenant.map(str::to_owned),
            since: Timestamp::UNIX_EPOCH,
            until: None,
            reason: None,
            cut: false,
        }
    }

    #[test]
    fn a_block_holds_for_its_tenant_and_its_time() {
        let now = Timestamp::now();
        let earlier = now - jiff::SignedDuration::from_secs(1);
        let list = BlockList::new(vec![
            block("anywhere", None),
            block("nowhere", Some("")),
            block("of-acme", Some("acme")),
            Block { until: Some(now), ..block("until", None) },
        ]);
        let stops = |tenant, user| list.stops(tenant, Some(user), None, now);
        assert!(stops(None, "anywhere") && stops(Some("acme"), "anywhere"));
        assert!(stops(None, "nowhere") && !stops(Some("acme"), "nowhere"));
        assert!(!stops(None, "of-acme") && stops(Some("acme"), "of-acme"));
        assert!(!stops(None, "until") && list.stops(None, Some("until"), None, earlier));
        assert!(list.stops(None, Some("x"), Some("anywhere"), now), "by the identifier as sent");
        assert!(!list.stops(None, None, None, now));
    }

    #[test]
    fn a_later_word_replaces_an_earlier_one() {
        let mut blocks = vec![block("ada", None), block("ada", Some("acme")), block("bob", None)];
        put(&mut blocks, Block { cut: true, ..block("ada", None) });
        assert_eq!(blocks.len(), 3);
        assert_eq!(lift(&mut blocks, "ada", Some("acme")), 1);
        assert_eq!(lift(&mut blocks, "eve", None), 0);
        assert_eq!(lift(&mut blocks, "ada", None), 1);
        let over = Block { until: Some(Timestamp::UNIX_EPOCH), ..block("old", None) };
        blocks.push(over);
        put(&mut blocks, block("new", None));
        assert_eq!(blocks.iter().map(|block| block.id.as_str()).collect::<Vec<_>>(), ["bob", "new"]);
    }
}
