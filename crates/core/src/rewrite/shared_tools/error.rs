//! The reason why a request is refused.

use super::table::{KEYS, REFERENCE, Role, TOOLS};

/// The request uses something that all callers of the account share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is blocked: {}", .what.name(), .what.reason())]
pub struct SharedToolError {
    pub(super) what: What,
}

/// The blocked thing. No value of the client is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The member in this row of [`KEYS`].
    Key(u8),
    /// The tool in this row of [`TOOLS`].
    Tool(u8),
    /// A tool whose type is in no row.
    Unlisted,
    /// A tool that is not an object.
    Shorthand,
    /// A tool whose type is not a string.
    NotText,
    /// An item that stands for a stored one.
    Reference,
    /// An object with two types, one of which exempts a member.
    TwoTypes,
}

impl What {
    /// Returns true for an id of a stored thing.
    pub(super) fn is_stored(self) -> bool {
        let Self::Key(index) = self else { return false };
        let row = KEYS.get(usize::from(index));
        row.is_some_and(|row| matches!(row.role, Role::Stored | Role::Container | Role::Id))
    }

    /// Returns true for `file_id`.
    pub(super) fn is_file_id(self) -> bool {
        let Self::Key(index) = self else { return false };
        KEYS.get(usize::from(index)).is_some_and(|row| row.name == "file_id")
    }

    fn name(self) -> String {
        let key = |index: u8| KEYS.get(usize::from(index)).map_or("", |row| row.name);
        let tool = |index: u8| TOOLS.get(usize::from(index)).map_or("", |row| row.name);
        match self {
            Self::Key(index) => format!("the member `{}`", key(index)),
            Self::Tool(index) => format!("the tool `{}`", tool(index)),
            Self::Unlisted => "a tool whose `type` is not on the list of callsign".to_owned(),
            Self::Shorthand => "a tool that is not written as an object".to_owned(),
            Self::NotText => "a tool whose `type` is not a string".to_owned(),
            Self::Reference => format!("an item of type `{REFERENCE}`"),
            Self::TwoTypes => "an object with two different members `type`".to_owned(),
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Key(_) | Self::Reference => {
                "it names something stored that all users of this OpenRouter account share, such as a file, a \
                 container or a conversation; remove it, or set CALLSIGN_SERVER_TOOLS=allow"
            }
            Self::Tool(_) | Self::Unlisted => {
                "it may reach files or shells that all users of this OpenRouter account share; remove it, or add its \
                 type to server_tools_allowed, or set CALLSIGN_SERVER_TOOLS=allow"
            }
            Self::Shorthand | Self::NotText | Self::TwoTypes => {
                "callsign cannot check it for access to the shared OpenRouter account; write each tool as an object \
                 with one `type`, or set CALLSIGN_SERVER_TOOLS=allow"
            }
        }
    }
}
