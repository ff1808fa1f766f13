//! What happens to a caller without a user id (`CALLSIGN_MISSING_USER`).

use std::fmt;

/// The policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MissingUser {
    /// The request goes on without a user; OpenRouter then uses the account's own identity.
    #[default]
    Omit,
    /// 403 `user_required`.
    Reject,
    /// This id is sent literally as everybody's user; `{user}` stays absent in every other format.
    Shared(String),
}

impl MissingUser {
    /// Reads `omit`, `reject` or `shared:ID`; `None` for anything else, an empty ID included.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "omit" => Some(Self::Omit),
            "reject" => Some(Self::Reject),
            _ => text.strip_prefix("shared:").filter(|id| !id.is_empty()).map(|id| Self::Shared(id.to_owned())),
        }
    }
}

impl fmt::Display for MissingUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Omit => f.write_str("omit"),
            Self::Reject => f.write_str("reject"),
            Self::Shared(id) => write!(f, "shared:{id}"),
        }
    }
}

/// The operator wants a user id on every request and this one has none that could be sent.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum UserRequired {
    /// The credential was accepted, the identity source names nobody.
    #[error("this request names no user, and the operator requires one; check that the app sends its user's id")]
    Missing,
    /// The id is longer than OpenRouter may be given, and is never cut.
    #[error("this request's user id is longer than {0} characters, and the operator requires one that can be sent")]
    TooLong(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_written_as_it_is_read() {
        let shared = MissingUser::Shared("acme".into());
        for (text, policy) in [("omit", MissingUser::Omit), ("reject", MissingUser::Reject), ("shared:acme", shared)] {
            assert_eq!(MissingUser::parse(text), Some(policy.clone()));
            assert_eq!(policy.to_string(), text);
        }
        for text in ["", "Omit", "shared", "shared:", "rejected"] {
            assert_eq!(MissingUser::parse(text), None, "{text}");
        }
    }
}
