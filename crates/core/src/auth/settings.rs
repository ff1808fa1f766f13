//! The settings of authentication: keys, token issuers, presets and pass-through.

use std::collections::BTreeMap;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::PASS_THROUGH;
use super::issuer::preset::{IssuerPreset, PRESETS};
use super::issuer::{Issuer, KeySource};
use super::jwks::KeySet;
use super::key::{Grant, Key};
use super::preset::Preset;
use crate::identity::caller_identity::Field;
use crate::tenant::Tenant;

/// The name of the key in `CALLSIGN_APP_KEY`.
pub const APP_KEY_NAME: &str = "app";
/// The name of the temporary key of live tests (`docs/SPEC.md#check`). It marks their requests in the ledger.
pub const LIVE_TEST_KEY: &str = "callsign-check";

/// The configured callers.
#[derive(Clone, Debug)]
pub struct Callers {
    /// The keys of all settings, with distinct digests.
    pub keys: Vec<Key>,
    /// The token issuers. [`Grant::Signed`] is an index into them.
    pub issuers: Vec<TokenIssuer>,
    /// The preset for users of pass-through keys; `None` unless `CALLSIGN_PASSTHROUGH` is on.
    pub passthrough: Option<Preset>,
    /// `CALLSIGN_CLIENT_SESSION`.
    pub client_session: ClientSession,
    /// The presets that the operator defines, by name.
    pub own_presets: BTreeMap<String, Preset>,
}

/// The treatment of a session that the client sends in a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientSession {
    /// The session is ignored.
    #[default]
    Drop,
    /// The session is bound to the caller and used if the identity source has none (`docs/SPEC.md#binding`).
    Bind,
}

/// A configured issuer.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    /// The rules for its tokens.
    pub rules: Issuer,
    /// The source of its keys.
    pub keys: KeySource,
    /// The keys from a file or a secret; empty if keys must be fetched.
    pub initial: KeySet,
    /// The kind of issuer.
    pub preset: &'static IssuerPreset,
    /// The place in the configuration, for messages.
    pub source: String,
}

impl TokenIssuer {
    /// Returns true if its tokens are credentials, so that no app key is needed.
    pub fn is_credential(&self) -> bool {
        self.rules.header == AUTHORIZATION
    }
}

impl Callers {
    /// Returns the preset of this name, built-in or defined by the operator.
    pub fn preset(&self, name: &str) -> Option<Preset> {
        Preset::built_in(name).or_else(|| self.own_presets.get(name).cloned())
    }

    /// Returns all presets, in use or not.
    pub fn presets(&self) -> impl Iterator<Item = Preset> + '_ {
        Preset::names().filter_map(Preset::built_in).chain(self.own_presets.values().cloned())
    }

    /// Returns all presets by name.
    pub fn named_presets(&self) -> BTreeMap<String, Preset> {
        let built_in = Preset::names().filter_map(|name| Some((name.to_owned(), Preset::built_in(name)?)));
        built_in.chain(self.own_presets.clone()).collect()
    }

    /// Returns true if a name is reserved: `app` is the key of `CALLSIGN_APP_KEY`, `callsign-check` that of live tests, and
    /// the names of pass-through keys begin with `passthrough-` (`docs/SPEC.md#key-names`).
    pub fn is_reserved(name: &str) -> bool {
        [APP_KEY_NAME, LIVE_TEST_KEY].contains(&name) || name.starts_with(PASS_THROUGH)
    }

    /// Returns true if a key or an issuer of the configuration has this name, or if it is reserved.
    pub fn has_name(&self, name: &str) -> bool {
        let issuer = |issuer: &TokenIssuer| issuer.rules.name == name;
        Self::is_reserved(name) || self.keys.iter().any(|key| key.name == name) || self.issuers.iter().any(issuer)
    }

    /// Returns true if any credential can be accepted.
    pub fn any(&self) -> bool {
        self.passthrough.is_some()
            || self.keys.iter().any(|key| !key.disabled)
            || self.issuers.iter().any(TokenIssuer::is_credential)
    }

    /// Returns the tenant of a key's callers; with a signed preset it is the issuer's.
    pub fn tenant_of<'a>(&'a self, key: &'a Key) -> Option<&'a str> {
        match key.grant {
            Grant::Signed(id) => self.issuers.get(id)?.rules.tenant.as_deref(),
            Grant::User(_) | Grant::Preset(_) => key.tenant.as_deref(),
        }
    }

    /// Returns true if some callers need the operator's OpenRouter key: those without a tenant that has a key. Without
    /// keys and issuers it is needed unless pass-through is on.
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

    /// Returns the headers that identify users, in use or not: the user headers of presets and token headers.
    pub fn identity_headers(&self) -> impl Iterator<Item = HeaderName> + '_ {
        self.presets().filter_map(|preset| preset.header(Field::User).cloned()).chain(self.token_headers())
    }

    /// Returns the headers that may carry tokens.
    pub fn token_headers(&self) -> impl Iterator<Item = HeaderName> + '_ {
        let known = PRESETS.iter().map(|preset| HeaderName::from_static(preset.header));
        known.chain(self.issuers.iter().map(|issuer| issuer.rules.header.clone()))
    }

    /// Returns the headers for chat and message ids of keys and issuers, each with its place in the configuration.
    pub fn added_headers(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        let keys = self.keys.iter().map(|key| ([&key.chat_header, &key.message_header], key.source.as_str()));
        let issuers = self.issuers.iter().map(|issuer| {
            let rules = &issuer.rules;
            ([&rules.chat_header, &rules.message_header], issuer.source.as_str())
        });
        keys.chain(issuers).flat_map(|(headers, source)| headers.into_iter().flatten().map(move |name| (name, source)))
    }
}
