//! What is said about a caller: valves, formats and limits turned into the identifiers of one request.
//!
//! Pure over its arguments. It must not know how the caller was found out, nor how a body is rewritten: it takes
//! [`Sources`], an endpoint's [`Fields`] and the operator's [`Policy`], and gives [`Identifiers`], which say themselves
//! which members to append and which header to set. Contract, section 3.
#![forbid(unsafe_code)]

pub mod format;
pub mod limit;
pub mod missing;
pub mod secret;
pub mod sources;
pub mod valve;
pub mod written;

use crate::endpoint::Fields;
use format::Format;
use missing::{MissingUser, UserRequired};
use secret::{Binder, IdSecret, Purpose};
use sources::Sources;
use valve::Valves;
pub use written::{Identifiers, Omission, Reason};

/// How each identifier is written.
#[derive(Clone, Debug)]
pub struct Formats {
    /// `USER_ID_FORMAT`.
    pub user: Format,
    /// `SESSION_ID_FORMAT`.
    pub session: Format,
    /// `CHAT_ID_FORMAT`.
    pub chat: Format,
    /// `MESSAGE_ID_FORMAT`.
    pub message: Format,
    /// `CACHE_SESSION_ID_FORMAT`.
    pub cache_session: Format,
}

/// Everything that the operator (or one tenant) decided about identifiers.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Which identifiers may leave.
    pub valves: Valves,
    /// How they are written.
    pub formats: Formats,
    /// Limit of `user`, `session_id` and `safety_identifier`, in UTF-16 code units.
    pub max_id_chars: usize,
    /// What happens to a caller without a user id.
    pub missing_user: MissingUser,
    /// Static metadata pairs, the tenant's before the operator's, each in order of name.
    pub metadata: Vec<(String, String)>,
    /// Key for `hmac`, `seal` and bindings.
    pub secret: Option<IdSecret>,
}

/// A caller's identifiers as the formats write them, whatever the valves and the limits: what files are named by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The user; `None` where no user is known.
    pub user: Option<String>,
    /// The chat.
    pub chat: Option<String>,
    /// The message.
    pub message: Option<String>,
}

impl Policy {
    /// What a request's identifiers would be if every valve were open and nothing too long.
    pub fn names(&self, sources: &Sources<'_>) -> Names {
        let bound = self.bound_session(sources);
        let sources = &with_bound(sources, bound.as_deref());
        Names {
            user: self.render(&self.formats.user, sources),
            chat: self.render(&self.formats.chat, sources),
            message: self.render(&self.formats.message, sources),
        }
    }

    /// The identifiers of one request to an endpoint with these `fields`. `key_metadata` are the pairs of the key that
    /// let the caller in, in order of name.
    ///
    /// # Errors
    /// [`UserRequired`] when `CALLSIGN_MISSING_USER` is `reject` and no user can be named.
    pub fn identify<'a>(
        &'a self,
        sources: &Sources<'_>,
        key_metadata: &'a [(String, String)],
        fields: Fields,
    ) -> Result<Identifiers<'a>, UserRequired> {
        let bound = self.bound_session(sources);
        let sources = &with_bound(sources, bound.as_deref());
        let mut written = Identifiers::new(fields);
        self.write_user(sources, &mut written)?;
        self.write_session(sources, &mut written);
        for (on, format, name) in [
            (self.valves.chat, &self.formats.chat, "chat_id"),
            (self.valves.message, &self.formats.message, "message_id"),
        ] {
            if on {
                match self.render(format, sources) {
                    Some(id) if limit::fits(&id, limit::METADATA_VALUE_CHARS) => written.push_pair(name, id),
                    Some(_) => written.omit(name, Reason::TooLong),
                    None => written.omit(name, Reason::NoSource),
                }
            }
        }
        for (name, value) in key_metadata.iter().chain(&self.metadata) {
            written.push_static_pair(name, value);
        }
        written.trace = self.valves.trace;
        Ok(written)
    }

    /// The binder of a `prompt_cache_key` that this caller's client sends.
    pub fn cache_binder(&self, sources: &Sources<'_>) -> Binder {
        Binder::new(sources, self.secret.as_ref(), Purpose::Cache)
    }

    fn write_user(&self, sources: &Sources<'_>, written: &mut Identifiers<'_>) -> Result<(), UserRequired> {
        if self.missing_user == MissingUser::Reject && sources.user.is_none() {
            return Err(UserRequired::Missing);
        }
        if !self.valves.user {
            return Ok(());
        }
        let id = match (&self.missing_user, sources.user) {
            (MissingUser::Shared(id), None) => Some(id.clone()),
            _ => self.render(&self.formats.user, sources),
        };
        match id {
            Some(id) if limit::fits(&id, self.max_id_chars) => written.set_user(id),
            Some(_) if self.missing_user == MissingUser::Reject => {
                return Err(UserRequired::TooLong(self.max_id_chars));
            }
            Some(_) => written.omit("user_id", Reason::TooLong),
            None if self.missing_user == MissingUser::Reject => return Err(UserRequired::Missing),
            None => written.omit("user_id", Reason::NoSource),
        }
        Ok(())
    }

    fn write_session(&self, sources: &Sources<'_>, written: &mut Identifiers<'_>) {
        let limited = |format: &Format| match self.render(format, sources) {
            Some(id) if limit::fits(&id, self.max_id_chars) => Ok(id),
            Some(_) => Err(Reason::TooLong),
            None => Err(Reason::NoSource),
        };
        if self.valves.session {
            match limited(&self.formats.session) {
                Ok(id) => {
                    if !self.valves.cache_session {
                        written.session_id = Some(id.clone());
                    }
                    written.push_pair("session_id", id);
                }
                Err(reason) => written.omit("session_id", reason),
            }
        }
        if self.valves.cache_session {
            match limited(&self.formats.cache_session) {
                Ok(id) => written.session_id = Some(id),
                Err(reason) => written.omit("cache_session_id", reason),
            }
        }
        written.check_header();
    }

    fn bound_session(&self, sources: &Sources<'_>) -> Option<String> {
        let value = sources.client_session.filter(|_| sources.session.is_none())?;
        let mut binder = Binder::new(sources, self.secret.as_ref(), Purpose::Session);
        binder.update(value.as_bytes());
        Some(binder.finish())
    }

    fn render(&self, format: &Format, sources: &Sources<'_>) -> Option<String> {
        format.render(sources, self.secret.as_ref())
    }
}

/// The same caller, with a bound session in place of a session and a chat that there are not.
fn with_bound<'a>(sources: &Sources<'a>, bound: Option<&'a str>) -> Sources<'a> {
    Sources { session: sources.session.or(bound), chat: sources.chat.or(bound), ..*sources }
}

#[cfg(test)]
mod tests;
