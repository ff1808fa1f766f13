//! Resolves the [`Caller`] of a request from its credential and, for trusted apps, from identity headers.
//!
//! The inputs are headers, client address, [`Directory`] and key sets. A user is resolved for each request; only the
//! verification result of an identical token is cached. This module must not know valves or formats (`identity` does)
//! and must not fetch signing keys: for an unknown one it returns [`AuthError::UnknownKey`], and the gateway
//! refreshes the keys and retries. The caller of this module passes the time. Rules:
//! `docs/SPEC.md#callers-and-credentials`.
#![forbid(unsafe_code)]

pub mod client_session;
pub mod credential;
mod error;
pub mod identity_header;
pub mod issuer;
pub mod jwks;
pub mod jwt;
pub mod key;
pub mod preset;
pub mod settings;
#[cfg(test)]
#[path = "../../../tests/it/support/signer.rs"]
pub(crate) mod signer;
pub mod verifier;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;

use crate::identity::caller_identity::{CallerIdentity, Field};
use crate::secret::KeyDigest;
use crate::stored_key::{Found, StoredGrant, StoredKey, StoredKeys};
use credential::Credential;
pub use error::{AuthError, KeyRefusal, MissingUserError, RefusedKey, RefusedToken, UnknownKey, UnusableUserError};
use identity_header::{AmbiguousIdentityError, Charset, Reading, Unusable};
use issuer::{Issuer, IssuerId};
use jwt::TokenError;
use key::{Directory, Grant, Key};
use preset::Preset;
use verifier::Verifier;

/// The credential that a request is sent upstream with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamCredential {
    /// The operator's (or the tenant's) OpenRouter key.
    Operator,
    /// The caller's own OpenRouter key, forwarded unchanged.
    PassThrough,
}

/// A resolved caller, borrowed from the request and the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The name of the caller's key or issuer; safe to log.
    pub key: Cow<'a, str>,
    /// The tenant, within which user ids are unique; absent for callers without a tenant.
    pub tenant: Option<Cow<'a, str>>,
    /// True if an app's key lets the caller in. Its chat and message ids are then the app's and not the user's.
    pub by_app: bool,
    /// The credential for OpenRouter.
    pub upstream_credential: UpstreamCredential,
    /// The metadata pairs of the key, sorted by name.
    pub metadata: &'a [(String, String)],
    /// True if the caller's requests are archived; `None` if the key does not set it.
    pub archive: Option<bool>,
    /// The user id.
    pub user: Option<Cow<'a, str>>,
    /// The header that names the user, if a preset does.
    pub user_header: Option<&'a HeaderName>,
    /// The session id.
    pub session: Option<Cow<'a, str>>,
    /// The chat id.
    pub chat: Option<Cow<'a, str>>,
    /// The message id.
    pub message: Option<Cow<'a, str>>,
    /// A session chosen by the client, which is sent only bound to the caller.
    pub client_session: Option<&'a str>,
    /// The identity headers that were sent but name nobody. Their ids are absent.
    pub unusable: Vec<UnusableId<'a>>,
    /// The key, if it is one in the database.
    pub stored: Option<Arc<StoredKey>>,
}

/// An identity header that was sent but names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusableId<'a> {
    /// The id that the header is for.
    pub field: Field,
    /// The header.
    pub header: &'a HeaderName,
    /// The reason.
    pub reason: Unusable,
}

/// The parts of a caller that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A valid credential (reading the catalogue). The user is read if the request names one, for blocks and limits.
    Credential,
    /// A valid credential, and the user's token if the app sends tokens.
    Identity,
}

/// The keys and issuers to authenticate with, and the time.
#[derive(Clone, Copy, Debug)]
pub struct AuthContext<'a> {
    /// The accepted keys, issuers and presets.
    pub directory: &'a Directory,
    /// The token verifier with the issuers' signing keys.
    pub verifier: &'a Verifier,
    /// The keys in the database.
    pub stored: &'a dyn StoredKeys,
    /// The time at which keys and tokens must be valid.
    pub now: Timestamp,
}

impl AuthContext<'_> {
    /// Returns the issuer of this credential, if it is a token.
    fn issuer_of(self, credential: Credential<'_>, digest: KeyDigest) -> Option<IssuerId> {
        self.directory.issuer_of(credential.as_bytes(), |id| self.verifier.has_seen(id, digest))
    }
}

