//! The subject of counters: a caller (a user of a tenant, or a key if there is no user), or a whole key, tenant or
//! account. It is a digest, so that neither the counter file nor Redis contains names.

use std::fmt;

use sha2::{Digest, Sha256};

use callsign_core::identity::caller_identity::CallerIdentity;

/// A digest of a caller, a key, a tenant or the account.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject([u8; 16]);

impl Subject {
    /// Returns the subject of a request.
    pub fn of(sources: &CallerIdentity<'_>) -> Self {
        match sources.user {
            Some(user) => Self::user(sources.tenant, user),
            None => Self::digest(b"key", sources.tenant, sources.key),
        }
    }

    /// Returns the subject of a user.
    pub fn user(tenant: Option<&str>, user: &str) -> Self {
        Self::digest(b"user", tenant, user)
    }

    /// Returns the subject of a whole key.
    pub fn whole_key(key: &str) -> Self {
        Self::digest(b"whole-key", None, key)
    }

    /// Returns the subject of a whole tenant.
    pub fn whole_tenant(tenant: &str) -> Self {
        Self::digest(b"whole-tenant", None, tenant)
    }

    /// Returns the subject of the operator's account.
    pub fn account() -> Self {
        Self::digest(b"account", None, "")
    }

    fn digest(kind: &[u8], tenant: Option<&str>, name: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(kind);
        // The length prefix makes the digest's input unambiguous.
        digest.update(tenant.map_or(u64::MAX, |tenant| tenant.len() as u64).to_be_bytes());
        digest.update(tenant.unwrap_or_default());
        digest.update(name);
        let mut half = [0; 16];
        half.copy_from_slice(&digest.finalize()[..16]);
        Self(half)
    }

    /// Formats the digest as hexadecimal text.
    pub fn hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Parses hexadecimal text.
    pub fn from_hex(text: &str) -> Option<Self> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// Returns an evenly distributed number, for choosing a shard.
    pub(super) fn spread(self) -> usize {
        usize::from(self.0[0])
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// Returns a digest of a caller's message or chat id, for recognising repeated ones.
pub(super) fn id_digest(caller: Subject, kind: &str, id: &str) -> u64 {
    let mut digest = Sha256::new();
    digest.update(caller.0);
    digest.update(kind);
    digest.update([0]);
    digest.update(id);
    digest.finalize().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_differ_by_tenant_user_and_kind() {
        let of = |tenant, key, user| Subject::of(&CallerIdentity { tenant, key, user, ..CallerIdentity::default() });
        let all = [
            of(None, "k", Some("ada")),
            of(Some(""), "k", Some("ada")),
            of(Some("a"), "k", Some("da")),
            of(Some("acme"), "k", Some("ada")),
            of(None, "ada", None),
            of(Some("acme"), "ada", None),
            Subject::whole_key("ada"),
            Subject::whole_tenant("ada"),
            Subject::account(),
        ];
        let distinct: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(of(None, "k", Some("ada")), of(None, "another", Some("ada")), "by whatever key");
        assert_eq!(Subject::from_hex(&all[0].hex()), Some(all[0]));
        assert_eq!(Subject::from_hex("ada"), None);
        let digests = [
            id_digest(all[0], "chat", "1"),
            id_digest(all[0], "message", "1"),
            id_digest(all[1], "message", "1"),
            id_digest(all[1], "message", "2"),
        ];
        assert_eq!(digests.into_iter().collect::<std::collections::BTreeSet<_>>().len(), digests.len());
    }
}
