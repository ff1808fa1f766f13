//! The source values of a caller, from which formats render identifiers.
//!
//! The values are already validated: `auth::identity_header` and `auth::jwt` drop or refuse unusable ones.

use crate::stored_key::StoredKey;

/// A source value that a format can use. [`Field::IDS`] are numbered from 0, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The user id.
    User,
    /// The session of the app or the token.
    Session,
    /// The chat (conversation).
    Chat,
    /// A message of the chat.
    Message,
    /// The tenant of the user.
    Tenant,
}

impl Field {
    /// The ids that an app or a token supplies.
    pub const IDS: [Self; 4] = [Self::User, Self::Session, Self::Chat, Self::Message];

    /// Parses a field name of a format.
    pub fn parse(name: &str) -> Option<Self> {
        Self::IDS.into_iter().chain([Self::Tenant]).find(|field| field.name() == name)
    }

    /// Returns the name in a format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Chat => "chat",
            Self::Message => "message",
            Self::Tenant => "tenant",
        }
    }
}

/// A caller as a holder of shares in pools (`docs/SPEC.md#fair-shares`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder<'a> {
    tenant: Option<&'a str>,
    user: Option<&'a str>,
    key: Option<&'a str>,
}

/// The source values of one request, borrowed from its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerIdentity<'a> {
    /// The tenant's name; absent for callers without a tenant.
    pub tenant: Option<&'a str>,
    /// The name of the caller's key. Bindings use it if there is no user.
    pub key: &'a str,
    /// The user id, unique within the tenant.
    pub user: Option<&'a str>,
    /// The session id.
    pub session: Option<&'a str>,
    /// The chat (conversation) id.
    pub chat: Option<&'a str>,
    /// The message id.
    pub message: Option<&'a str>,
    /// A session chosen by the client (`CALLSIGN_CLIENT_SESSION=bind`). It is sent only bound to the caller.
    pub client_session: Option<&'a str>,
    /// The caller's key, if it is one in the database.
    pub stored: Option<&'a StoredKey>,
}

impl CallerIdentity<'static> {
    /// An example caller for display.
    pub const SAMPLE: Self = Self {
        tenant: None,
        key: "sample",
        user: Some("user_2N4ZuACdqJrGGgz5c2egqQnwZaN"),
        session: Some("sess_9f8e7d"),
        chat: Some("5f0c7c0e-52fb-4a33-9f9b-2f6c3cf1a001"),
        message: Some("msg_1"),
        client_session: None,
        stored: None,
    };
}

impl<'a> CallerIdentity<'a> {
    /// Returns the holder of shares in pools: the user within its tenant, or the key if there is no user.
    pub fn holder(&self) -> Holder<'a> {
        let key = if self.user.is_some() { None } else { Some(self.key) };
        Holder { tenant: self.tenant, user: self.user, key }
    }

    /// Returns the value of `field`, if present.
    pub fn get(&self, field: Field) -> Option<&'a str> {
        match field {
            Field::User => self.user,
            Field::Session => self.session,
            Field::Chat => self.chat,
            Field::Message => self.message,
            Field::Tenant => self.tenant,
        }
    }

    /// Returns the identity with this value of `field`.
    #[must_use]
    pub fn with(mut self, field: Field, value: Option<&'a str>) -> Self {
        *match field {
            Field::User => &mut self.user,
            Field::Session => &mut self.session,
            Field::Chat => &mut self.chat,
            Field::Message => &mut self.message,
            Field::Tenant => &mut self.tenant,
        } = value;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_own_name_and_value() {
        for (number, field) in Field::IDS.into_iter().enumerate() {
            assert_eq!(field as usize, number);
        }
        for field in Field::IDS.into_iter().chain([Field::Tenant]) {
            assert_eq!(Field::parse(field.name()), Some(field));
            let identity = CallerIdentity::default().with(field, Some("x"));
            let found = Field::IDS.into_iter().chain([Field::Tenant]).filter(|field| identity.get(*field).is_some());
            assert_eq!(found.collect::<Vec<_>>(), [field]);
        }
        assert_eq!(Field::parse("usr"), None);
    }
}
