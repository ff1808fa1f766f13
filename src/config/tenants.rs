//! Parses `[[tenants]]`: organisations that share one callsign, each with its own OpenRouter key, formats and valves. A
//! tenant inherits from the operator what it does not set.

use super::identifiers;
use super::reader::{Reader, Reported};
use super::scope::Scope;
use super::table_reader::TableReader;
use super::values;
use callsign_core::auth::PASS_THROUGH;
use callsign_core::auth::settings::Callers;
use callsign_core::identity::Policy;
use callsign_core::identity::format::Format;
use callsign_core::identity::identifier::{PerIdentifier, TABLE};
use callsign_core::identity::missing::MissingUser;
use callsign_core::identity::secret::IdSecret;
use callsign_core::identity::valve::TRACE;
use callsign_core::secret::Secret;
use callsign_core::tenant::Tenant;
use callsign_core::usage::markup::Markup;

/// The parsed fields of one entry, before they are merged with the operator's settings.
pub(super) struct Entry {
    name: String,
    api_key: Option<Secret>,
    secret: Option<IdSecret>,
    formats: PerIdentifier<Option<Format>>,
    valves: PerIdentifier<Option<bool>>,
    /// The valve of `trace`.
    trace: Option<bool>,
    missing_user: Option<MissingUser>,
    metadata: Vec<(String, String)>,
    markup: Option<Markup>,
    archive: Option<bool>,
    source: String,
    /// Its path in the merged layers.
    path: String,
}

/// Reads all entries.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<Entry>, Reported> {
    let names = reader.layers.tables("tenants").into_iter();
    let read: Vec<_> = names.map(|name| read_one(&name, reader)).collect();
    let entries = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut unique = Ok(());
    for (index, entry) in entries.iter().enumerate() {
        if entries.iter().take(index).any(|earlier| earlier.name == entry.name) {
            unique = reader.refuse(&entry.source, "has the name of an earlier entry; choose another");
        }
    }
    unique.map(|()| entries)
}

fn read_one(entry: &str, reader: &mut Reader<'_>) -> Result<Entry, Reported> {
    let mut table_reader = TableReader::entry(reader, "tenants", entry);
    let name = table_reader.needed("name", "set it", tenant_name);
    let api_key = table_reader.field("openrouter_api_key", values::credential);
    let secret = table_reader.field("id_secret", |text| IdSecret::new(&Secret::new(text)));
    let formats = PerIdentifier::from_fn(|row| table_reader.field(row.format.path, identifiers::format)).transpose();
    let valves = PerIdentifier::from_fn(|row| table_reader.field(row.valve.path, values::switch)).transpose();
    let trace = table_reader.field(TRACE.path, values::switch);
    let missing_user = table_reader.field("missing_user", identifiers::missing_user);
    let metadata = table_reader.metadata();
    let markup = table_reader.field("markup", str::parse);
    let archive = table_reader.field("archive", values::switch);
    Ok(Entry {
        name: name?,
        api_key: api_key?,
        secret: secret?,
        formats: formats?,
        valves: valves?,
        trace: trace?,
        missing_user: missing_user?,
        metadata: metadata?,
        markup: markup?,
        archive: archive?,
        source: table_reader.source,
        path: format!("tenants.{entry}"),
    })
}

/// Parses a tenant's name. The namespace of pass-through keys is reserved.
fn tenant_name(text: &str) -> Result<String, String> {
    if text.starts_with(PASS_THROUGH) {
        return Err("begins with passthrough-, which is reserved for pass-through keys; choose another".to_owned());
    }
    values::caller_name(text)
}

impl Entry {
    /// The tenant's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The tenant's own metadata pairs.
    pub(super) fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// Source of the entry, for messages.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The scope of the tenant's settings.
    pub(super) fn scope(&self) -> Scope<'_> {
        Scope::Tenant(&self.path)
    }

    /// Merges the entry with the operator's settings.
    pub(super) fn tenant(&self, operator: &Policy) -> Tenant {
        let mut policy = operator.clone();
        for identifier in TABLE.iter().map(|row| row.identifier) {
            if let Some(format) = &self.formats[identifier] {
                policy.formats[identifier].clone_from(format);
            }
            if let Some(on) = self.valves[identifier] {
                policy.valves.identifiers[identifier] = on;
            }
        }
        policy.valves.trace = self.trace.unwrap_or(policy.valves.trace);
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
            archive: self.archive,
            source: self.source.clone(),
        }
    }

    /// Checks the rules between the tenant's identifier settings.
    pub(super) fn check(&self, operator: &Policy, reader: &mut Reader<'_>) {
        // A missing secret of the operator is already reported; setting it also gives the tenant one.
        let known = identifiers::lacks_secret(operator);
        let policy = self.tenant(operator).policy;
        // The reader has the problems; there is no value.
        let _: Result<(), Reported> = identifiers::check(&policy, self.scope(), &self.source, known, reader);
    }
}

/// Checks that the tenants of keys and issuers are configured.
pub(super) fn check_names(callers: &Callers, tenants: &[Entry], reader: &mut Reader<'_>) {
    let keys = callers.keys.iter().map(|key| (&key.tenant, &key.source));
    let issuers = callers.issuers.iter().map(|issuer| (&issuer.rules.tenant, &issuer.source));
    let known: Vec<_> = tenants.iter().map(|tenant| tenant.name.as_str()).collect();
    for (named, source) in keys.chain(issuers) {
        let Some(named) = named.as_deref() else { continue };
        if known.is_empty() {
            reader.problems.push(source, "names a tenant, but none is configured; add it to [[tenants]]");
        } else if !known.contains(&named) {
            let message = format!("names a tenant that is not configured; there are {}", known.join(", "));
            reader.problems.push(source, message);
        }
    }
}
