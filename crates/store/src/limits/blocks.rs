//! The block list. Requests are compared with it by user id and by the identifier that would be sent. No I/O.
//!
//! `content` reads the entries of the state; `gate` checks requests.

pub mod content;
pub mod gate;

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// True if `id` is a user id only. Otherwise the block also stops those for whom `id` is sent upstream. A block of a
    /// known person must not, because the person may have chosen the identifier of somebody else as a name.
    #[serde(default)]
    pub user_id: bool,
}

impl Block {
    /// Returns true if the block has not expired.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Returns true if the other block is about the same callers.
    pub fn is_about_same(&self, other: &Self) -> bool {
        (&self.id, &self.tenant, self.user_id) == (&other.id, &other.tenant, other.user_id)
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
        let of = |name: Option<&str>| name.and_then(|name| self.by_id.get(name)).into_iter().flatten();
        let named = of(user).chain(of(sent).filter(|block| !block.user_id));
        named.into_iter().any(|block| block.is_of(tenant) && block.holds(now))
    }

    /// Iterates over all blocks.
    pub fn iter(&self) -> impl Iterator<Item = &Block> {
        self.by_id.values().flatten()
    }
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
            user_id: false,
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
            Block { user_id: true, ..block("person", None) },
        ]);
        let stops = |tenant, user| list.stops(tenant, Some(user), None, now);
        assert!(stops(None, "anywhere") && stops(Some("acme"), "anywhere"));
        assert!(stops(None, "nowhere") && !stops(Some("acme"), "nowhere"));
        assert!(!stops(None, "of-acme") && stops(Some("acme"), "of-acme"));
        assert!(!stops(None, "until") && list.stops(None, Some("until"), None, earlier));
        assert!(list.stops(None, Some("x"), Some("anywhere"), now), "by the identifier as sent");
        assert!(stops(None, "person") && !list.stops(None, Some("x"), Some("person"), now), "by the user id only");
        assert!(!list.stops(None, None, None, now));
    }
}
