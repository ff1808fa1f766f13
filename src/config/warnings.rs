//! Warnings about settings that are valid but probably mistakes.

use std::collections::HashSet;

use super::reader::Reader;
use super::scope::Scope;
use super::tenants::Entry;
use callsign_core::auth::issuer::preset::Audience;
use callsign_core::auth::key::{Grant, Key};
use callsign_core::auth::preset::Preset;
use callsign_core::auth::settings::{Callers, ClientSession, TokenIssuer};
use callsign_core::identity::Policy;
use callsign_core::identity::caller_identity::Field;
use callsign_core::identity::format::Format;
use callsign_core::identity::identifier::{Identifier, TABLE};
use callsign_core::identity::limit::{METADATA_PAIRS, METADATA_VALUE_CHARS, fits, is_metadata_key};
use callsign_core::identity::missing::MissingUser;
use callsign_gateway::upstream::settings::Settings as Upstream;

/// Warns about the operator's identifiers, then about each tenant's own.
pub(super) fn about_policies(policy: &Policy, tenants: &[Entry], callers: Option<&Callers>, reader: &mut Reader<'_>) {
    about_formats(policy, Scope::Operator, reader);
    about_metadata(policy, None, callers, reader);
    if let Some(callers) = callers {
        about_sources(policy, Scope::Operator, None, callers, reader);
    }
    for entry in tenants {
        let own = entry.tenant(policy).policy;
        about_formats(&own, entry.scope(), reader);
        about_metadata(&own, Some(entry), callers, reader);
        if let Some(callers) = callers {
            about_sources(&own, entry.scope(), Some(entry.name()), callers, reader);
        }
    }
}

/// Warns about formats that are unused, hash to few digits, or let a caller reproduce another user's identifier.
fn about_formats(policy: &Policy, scope: Scope<'_>, reader: &mut Reader<'_>) {
    for row in &TABLE {
        let (id, valve) = (row.format.path, row.valve.path);
        let format = &policy.formats[row.identifier];
        // What a tenant inherits was checked with the operator's settings.
        if matches!(scope, Scope::Tenant(_)) && !scope.is_set(id, reader) && !scope.is_set(valve, reader) {
            continue;
        }
        let place = scope.place(id, reader);
        if !policy.valves[row.identifier] {
            if scope.is_set(id, reader) {
                let valve = row.valve.variable;
                reader.warn(&place, format!("is not used, because its valve is off; set {valve}=true to send it"));
            }
            continue;
        }
        if let Some(digits) = format.short_digits() {
            reader.warn(
                &place,
                format!(
                    "keeps {digits} digits of a hash; use at least 16, or two users may share an identifier (with 8 \
                     digits the probability is 1 % at 9,300 users)"
                ),
            );
        }
        if row.identifier != Identifier::User && format.hashes_without_user() {
            reader.warn(
                &place,
                "hashes without the user, so one caller can reproduce another's identifier; add user to the braces",
            );
        }
        if row.identifier == Identifier::CacheSession && !format.fields().any(|field| field == Field::User) {
            let message = "does not contain the user, so users may share a server-side sandbox; add user to the braces";
            reader.warn(&place, message);
        }
    }
}

/// Warns about static metadata pairs that OpenRouter would refuse and callsign therefore skips. A tenant's policy
/// contains the operator's pairs too, after its own.
fn about_metadata(policy: &Policy, tenant: Option<&Entry>, callers: Option<&Callers>, reader: &mut Reader<'_>) {
    let keys: Vec<&Key> = match callers {
        Some(callers) => {
            let name = tenant.map(Entry::name);
            callers.keys.iter().filter(|key| callers.tenant_of(key) == name).collect()
        }
        None => Vec::new(),
    };
    let (place, pairs) = match tenant {
        Some(tenant) => (tenant.source(), tenant.metadata()),
        None => ("metadata", policy.metadata.as_slice()),
    };
    let of_keys = keys.iter().map(|key| (key.source.as_str(), key.metadata.as_slice()));
    for (place, pairs) in std::iter::once((place, pairs)).chain(of_keys) {
        for (name, value) in pairs {
            if !is_metadata_key(name) || !fits(value, METADATA_VALUE_CHARS) {
                let message = "is skipped; use a name of 1 to 64 characters without brackets and a value of up to 512";
                reader.warn(place, format!("the pair {name} {message}"));
            }
        }
    }
    let ids = TABLE.iter().filter(|row| row.metadata.is_some() && policy.valves[row.identifier]).count();
    let own: HashSet<&str> = policy.metadata.iter().map(|(name, _)| name.as_str()).collect();
    let added = |key: &&Key| key.metadata.iter().filter(|(name, _)| !own.contains(name.as_str())).count();
    let most = keys.iter().map(added).max().unwrap_or_default();
    if ids + most + own.len() > METADATA_PAIRS {
        let message = "pairs including the ids; the last in order of name are skipped";
        reader.warn(place, format!("there are more than {METADATA_PAIRS} {message}"));
    }
}

