//! Who is stopped: a list that every request is held against, by user id and by the identifier that would be sent. Pure.
//!
//! `shelf` keeps the list where the command line and other callsigns find it; `gate` is what requests pass.

mod file;
pub mod gate;
pub mod order;
pub mod shelf;

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::LedgerError;
use crate::ledger::Reader;

/// The longest reason that is kept, in characters.
pub const LONGEST_REASON: usize = 500;

/// One person who is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The user's id, or the identifier as sent upstream.
    pub id: String,
    /// The tenant: absent for any, empty for the users of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// When it began.
    pub since: Timestamp,
    /// When it ends; never without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why, for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether running answers are cut.
    #[serde(default)]
    pub cut: bool,
}

impl Block {
    /// Whether it still holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether it is about the same person, or identifier, of the same tenant.
    pub fn is_about(&self, id: &str, tenant: Option<&str>) -> bool {
        self.id == id && self.tenant.as_deref() == tenant
    }

    /// Whether it is about people of this tenant.
    pub fn is_of(&self, tenant: Option<&str>) -> bool {
        self.tenant.as_deref().is_none_or(|of| of == tenant.unwrap_or_default())
    }
}

/// Everybody who is stopped, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct BlockList {
    by_id: HashMap<String, Vec<Block>>,
}

impl BlockList {
    /// Of these.
    pub fn new(blocks: Vec<Block>) -> Self {
        let mut by_id: HashMap<String, Vec<Block>> = HashMap::new();
        for block in blocks {
            by_id.entry(block.id.clone()).or_default().push(block);
        }
        Self { by_id }
    }

    /// Whether nobody is stopped.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether a user of this tenant, for whom `sent` would go upstream, is stopped.
    pub fn stops(&self, tenant: Option<&str>, user: Option<&str>, sent: Option<&str>, now: Timestamp) -> bool {
        let named = [user, sent].into_iter().flatten().filter_map(|name| self.by_id.get(name));
        named.flatten().any(|block| block.is_of(tenant) && block.holds(now))
    }

    /// Every one.
    pub fn iter(&self) -> impl Iterator<Item = &Block> {
        self.by_id.values().flatten()
    }
}

/// Puts a block on a list in place of an earlier one about the same; what is over goes.
pub fn put(blocks: &mut Vec<Block>, block: Block) {
    blocks.retain(|other| other.holds(block.since) && !other.is_about(&block.id, block.tenant.as_deref()));
    blocks.push(block);
}

/// Takes the blocks about `id` off a list: those of `tenant`, or all where none is named. How many there were.
pub fn lift(blocks: &mut Vec<Block>, id: &str, tenant: Option<&str>) -> usize {
    let before = blocks.len();
    blocks.retain(|block| block.id != id || tenant.is_some_and(|tenant| block.tenant.as_deref() != Some(tenant)));
    before - blocks.len()
}

/// Whom an id means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// This user of this tenant (empty: of none).
    User {
        /// The id.
        id: String,
        /// The tenant.
        tenant: String,
    },
    /// Whoever has it as id or is sent under it: the ledger knows nobody, or many.
    Literal,
    /// Users of several tenants, these.
    Several(Vec<String>),
}

/// Finds out whom `id` means, by the ledger: a user's id before an identifier that was sent.
///
/// # Errors
/// Those of the ledger.
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
            // One identifier for many, as `shared:ID` makes it.
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
