//! Parses the settings by which callers authenticate: personal keys, the app key, `[[keys]]`, token issuers,
//! pass-through, and the presets they name.
//!
//! Every kind of key becomes a [`Key`] in one list, so authentication searches one place.

mod grant;
pub(super) mod issuer;
mod key;
mod preset;

use std::collections::{HashMap, HashSet};

use http::HeaderName;

use super::reader::{Reader, Reported};
use super::values;
use callsign_core::auth::key::{Grant, Key};
use callsign_core::auth::settings::{APP_KEY_NAME, Callers, ClientSession};
use callsign_core::identity::caller_identity::Field;
use callsign_core::secret::Secret;
use grant::Grants;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Callers, Reported> {
    let own_presets = preset::read(reader);
    let issuers = issuer::read(reader);
    let grants = Grants { own: own_presets.as_ref().ok(), issuers: issuers.as_deref().ok() };
    let default_grant = reader.required("preset", |name| grants.find(name, None).map_err(|bad| bad.message));
    let passthrough = reader.required("passthrough", values::switch);
    let client_session = reader
        .required("client_session", values::choice(&[("drop", ClientSession::Drop), ("bind", ClientSession::Bind)]));
    let user_keys = reader.optional("user_keys", key::user_keys);
    let app_key = reader.optional("app_key", app_key);
    let listed = key::read(reader, grants);

    let (default_grant, passthrough) = (default_grant?, passthrough?);
    let passthrough = match &default_grant {
        _ if !passthrough => None,
        Grant::Preset(preset) => Some(preset.clone()),
        Grant::User(_) | Grant::Signed(_) => {
            let message = "is the preset of a token issuer, which CALLSIGN_PASSTHROUGH cannot use: its callers \
                           have no app key; give the app an entry in [[keys]] instead";
            return reader.refuse(reader.place("preset"), message);
        }
    };
    let mut keys = user_keys?.unwrap_or_default();
    for entry in &mut keys {
        entry.source = reader.place("user_keys");
    }
    keys.extend(
        app_key?.map(|key| Key { source: reader.place("app_key"), ..Key::of_text(APP_KEY_NAME, &key, default_grant) }),
    );
    keys.extend(listed?);
    let callers =
        Callers { keys, issuers: issuers?, passthrough, client_session: client_session?, own_presets: own_presets? };
    check(&callers, reader).map(|()| callers)
}

/// Parses the one app's key.
fn app_key(text: &str) -> Result<Secret, String> {
    if text.contains(',') {
        return Err("contains a comma, and takes one key; give a second app an entry in [[keys]], or a key in the \
                    database (callsign key create)"
            .to_owned());
    }
    values::key(text)
}

/// The rules among keys and issuers.
fn check(callers: &Callers, reader: &mut Reader<'_>) -> Result<(), Reported> {
    let mut result = Ok(());
    let mut digests = HashMap::new();
    for key in &callers.keys {
        if let Some(first) = digests.insert(key.digest, &key.source) {
            let message = format!("contains a key that {first} contains too; remove one of them");
            result = reader.refuse(&key.source, message);
        }
    }
    for key in &callers.keys {
        if matches!(key.grant, Grant::Signed(_))
            && key.tenant.is_some()
            && key.tenant.as_deref() != callers.tenant_of(key)
        {
            let message = "sets another tenant than its issuer; set the tenant in [[issuers]] only";
            result = reader.refuse(&key.source, message);
        }
    }
    let identity: HashSet<HeaderName> = callers.identity_headers().collect();
    for (name, source) in callers.added_headers().filter(|(name, _)| identity.contains(*name)) {
        let message =
            format!("names the chat or message in {name}, a header of user ids or tokens; choose another header");
        result = reader.refuse(source, message);
    }
    for issuer in &callers.issuers {
        if callers.presets().any(|preset| preset.header(Field::User) == Some(&issuer.rules.header)) {
            let message = "has a header in which a preset reads plain user ids; choose another header";
            result = reader.refuse(&issuer.source, message);
        }
    }
    if reader.is_set("preset") && reader.layers.get("app_key").is_none() && callers.passthrough.is_none() {
        let message = "has no effect without CALLSIGN_APP_KEY or CALLSIGN_PASSTHROUGH; set one or remove this";
        reader.warn(&reader.place("preset"), message);
    }
    result
}