impl<'a> Caller<'a> {
    /// Resolves the caller of a request from client `address`.
    ///
    /// # Errors
    /// [`AuthError`], whose messages tell the caller what to do but not which keys exist.
    pub fn resolve(
        headers: &'a HeaderMap,
        address: IpAddr,
        known: AuthContext<'a>,
        need: Need,
    ) -> Result<Self, AuthError> {
        let directory = known.directory;
        let credential = Credential::find(headers)?;
        let digest = KeyDigest::of(credential.as_bytes());
        let mut caller = match directory.key(digest) {
            Some(key) => match key.refusal(address, known.now) {
                None => Self::from_key(key, headers, known, need)?,
                Some(reason) => return Err(refused(&key.name, reason)),
            },
            None if credential.is_callsign_key() => match known.stored.find(digest) {
                Found::Key(key) => Self::from_stored(key, headers, address, known)?,
                Found::Unavailable => return Err(AuthError::KeysUnavailable),
                Found::Unknown => return Err(AuthError::InvalidCredential),
            },
            None => match (known.issuer_of(credential, digest), directory.pass_through()) {
                (Some(issuer), _) => Self::from_token(issuer, credential.as_bytes(), headers, known)?,
                (None, Some(preset)) if credential.is_openrouter_key() => {
                    Self::from_pass_through(digest, preset, headers)?
                }
                _ if credential.is_openrouter_key() => return Err(AuthError::OpenRouterKey),
                _ => return Err(AuthError::InvalidCredential),
            },
        };
        if need == Need::Identity {
            caller.client_session = directory.client_session(headers);
        }
        Ok(caller)
    }

    /// Returns a caller without ids, to be filled in.
    fn unidentified(key: Cow<'a, str>, tenant: Option<Cow<'a, str>>) -> Self {
        Self {
            key,
            tenant,
            by_app: false,
            upstream_credential: UpstreamCredential::Operator,
            metadata: &[],
            archive: None,
            user: None,
            user_header: None,
            session: None,
            chat: None,
            message: None,
            client_session: None,
            unusable: Vec::new(),
            stored: None,
        }
    }

    fn from_key(key: &'a Key, headers: &'a HeaderMap, known: AuthContext<'a>, need: Need) -> Result<Self, AuthError> {
        let name = Cow::Borrowed(key.name.as_str());
        let mut caller = Self::unidentified(name, key.tenant.as_deref().map(Cow::Borrowed));
        caller.metadata = &key.metadata;
        caller.archive = key.archive;
        caller.by_app = !matches!(key.grant, Grant::User(_));
        match &key.grant {
            Grant::Signed(id) => caller.read_forwarded_token(*id, headers, known, need)?,
            Grant::User(user) => {
                caller.user = Some(Cow::Borrowed(user));
                caller.read_chat_and_message(headers, key.chat_header.as_ref(), key.message_header.as_ref())?;
            }
            Grant::Preset(preset) => caller.read_preset(preset, headers)?,
        }
        Ok(caller)
    }

    /// Resolves a caller whose key is in the database.
    fn from_stored(
        key: Arc<StoredKey>,
        headers: &'a HeaderMap,
        address: IpAddr,
        known: AuthContext<'a>,
    ) -> Result<Self, AuthError> {
        if let Some(reason) = key::refusal(false, key.expires, &key.from, address, known.now) {
            return Err(refused(&key.name, reason));
        }
        let mut caller = Self::unidentified(Cow::Owned(key.name.clone()), key.tenant.clone().map(Cow::Owned));
        match &key.grant {
            StoredGrant::User(user) => caller.user = Some(Cow::Owned(user.clone())),
            StoredGrant::Preset(name) => {
                let preset = known.directory.preset(name).ok_or_else(|| refused(&key.name, KeyRefusal::Preset))?;
                caller.by_app = true;
                caller.read_preset(preset, headers)?;
            }
        }
        caller.stored = Some(key);
        Ok(caller)
    }

    /// Resolves a caller whose credential is a token.
    fn from_token(
        id: IssuerId,
        token: &[u8],
        headers: &'a HeaderMap,
        known: AuthContext<'a>,
    ) -> Result<Self, AuthError> {
        let issuer = known.directory.issuers().get(id).ok_or(AuthError::InvalidCredential)?;
        let mut caller = Self::unidentified(Cow::Borrowed(&issuer.name), issuer.tenant.as_deref().map(Cow::Borrowed));
        caller.read_token(id, issuer, token, headers, known)?;
        Ok(caller)
    }

    /// Reads the user's token that is sent in the issuer's header next to an app's key. With [`Need::Credential`] the
    /// token is optional, but if present it must be valid.
    fn read_forwarded_token(
        &mut self,
        id: IssuerId,
        headers: &'a HeaderMap,
        known: AuthContext<'a>,
        need: Need,
    ) -> Result<(), AuthError> {
        let issuer = known.directory.issuers().get(id).ok_or(AuthError::InvalidCredential)?;
        self.tenant = issuer.tenant.as_deref().map(Cow::Borrowed);
        let mut tokens = headers.get_all(&issuer.header).iter();
        match (tokens.next(), tokens.next()) {
            (Some(_), Some(_)) => Err(AmbiguousIdentityError(issuer.header.clone()).into()),
            (Some(token), None) if !token.as_bytes().trim_ascii().is_empty() => {
                let token = token.as_bytes().trim_ascii();
                self.read_token(id, issuer, credential::without_scheme(token), headers, known)
            }
            _ if need == Need::Credential => Ok(()),
            _ => Err(AuthError::MissingToken),
        }
    }

