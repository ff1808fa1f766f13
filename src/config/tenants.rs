//! `[[tenants]]`: organisations whose callers share one callsign, each with an OpenRouter key, formats and so on of its own.
//! What a tenant does not say is the operator's.

use super::callers::Callers;
use super::identifiers::{self, FORMATS, VALVES};
use super::reader::{Reader, Recorded};
use super::scope::Scope;
use super::stanza::Stanza;
use super::values;
use crate::caller::PASS_THROUGH;
use crate::identifiers::Policy;
use crate::identifiers::format::Format;
use crate::identifiers::missing::MissingUser;
use crate::identifiers::secret::IdSecret;
use crate::ledger::Markup;
use crate::secret::Secret;

/// One tenant.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its name, as keys, issuers and `{tenant}` say it.
    pub name: String,
    /// The OpenRouter key that pays for it; the operator's without.
    pub api_key: Option<Secret>,
    /// What is said about its callers.
    pub policy: Policy,
    /// The factor between what it costs and what it is charged.
    pub markup: Markup,
    /// Where it was configured, for messages.
    pub source: String,
}

/// What one entry says, before it is put on top of the operator's settings.
pub(super) struct Entry {
    name: String,
    api_key: Option<Secret>,
    secret: Option<IdSecret>,
    formats: [Option<Format>; 5],
    valves: [Option<bool>; 6],
    missing_user: Option<MissingUser>,
    metadata: Vec<(String, String)>,
    markup: Option<Markup>,
    source: String,
    /// What it is filed under.
    path: String,
}

/// Every entry.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<Entry>, Recorded> {
    let names = reader.layers.tables("tenants").into_iter();
    let read: Vec<_> = names.map(|name| read_one(&name, reader)).collect();
    let entries = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut unique = Ok(());
    for (index, entry) in entries.iter().enumerate() {
        if entries.iter().take(index).any(|earlier| earlier.name == entry.name) {
            unique = reader.refuse(&entry.source, "has the name of an earlier entry; give each its own");
        }
    }
    unique.map(|()| entries)
}

fn read_one(entry: &str, reader: &mut Reader<'_>) -> Result<Entry, Recorded> {
    let mut stanza = Stanza::entry(reader, "tenants", entry);
    let name = stanza.needed("name", "give it one", tenant_name);
    let api_key = stanza.field("openrouter_api_key", values::credential);
    let secret = stanza.field("id_secret", |text| IdSecret::new(&Secret::new(text)));
    let formats = FORMATS.map(|(id, _)| stanza.field(id, identifiers::format));
    let valves = VALVES.map(|id| stanza.field(id, values::switch));
    let missing_user = stanza.field("missing_user", identifiers::missing_user);
    let metadata = stanza.metadata();
    let markup = stanza.field("markup", str::parse);
    let [user, session, chat, message, cache_session] = formats;
    let [send_user, send_session, send_chat, send_message, send_cache_session, send_trace] = valves;
    Ok(Entry {
        name: name?,
        api_key: api_key?,
        secret: secret?,
        formats: [user?, session?, chat?, message?, cache_session?],
        valves: [send_user?, send_session?, send_chat?, send_message?, send_cache_session?, send_trace?],
        missing_user: missing_user?,
        metadata: metadata?,
        markup: markup?,
        source: stanza.source,
        path: format!("tenants.{entry}"),
    })
}

/// Any plain name that cannot be taken for the namespace of a pass-through key.
fn tenant_name(text: &str) -> Result<String, &'static str> {
    if text.starts_with(PASS_THROUGH) {
        return Err("begins with passthrough-, which stands for keys that pass through; choose another");
    }
    values::name(text)
}

impl Entry {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its own metadata pairs.
    pub(super) fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// Where it stands.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Where its settings are looked for.
    pub(super) fn scope(&self) -> Scope<'_> {
        Scope::Tenant(&self.path)
    }

    /// The tenant on top of the operator's settings.
    pub(super) fn tenant(&self, operator: &Policy) -> Tenant {
        let mut policy = operator.clone();
        let formats = &mut policy.formats;
        let places = [
            &mut formats.user,
            &mut formats.session,
            &mut formats.chat,
            &mut formats.message,
            &mut formats.cache_session,
        ];
        for (place, own) in places.into_iter().zip(&self.formats) {
            if let Some(own) = own {
                place.clone_from(own);
            }
        }
        let valves = &mut policy.valves;
        let places = [
            &mut valves.user,
            &mut valves.session,
            &mut valves.chat,
            &mut valves.message,
            &mut valves.cache_session,
            &mut valves.trace,
        ];
        for (place, own) in places.into_iter().zip(self.valves) {
            *place = own.unwrap_or(*place);
        }
        if let Some(missing_user) = &self.missing_user {
            policy.missing_user.clone_from(missing_user);
        }
        let mut metadata = self.metadata.clone();
        metadata.append(&mut policy.metadata);
        policy.metadata = metadata;
        let derived = || Some(operator.secret.as_ref()?.for_tenant(&self.name));
        policy.secret = self.secret.clone().or_else(derived);
        Tenant {
            name: self.name.clone(),
            api_key: self.api_key.clone(),
            policy,
            markup: self.markup.unwrap_or_default(),
            source: self.source.clone(),
        }
    }

    /// The rules that a tenant's identifiers keep, as the operator's do.
    pub(super) fn check(&self, operator: &Policy, reader: &mut Reader<'_>) {
        // What the operator lacks has been said; it would mend the tenant too.
        let known = identifiers::lacks_secret(operator);
        let policy = self.tenant(operator).policy;
        // Problems, not values, are what is wanted here.
        let _: Result<(), Recorded> = identifiers::check(&policy, self.scope(), &self.source, known, reader);
    }
}

/// Keys and issuers belong to tenants that there are.
pub(super) fn check_names(callers: &Callers, tenants: &[Entry], reader: &mut Reader<'_>) {
    let keys = callers.keys.iter().map(|key| (&key.tenant, &key.source));
    let issuers = callers.issuers.iter().map(|issuer| (&issuer.rules.tenant, &issuer.source));
    let there_are: Vec<_> = tenants.iter().map(|tenant| tenant.name.as_str()).collect();
    for (named, source) in keys.chain(issuers) {
        let Some(named) = named.as_deref() else { continue };
        if there_are.is_empty() {
            reader.problems.push(source, "belongs to a tenant, but there is none; add it to [[tenants]]");
        } else if !there_are.contains(&named) {
            let message = format!("belongs to no tenant that there is; there are {}", there_are.join(", "));
            reader.problems.push(source, message);
        }
    }
}
