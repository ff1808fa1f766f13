//! The treatment of callers without a user id (`CALLSIGN_MISSING_USER`, `docs/SPEC.md#missing-users`).

use std::fmt;

use super::longest;

/// The value of `CALLSIGN_MISSING_USER`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MissingUser {
    /// `omit`: the request is sent without a user; OpenRouter then attributes it to the account.
    #[default]
    Omit,
    /// `reject`: the request gets 403 `user_required`.
    Reject,
    /// `shared:ID`: the literal ID is sent as the user. `{user}` stays absent in the other formats.
    Shared(String),
}

impl MissingUser {
    /// Parses `omit`, `reject` or `shared:ID`. Returns `None` for anything else, including an empty ID and one over
    /// [`longest::ID`].
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "omit" => Some(Self::Omit),
            "reject" => Some(Self::Reject),
            _ => {
                let id = text.strip_prefix("shared:").filter(|id| (1..=longest::ID).contains(&id.len()))?;
                Some(Self::Shared(id.to_owned()))
            }
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

/// A request without a user id that can be sent, while `CALLSIGN_MISSING_USER` is `reject`.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum UserRequiredError {
    /// The credential is valid, but there is no user id, or the user format lacks one of its fields.
    #[error("this request has no user id, but the operator requires one; check that the app sends its user's id")]
    Missing,
    /// The rendered user id is longer than `CALLSIGN_MAX_ID_CHARS`. It is not truncated.
    #[error(
        "this request's user id must have at most {0} characters in the operator's format; send a shorter one (the operator can \
         hash it in USER_ID_FORMAT)"
    )]
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
