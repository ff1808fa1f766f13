//! Who stands behind an identifier that OpenRouter or a provider reports: by the ledger, and where that knows nothing, by
//! the formats alone (contract, section 6). One answer for the command line and the admin port.
//!
//! The formats of the configuration in force are tried: a seal opens with the secret, raw and prefixed identifiers are read
//! back, hashes are compared with those of candidates. What was sent under other formats or another secret is not found.

mod candidates;

use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::identifiers::Policy;
use crate::identifiers::format::{Format, ReadBack};
use crate::identifiers::missing::MissingUser;
use crate::identifiers::sources::{Field, Sources};
use crate::ledger::query::{Found, Kind};
use crate::ledger::{LedgerError, Reader};
pub use candidates::Candidates;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// The identifier, to the letter.
    pub identifier: &'q str,
    /// Only callers of this tenant, `""` being none; of all without.
    pub tenant: Option<&'q str>,
    /// Who it could be.
    pub candidates: &'q Candidates,
}

/// What the ledger knows; where it knows nothing, what the formats tell of whom it may know.
///
/// # Errors
/// When the ledger does not answer.
pub async fn ask(config: &Config, reader: &Reader, question: Question<'_>) -> Result<Vec<Found>, LedgerError> {
    let of_tenant = |found: &Found| question.tenant.is_none_or(|name| found.tenant.as_deref().unwrap_or("") == name);
    let mut found = reader.whois(question.identifier, config.upstream.org_id.as_deref()).await?;
    found.retain(of_tenant);
    if !found.is_empty() {
        return Ok(found);
    }
    let mut told = by_formats(config, question);
    for one in &mut told {
        let Some(user) = &one.user else { continue };
        let known = reader.mapping(user, Some(one.tenant.as_deref().unwrap_or_default())).await?;
        if let Some(known) = known.first() {
            one.first_seen = Some(known.first_seen);
            one.last_seen = Some(known.last_seen);
            one.requests = known.requests;
        }
    }
    Ok(told)
}

/// What the formats alone tell: nobody need have been seen.
pub fn by_formats(config: &Config, question: Question<'_>) -> Vec<Found> {
    let own = (None, &config.identifiers);
    let tenants = config.tenants.iter().map(|tenant| (Some(tenant.name.as_str()), &tenant.policy));
    let mut found = Vec::new();
    for (tenant, policy) in std::iter::once(own).chain(tenants) {
        if question.tenant.is_none_or(|name| name == tenant.unwrap_or("")) {
            let search = Search { question, tenant, policy, org_id: config.upstream.org_id.as_deref() };
            search.run(&mut found);
        }
    }
    found
}

/// One identifier, under what is said about the callers of one tenant.
struct Search<'s> {
    question: Question<'s>,
    tenant: Option<&'s str>,
    policy: &'s Policy,
    org_id: Option<&'s str>,
}

impl Search<'_> {
    fn run(&self, found: &mut Vec<Found>) {
        let formats = &self.policy.formats;
        let identifier = self.question.identifier;
        if matches!(&self.policy.missing_user, MissingUser::Shared(id) if id == identifier) {
            found.push(self.found(Kind::User, None));
        }
        for (kind, format) in [
            (Kind::User, &formats.user),
            (Kind::Session, &formats.session),
            (Kind::Session, &formats.cache_session),
            (Kind::Chat, &formats.chat),
            (Kind::Message, &formats.message),
        ] {
            let read = format.read_back(identifier, self.tenant, self.policy.secret.as_ref());
            // A session, chat or message that names no user tells nothing that was not asked.
            if let Some(read) = read.filter(|read| read.get(Field::User).is_some() || read.sealed) {
                self.add(kind, &read, found);
            }
            for candidate in self.question.candidates.iter() {
                let sources = candidate.sources(self.tenant);
                if self.render(format, &sources).as_deref() == Some(identifier) {
                    add_once(self.found(kind, sources.user), found);
                }
            }
        }
        self.by_digest(found);
    }

    /// `sha256(ORG_ID-user)`, the form that a provider may report (see [`Reader::whois`]).
    fn by_digest(&self, found: &mut Vec<Found>) {
        let Some(org_id) = self.org_id.filter(|_| self.question.identifier.len() == 64) else { return };
        for candidate in self.question.candidates.iter() {
            let sources = candidate.sources(self.tenant);
            let Some(sent) = self.render(&self.policy.formats.user, &sources) else { continue };
            let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{org_id}-{sent}")));
            if digest.eq_ignore_ascii_case(self.question.identifier) {
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

    fn render(&self, format: &Format, sources: &Sources<'_>) -> Option<String> {
        format.render(sources, self.policy.secret.as_ref())
    }
}

/// A caller is found once, whichever of their identifiers it is.
fn add_once(one: Found, found: &mut Vec<Found>) {
    if !found.iter().any(|other| (&other.user, &other.tenant) == (&one.user, &one.tenant)) {
        found.push(one);
    }
}

#[cfg(test)]
mod tests;
