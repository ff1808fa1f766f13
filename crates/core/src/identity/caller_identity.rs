//! The source values of a caller, from which formats render identifiers.
//!
//! The values are already validated: `auth::identity_header` and `auth::jwt` drop or refuse unusable ones.

/// A source value that a format can use.
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
    /// Parses a field name of a format.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "user" => Self::User,
            "session" => Self::Session,
            "chat" => Self::Chat,
            "message" => Self::Message,
            "tenant" => Self::Tenant,
            _ => return None,
        })
    }

    /// Returns the name in a format.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Chat => "chat",
            Self::Message => "message",
            Self::Tenant => "tenant",
        }
    }
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
    };
}

impl<'a> CallerIdentity<'a> {
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
}
