//! Who is let in: personal keys, the app key, `[[keys]]`, pass-through, and the presets that they refer to.
//!
//! All kinds of key end in one list of [`Key`], so that whoever resolves a credential has one place to look.

mod key;
mod preset;

use std::collections::{BTreeMap, HashMap};

use super::reader::{Reader, Recorded};
use super::values;
use crate::caller::key::{Grant, Key};
use crate::caller::preset::Preset;

/// The name of the key in `CALLSIGN_APP_KEY`.
pub const APP_KEY_NAME: &str = "app";

/// Everybody who may be let in.
#[derive(Clone, Debug)]
pub struct Callers {
    /// Every key, whatever setting it comes from; no two have one digest.
    pub keys: Vec<Key>,
    /// `CALLSIGN_PASSTHROUGH`, with the preset whose headers name its users.
    pub passthrough: Option<Preset>,
    /// `CALLSIGN_CLIENT_SESSION`.
    pub client_session: ClientSession,
    own_presets: BTreeMap<String, Preset>,
}

/// What becomes of a session that the client itself sends in a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientSession {
    /// It is not looked at.
    #[default]
    Drop,
    /// It is used, bound to the caller, where the identity source brings none (contract, section 3, "Binding").
    Bind,
}

impl Callers {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Recorded> {
        let own_presets = preset::read(reader);
        let named = |name: &str| find(own_presets.as_ref().ok(), name);
        let default_preset = reader.required("preset", named);
        let passthrough = reader.required("passthrough", values::switch);
        let client_session = reader.required(
            "client_session",
            values::choice(&[("drop", ClientSession::Drop), ("bind", ClientSession::Bind)]),
        );
        let user_keys = reader.optional("user_keys", key::user_keys);
        let app_key = reader.optional("app_key", values::key);
        let listed = key::read(reader, &named);

        let preset = default_preset?;
        let mut keys = user_keys?.unwrap_or_default();
        for entry in &mut keys {
            entry.source = reader.place("user_keys");
        }
        keys.extend(app_key?.map(|key| Key {
            source: reader.place("app_key"),
            ..Key::new(APP_KEY_NAME, key.digest(), Grant::Preset(preset.clone()))
        }));
        keys.extend(listed?);
        let callers = Self {
            keys,
            passthrough: passthrough?.then_some(preset),
            client_session: client_session?,
            own_presets: own_presets?,
        };
        callers.check(reader).map(|()| callers)
    }

    /// The preset of this name, built in or the operator's own.
    pub fn preset(&self, name: &str) -> Option<Preset> {
        Preset::built_in(name).or_else(|| self.own_presets.get(name).cloned())
    }

    /// Every preset there is, in use or not.
    pub fn presets(&self) -> impl Iterator<Item = Preset> + '_ {
        Preset::BUILT_IN.into_iter().filter_map(Preset::built_in).chain(self.own_presets.values().cloned())
    }

    /// Whether somebody could be let in at all.
    pub fn any(&self) -> bool {
        self.passthrough.is_some() || self.keys.iter().any(|key| !key.disabled)
    }

    /// Whether callers can only come with OpenRouter keys of their own.
    pub fn only_passthrough(&self) -> bool {
        self.keys.is_empty() && self.passthrough.is_some()
    }

    /// The rules among keys.
    fn check(&self, reader: &mut Reader<'_>) -> Result<(), Recorded> {
        let mut result = Ok(());
        let mut digests = HashMap::new();
        for key in &self.keys {
            if let Some(first) = digests.insert(key.digest, &key.source) {
                let message = format!("holds a key that stands elsewhere too ({first}); one key lets in one caller");
                result = reader.refuse(&key.source, message);
            }
        }
        if reader.is_set("preset") && reader.layers.get("app_key").is_none() && self.passthrough.is_none() {
            let message = "is used by nothing; it goes with CALLSIGN_APP_KEY or CALLSIGN_PASSTHROUGH";
            reader.warn(&reader.place("preset"), message);
        }
        result
    }
}

/// The preset of this name; the message names those that there are.
fn find(own: Option<&BTreeMap<String, Preset>>, name: &str) -> Result<Preset, String> {
    if let Some(preset) = Preset::built_in(name).or_else(|| own?.get(name).cloned()) {
        return Ok(preset);
    }
    let own = own.into_iter().flat_map(|own| own.keys().map(String::as_str));
    let names: Vec<_> = Preset::BUILT_IN.into_iter().chain(own).collect();
    Err(format!("names no preset; there are {}", names.join(", ")))
}
