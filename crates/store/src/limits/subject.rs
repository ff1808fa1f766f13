//! The subject of counters: a user of a tenant, or a key if there is no user. It is a digest, so that neither the
//! counter file nor Redis contains names.

use std::fmt;

use sha2::{Digest, Sha256};

use callsign_core::identity::caller_identity::CallerIdentity;

/// A digest of a user or a key.
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

/// Returns a digest of a message id, for recognising repeated messages.
pub(super) fn message_digest(id: &str) -> u64 {
    let digest = Sha256::digest(id);
    u64::from_be_bytes(digest[..8].try_into().unwrap_or_default())
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
        ];
        let distinct: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(of(None, "k", Some("ada")), of(None, "another", Some("ada")), "by whatever key");
        assert_eq!(Subject::from_hex(&all[0].hex()), Some(all[0]));
        assert_eq!(Subject::from_hex("ada"), None);
    }
}
