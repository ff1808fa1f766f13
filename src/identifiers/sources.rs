//! What is known about who is calling: the values that formats draw on.
//!
//! Values arrive here already cleaned (contract, section 3, "Source value"); this file only names them.

/// One of the values that a format can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The person.
    User,
    /// The app's or the token's session.
    Session,
    /// The conversation.
    Chat,
    /// One message of a conversation.
    Message,
    /// The organisation whose user it is.
    Tenant,
}

impl Field {
    /// The field of this name, as it stands in a format.
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

    /// Its name in a format.
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
pub struct Sources<'a> {
    /// The tenant's name; absent for callers of none.
    pub tenant: Option<&'a str>,
    /// The name of the key that let the caller in; stands in for a user where something is bound to a caller.
    pub key: &'a str,
    /// The user id, unique within the tenant.
    pub user: Option<&'a str>,
    /// The session id.
    pub session: Option<&'a str>,
    /// The chat (conversation) id.
    pub chat: Option<&'a str>,
    /// The message id.
    pub message: Option<&'a str>,
    /// A session that the client itself brought in a header, to be used bound to the caller only
    /// (`CALLSIGN_CLIENT_SESSION=bind`).
    pub client_session: Option<&'a str>,
}

impl Sources<'static> {
    /// A caller made up for showing.
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

impl<'a> Sources<'a> {
    /// The value of `field`, if there is one.
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
