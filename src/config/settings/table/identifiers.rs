//! The rows about identifiers: valves, formats, limits, metadata. Names and defaults of valves and formats are in the
//! table of identifiers in `callsign_core::identity::identifier`.

use crate::config::settings::setting::Setting;
use callsign_core::identity::identifier::Identifier;
use callsign_core::identity::valve::TRACE;

pub(super) const IDENTIFIERS: &[Setting] = &[
    Setting::both(
        "CALLSIGN_MISSING_USER",
        "missing_user",
        "Treatment of a request without a user id: `omit` sends it without one, `reject` answers 403 `user_required` \
         (also for an id over the length limit), `shared:ID` sends the literal ID for all of them.",
    )
    .default("omit"),
    Setting::both(
        "CALLSIGN_ID_SECRET",
        "id_secret",
        "Key of `hmac` and `seal` in formats, and of bound sessions and cache keys; at least 16 bytes. Required if a \
         format whose valve is on uses `hmac` or `seal`.",
    )
    .secret(),
    Setting::both(
        "CALLSIGN_MAX_ID_CHARS",
        "max_id_chars",
        "Maximum length of `user`, `session_id` and `safety_identifier`, 1 to 256. A longer identifier is omitted, not \
         truncated.",
    )
    .default("128")
    .unit("UTF-16 code units"),
];

/// Returns the setting of an identifier's valve.
const fn valve(identifier: Identifier, doc: &'static str) -> Setting {
    let name = identifier.row().valve;
    Setting::both(name.variable, name.path, doc).default("false")
}

pub(super) const VALVES: &[Setting] = &[
    valve(
        Identifier::User,
        "Send the user id as `user` and `metadata.user_id`, on responses also as `safety_identifier`.",
    ),
    valve(Identifier::Session, "Send the session id as `session_id` and `metadata.session_id`."),
    valve(Identifier::Chat, "Send the chat id as `metadata.chat_id`."),
    valve(
        Identifier::Message,
        "Send the message id as `metadata.message_id`. It makes every request different, which defeats OpenRouter's \
         response cache.",
    ),
    valve(
        Identifier::CacheSession,
        "Send the cache-session format as the top-level `session_id`, by which OpenRouter keeps a conversation at one \
         provider. `metadata.session_id` still follows `SEND_SESSION_ID`.",
    ),
    Setting::both(
        TRACE.variable,
        TRACE.path,
        "Repeat the whole metadata as `trace`, so that the ids reach your Broadcast destinations.",
    )
    .default("false"),
];

/// Returns the setting of an identifier's format.
const fn format(identifier: Identifier, doc: &'static str) -> Setting {
    let row = identifier.row();
    Setting::both(row.format.variable, row.format.path, doc).default(row.default_format)
}

pub(super) const FORMATS: &[Setting] = &[
    format(Identifier::User, "Format of the user id."),
    format(Identifier::Session, "Format of the session id."),
    format(Identifier::Chat, "Format of the chat id."),
    format(Identifier::Message, "Format of the message id."),
    format(Identifier::CacheSession, "Format of the cache session."),
];

pub(super) const ALIASES: &[Setting] = &[
    Setting::variable("OPENROUTER_USER_TRACKING", "Alias of `SEND_END_USER_ID`."),
    Setting::variable("OPENROUTER_USER_PREFIX", "The value `p` stands for `USER_ID_FORMAT=p_{user}`."),
    Setting::variable(
        "OPENROUTER_EXTERNAL_USER",
        "The value `p` stands for `USER_ID_FORMAT=p_user_{sha256:8 user}` and `CALLSIGN_MISSING_USER=shared:p`.",
    ),
];

pub(super) const METADATA: &[Setting] = &[Setting::toml(
    "metadata.*",
    "A name and value added to the `metadata` of every request. At most 16 pairs with the ids; names have up to 64 \
     characters without brackets, values up to 512. `user_id`, `session_id`, `chat_id` and `message_id` are reserved.",
)
.example("\"eu-1\"")];
