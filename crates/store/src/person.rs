//! Finds the one person that an identifier means. Commands and the admin API share it.

use std::collections::BTreeSet;

use crate::ledger::query::{Filter, Found, Kind};
use crate::ledger::{LedgerError, Reader};
use crate::org_ids::OrgIds;
use crate::whois::{self, Candidates, Question, Scope};

/// A user of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// The tenant, if any.
    pub tenant: Option<String>,
    /// The user id as the caller states it.
    pub user: String,
}

impl Person {
    /// Returns the filter of this person's requests.
    pub fn filter(&self) -> Filter {
        let tenant = Some(self.tenant.clone().unwrap_or_default());
        Filter { user: Some(self.user.clone()), tenant, ..Filter::default() }
    }

    /// Returns true if the person is of this tenant; `""` selects persons without one, `None` all.
    pub fn is_of(&self, tenant: Option<&str>) -> bool {
        tenant.is_none_or(|tenant| self.tenant.as_deref().unwrap_or_default() == tenant)
    }
}

/// The identifier that names a person.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The identifier.
    pub id: &'a str,
    /// Only users of this tenant; `""` for users without a tenant.
    pub tenant: Option<&'a str>,
}

/// The persons that an identifier of any kind may mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meant {
    /// The persons.
    pub people: BTreeSet<Person>,
    /// The callers without a user id who used or sent it, by tenant.
    pub nameless: BTreeSet<Option<String>>,
}

impl Named<'_> {
    /// Returns the users with this user id. Unless `user_id_only`, also those for whom the identifier was sent as the
    /// user.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger cannot be read.
    pub async fn users(
        self,
        reader: &Reader,
        org_ids: &OrgIds,
        user_id_only: bool,
    ) -> Result<BTreeSet<Person>, LedgerError> {
        let mappings = reader.mapping(self.id, self.tenant).await?.into_iter();
        let mut users: BTreeSet<_> =
            mappings.map(|mapping| Person { tenant: mapping.tenant, user: mapping.user }).collect();
        if !user_id_only {
            let found = self.found(reader, org_ids).await?;
            users.extend(people(found.iter().filter(|found| matches!(found.kind, Kind::User | Kind::Upstream))));
        }
        Ok(users)
    }

    /// Returns what the ledger has about the identifier, as sent or as stated, of any kind.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger cannot be read.
    pub async fn found(self, reader: &Reader, org_ids: &OrgIds) -> Result<Vec<Found>, LedgerError> {
        let mut found = reader.whois(self.id, org_ids).await?;
        found.retain(|found| self.tenant.is_none_or(|tenant| found.tenant.as_deref().unwrap_or_default() == tenant));
        Ok(found)
    }

    /// Returns everybody whom the identifier may mean, as an id of any kind.
    ///
    /// Anybody may call themselves by the identifier that is sent for somebody else. If the ledger knows only persons
    /// who do not get the identifier under the current formats, the person who gets it is returned too. The caller then
    /// sees two persons instead of the wrong one.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger cannot be read.
    pub async fn meant(self, reader: &Reader, scope: Scope<'_>) -> Result<Meant, LedgerError> {
        let found = self.found(reader, scope.org_ids).await?;
        let mut people: BTreeSet<_> = self.users(reader, scope.org_ids, true).await?;
        people.extend(self::people(&found));
        let nameless = found.into_iter().filter(|found| found.user.is_none()).map(|found| found.tenant).collect();
        if !people.is_empty() {
            let candidates = Candidates::default();
            let question = Question { identifier: self.id, tenant: self.tenant, candidates: &candidates };
            let owners = self::people(&whois::by_formats(scope, question));
            if owners.is_disjoint(&people) {
                people.extend(owners.into_iter().filter(|owner| owner.user != self.id));
            }
        }
        Ok(Meant { people, nameless })
    }
}

/// Returns the different users among these callers.
pub fn people<'f>(found: impl IntoIterator<Item = &'f Found>) -> BTreeSet<Person> {
    found
        .into_iter()
        .filter_map(|found| Some(Person { tenant: found.tenant.clone(), user: found.user.clone()? }))
        .collect()
}
