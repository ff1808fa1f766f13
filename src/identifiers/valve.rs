//! The operator's switches: which identifiers may leave at all (contract, section 2).

/// All valves are off by default: callsign is then a scrubber and no identifier of the caller leaves.
#[expect(clippy::struct_excessive_bools, reason = "one switch per variable is what an operator thinks in")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Valves {
    /// `SEND_END_USER_ID`: `user`, `metadata.user_id`, and `safety_identifier` on responses.
    pub user: bool,
    /// `SEND_SESSION_ID`: `session_id` and `metadata.session_id`.
    pub session: bool,
    /// `SEND_CHAT_ID`: `metadata.chat_id`.
    pub chat: bool,
    /// `SEND_MESSAGE_ID`: `metadata.message_id`.
    pub message: bool,
    /// `SEND_CACHE_SESSION_ID`: the top-level `session_id` comes from `CACHE_SESSION_ID_FORMAT` instead; OpenRouter
    /// routes by it (its docs, "prompt caching", "Using `session_id`"), so that one conversation stays on one provider.
    pub cache_session: bool,
    /// `SEND_TRACE`: `trace` repeats the full metadata map, which OpenRouter hands to Broadcast destinations.
    pub trace: bool,
}

/// A valve by name: one row per `SEND_*` variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valve {
    /// The environment variable; its lower-case form is the TOML key in `[valves]`.
    pub variable: &'static str,
    /// Whether it is open.
    pub on: bool,
}

impl Valves {
    /// Every valve with its variable's name, in the order in which `serve`, `check` and the admin API list them.
    pub fn list(&self) -> [Valve; 6] {
        [
            Valve { variable: "SEND_END_USER_ID", on: self.user },
            Valve { variable: "SEND_SESSION_ID", on: self.session },
            Valve { variable: "SEND_CHAT_ID", on: self.chat },
            Valve { variable: "SEND_MESSAGE_ID", on: self.message },
            Valve { variable: "SEND_CACHE_SESSION_ID", on: self.cache_session },
            Valve { variable: "SEND_TRACE", on: self.trace },
        ]
    }

    /// Whether any identifier may leave.
    pub fn any(&self) -> bool {
        self.list().iter().any(|valve| valve.on)
    }
}