/// Warns about valves whose identifier no caller of this tenant supplies. `None` stands for callers without a tenant.
fn about_sources(policy: &Policy, scope: Scope<'_>, tenant: Option<&str>, callers: &Callers, reader: &mut Reader<'_>) {
    let keys = callers.keys.iter().filter(|key| callers.tenant_of(key) == tenant);
    let issuers = callers.issuers.iter().filter(|issuer| issuer.is_credential());
    let issuers = issuers.filter(|issuer| issuer.rules.tenant.as_deref() == tenant);
    let passthrough = callers.passthrough.iter().filter(|_| tenant.is_none());
    let mut supplied: Vec<Vec<Field>> = keys
        .map(|key| fields_of_key(key, callers))
        .chain(issuers.map(fields_of_issuer))
        .chain(passthrough.map(fields_of_preset))
        .collect();
    if supplied.is_empty() {
        return;
    }
    if tenant.is_some() {
        for fields in &mut supplied {
            fields.push(Field::Tenant);
        }
    }
    for row in TABLE.iter().filter(|row| policy.valves[row.identifier]) {
        let format = &policy.formats[row.identifier];
        let shared = row.identifier == Identifier::User && matches!(policy.missing_user, MissingUser::Shared(_));
        let filled = supplied.iter().any(|fields| is_filled(format, fields, callers.client_session));
        if !shared && !filled {
            let message = format!("is on, but no key or preset supplies what {format} needs, so nothing is sent");
            let whose = tenant.map_or(String::new(), |name| format!(" (tenant {name})"));
            reader.warn(&scope.place(row.valve.path, reader), message + &whose);
        }
    }
}

/// Warns about tenants without keys and issuers.
pub(super) fn about_tenants(callers: &Callers, tenants: &[Entry], reader: &mut Reader<'_>) {
    for entry in tenants {
        let keys = callers.keys.iter().filter_map(|key| callers.tenant_of(key));
        let issuers = callers.issuers.iter().filter_map(|issuer| issuer.rules.tenant.as_deref());
        if !keys.chain(issuers).any(|name| name == entry.name()) {
            reader.warn(entry.source(), "is a tenant that no key and no issuer names; set tenant in one of them");
        }
    }
}

/// Warns about issuers that no key uses, and issuers whose tokens for other apps would be accepted.
pub(super) fn about_issuers(callers: &Callers, reader: &mut Reader<'_>) {
    for (id, issuer) in callers.issuers.iter().enumerate() {
        let rules = &issuer.rules;
        let used = issuer.is_credential() || callers.keys.iter().any(|key| key.grant == Grant::Signed(id));
        if !used {
            let message = format!(
                "is an issuer that no key uses: its tokens arrive in {} together with an app's key; set the preset of \
                 CALLSIGN_APP_KEY or of an entry in [[keys]] to {}",
                rules.header, issuer.preset.name
            );
            reader.warn(&issuer.source, message);
        }
        let bounded = !rules.audience.is_empty() || !rules.authorized_parties.is_empty();
        if issuer.preset.audience == Audience::Recommended && !bounded {
            let message = "is an issuer that may also sign tokens for other apps, which would be accepted; set \
                           audience or authorized_parties";
            reader.warn(&issuer.source, message);
        }
    }
}

/// Warns about a caller's key that equals the operator's OpenRouter key.
pub(super) fn about_keys(callers: &Callers, upstream: &Upstream, reader: &mut Reader<'_>) {
    let Some(own) = upstream.api_key.as_ref().map(callsign_core::secret::Secret::digest) else { return };
    for key in callers.keys.iter().filter(|key| key.digest == own) {
        let message = "is the OpenRouter key itself, with which its holder can bypass callsign; run callsign key create --print-only for another";
        reader.warn(&key.source, message);
    }
}

fn fields_of_key(key: &Key, callers: &Callers) -> Vec<Field> {
    let mut fields = match &key.grant {
        Grant::User(_) => vec![Field::User],
        Grant::Preset(preset) => fields_of_preset(preset),
        Grant::Signed(id) => callers.issuers.get(*id).map(fields_of_issuer).unwrap_or_default(),
    };
    fields.extend(key.chat_header.is_some().then_some(Field::Chat));
    fields.extend(key.message_header.is_some().then_some(Field::Message));
    fields
}

fn fields_of_issuer(issuer: &TokenIssuer) -> Vec<Field> {
    let rules = &issuer.rules;
    let session = rules.session_claim.is_some().then_some(Field::Session);
    let chat = rules.chat_header.is_some().then_some(Field::Chat);
    let message = rules.message_header.is_some().then_some(Field::Message);
    [Some(Field::User), session, chat, message].into_iter().flatten().collect()
}

fn fields_of_preset(preset: &Preset) -> Vec<Field> {
    Field::IDS.into_iter().filter(|id| preset.header(*id).is_some()).collect()
}

/// Returns true if a caller with these fields gets an identifier. A bound client session fills session and chat.
fn is_filled(format: &Format, fields: &[Field], client_session: ClientSession) -> bool {
    let bound = client_session == ClientSession::Bind;
    format.fields().all(|field| fields.contains(&field) || (bound && matches!(field, Field::Session | Field::Chat)))
}
