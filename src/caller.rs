//! Who is calling: a credential and, for trusted apps, identity headers, turned into a [`Caller`].
//!
//! Pure over headers, address, [`Directory`] and key sets; nothing about a user is ever remembered between two requests
//! (a verified token stands for itself alone). It must not know valves or formats: what is said about a caller is decided
//! in `identifiers`. Nor does it fetch anything: an unknown signing key is an answer, upon which `proxy` has the keys
//! refreshed and asks again. Contract, section 4.
#![forbid(unsafe_code)]

pub mod client_session;
pub mod credential;
pub mod forwarded;
pub mod issuer;
pub mod jwt;
pub mod key;
pub mod key_set;
pub mod preset;
#[cfg(test)]
#[path = "../tests/it/support/signer.rs"]
pub(crate) mod signer;
pub mod verifier;

use std::borrow::Cow;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};

use crate::identifiers::sources::Sources;
use crate::secret::KeyDigest;
use credential::Credential;
use forwarded::AmbiguousIdentity;
use issuer::{Issuer, IssuerId};
use jwt::TokenError;
use key::{Directory, Grant, Key};
use preset::Preset;
use verifier::Verifier;

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
    pub user: Option<Cow<'a, str>>,
    /// The session id.
    pub session: Option<Cow<'a, str>>,
    /// The chat id.
    pub chat: Option<Cow<'a, str>>,
    /// The message id.
    pub message: Option<Cow<'a, str>>,
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
    /// The caller's token is missing or refused.
    #[error("this request needs a valid token of its user; sign in again, or check how the app passes it on")]
    InvalidToken,
    /// The token may be good, but is signed with a key that is not known: to be asked again with fresh keys.
    #[error("this request needs a valid token of its user; sign in again, or check how the app passes it on")]
    UnknownSigner(Signer),
}

/// A key that signed a token and is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Whose key.
    pub issuer: IssuerId,
    /// Which.
    pub kid: Option<String>,
}

/// How much must be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A valid credential is enough (reading the catalogue).
    Credential,
    /// Whose request it is, too.
    Identity,
}

/// What is known besides the request itself.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Who may come in.
    pub directory: &'a Directory,
    /// The issuers' keys.
    pub verifier: &'a Verifier,
}

impl Known<'_> {
    /// The issuer whose token this credential is, if it is one.
    fn issuer_of(self, credential: Credential<'_>, digest: KeyDigest) -> Option<IssuerId> {
        self.directory.issuer_of(credential.as_bytes(), |id| self.verifier.has_seen(id, digest))
    }
}

impl<'a> Caller<'a> {
    /// Resolves the caller of one request that came from `address`.
    ///
    /// # Errors
    /// [`Unresolved`]; the caller learns what to do, never which keys exist.
    pub fn resolve(headers: &'a HeaderMap, address: IpAddr, known: Known<'a>, need: Need) -> Result<Self, Unresolved> {
        let directory = known.directory;
        let credential = Credential::find(headers)?;
        let digest = KeyDigest::of(credential.as_bytes());
        let mut caller = match directory.key(digest) {
            Some(key) if key.admits(address, jiff::Timestamp::now) => Self::of_key(key, headers, known, need)?,
            Some(_) => return Err(Unresolved::InvalidCredential),
            None => match (known.issuer_of(credential, digest), directory.pass_through()) {
                (Some(issuer), _) => Self::of_token(issuer, credential.as_bytes(), headers, known, need)?,
                (None, Some(preset)) if credential.is_openrouter_key() => {
                    Self::of_pass_through(digest, preset, headers, need)?
                }
                _ => return Err(Unresolved::InvalidCredential),
            },
        };
        if need == Need::Identity {
            caller.client_session = directory.client_session(headers);
        }
        Ok(caller)
    }

    /// Nobody yet: the empty form that each way of coming in fills.
    fn nobody(key: Cow<'a, str>, tenant: Option<Cow<'a, str>>) -> Self {
        Self {
            key,
            tenant,
            account: Account::Operator,
            metadata: &[],
            user: None,
            session: None,
            chat: None,
            message: None,
            client_session: None,
        }
    }

    fn of_key(key: &'a Key, headers: &'a HeaderMap, known: Known<'a>, need: Need) -> Result<Self, Unresolved> {
        let name = Cow::Borrowed(key.name.as_str());
        let mut caller = Self::nobody(name, key.tenant.as_deref().map(Cow::Borrowed));
        caller.metadata = &key.metadata;
        match &key.grant {
            Grant::Signed(id) => caller.read_forwarded_token(*id, headers, known, need)?,
            _ if need == Need::Credential => {}
            Grant::User(user) => {
                caller.user = Some(Cow::Borrowed(user));
                caller.bring(headers, key.bring_chat.as_ref(), key.bring_message.as_ref())?;
            }
            Grant::Preset(preset) => caller.read_preset(preset, headers)?,
        }
        Ok(caller)
    }

