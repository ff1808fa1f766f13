//! Numbers that stand for a person and for an identifier in keys, so that a key is short whatever a caller sends.

use sha2::{Digest, Sha256};

use super::record::RequestLabels;

/// Returns the first 63 bits of the SHA-256 of these texts. `None` and `""` are the same, as in the tables' keys.
fn number<'t>(texts: impl IntoIterator<Item = &'t str>) -> i64 {
    let mut digest = Sha256::new();
    for text in texts {
        // The length prefix makes the digest's input unambiguous.
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let first = digest.first_chunk().copied().unwrap_or_default();
    (u64::from_be_bytes(first) >> 1).cast_signed()
}

/// Returns the number of a person: a user of a key, or the key itself.
pub(super) fn person(tenant: &str, key: &str, user: &str) -> i64 {
    number([tenant, key, user])
}

/// Returns the number of an identifier.
pub(super) fn identifier(text: &str) -> i64 {
    number([text])
}

impl RequestLabels {
    /// Returns the number of the person.
    pub(super) fn person_number(&self) -> i64 {
        let [tenant, key, user] = self.person();
        person(tenant, key, user)
    }

    /// Returns the number of the key without a user.
    pub(super) fn key_number(&self) -> i64 {
        let [tenant, key, _] = self.person();
        person(tenant, key, "")
    }

    /// Returns the number of the tenant alone.
    pub(super) fn tenant_number(&self) -> i64 {
        let [tenant, ..] = self.person();
        person(tenant, "", "")
    }

    /// Returns the tenant, the key and the user; `""` for none.
    pub(super) fn person(&self) -> [&str; 3] {
        [self.tenant.as_deref().unwrap_or_default(), &self.key, self.user.as_deref().unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_that_of_all_texts_in_their_order() {
        let base = person("a", "b", "c");
        assert!(base >= 0);
        for other in [person("a", "c", "b"), person("ab", "", "c"), person("", "ab", "c"), person("a", "b", "")] {
            assert_ne!(base, other);
        }
        assert_eq!(identifier("abc"), identifier("abc"));
    }

    #[test]
    fn numbers_do_not_change_between_versions() {
        assert_eq!(identifier("alice"), 3_987_027_586_478_584_936, "stored databases use it");
    }
}
