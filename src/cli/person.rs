//! Finds the one person that a command acts on, and that person's requests.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use super::error::CommandError;
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::ledger::query::{Filter, Found, Kind, RequestFilter, StoredRequest};
use callsign_store::ledger::{LedgerError, Reader};

/// Requests per query.
const PAGE: u32 = 1_000;

/// A user of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Person {
    /// The tenant, if any.
    pub(super) tenant: Option<String>,
    /// The user id as the caller states it.
    pub(super) user: String,
}

impl Person {
    /// Returns the filter of this person's requests.
    pub(super) fn filter(&self) -> Filter {
        let tenant = Some(self.tenant.clone().unwrap_or_default());
        Filter { user: Some(self.user.clone()), tenant, ..Filter::default() }
    }

    /// Names the person for a message.
    pub(super) fn shown(&self) -> String {
        let tenant = self.tenant.as_ref().map(|tenant| format!(" of tenant {}", printable(tenant))).unwrap_or_default();
        format!("user {}{tenant}", printable(&self.user))
    }
}

/// The identifier that a command names a person with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    /// The identifier.
    pub(super) id: &'a str,
    /// Only users of this tenant; `""` for users without a tenant.
    pub(super) tenant: Option<&'a str>,
}

impl Named<'_> {
    /// Returns the users with this user id. Unless `user_id_only`, also those for whom the identifier was sent as the
    /// user.
    pub(super) async fn users(
        self,
        reader: &Reader,
        config: &Config,
        user_id_only: bool,
    ) -> Result<BTreeSet<Person>, LedgerError> {
        let mappings = reader.mapping(self.id, self.tenant).await?.into_iter();
        let mut users: BTreeSet<_> =
            mappings.map(|mapping| Person { tenant: mapping.tenant, user: mapping.user }).collect();
        if !user_id_only {
            let found = self.found(reader, config).await?;
            users.extend(people(found.iter().filter(|found| matches!(found.kind, Kind::User | Kind::Upstream))));
        }
        Ok(users)
    }

    /// Returns what the ledger has about the identifier, as sent or as stated, of any kind.
    pub(super) async fn found(self, reader: &Reader, config: &Config) -> Result<Vec<Found>, LedgerError> {
        let mut found = reader.whois(self.id, config.upstream.org_id.as_deref()).await?;
        found.retain(|found| self.tenant.is_none_or(|tenant| found.tenant.as_deref().unwrap_or_default() == tenant));
        Ok(found)
    }
}

/// Returns the different users among these callers.
pub(super) fn people<'f>(found: impl IntoIterator<Item = &'f Found>) -> BTreeSet<Person> {
    found
        .into_iter()
        .filter_map(|found| Some(Person { tenant: found.tenant.clone(), user: found.user.clone()? }))
        .collect()
}

/// Returns the person if there is exactly one. Else prints how many there are, and lists them.
///
/// # Errors
/// I/O errors of `err`.
pub(super) fn only(people: &BTreeSet<Person>, err: &mut impl Write) -> io::Result<Option<Person>> {
    let mut each = people.iter();
    match (each.next(), people.len()) {
        (Some(person), 1) => return Ok(Some(person.clone())),
        (None, _) => writeln!(err, "callsign: no request of this user is in the ledger")?,
        (Some(_), count) => {
            writeln!(err, "callsign: the identifier is of {count} persons; choose one by user id and --tenant:")?;
            for person in people {
                let tenant = person.tenant.as_deref().map_or_else(|| "''".to_owned(), printable);
                writeln!(err, "  {} --tenant {tenant}", printable(&person.user))?;
            }
        }
    }
    Ok(None)
}

/// Passes each of a person's requests to `visit`, latest first.
pub(super) async fn each_request(
    reader: &Reader,
    person: &Person,
    mut visit: impl FnMut(&StoredRequest) -> io::Result<()>,
) -> Result<(), CommandError> {
    let mut filter = RequestFilter { common: person.filter(), ..RequestFilter::default() };
    loop {
        let page = reader.requests(&filter, PAGE, Duration::MAX).await?;
        for request in &page.requests {
            visit(request)?;
        }
        if page.next.is_none() {
            return Ok(());
        }
        filter.before = page.next;
    }
}
