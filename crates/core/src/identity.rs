//! Computes the identifiers that one request sends about its caller.
//!
//! The inputs are the caller's [`CallerIdentity`], the endpoint's [`Fields`] and the operator's [`Policy`] (valves,
//! formats, limits). The result is [`Identifiers`]: the members to append to the body and the header to set. This
//! module has no side effects. It must not know how the caller was authenticated or how a body is rewritten. Rules:
//! `docs/SPEC.md#identifiers`.
#![forbid(unsafe_code)]

pub mod attribution;
pub mod caller_identity;
pub mod format;
pub mod identifier;
pub mod limit;
pub mod longest;
pub mod missing;
pub mod rendered;
pub mod row_seal;
pub mod secret;
pub mod valve;

use crate::endpoint::Fields;
use caller_identity::CallerIdentity;
use format::{Format, FormatError};
use identifier::{Identifier, IdentifierRow, PerIdentifier, TABLE};
use missing::{MissingUser, UserRequiredError};
pub use rendered::{Identifiers, Omission, Reason};
use secret::{Binder, IdSecret, Purpose};
use valve::Valves;

/// The format of each identifier.
pub type Formats = PerIdentifier<Format>;

impl Formats {
    /// Returns the default formats.
    ///
    /// # Errors
    /// A default that is not a format; a test refuses such a table.
    pub fn defaults() -> Result<Self, FormatError> {
        PerIdentifier::from_fn(|row| Format::parse(row.default_format)).transpose()
    }
}

/// The settings for identifiers, global or of one tenant.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The identifiers that may be sent.
    pub valves: Valves,
    /// The formats of the identifiers.
    pub formats: Formats,
    /// Maximum length of `user`, `session_id` and `safety_identifier`, in UTF-16 code units.
    pub max_id_chars: usize,
    /// The treatment of callers without a user id.
    pub missing_user: MissingUser,
    /// Static metadata pairs: the tenant's, then the operator's, each sorted by name.
    pub metadata: Vec<(String, String)>,
    /// The key for `hmac`, `seal` and bindings.
    pub secret: Option<IdSecret>,
    /// True if each request carries a session key of its user, whatever the valves, because tools may run in containers
    /// (docs/SPEC.md#container-keys).
    pub container_keys: bool,
}

/// A caller's identifiers as the formats write them, regardless of valves and limits. Archive files are named by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedIds {
    /// The user; `None` if no user is known.
    pub user: Option<String>,
    /// The chat.
    pub chat: Option<String>,
    /// The message.
    pub message: Option<String>,
}

impl Policy {
    /// Returns a policy that sends nothing: every valve is off, callers without a user id are accepted.
    pub fn new(formats: Formats) -> Self {
        Self {
            valves: Valves::default(),
            formats,
            max_id_chars: limit::DEFAULT_MAX_ID_CHARS,
            missing_user: MissingUser::default(),
            metadata: Vec::new(),
            secret: None,
            container_keys: false,
        }
    }

    /// Renders a request's identifiers as if every valve were on and there were no length limit.
    pub fn render_ids(&self, sources: &CallerIdentity<'_>) -> RenderedIds {
        let bound = self.bound_session(sources);
        let sources = &with_bound(sources, bound.as_deref());
        RenderedIds {
            user: self.render(Identifier::User, sources),
            chat: self.render(Identifier::Chat, sources),
            message: self.render(Identifier::Message, sources),
        }
    }

