//! Shows the persons that a command may act on, and reads the requests of one.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use super::error::CommandError;
use callsign_core::visible::printable;
use callsign_store::ledger::Reader;
use callsign_store::ledger::query::{RequestFilter, StoredRequest};
use callsign_store::person::Person;

/// Requests per query.
const PAGE: u32 = 1_000;

/// Names a person for a message.
pub(super) fn shown(person: &Person) -> String {
    let tenant = person.tenant.as_ref().map(|tenant| format!(" of tenant {}", printable(tenant))).unwrap_or_default();
    format!("user {}{tenant}", printable(&person.user))
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
            list(people, err)?;
        }
    }
    Ok(None)
}

/// Lists persons as arguments of a command.
///
/// # Errors
/// I/O errors of `err`.
pub(super) fn list(people: &BTreeSet<Person>, err: &mut impl Write) -> io::Result<()> {
    for person in people {
        let tenant = person.tenant.as_deref().map_or_else(|| "''".to_owned(), printable);
        writeln!(err, "  {} --tenant {tenant}", printable(&person.user))?;
    }
    Ok(())
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