    /// A token that is the credential itself.
    fn of_token(
        id: IssuerId,
        token: &[u8],
        headers: &'a HeaderMap,
        known: Known<'a>,
        need: Need,
    ) -> Result<Self, Unresolved> {
        let issuer = known.directory.issuers().get(id).ok_or(Unresolved::InvalidCredential)?;
        let mut caller = Self::nobody(Cow::Borrowed(&issuer.name), issuer.tenant.as_deref().map(Cow::Borrowed));
        caller.read_token(id, issuer, token, headers, known, need)?;
        Ok(caller)
    }

    /// A token in a header of its own, next to an app's key. Reading the catalogue needs none; one that is there must be
    /// good all the same.
    fn read_forwarded_token(
        &mut self,
        id: IssuerId,
        headers: &'a HeaderMap,
        known: Known<'a>,
        need: Need,
    ) -> Result<(), Unresolved> {
        let issuer = known.directory.issuers().get(id).ok_or(Unresolved::InvalidToken)?;
        self.tenant = issuer.tenant.as_deref().map(Cow::Borrowed);
        let mut tokens = headers.get_all(&issuer.header).iter();
        match (tokens.next(), tokens.next()) {
            (Some(_), Some(_)) => Err(AmbiguousIdentity(issuer.header.clone()).into()),
            (Some(token), None) if !token.as_bytes().trim_ascii().is_empty() => {
                let token = token.as_bytes().trim_ascii();
                self.read_token(id, issuer, credential::without_scheme(token), headers, known, need)
            }
            _ if need == Need::Credential => Ok(()),
            _ => Err(Unresolved::InvalidToken),
        }
    }

    fn read_token(
        &mut self,
        id: IssuerId,
        issuer: &'a Issuer,
        token: &[u8],
        headers: &'a HeaderMap,
        known: Known<'a>,
        need: Need,
    ) -> Result<(), Unresolved> {
        let now = jiff::Timestamp::now().as_second();
        let verified = known.verifier.verify(id, issuer, token, now).map_err(|error| {
            tracing::debug!(issuer = %issuer.name, %error, "token refused");
            match error {
                TokenError::UnknownKey { kid } => Unresolved::UnknownSigner(Signer { issuer: id, kid }),
                _ => Unresolved::InvalidToken,
            }
        })?;
        if need == Need::Identity {
            self.user = Some(Cow::Owned(verified.user.clone()));
            self.session = verified.session.clone().map(Cow::Owned);
            self.bring(headers, issuer.bring_chat.as_ref(), issuer.bring_message.as_ref())?;
        }
        Ok(())
    }

    /// A pass-through key's callers live in a namespace of that key's own.
    fn of_pass_through(
        digest: KeyDigest,
        preset: &Preset,
        headers: &'a HeaderMap,
        need: Need,
    ) -> Result<Self, AmbiguousIdentity> {
        let name = pass_through_name(digest);
        let mut caller = Self::nobody(Cow::Owned(name.clone()), Some(Cow::Owned(name)));
        caller.account = Account::PassThrough;
        if need == Need::Identity {
            caller.read_preset(preset, headers)?;
        }
        Ok(caller)
    }

    fn read_preset(&mut self, preset: &Preset, headers: &'a HeaderMap) -> Result<(), AmbiguousIdentity> {
        self.user = forwarded::read(headers, preset.user.as_ref())?.map(Cow::Borrowed);
        self.session = forwarded::read(headers, preset.session.as_ref())?.map(Cow::Borrowed);
        self.bring(headers, preset.chat.as_ref(), preset.message.as_ref())
    }

    fn bring(
        &mut self,
        headers: &'a HeaderMap,
        chat: Option<&HeaderName>,
        message: Option<&HeaderName>,
    ) -> Result<(), AmbiguousIdentity> {
        self.chat = forwarded::read(headers, chat)?.map(Cow::Borrowed);
        self.message = forwarded::read(headers, message)?.map(Cow::Borrowed);
        Ok(())
    }

    /// What formats draw on.
    pub fn sources(&self) -> Sources<'_> {
        Sources {
            tenant: self.tenant.as_deref(),
            key: &self.key,
            user: self.user.as_deref(),
            session: self.session.as_deref(),
            chat: self.chat.as_deref(),
            message: self.message.as_deref(),
            client_session: self.client_session,
        }
    }
}

/// What the names of pass-through keys begin with; no tenant of the operator's does.
pub const PASS_THROUGH: &str = "passthrough-";

/// The name of a pass-through key with this digest, which is its callers' tenant too.
pub fn pass_through_name(digest: KeyDigest) -> String {
    let mut name = digest.to_hex();
    name.truncate(16);
    name.insert_str(0, PASS_THROUGH);
    name
}

#[cfg(test)]
mod tests;
