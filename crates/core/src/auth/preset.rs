//! Presets: the headers in which an app sends its users' ids (`docs/SPEC.md#presets`).
//!
//! A preset only lists header names. The headers are trusted only if the request's key grants the preset.

use http::HeaderName;

use super::identity_header::Charset;
use crate::identity::caller_identity::Field;

/// The header name of each id, and the character set of the headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preset {
    /// The names, in the order of [`Field::IDS`].
    headers: [Option<HeaderName>; Field::IDS.len()],
    charset: Charset,
}

/// The built-in presets. Each has a header for the user.
static BUILT_IN: [(&str, &[(Field, &str)]); 5] = [
    (
        "generic",
        &[
            (Field::User, "x-user-id"),
            (Field::Session, "x-session-id"),
            (Field::Chat, "x-chat-id"),
            (Field::Message, "x-message-id"),
        ],
    ),
    (
        "openwebui",
        &[
            (Field::User, "x-openwebui-user-id"),
            (Field::Session, "x-openwebui-session-id"),
            (Field::Chat, "x-openwebui-chat-id"),
            (Field::Message, "x-openwebui-message-id"),
        ],
    ),
    (
        "librechat",
        &[
            (Field::User, "x-librechat-user-id"),
            (Field::Chat, "x-librechat-conversation-id"),
            (Field::Message, "x-librechat-message-id"),
        ],
    ),
    ("oauth2-proxy", &[(Field::User, "x-forwarded-user")]),
    ("authentik", &[(Field::User, "x-authentik-uid")]),
];

impl Preset {
    /// Returns the names of the built-in presets.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Returns the built-in preset of this name.
    pub fn built_in(name: &str) -> Option<Self> {
        let (_, headers) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        let empty = Self::default();
        Some(headers.iter().fold(empty, |preset, (id, header)| preset.with(*id, Some(HeaderName::from_static(header)))))
    }

    /// Returns the preset with this header for an id, one of [`Field::IDS`].
    #[must_use]
    pub fn with(mut self, id: Field, header: Option<HeaderName>) -> Self {
        if let Some(place) = self.headers.get_mut(id as usize) {
            *place = header;
        }
        self
    }

    /// Returns the preset with headers in this character set. Built-in presets have UTF-8.
    #[must_use]
    pub fn in_charset(self, charset: Charset) -> Self {
        Self { charset, ..self }
    }

    /// Returns the character set of the headers.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// Returns the header of an id.
    pub fn header(&self, id: Field) -> Option<&HeaderName> {
        self.headers.get(id as usize)?.as_ref()
    }

    /// Returns the headers that the preset reads.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.iter().flatten()
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
            assert_eq!(preset.header(Field::User).unwrap(), headers[0]);
            assert!(Preset::names().any(|known| known == name));
        }
        assert!(Preset::built_in("unknown").is_none());
        let librechat = Preset::built_in("librechat").unwrap();
        assert_eq!(librechat.header(Field::Session), None);
        assert_eq!(librechat.header(Field::Chat).unwrap(), "x-librechat-conversation-id");
        assert_eq!(librechat.header(Field::Tenant), None);
    }
}
