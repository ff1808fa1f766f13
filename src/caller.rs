//! Who is calling: a credential and, for trusted apps, identity headers, turned into a [`Caller`].
//!
//! Pure over headers, address and [`Directory`]; nothing about a user is ever remembered between two requests. It must
//! not know valves or formats: what is said about a caller is decided in `identifiers`. Contract, section 4.
#![forbid(unsafe_code)]

pub mod client_session;
pub mod credential;
pub mod forwarded;
pub mod key;
pub mod preset;

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderMap;

use crate::identifiers::sources::Sources;
use crate::secret::KeyDigest;
use credential::Credential;
use forwarded::AmbiguousIdentity;
use key::{Directory, Grant, Key};
use preset::Preset;

/// How the request's way upstream is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// With the operator's OpenRouter key.
    Operator,
    /// With the caller's own credential, which goes upstream as it came.
    PassThrough,
}

/// One resolved caller, borrowed from the request and the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The name of the key that let it in; safe to log.
    pub key: Cow<'a, str>,
    /// The namespace that its ids live in; absent for the operator's own.
    pub tenant: Option<Cow<'a, str>>,
    /// Whose account pays.
    pub account: Account,
    /// The metadata pairs of its key, in order of name.
    pub metadata: &'a [(String, String)],
    /// The user id.
    pub user: Option<&'a str>,
    /// The session id.
    pub session: Option<&'a str>,
    /// The chat id.
    pub chat: Option<&'a str>,
    /// The message id.
    pub message: Option<&'a str>,
    /// A session that the client brought by itself; only ever used bound to the caller.
    pub client_session: Option<&'a str>,
}

/// Why nobody could be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// No header holds a credential.
    #[error(
        "no API key: send `Authorization: Bearer KEY` (or `x-api-key`) with a key that callsign's operator gave you"
    )]
    MissingCredential,
    /// Not a key that is valid here and now; which of the reasons it is, is not said.
    #[error("this API key is not valid here; ask callsign's operator for one")]
    InvalidCredential,
    /// Credentials that contradict each other.
    #[error("ambiguous credential: {0} must carry one and the same value, once")]
    AmbiguousCredential(String),
    /// An identity header came twice.
    #[error(transparent)]
    AmbiguousIdentity(#[from] AmbiguousIdentity),
}

/// How much must be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A valid credential is enough (reading the catalogue).
    Credential,
    /// Whose request it is, too.
    Identity,
}

impl<'a> Caller<'a> {
    /// Resolves the caller of one request that came from `address`.
    ///
    /// # Errors
    /// [`Unresolved`]; the caller learns what to do, never which keys exist.
    pub fn resolve(
        headers: &'a HeaderMap,
        address: IpAddr,
        directory: &'a Directory,
        need: Need,
    ) -> Result<Self, Unresolved> {
        let credential = Credential::find(headers)?;
        let digest = KeyDigest::of(credential.as_bytes());
        match directory.key(digest) {
            Some(key) if key.admits(address, jiff::Timestamp::now) => {
                Self::of_key(key, headers, directory, need).map_err(Into::into)
            }
            Some(_) => Err(Unresolved::InvalidCredential),
            None => match directory.pass_through() {
                Some(preset) if credential.is_openrouter_key() => {
                    Self::of_pass_through(digest, preset, headers, directory, need).map_err(Into::into)
                }
                _ => Err(Unresolved::InvalidCredential),
            },
        }
    }

    fn of_key(
        key: &'a Key,
        headers: &'a HeaderMap,
        directory: &Directory,
        need: Need,
    ) -> Result<Self, AmbiguousIdentity> {
        let mut caller = Self {
            key: Cow::Borrowed(&key.name),
            tenant: None,
            account: Account::Operator,
            metadata: &key.metadata,
            user: None,
            session: None,
            chat: None,
            message: None,
            client_session: None,
        };
        if need == Need::Credential {
            return Ok(caller);
        }
        match &key.grant {
            Grant::User(user) => {
                caller.user = Some(user);
                caller.chat = forwarded::read(headers, key.bring_chat.as_ref())?;
                caller.message = forwarded::read(headers, key.bring_message.as_ref())?;
            }
            Grant::Preset(preset) => caller.read_preset(preset, headers)?,
        }
        caller.client_session = directory.client_session(headers);
        Ok(caller)
    }

    /// A pass-through key's callers live in a namespace of that key's own.
    fn of_pass_through(
        digest: KeyDigest,
        preset: &Preset,
        headers: &'a HeaderMap,
        directory: &Directory,
        need: Need,
    ) -> Result<Self, AmbiguousIdentity> {
        let name = pass_through_name(digest);
        let mut caller = Self {
            key: Cow::Owned(name.clone()),
            tenant: Some(Cow::Owned(name)),
            account: Account::PassThrough,
            metadata: &[],
            user: None,
            session: None,
            chat: None,
            message: None,
            client_session: None,
        };
        if need == Need::Identity {
            caller.read_preset(preset, headers)?;
            caller.client_session = directory.client_session(headers);
        }
        Ok(caller)
    }

    fn read_preset(&mut self, preset: &Preset, headers: &'a HeaderMap) -> Result<(), AmbiguousIdentity> {
        self.user = forwarded::read(headers, preset.user.as_ref())?;
        self.session = forwarded::read(headers, preset.session.as_ref())?;
        self.chat = forwarded::read(headers, preset.chat.as_ref())?;
        self.message = forwarded::read(headers, preset.message.as_ref())?;
        Ok(())
    }

    /// What formats draw on.
    pub fn sources(&self) -> Sources<'_> {
        Sources {
            tenant: self.tenant.as_deref(),
            key: &self.key,
            user: self.user,
            session: self.session,
            chat: self.chat,
            message: self.message,
            client_session: self.client_session,
        }
    }
}

/// The name of a pass-through key with this digest, which is its callers' tenant too.
pub fn pass_through_name(digest: KeyDigest) -> String {
    let mut name = digest.to_hex();
    name.truncate(16);
    name.insert_str(0, "passthrough-");
    name
}

#[cfg(test)]
mod tests;
