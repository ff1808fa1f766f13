//! The table of identifiers: everything that differs between them, one row each (`docs/SPEC.md#identifiers`).
//!
//! Valves, formats, metadata keys, metric labels and displays are derived from this table. A new row also needs its
//! settings (`src/config/settings/table/identifiers.rs`) and, if its source value is new, a [`Field`].

use std::ops::{Index, IndexMut};

use super::caller_identity::Field;

/// An identifier that callsign can send about a caller, in the order of [`TABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// The user. `CALLSIGN_MISSING_USER` decides about callers without one.
    User,
    /// The session; also the top-level `session_id`, unless [`Identifier::CacheSession`] is on.
    Session,
    /// The chat (conversation).
    Chat,
    /// A message of the chat.
    Message,
    /// The top-level `session_id` in a format of its own. OpenRouter routes by it, which keeps a conversation on one
    /// provider (OpenRouter docs, "Prompt caching", "Using `session_id`").
    CacheSession,
}

/// The names of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingName {
    /// The environment variable.
    pub variable: &'static str,
    /// The TOML path; a tenant's is `tenants[].` and this.
    pub path: &'static str,
}

/// One row of [`TABLE`].
#[derive(Debug)]
pub struct IdentifierRow {
    /// The identifier.
    pub identifier: Identifier,
    /// The name in reports; the last part of the format's path.
    pub name: &'static str,
    /// The source value that the identifier stands for; `None` if its format combines several.
    pub source: Option<Field>,
    /// The name in metrics, logs and the admin API.
    pub label: &'static str,
    /// The key in `metadata` and `trace`.
    pub metadata: Option<&'static str>,
    /// The top-level members of a body. An identifier without any is sent in `metadata` only.
    pub members: &'static [&'static str],
    /// The valve.
    pub valve: SettingName,
    /// The format.
    pub format: SettingName,
    /// The format's default.
    pub default_format: &'static str,
}

/// All identifiers, in the order of settings, metadata and displays.
pub static TABLE: [IdentifierRow; Identifier::COUNT] = [
    IdentifierRow {
        identifier: Identifier::User,
        name: "user",
        source: Some(Field::User),
        label: "user_id",
        metadata: Some("user_id"),
        members: &["user", "safety_identifier"],
        valve: SettingName { variable: "SEND_END_USER_ID", path: "valves.send_end_user_id" },
        format: SettingName { variable: "USER_ID_FORMAT", path: "formats.user" },
        default_format: "{user}",
    },
    IdentifierRow {
        identifier: Identifier::Session,
        name: "session",
        source: Some(Field::Session),
        label: "session_id",
        metadata: Some("session_id"),
        members: &["session_id"],
        valve: SettingName { variable: "SEND_SESSION_ID", path: "valves.send_session_id" },
        format: SettingName { variable: "SESSION_ID_FORMAT", path: "formats.session" },
        default_format: "{session}",
    },
    IdentifierRow {
        identifier: Identifier::Chat,
        name: "chat",
        source: Some(Field::Chat),
        label: "chat_id",
        metadata: Some("chat_id"),
        members: &[],
        valve: SettingName { variable: "SEND_CHAT_ID", path: "valves.send_chat_id" },
        format: SettingName { variable: "CHAT_ID_FORMAT", path: "formats.chat" },
        default_format: "{chat}",
    },
    IdentifierRow {
        identifier: Identifier::Message,
        name: "message",
        source: Some(Field::Message),
        label: "message_id",
        metadata: Some("message_id"),
        members: &[],
        valve: SettingName { variable: "SEND_MESSAGE_ID", path: "valves.send_message_id" },
        format: SettingName { variable: "MESSAGE_ID_FORMAT", path: "formats.message" },
        default_format: "{message}",
    },
    IdentifierRow {
        identifier: Identifier::CacheSession,
        name: "cache_session",
        source: None,
        label: "cache_session_id",
        metadata: None,
        members: &["session_id"],
        valve: SettingName { variable: "SEND_CACHE_SESSION_ID", path: "valves.send_cache_session_id" },
        format: SettingName { variable: "CACHE_SESSION_ID_FORMAT", path: "formats.cache_session" },
        default_format: "{hmac user chat}",
    },
];

impl Identifier {
    /// The number of identifiers. `CacheSession` stays the last variant.
    pub const COUNT: usize = Self::CacheSession as usize + 1;

    /// Returns the identifier's row.
    pub const fn row(self) -> &'static IdentifierRow {
        &TABLE[self as usize]
    }
}

impl IdentifierRow {
    /// Finds the row of a metadata key.
    pub fn of_metadata(key: &str) -> Option<&'static Self> {
        TABLE.iter().find(|row| row.metadata == Some(key))
    }

    /// Finds the first row of a top-level member.
    pub fn of_member(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|row| row.members.contains(&name))
    }
}

/// A value for each identifier, in the order of [`TABLE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerIdentifier<T>(pub [T; Identifier::COUNT]);

impl<T> PerIdentifier<T> {
    /// Returns the values that `value` returns for each row.
    pub fn from_fn(mut value: impl FnMut(&'static IdentifierRow) -> T) -> Self {
        Self(std::array::from_fn(|index| value(&TABLE[index])))
    }
}

impl<T, E> PerIdentifier<Result<T, E>> {
    /// Returns all values, or the first error.
    ///
    /// # Errors
    /// The first error in the order of [`TABLE`].
    pub fn transpose(self) -> Result<PerIdentifier<T>, E> {
        let [user, session, chat, message, cache_session] = self.0;
        Ok(PerIdentifier([user?, session?, chat?, message?, cache_session?]))
    }
}

impl<T> Index<Identifier> for PerIdentifier<T> {
    type Output = T;

    fn index(&self, identifier: Identifier) -> &T {
        &self.0[identifier as usize]
    }
}

impl<T> IndexMut<Identifier> for PerIdentifier<T> {
    fn index_mut(&mut self, identifier: Identifier) -> &mut T {
        &mut self.0[identifier as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::identity::format::Format;

    #[test]
    fn every_identifier_has_one_row_in_order() {
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.identifier as usize, number, "{}: the order of the variants", row.name);
            assert!(row.metadata.is_none_or(|key| key == row.label), "{}: label and metadata key differ", row.name);
            assert!(row.metadata.is_some() || !row.members.is_empty(), "{}: sent nowhere", row.name);
            assert_eq!(row.format.path, format!("formats.{}", row.name));
            assert_eq!(row.valve.path, format!("valves.{}", row.valve.variable.to_lowercase()));
            let format = Format::parse(row.default_format).unwrap();
            if let Some(source) = row.source {
                assert_eq!((row.name, format.fields().collect::<Vec<_>>()), (source.name(), vec![source]));
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let unique = |name: fn(&IdentifierRow) -> &str| TABLE.iter().map(name).collect::<HashSet<_>>().len();
        let variables = [unique(|row| row.valve.variable), unique(|row| row.format.variable)];
        assert_eq!((unique(|row| row.name), unique(|row| row.label)), (Identifier::COUNT, Identifier::COUNT));
        assert_eq!(variables, [Identifier::COUNT; 2]);
        assert_eq!(IdentifierRow::of_metadata("chat_id").unwrap().identifier, Identifier::Chat);
        assert_eq!(IdentifierRow::of_member("session_id").unwrap().identifier, Identifier::Session);
        assert!(IdentifierRow::of_member("metadata").is_none());
    }
}
