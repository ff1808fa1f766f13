//! Presets: the headers in which an app sends its users' ids (`docs/SPEC.md#presets`).
//!
//! A preset only lists header names. The headers are trusted only if the request's key grants the preset.

use http::HeaderName;

/// The header name of each id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preset {
    /// The user; every unsigned preset has it.
    pub user: Option<HeaderName>,
    /// The session.
    pub session: Option<HeaderName>,
    /// The chat.
    pub chat: Option<HeaderName>,
    /// The message.
    pub message: Option<HeaderName>,
}

impl Preset {
    /// Returns the built-in preset of this name.
    pub fn built_in(name: &str) -> Option<Self> {
        let header = HeaderName::from_static;
        Some(match name {
            "generic" => Self {
                user: Some(header("x-user-id")),
                session: Some(header("x-session-id")),
                chat: Some(header("x-chat-id")),
                message: Some(header("x-message-id")),
            },
            "openwebui" => Self {
                user: Some(header("x-openwebui-user-id")),
                session: Some(header("x-openwebui-session-id")),
                chat: Some(header("x-openwebui-chat-id")),
                message: Some(header("x-openwebui-message-id")),
            },
            "librechat" => Self {
                user: Some(header("x-librechat-user-id")),
                chat: Some(header("x-librechat-conversation-id")),
                message: Some(header("x-librechat-message-id")),
                session: None,
            },
            "oauth2-proxy" => Self { user: Some(header("x-forwarded-user")), ..Self::default() },
            "authentik" => Self { user: Some(header("x-authentik-uid")), ..Self::default() },
            _ => return None,
        })
    }

    /// The names of the built-in presets, for hints and documentation.
    pub const BUILT_IN: [&'static str; 5] = ["generic", "openwebui", "librechat", "oauth2-proxy", "authentik"];

    /// Returns the headers that the preset reads.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.user, &self.session, &self.chat, &self.message].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_preset_reads_its_own_headers() {
        for (name, headers) in [
            ("generic", &["x-user-id", "x-session-id", "x-chat-id", "x-message-id"][..]),
            (
                "openwebui",
                &["x-openwebui-user-id", "x-openwebui-session-id", "x-openwebui-chat-id", "x-openwebui-message-id"],
            ),
            ("librechat", &["x-librechat-user-id", "x-librechat-conversation-id", "x-librechat-message-id"]),
            ("oauth2-proxy", &["x-forwarded-user"]),
            ("authentik", &["x-authentik-uid"]),
        ] {
            let preset = Preset::built_in(name).unwrap();
            assert_eq!(preset.headers().map(HeaderName::as_str).collect::<Vec<_>>(), headers, "{name}");
            assert_eq!(preset.user.unwrap(), headers[0]);
            assert!(Preset::BUILT_IN.contains(&name));
        }
        assert!(Preset::built_in("unknown").is_none());
        let librechat = Preset::built_in("librechat").unwrap();
        assert_eq!((librechat.session, librechat.chat.unwrap().as_str()), (None, "x-librechat-conversation-id"));
    }
}