    fn read_token(
        &mut self,
        id: IssuerId,
        issuer: &'a Issuer,
        token: &[u8],
        headers: &'a HeaderMap,
        known: AuthContext<'a>,
    ) -> Result<(), AuthError> {
        let verified = known.verifier.verify(id, issuer, token, known.now.as_second());
        let verified = verified.map_err(|reason| match reason {
            TokenError::UnknownKey { kid } => AuthError::UnknownKey(UnknownKey { issuer: id, kid }),
            reason => AuthError::InvalidToken(RefusedToken { issuer: issuer.name.clone(), reason }),
        })?;
        self.user = Some(Cow::Owned(verified.user.clone()));
        self.session = verified.session.clone().map(Cow::Owned);
        self.read_chat_and_message(headers, issuer.chat_header.as_ref(), issuer.message_header.as_ref())?;
        Ok(())
    }

    /// Resolves a caller of a pass-through key. The key's name is also the tenant, so that each key has its own
    /// namespace.
    fn from_pass_through(
        digest: KeyDigest,
        preset: &'a Preset,
        headers: &'a HeaderMap,
    ) -> Result<Self, AmbiguousIdentityError> {
        let name = pass_through_name(digest);
        let mut caller = Self::unidentified(Cow::Owned(name.clone()), Some(Cow::Owned(name)));
        caller.upstream_credential = UpstreamCredential::PassThrough;
        caller.read_preset(preset, headers)?;
        Ok(caller)
    }

    fn read_preset(&mut self, preset: &'a Preset, headers: &'a HeaderMap) -> Result<(), AmbiguousIdentityError> {
        self.user_header = preset.header(Field::User);
        for id in Field::IDS {
            self.read_id(id, headers, preset.header(id), preset.charset())?;
        }
        Ok(())
    }

    /// Reads an id from its header. An unusable value is noted, and the id is absent.
    fn read_id(
        &mut self,
        field: Field,
        headers: &'a HeaderMap,
        header: Option<&'a HeaderName>,
        charset: Charset,
    ) -> Result<(), AmbiguousIdentityError> {
        let reading = identity_header::read(headers, header, charset)?;
        if let (Reading::Unusable(reason), Some(header)) = (&reading, header) {
            self.unusable.push(UnusableId { field, header, reason: *reason });
        }
        *self.value_mut(field) = match reading {
            Reading::Id(id) => Some(id),
            Reading::Absent | Reading::Unusable(_) => None,
        };
        Ok(())
    }

    fn value_mut(&mut self, field: Field) -> &mut Option<Cow<'a, str>> {
        match field {
            Field::User => &mut self.user,
            Field::Session => &mut self.session,
            Field::Chat => &mut self.chat,
            Field::Message => &mut self.message,
            Field::Tenant => &mut self.tenant,
        }
    }

    fn read_chat_and_message(
        &mut self,
        headers: &'a HeaderMap,
        chat: Option<&'a HeaderName>,
        message: Option<&'a HeaderName>,
    ) -> Result<(), AmbiguousIdentityError> {
        self.read_id(Field::Chat, headers, chat, Charset::Utf8)?;
        self.read_id(Field::Message, headers, message, Charset::Utf8)
    }

    /// Returns the header that should name the user, if it was sent but names nobody.
    pub fn unusable_user(&self) -> Option<UnusableId<'a>> {
        self.unusable.iter().copied().find(|unusable| unusable.field == Field::User)
    }

    /// Returns the source values for formats.
    pub fn identity(&self) -> CallerIdentity<'_> {
        CallerIdentity {
            tenant: self.tenant.as_deref(),
            key: &self.key,
            user: self.user.as_deref(),
            session: self.session.as_deref(),
            chat: self.chat.as_deref(),
            message: self.message.as_deref(),
            client_session: self.client_session,
            stored: self.stored.as_deref(),
        }
    }
}

fn refused(name: &str, reason: KeyRefusal) -> AuthError {
    AuthError::RefusedKey(RefusedKey { name: name.to_owned(), reason })
}

/// The prefix of the names of pass-through keys. Configured tenants cannot have it.
pub const PASS_THROUGH: &str = "passthrough-";

/// Returns the name of a pass-through key: the prefix and 16 digits of its digest.
pub fn pass_through_name(digest: KeyDigest) -> String {
    let mut name = digest.to_hex();
    name.truncate(16);
    name.insert_str(0, PASS_THROUGH);
    name
}

#[cfg(test)]
mod tests;
