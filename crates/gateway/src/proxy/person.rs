//! A caller, as the ledger tells callers apart.

use std::borrow::Cow;

use callsign_core::auth::Caller;
use callsign_store::ledger::query::Owner;

/// A caller who may own generations and jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person(pub(super) Owner);

impl Person {
    pub(super) fn of(caller: &Caller<'_>) -> Self {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        Self(Owner { tenant: owned(&caller.tenant), user: owned(&caller.user), key: caller.key.clone().into_owned() })
    }

    /// Returns true if this person is `owner`. Callers without a user id are told apart by their key.
    pub(super) fn is(&self, owner: &Owner) -> bool {
        let Self(own) = self;
        let same_key = own.user.is_some() || own.key == owner.key;
        own.tenant == owner.tenant && own.user == owner.user && same_key
    }

    /// Returns true if something has owners, and this person is all of them.
    pub(super) fn owns(&self, owners: &[Owner]) -> bool {
        !owners.is_empty() && owners.iter().all(|owner| self.is(owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_callers_generation_is_not_owned() {
        let person = |tenant: &str, user: Option<&str>, key: &str| {
            let tenant = Some(tenant.to_owned()).filter(|tenant| !tenant.is_empty());
            Person(Owner { tenant, user: user.map(str::to_owned), key: key.to_owned() })
        };
        let owns = |person: &Person, of: Person| person.owns(&[of.0]);
        let alice = person("acme", Some("alice"), "app");
        assert!(owns(&alice, alice.clone()));
        assert!(owns(&alice, person("acme", Some("alice"), "laptop")), "her other key");
        for other in [
            person("", Some("alice"), "app"),
            person("beta", Some("alice"), "app"),
            person("acme", Some("bob"), "app"),
            person("acme", None, "app"),
        ] {
            assert!(!owns(&alice, other.clone()), "{other:?}");
            assert!(!alice.owns(&[alice.0.clone(), other.0]), "a shared one");
        }
        assert!(!alice.owns(&[]));
        let nobody = person("", None, "app");
        assert!(owns(&nobody, nobody.clone()));
        assert!(!owns(&nobody, person("", None, "other")));
        assert!(!owns(&nobody, person("", Some("alice"), "app")));
    }
}
