//! Who is let in: personal keys, the app key, `[[keys]]`, issuers of tokens, pass-through, and the presets that they
//! refer to.
//!
//! All kinds of key end in one list of [`Key`], so that whoever resolves a credential has one place to look.

mod grant;
mod issuer;
mod key;
mod preset;

use std::collections::{BTreeMap, HashMap, HashSet};

use http::HeaderName;

use super::reader::{Reader, Recorded};
use super::tenants::Tenant;
use super::values;
use crate::caller::issuer::preset::PRESETS;
use crate::caller::key::{Grant, Key};
use crate::caller::preset::Preset;
use grant::Grants;
pub use issuer::TokenIssuer;

/// The name of the key in `CALLSIGN_APP_KEY`.
pub const APP_KEY_NAME: &str = "app";

/// Everybody who may be let in.
#[derive(Clone, Debug)]
pub struct Callers {
    /// Every key, whatever setting it comes from; no two have one digest.
    pub keys: Vec<Key>,
    /// Whose tokens are believed; [`Grant::Signed`] is an index into them.
    pub issuers: Vec<TokenIssuer>,
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
        let issuers = issuer::read(reader);
        let grants = Grants { own: own_presets.as_ref().ok(), issuers: issuers.as_deref().ok() };
        let default_grant = reader.required("preset", |name| grants.find(name, None).map_err(|bad| bad.message));
        let passthrough = reader.required("passthrough", values::switch);
        let client_session = reader.required(
            "client_session",
            values::choice(&[("drop", ClientSession::Drop), ("bind", ClientSession::Bind)]),
        );
        let user_keys = reader.optional("user_keys", key::user_keys);
        let app_key = reader.optional("app_key", values::key);
        let listed = key::read(reader, grants);

        let (default_grant, passthrough) = (default_grant?, passthrough?);
        let passthrough = match &default_grant {
            _ if !passthrough => None,
            Grant::Preset(preset) => Some(preset.clone()),
            Grant::User(_) | Grant::Signed(_) => {
                let message = "is a signed preset, which CALLSIGN_PASSTHROUGH cannot use: its callers have no app key;                                give the app an entry in [[keys]] instead";
                return reader.refuse(reader.place("preset"), message);
            }
        };
        let mut keys = user_keys?.unwrap_or_default();
        for entry in &mut keys {
            entry.source = reader.place("user_keys");
        }
        keys.extend(
            app_key?.map(|key| Key {
                source: reader.place("app_key"),
                ..Key::new(APP_KEY_NAME, key.digest(), default_grant)
            }),
        );
        keys.extend(listed?);
        let callers =
            Self { keys, issuers: issuers?, passthrough, client_session: client_session?, own_presets: own_presets? };
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
        self.passthrough.is_some()
            || self.keys.iter().any(|key| !key.disabled)
            || self.issuers.iter().any(TokenIssuer::is_credential)
    }

    /// The tenant that a key's callers live in: with a signed preset the issuer's.
    pub fn tenant_of<'a>(&'a self, key: &'a Key) -> Option<&'a str> {
        match key.grant {
            Grant::Signed(id) => self.issuers.get(id)?.rules.tenant.as_deref(),
            Grant::User(_) | Grant::Preset(_) => key.tenant.as_deref(),
        }
    }

    /// Whether somebody comes in on the operator's OpenRouter key: all but those who bring one, and those whose tenant
    /// has one.
    pub fn need_operator_key(&self, tenants: &[Tenant]) -> bool {
        let pays = |name: &str| tenants.iter().any(|tenant| tenant.name == name && tenant.api_key.is_some());
        let issuers = self.issuers.iter().filter(|issuer| issuer.is_credential());
        let tenants = self.keys.iter().map(|key| self.tenant_of(key));
        let mut callers = tenants.chain(issuers.map(|issuer| issuer.rules.tenant.as_deref())).peekable();
        if callers.peek().is_none() {
            return self.passthrough.is_none();
        }
        callers.any(|tenant| !tenant.is_some_and(pays))
    }

    /// Every header that says who somebody is, in use or not: the users of presets, and tokens.
    pub fn identity_headers(&self) -> impl Iterator<Item = HeaderName> + '_ {
        self.presets().filter_map(|preset| preset.user).chain(self.token_headers())
    }

    /// Every header in which a token may arrive.
    pub fn token_headers(&self) -> impl Iterator<Item = HeaderName> + '_ {
        let known = PRESETS.iter().map(|preset| HeaderName::from_static(preset.header));
        known.chain(self.issuers.iter().map(|issuer| issuer.rules.header.clone()))
    }

    /// Every header in which a caller may add something, beside those of presets.
    pub fn brought(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        let keys = self.keys.iter().map(|key| ([&key.bring_chat, &key.bring_message], key.source.as_str()));
        let issuers = self.issuers.iter().map(|issuer| {
            let rules = &issuer.rules;
            ([&rules.bring_chat, &rules.bring_message], issuer.source.as_str())
        });
        keys.chain(issuers).flat_map(|(headers, source)| headers.into_iter().flatten().map(move |name| (name, source)))
    }

    /// The rules among keys and issuers.
    fn check(&self, reader: &mut Reader<'_>) -> Result<(), Recorded> {
        let mut result = Ok(());
        let mut digests = HashMap::new();
        for key in &self.keys {
            if let Some(first) = digests.insert(key.digest, &key.source) {
                let message = format!("holds a key that stands elsewhere too ({first}); one key lets in one caller");
                result = reader.refuse(&key.source, message);
            }
        }
        for key in &self.keys {
            if matches!(key.grant, Grant::Signed(_))
                && key.tenant.is_some()
                && key.tenant.as_deref() != self.tenant_of(key)
            {
                let message = "names another tenant than its issuer, whose users they are; name it in [[issuers]] only";
                result = reader.refuse(&key.source, message);
            }
        }
        let identity: HashSet<HeaderName> = self.identity_headers().collect();
        for (name, source) in self.brought().filter(|(name, _)| identity.contains(*name)) {
            let message =
                format!("brings the chat or the message in {name}, which says who somebody is; choose another");
            result = reader.refuse(source, message);
        }
        for issuer in &self.issuers {
            if self.presets().any(|preset| preset.user.as_ref() == Some(&issuer.rules.header)) {
                let message = "has the header in which a preset's plain user ids arrive; choose another";
                result = reader.refuse(&issuer.source, message);
            }
        }
        if reader.is_set("preset") && reader.layers.get("app_key").is_none() && self.passthrough.is_none() {
            let message = "is used by nothing; it goes with CALLSIGN_APP_KEY or CALLSIGN_PASSTHROUGH";
            reader.warn(&reader.place("preset"), message);
        }
        result
    }
}