    /// Computes the identifiers of a request to an endpoint with these `fields`. `key_metadata` are the static pairs of
    /// the caller's key, sorted by name; they take precedence over the policy's.
    ///
    /// # Errors
    /// [`UserRequiredError`] if `CALLSIGN_MISSING_USER` is `reject` and there is no user id that can be sent.
    pub fn identify<'a>(
        &'a self,
        sources: &CallerIdentity<'_>,
        key_metadata: &'a [(String, String)],
        fields: Fields,
    ) -> Result<Identifiers<'a>, UserRequiredError> {
        let bound = self.bound_session(sources);
        let sources = &with_bound(sources, bound.as_deref());
        let mut written = Identifiers::new(fields);
        self.write_user(sources, &mut written)?;
        self.write_session(sources, &mut written);
        for row in TABLE.iter().filter(|row| row.members.is_empty()) {
            self.write_metadata(row, sources, &mut written);
        }
        for (name, value) in key_metadata.iter().chain(&self.metadata) {
            written.push_static_pair(name, value);
        }
        written.trace = self.valves.trace;
        Ok(written)
    }

    /// Returns a binder for the `prompt_cache_key` of this caller's client.
    pub fn cache_binder(&self, sources: &CallerIdentity<'_>) -> Binder {
        Binder::new(sources, self.secret.as_ref(), Purpose::Cache)
    }

    fn write_user(&self, sources: &CallerIdentity<'_>, written: &mut Identifiers<'_>) -> Result<(), UserRequiredError> {
        if self.missing_user == MissingUser::Reject && sources.user.is_none() {
            return Err(UserRequiredError::Missing);
        }
        if !self.valves[Identifier::User] {
            return Ok(());
        }
        let id = match (&self.missing_user, sources.user) {
            (MissingUser::Shared(id), None) => Some(id.clone()),
            _ => self.render(Identifier::User, sources),
        };
        match id {
            Some(id) if limit::fits(&id, self.max_id_chars) => written.set_user(id),
            Some(_) if self.missing_user == MissingUser::Reject => {
                return Err(UserRequiredError::TooLong(self.max_id_chars));
            }
            Some(_) => written.omit(Identifier::User, Reason::TooLong),
            None if self.missing_user == MissingUser::Reject => return Err(UserRequiredError::Missing),
            None => written.omit(Identifier::User, Reason::NoSource),
        }
        Ok(())
    }

    fn write_session(&self, sources: &CallerIdentity<'_>, written: &mut Identifiers<'_>) {
        let limited = |identifier| match self.render(identifier, sources) {
            Some(id) if limit::fits(&id, self.max_id_chars) => Ok(id),
            Some(_) => Err(Reason::TooLong),
            None => Err(Reason::NoSource),
        };
        let caches = self.valves[Identifier::CacheSession];
        if self.valves[Identifier::Session] {
            match limited(Identifier::Session) {
                Ok(id) => {
                    if !caches {
                        written.session_id = Some(id.clone());
                    }
                    written.push_pair(Identifier::Session, id);
                }
                Err(reason) => written.omit(Identifier::Session, reason),
            }
        }
        if caches {
            match limited(Identifier::CacheSession) {
                Ok(id) => written.session_id = Some(id),
                Err(reason) => written.omit(Identifier::CacheSession, reason),
            }
        }
        if self.container_keys && written.session_id.is_none() {
            written.session_id = Some(self.container_key(sources));
        }
    }

    /// Writes an identifier that is sent in `metadata` only.
    fn write_metadata(&self, row: &IdentifierRow, sources: &CallerIdentity<'_>, written: &mut Identifiers<'_>) {
        if !self.valves[row.identifier] {
            return;
        }
        match self.render(row.identifier, sources) {
            Some(id) if limit::fits(&id, limit::METADATA_VALUE_CHARS) => written.push_pair(row.identifier, id),
            Some(_) => written.omit(row.identifier, Reason::TooLong),
            None => written.omit(row.identifier, Reason::NoSource),
        }
    }

    /// Returns the client's own session, bound to the caller, if the identity source has no session.
    fn bound_session(&self, sources: &CallerIdentity<'_>) -> Option<String> {
        let value = sources.client_session.filter(|_| sources.session.is_none())?;
        let mut binder = Binder::new(sources, self.secret.as_ref(), Purpose::Session);
        binder.update(value.as_bytes());
        Some(binder.finish())
    }

    /// Returns a session key that two users never share: a digest of the caller and of their chat or session.
    fn container_key(&self, sources: &CallerIdentity<'_>) -> String {
        let mut binder = Binder::new(sources, self.secret.as_ref(), Purpose::Container);
        binder.update(sources.chat.or(sources.session).unwrap_or_default().as_bytes());
        binder.finish()
    }

    /// Returns the row of the format that renders the top-level `session_id`, if its last characters are the same for
    /// several users who name one session. Their containers would be the same, too.
    pub fn shares_containers(&self) -> Option<&'static IdentifierRow> {
        let sessions = [Identifier::CacheSession, Identifier::Session];
        let identifier = sessions.into_iter().find(|identifier| self.valves[*identifier])?;
        (!self.formats[identifier].ends_with_user_digest()).then(|| identifier.row())
    }

    /// Renders one identifier, regardless of its valve and of limits.
    pub fn render(&self, identifier: Identifier, sources: &CallerIdentity<'_>) -> Option<String> {
        self.formats[identifier].render(sources, self.secret.as_ref())
    }
}

/// Returns `sources` with the bound session as session and chat, where those are absent.
fn with_bound<'a>(sources: &CallerIdentity<'a>, bound: Option<&'a str>) -> CallerIdentity<'a> {
    CallerIdentity { session: sources.session.or(bound), chat: sources.chat.or(bound), ..*sources }
}

#[cfg(test)]
mod tests;
