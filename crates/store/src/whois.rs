//! Finds the user of an identifier that OpenRouter or a provider reports. The command line and the admin port share it.
//!
//! Only the ledger has findings: it says which request carried the identifier. The formats of the configuration in force
//! say who would get it now: seals are decrypted with the secret, raw and prefixed identifiers are read back, and hashes
//! are compared with those of candidates. That is a guess, because anybody can write a text that such a format could
//! have written (docs/SPEC.md#whois).

mod candidates;

use jiff::Timestamp;

use crate::ledger::query::{Found, Kind};
use crate::ledger::{LedgerError, Reader};
use crate::org_ids::OrgIds;
use callsign_core::identity::Policy;
use callsign_core::identity::caller_identity::Field;
use callsign_core::identity::format::read_back::ReadBack;
use callsign_core::identity::identifier::{Identifier, TABLE};
use callsign_core::identity::missing::MissingUser;
use callsign_core::tenant::Tenants;
pub use candidates::Candidates;

/// The configuration that an identifier is looked up in.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'s> {
    /// The policies that may have written the identifier.
    pub tenants: &'s Tenants,
    /// The ids of the operator's accounts, which OpenRouter hashes into the identifiers that it passes on to providers.
    pub org_ids: &'s OrgIds,
}

/// A search for the user of one identifier.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// The exact identifier.
    pub identifier: &'q str,
    /// Restricts the search to one tenant; `""` selects callers without a tenant, `None` all callers.
    pub tenant: Option<&'q str>,
    /// Users to compare hashes with.
    pub candidates: &'q Candidates,
}

/// The result of a search in a ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The users whose requests carried the identifier, latest first.
    pub found: Vec<Found>,
    /// The users to whom the current formats would give the identifier. Not a finding. Empty if `found` is not.
    pub guesses: Vec<Found>,
    /// Start of the oldest request in the ledger; `None` if the ledger is empty.
    pub since: Option<Timestamp>,
}

impl Answer {
    /// Says that the ledger does not have the identifier, and how far back the ledger goes.
    pub fn absence(&self) -> String {
        match self.since {
            Some(since) => format!("not in the ledger, which goes back to {}", since.strftime("%Y-%m-%d")),
            None => "not in the ledger, which is empty".to_owned(),
        }
    }

    /// Says for each guess to whom the identifier would belong. Names are untrusted text.
    pub fn notes(&self) -> Vec<String> {
        let note = |guess: &Found| {
            let user =
                guess.user.as_ref().map_or_else(|| "callers without a user".to_owned(), |user| format!("user {user}"));
            let tenant = guess.tenant.as_ref().map(|tenant| format!(" of tenant {tenant}")).unwrap_or_default();
            format!("under the current format it would belong to {user}{tenant}")
        };
        self.guesses.iter().map(note).collect()
    }
}

/// Searches the ledger, and tries the formats if the ledger does not have the identifier.
///
/// # Errors
/// [`LedgerError`] if the ledger cannot be read.
pub async fn ask(scope: Scope<'_>, reader: &Reader, question: Question<'_>) -> Result<Answer, LedgerError> {
    let of_tenant = |found: &Found| question.tenant.is_none_or(|name| found.tenant.as_deref().unwrap_or("") == name);
    let mut found = reader.whois(question.identifier, scope.org_ids).await?;
    found.retain(of_tenant);
    let guesses = if found.is_empty() { by_formats(scope, question) } else { Vec::new() };
    Ok(Answer { found, guesses, since: reader.oldest().await? })
}

/// Searches by the formats only, for a callsign without a ledger. The users found may have sent no request.
pub fn by_formats(scope: Scope<'_>, question: Question<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (tenant, policy) in scope.tenants.policies() {
        if question.tenant.is_none_or(|name| name == tenant.unwrap_or("")) {
            let search = Search { question, tenant, policy, org_ids: scope.org_ids };
            search.run(&mut found);
        }
    }
    found
}

/// Searches by the formats only, and tells what is proved from what is not: only callsign with this secret can have written
/// a seal, and a hash is compared with that of a candidate. Anybody can write what a raw or prefixed format could have
/// written, so that is a guess.
pub fn without_ledger(scope: Scope<'_>, question: Question<'_>) -> Answer {
    let is_proved = |found: &Found| {
        let is_candidate = |user: &str| question.candidates.iter().any(|candidate| candidate.user() == user);
        found.kind == Kind::Sealed || found.user.as_deref().is_some_and(is_candidate)
    };
    let (found, guesses) = by_formats(scope, question).into_iter().partition(is_proved);
    Answer { found, guesses, since: None }
}

/// A search under the policy of one tenant.
struct Search<'s> {
    question: Question<'s>,
    tenant: Option<&'s str>,
    policy: &'s Policy,
    org_ids: &'s OrgIds,
}

impl Search<'_> {
    fn run(&self, found: &mut Vec<Found>) {
        let identifier = self.question.identifier;
        if matches!(&self.policy.missing_user, MissingUser::Shared(id) if id == identifier) {
            found.push(self.found(Kind::User, None));
        }
        for row in &TABLE {
            let kind = kind(row.identifier);
            let read =
                self.policy.formats[row.identifier].read_back(identifier, self.tenant, self.policy.secret.as_ref());
            // A session, chat or message id without a user does not identify anybody.
            if let Some(read) = read.filter(|read| read.get(Field::User).is_some() || read.sealed) {
                self.add(kind, &read, found);
            }
            for candidate in self.question.candidates.iter() {
                let sources = candidate.sources(self.tenant);
                if self.policy.render(row.identifier, &sources).as_deref() == Some(identifier) {
                    add_once(self.found(kind, sources.user), found);
                }
            }
        }
        self.by_digest(found);
    }

    /// Compares the identifier with `sha256(ORG_ID-user)` of each candidate, the form in which a provider may report a
    /// user (see [`Reader::whois`]).
    fn by_digest(&self, found: &mut Vec<Found>) {
        if self.org_ids.is_empty() || !OrgIds::may_report(self.question.identifier) {
            return;
        }
        for candidate in self.question.candidates.iter() {
            let sources = candidate.sources(self.tenant);
            let Some(sent) = self.policy.render(Identifier::User, &sources) else { continue };
            if self.org_ids.reports(&sent, self.question.identifier) {
                add_once(self.found(Kind::Upstream, sources.user), found);
            }
        }
    }

    fn add(&self, kind: Kind, read: &ReadBack, found: &mut Vec<Found>) {
        let kind = if read.sealed { Kind::Sealed } else { kind };
        add_once(self.found(kind, read.get(Field::User)), found);
    }

    fn found(&self, kind: Kind, user: Option<&str>) -> Found {
        Found {
            kind,
            identifier: self.question.identifier.to_owned(),
            user: user.map(str::to_owned),
            key: None,
            tenant: self.tenant.map(str::to_owned),
            first_seen: None,
            last_seen: None,
            requests: 0,
        }
    }
}

/// Returns the kind of a match.
fn kind(identifier: Identifier) -> Kind {
    match identifier {
        Identifier::User => Kind::User,
        Identifier::Session | Identifier::CacheSession => Kind::Session,
        Identifier::Chat => Kind::Chat,
        Identifier::Message => Kind::Message,
    }
}

/// Adds a match unless the same user of the same tenant was found before.
fn add_once(one: Found, found: &mut Vec<Found>) {
    if !found.iter().any(|other| (&other.user, &other.tenant) == (&one.user, &one.tenant)) {
        found.push(one);
    }
}

#[cfg(test)]
mod tests;
