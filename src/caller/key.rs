//! The keys that callsign gave out, and what each of them allows.

use std::collections::HashMap;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::client_session;
use super::issuer::{Issuer, IssuerId};
use super::jwt;
use super::preset::Preset;
use crate::secret::KeyDigest;

/// A key shorter than this could be guessed.
pub const MIN_KEY_BYTES: usize = 16;

/// What the holder of a key may say about who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Nothing: every request is this user's.
    User(String),
    /// The app names its users in these headers.
    Preset(Preset),
    /// The app hands over its users' tokens, which this issuer signs.
    Signed(IssuerId),
}

/// One key. The key itself is not kept, only its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in logs, metrics and answers to the operator.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: KeyDigest,
    /// What it allows.
    pub grant: Grant,
    /// The tenant that it belongs to; with [`Grant::Signed`] the issuer's counts.
    pub tenant: Option<String>,
    /// Metadata pairs of its requests, in order of name.
    pub metadata: Vec<(String, String)>,
    /// From this moment on the key is not valid.
    pub expires: Option<jiff::Timestamp>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// The header in which a personal key's holder may name the chat.
    pub bring_chat: Option<HeaderName>,
    /// Likewise the message.
    pub bring_message: Option<HeaderName>,
    /// The networks that it may be used from; empty: everywhere.
    pub from: Vec<IpNet>,
    /// Whether its requests are archived, if that is said of this key.
    pub archive: Option<bool>,
    /// Where it was configured, for messages to the operator: `env CALLSIGN_APP_KEY`, `callsign.toml:12: keys`.
    pub source: String,
}

impl Key {
    /// A key with nothing but a name and what it allows.
    pub fn new(name: impl Into<String>, digest: KeyDigest, grant: Grant) -> Self {
        Self {
            name: name.into(),
            digest,
            grant,
            tenant: None,
            metadata: Vec::new(),
            expires: None,
            disabled: false,
            bring_chat: None,
            bring_message: None,
            from: Vec::new(),
            archive: None,
            source: String::new(),
        }
    }

    /// Whether the key is valid for a request from `address` at this moment. The clock is read only if it matters.
    pub fn admits(&self, address: IpAddr, now: impl FnOnce() -> jiff::Timestamp) -> bool {
        let address = address.to_canonical();
        !self.disabled
            && (self.from.is_empty() || self.from.iter().any(|network| network.contains(&address)))
            && self.expires.is_none_or(|expires| now() < expires)
    }
}

/// Everybody who may come in. One lookup per request, whatever the number of keys.
#[derive(Debug, Default)]
pub struct Directory {
    keys: HashMap<KeyDigest, Key>,
    issuers: Vec<Issuer>,
    pass_through: Option<Preset>,
    client_sessions: bool,
}

impl Directory {
    /// A directory of these keys, whose digests differ (configuration sees to it). With `pass_through`, unknown keys of
    /// OpenRouter's are let in and name their users by that preset; with `client_sessions`, session headers of clients
    /// are read (to be bound).
    pub fn new(keys: impl IntoIterator<Item = Key>, pass_through: Option<Preset>, client_sessions: bool) -> Self {
        let keys = keys.into_iter().map(|key| (key.digest, key)).collect();
        Self { keys, pass_through, client_sessions, issuers: Vec::new() }
    }

    /// The same with issuers of tokens; [`Grant::Signed`] is an index into them.
    #[must_use]
    pub fn with_issuers(self, issuers: Vec<Issuer>) -> Self {
        Self { issuers, ..self }
    }

    /// The issuers, in the order of their ids.
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// The issuer whose token this credential is, if it is one: of those whose tokens arrive in `Authorization`, the one
    /// that it names; else the one that cannot be told by name. `seen` says whether an issuer has verified it before, which
    /// spares reading it.
    pub(super) fn issuer_of(&self, credential: &[u8], seen: impl Fn(IssuerId) -> bool) -> Option<IssuerId> {
        let mut candidates = self
            .issuers
            .iter()
            .enumerate()
            .filter(|(_, issuer)| issuer.header == http::header::AUTHORIZATION)
            .peekable();
        candidates.peek()?;
        if !jwt::looks_like_token(credential) {
            return None;
        }
        let candidates: Vec<_> = candidates.collect();
        if let Some((id, _)) = candidates.iter().find(|(id, _)| seen(*id)) {
            return Some(*id);
        }
        let claimed = jwt::claimed_issuer(credential);
        let named = candidates.iter().find(|(_, issuer)| issuer.issuer.is_some() && issuer.issuer == claimed);
        named.or_else(|| candidates.iter().find(|(_, issuer)| issuer.issuer.is_none())).map(|(id, _)| *id)
    }

    pub(super) fn key(&self, digest: KeyDigest) -> Option<&Key> {
        self.keys.get(&digest)
    }

    pub(super) fn pass_through(&self) -> Option<&Preset> {
        self.pass_through.as_ref()
    }

    pub(super) fn client_session<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        if self.client_sessions { client_session::find(headers) } else { None }
    }
}
