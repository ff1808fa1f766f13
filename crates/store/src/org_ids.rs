//! The ids of the operator's accounts at OpenRouter, which OpenRouter hashes into the users that it reports to providers
//! (docs/SPEC.md#organisation-id).

use std::fmt;

use sha2::{Digest, Sha256};

/// The ids of the operator's accounts. They must not reach logs and callers, so they are not printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OrgIds(Vec<String>);

impl OrgIds {
    /// Returns true if no id is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns these ids and those of `others`.
    #[must_use]
    pub fn joined(&self, others: &Self) -> Self {
        self.0.iter().chain(&others.0).cloned().collect()
    }

    /// Returns true if `reported` is `sha256(ORG_ID-user)`, the form in which a provider may report the user `sent`.
    pub(crate) fn reports(&self, sent: &str, reported: &str) -> bool {
        let form = |id: &String| data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{id}-{sent}")));
        self.0.iter().any(|id| form(id).eq_ignore_ascii_case(reported))
    }

    /// Returns true if `identifier` has the length and characters of `sha256(ORG_ID-user)`.
    pub fn may_report(identifier: &str) -> bool {
        identifier.len() == 64 && identifier.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// Collects ids, each once.
impl FromIterator<String> for OrgIds {
    fn from_iter<I: IntoIterator<Item = String>>(ids: I) -> Self {
        let mut all: Vec<String> = ids.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }
}

impl fmt::Debug for OrgIds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "OrgIds({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> OrgIds {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_reported_user_is_recognised_under_each_id() {
        let other = "0".repeat(64);
        // printf org_1-acme_alice | sha256sum
        let form = "3672edf7a00c2ad74de7881e6bc66ab75abe7b5731c00797d63b39441de9b50b";
        assert!(OrgIds::may_report(form) && !OrgIds::may_report(&form[1..]) && !OrgIds::may_report(&"g".repeat(64)));
        for known in [&["org_1"][..], &["org_0", "org_1"], &["org_1", "org_2"]] {
            assert!(ids(known).reports("acme_alice", form));
            assert!(ids(known).reports("acme_alice", &form.to_uppercase()));
            assert!(!ids(known).reports("acme_bob", form) && !ids(known).reports("acme_alice", &other));
        }
        assert!(!ids(&["org_2"]).reports("acme_alice", form) && !OrgIds::default().reports("acme_alice", form));
    }

    #[test]
    fn ids_are_kept_once_and_not_printed() {
        let all = ids(&["org_1", "org_1"]).joined(&ids(&["org_1", "org_2"]));
        assert_eq!(all, ids(&["org_1", "org_2"]));
        assert_eq!(format!("{all:?}"), "OrgIds(2)");
    }
}
