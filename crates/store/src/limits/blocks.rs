//! The block list. Requests are compared with it by user id and by the identifier that would be sent. No I/O.
//!
//! `content` reads the entries of the state; `gate` checks requests.

pub mod content;
pub mod gate;

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::forgotten;

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
    /// True if `id` is a digest, because the user was forgotten. The block stays in force.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
}

impl Block {
    /// Returns true if the block has this id, or its digest.
    pub fn has_id(&self, id: &str) -> bool {
        forgotten::is_same(&self.id, self.forgotten, id)
    }

    /// Returns true if the block has not expired.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Returns true if the other block is about the same callers.
    pub fn is_about_same(&self, other: &Self) -> bool {
        self.has_id(&other.id) && (&self.tenant, self.user_id) == (&other.tenant, other.user_id)
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
    /// The blocks of forgotten users, by digest.
    forgotten: HashMap<String, Vec<Block>>,
}

impl BlockList {
    /// Creates the list.
    pub fn new(blocks: Vec<Block>) -> Self {
        let mut list = Self::default();
        for block in blocks {
            let map = if block.forgotten { &mut list.forgotten } else { &mut list.by_id };
            map.entry(block.id.clone()).or_default().push(block);
        }
        list
    }

    /// Returns true if the list is empty.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.forgotten.is_empty()
    }

    /// Returns true if a user of this tenant, for whom `sent` would go upstream, is blocked.
    pub fn stops(&self, tenant: Option<&str>, user: Option<&str>, sent: Option<&str>, now: Timestamp) -> bool {
        let of = |name: Option<&str>| {
            let known = name.and_then(|name| self.by_id.get(name));
            let name = name.filter(|_| !self.forgotten.is_empty());
            let forgotten = name.and_then(|name| self.forgotten.get(&forgotten::digest(name)));
            known.into_iter().chain(forgotten).flatten()
        };
        let named = of(user).chain(of(sent).filter(|block| !block.user_id));
        named.into_iter().any(|block| block.is_of(tenant) && block.holds(now))
    }

    /// Iterates over all blocks.
    pub fn iter(&self) -> impl Iterator<Item = &Block> {
        self.by_id.values().chain(self.forgotten.values()).flatten()
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
            forgotten: false,
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
            Block { forgotten: true, ..block(&forgotten::digest("gone"), Some("acme")) },
        ]);
        let stops = |tenant, user| list.stops(tenant, Some(user), None, now);
        assert!(stops(None, "anywhere") && stops(Some("acme"), "anywhere"));
        assert!(stops(None, "nowhere") && !stops(Some("acme"), "nowhere"));
        assert!(!stops(None, "of-acme") && stops(Some("acme"), "of-acme"));
        assert!(!stops(None, "until") && list.stops(None, Some("until"), None, earlier));
        assert!(list.stops(None, Some("x"), Some("anywhere"), now), "by the identifier as sent");
        assert!(stops(None, "person") && !list.stops(None, Some("x"), Some("person"), now), "by the user id only");
        assert!(!list.stops(None, None, None, now));
        assert!(stops(Some("acme"), "gone") && !stops(None, "gone"), "by the digest of a forgotten user");
        assert!(!stops(Some("acme"), &forgotten::digest("gone")), "the digest is nobody's id");
    }
}
