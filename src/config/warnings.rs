//! What an operator most likely did not mean, though it is valid.

use super::callers::{Callers, ClientSession};
use super::identifiers::{VALVE_OF_FORMAT, formats};
use super::reader::Reader;
use super::upstream::Upstream;
use crate::caller::key::{Grant, Key};
use crate::caller::preset::Preset;
use crate::identifiers::Policy;
use crate::identifiers::format::Format;
use crate::identifiers::limit::{METADATA_PAIRS, METADATA_VALUE_CHARS, fits, is_metadata_key};
use crate::identifiers::missing::MissingUser;
use crate::identifiers::sources::Field;

/// Warns about formats: unused ones, short hashes, and hashes by which one caller could name another's session.
pub(super) fn about_formats(policy: &Policy, reader: &mut Reader<'_>) {
    for ((format, on), (id, valve)) in formats(policy).into_iter().zip(VALVE_OF_FORMAT) {
        let place = reader.place(id);
        if !on {
            if reader.is_set(id) {
                let valve = super::settings::by_id(valve).map_or(valve, |setting| setting.name());
                reader.warn(&place, format!("is not used, as its valve is off; set {valve}=true to send it"));
            }
            continue;
        }
        if let Some(digits) = format.short_digits() {
            reader.warn(
                &place,
                format!(
                    "keeps {digits} digits of a hash; under 16 two users may share one (8: 1 % odds at 9,300 users)"
                ),
            );
        }
        if id != "formats.user" && format.hashes_without_user() {
            reader.warn(
                &place,
                "hashes without the user, so that a caller could name somebody else's; add user to the braces",
            );
        }
        if id == "formats.cache_session" && !format.fields().any(|field| field == Field::User) {
            let message = "does not take in the user, by whom server-side sandboxes should be told apart; add it";
            reader.warn(&place, message);
        }
    }
}

/// Warns about static pairs that OpenRouter would not take and callsign therefore skips.
pub(super) fn about_metadata(policy: &Policy, callers: Option<&Callers>, reader: &mut Reader<'_>) {
    let keys = callers.map(|callers| callers.keys.as_slice()).unwrap_or_default();
    let of_keys = keys.iter().map(|key| (key.source.as_str(), key.metadata.as_slice()));
    for (place, pairs) in std::iter::once(("metadata", policy.metadata.as_slice())).chain(of_keys) {
        for (name, value) in pairs {
            if !is_metadata_key(name) || !fits(value, METADATA_VALUE_CHARS) {
                let message = "is skipped: names have 1 to 64 characters without brackets, values up to 512";
                reader.warn(place, format!("the pair {name} {message}"));
            }
        }
    }
    let valves = &policy.valves;
    let ids = [valves.user, valves.session, valves.chat, valves.message].into_iter().filter(|on| *on).count();
    let most = keys
        .iter()
        .map(|key| {
            key.metadata.iter().filter(|(name, _)| policy.metadata.iter().all(|(other, _)| other != name)).count()
        })
        .max()
        .unwrap_or_default();
    if ids + most + policy.metadata.len() > METADATA_PAIRS {
        let message = "pairs together with the ids; the last in order of name are skipped";
        reader.warn("metadata", format!("there are more than {METADATA_PAIRS} {message}"));
    }
}

/// Warns about a valve that no caller could ever fill.
pub(super) fn about_sources(policy: &Policy, callers: &Callers, reader: &mut Reader<'_>) {
    if !callers.any() {
        return;
    }
    let keys = callers.keys.iter().map(brings_of_key);
    let brought: Vec<Vec<Field>> = keys.chain(callers.passthrough.iter().map(brings_of_preset)).collect();
    for ((format, on), (_, valve)) in formats(policy).into_iter().zip(VALVE_OF_FORMAT) {
        let shared = valve == "valves.send_end_user_id" && matches!(policy.missing_user, MissingUser::Shared(_));
        let filled = brought.iter().any(|fields| is_filled(format, fields, callers.client_session));
        if on && !shared && !filled {
            let message = format!("is on, but no key or preset brings what {format} needs, so that nothing is sent");
            reader.warn(&reader.place(valve), message);
        }
    }
}

/// Warns when a key of callers is the operator's own.
pub(super) fn about_keys(callers: &Callers, upstream: &Upstream, reader: &mut Reader<'_>) {
    let Some(own) = upstream.api_key.as_ref().map(crate::secret::Secret::digest) else { return };
    for key in callers.keys.iter().filter(|key| key.digest == own) {
        let message =
            "is the OpenRouter key itself, whose holder needs no callsign; make another with callsign key new";
        reader.warn(&key.source, message);
    }
}

fn brings_of_key(key: &Key) -> Vec<Field> {
    let mut fields = match &key.grant {
        Grant::User(_) => vec![Field::User],
        Grant::Preset(preset) => brings_of_preset(preset),
        // What an issuer brings is told with the issuer.
        Grant::Signed(_) => Vec::new(),
    };
    fields.extend(key.bring_chat.is_some().then_some(Field::Chat));
    fields.extend(key.bring_message.is_some().then_some(Field::Message));
    fields
}

fn brings_of_preset(preset: &Preset) -> Vec<Field> {
    let headers = [
        (&preset.user, Field::User),
        (&preset.session, Field::Session),
        (&preset.chat, Field::Chat),
        (&preset.message, Field::Message),
    ];
    headers.into_iter().filter(|(header, _)| header.is_some()).map(|(_, field)| field).collect()
}

/// Whether somebody who brings these fields gets an identifier. A bound client session stands for session and chat.
fn is_filled(format: &Format, fields: &[Field], client_session: ClientSession) -> bool {
    let bound = client_session == ClientSession::Bind;
    format.fields().all(|field| fields.contains(&field) || (bound && matches!(field, Field::Session | Field::Chat)))
}
