//! Policies with every valve open, whose four identifiers are written in one way.

use callsign::config::{Config, Sources};
use callsign::identifiers::Policy;

/// Name, and what stands before the field of each identifier.
pub(crate) const FORMATS: [(&str, &str); 4] =
    [("raw", ""), ("sha256", "sha256:32 user "), ("hmac", "hmac:32 user "), ("seal", "seal user ")];

/// The policy with identifiers of this kind.
pub(crate) fn with(function: &str) -> Policy {
    let format = |field: &str| match (function, field) {
        ("", field) => format!("{{{field}}}"),
        (function, "user") => format!("{{{}}}", function.trim_end()),
        (function, field) => format!("{{{function}{field}}}"),
    };
    let valves = ["SEND_END_USER_ID", "SEND_SESSION_ID", "SEND_CHAT_ID", "SEND_MESSAGE_ID"];
    let formats = [("USER", "user"), ("SESSION", "session"), ("CHAT", "chat"), ("MESSAGE", "message")];
    let variables = valves
        .map(|valve| (valve.to_owned(), "true".to_owned()))
        .into_iter()
        .chain(formats.map(|(name, field)| (format!("{name}_ID_FORMAT"), format(field))))
        .chain([("CALLSIGN_ID_SECRET".to_owned(), "a-secret-for-the-benchmark-alone".to_owned())]);
    Config::load(&Sources::environment(variables)).unwrap().config.identifiers
}
