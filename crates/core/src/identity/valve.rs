//! The operator's switches for identifiers (`SEND_*`, `docs/SPEC.md#valves`).

/// The state of all valves. All are off by default: callsign then removes identifiers and sends none.
#[expect(clippy::struct_excessive_bools, reason = "one independent switch per variable")]
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
    /// `SEND_CACHE_SESSION_ID`: the top-level `session_id` is rendered by `CACHE_SESSION_ID_FORMAT` instead. OpenRouter
    /// routes by it, which keeps a conversation on one provider (OpenRouter docs, "Prompt caching", "Using
    /// `session_id`").
    pub cache_session: bool,
    /// `SEND_TRACE`: `trace` repeats the full metadata map. OpenRouter forwards it to Broadcast destinations.
    pub trace: bool,
}

/// A valve with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valve {
    /// The environment variable; its lower-case form is the TOML key in `[valves]`.
    pub variable: &'static str,
    /// True if the identifier may be sent.
    pub on: bool,
}

impl Valves {
    /// Returns all valves, in the order in which `serve`, `check` and the admin API list them.
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

    /// Returns true if any valve is on.
    pub fn any(&self) -> bool {
        self.list().iter().any(|valve| valve.on)
    }
}
