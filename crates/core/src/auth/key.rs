//! The configured keys and what each of them permits (`docs/SPEC.md#keys-in-the-file`).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use jiff::Timestamp;

use super::client_session;
use super::error::KeyRefusal;
use super::issuer::{Issuer, IssuerId};
use super::jwt;
use super::preset::Preset;
use crate::secret::{KeyDigest, Secret};
use crate::stored_key::PREFIX;

/// Minimum length of a key in bytes. Shorter ones could be guessed.
pub const MIN_KEY_BYTES: usize = 16;

/// The source of the user for requests with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A personal key: all requests are this user's.
    User(String),
    /// An app key: the app sends its users' ids in these headers.
    Preset(Preset),
    /// An app key: the app forwards its users' tokens from this issuer.
    Signed(IssuerId),
}

/// A configured key. Only its digest is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name in logs, metrics and the admin API.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: KeyDigest,
    /// True if the key begins with `sk-cs-`, as those in the database do; `None` if only its digest is known.
    pub has_prefix: Option<bool>,
    /// The source of the user.
    pub grant: Grant,
    /// The tenant of its callers. With [`Grant::Signed`] the issuer's tenant is used instead.
    pub tenant: Option<String>,
    /// Metadata pairs for its requests, sorted by name.
    pub metadata: Vec<(String, String)>,
    /// The time from which the key is not valid.
    pub expires: Option<Timestamp>,
    /// True if the key is disabled.
    pub disabled: bool,
    /// The header in which requests with a personal key may send the chat id.
    pub chat_header: Option<HeaderName>,
    /// The header in which requests with a personal key may send the message id.
    pub message_header: Option<HeaderName>,
    /// The client networks from which the key is accepted (`allowed_networks`). Empty: all.
    pub from: Vec<IpNet>,
    /// True if its requests are archived; `None` if the key does not set it.
    pub archive: Option<bool>,
    /// The place in the configuration, for messages: `env CALLSIGN_APP_KEY`, `callsign.toml:12: keys`.
    pub source: String,
}

impl Key {
    /// Creates a key without optional settings.
    pub fn new(name: impl Into<String>, digest: KeyDigest, grant: Grant) -> Self {
        Self {
            name: name.into(),
            digest,
            has_prefix: None,
            grant,
            tenant: None,
            metadata: Vec::new(),
            expires: None,
            disabled: false,
            chat_header: None,
            message_header: None,
            from: Vec::new(),
            archive: None,
            source: String::new(),
        }
    }

    /// Creates a key whose text is known, without optional settings.
    pub fn of_text(name: impl Into<String>, text: &Secret, grant: Grant) -> Self {
        Self { has_prefix: Some(text.expose().starts_with(PREFIX)), ..Self::new(name, text.digest(), grant) }
    }

    /// Returns the reason why the key is not valid for a request from `address` at `now`; `None` if it is.
    pub fn refusal(&self, address: IpAddr, now: Timestamp) -> Option<KeyRefusal> {
        refusal(self.disabled, self.expires, &self.from, address, now)
    }
}

/// Returns the reason why a key is not valid for a request from `address` at `now`.
pub(super) fn refusal(
    disabled: bool,
    expires: Option<Timestamp>,
    from: &[IpNet],
    address: IpAddr,
    now: Timestamp,
) -> Option<KeyRefusal> {
    let address = address.to_canonical();
    if disabled {
        Some(KeyRefusal::Disabled)
    } else if expires.is_some_and(|expires| now >= expires) {
        Some(KeyRefusal::Expired)
    } else if from.is_empty() || from.iter().any(|network| network.contains(&address)) {
        None
    } else {
        Some(KeyRefusal::Network)
    }
}

/// The accepted keys, issuers and presets. Finding a key takes one lookup by digest.
#[derive(Debug, Default)]
pub struct Directory {
    keys: HashMap<KeyDigest, Key>,
    issuers: Vec<Issuer>,
    pass_through: Option<Preset>,
    /// The presets that keys in the database may name.
    presets: BTreeMap<String, Preset>,
    client_sessions: bool,
}

impl Directory {
    /// Creates a directory of keys with distinct digests (the configuration refuses duplicates). With `pass_through`,
    /// OpenRouter keys are accepted, and users are read from that preset's headers. With `client_sessions`, session
    /// headers of clients are read, to be bound.
    pub fn new(keys: impl IntoIterator<Item = Key>, pass_through: Option<Preset>, client_sessions: bool) -> Self {
        let keys = keys.into_iter().map(|key| (key.digest, key)).collect();
        Self { keys, pass_through, client_sessions, issuers: Vec::new(), presets: BTreeMap::new() }
    }

    /// Returns the directory with these token issuers. [`Grant::Signed`] is an index into them.
    #[must_use]
    pub fn with_issuers(self, issuers: Vec<Issuer>) -> Self {
        Self { issuers, ..self }
    }

    /// Returns the directory with these presets, which keys in the database may name.
    #[must_use]
    pub fn with_presets(self, presets: BTreeMap<String, Preset>) -> Self {
        Self { presets, ..self }
    }

    pub(super) fn preset(&self, name: &str) -> Option<&Preset> {
        self.presets.get(name)
    }

    /// Returns the issuers, indexed by id.
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// Returns the issuer of this credential, if it is a token. Only issuers with the header `Authorization` count: the
    /// one for which `seen` is true (it has verified this token before), else the one that the token names in `iss`,
    /// else one without a configured `issuer`.
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
