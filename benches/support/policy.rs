//! Policies with all valves on and one format for all four identifiers.

use callsign::config::{Config, ConfigInputs};
use callsign_core::identity::Policy;

/// The name of a format and the text before the field in its placeholder.
pub(crate) const FORMATS: [(&str, &str); 4] =
    [("raw", ""), ("sha256", "sha256:32 user "), ("hmac", "hmac:32 user "), ("seal", "seal user ")];

/// Returns the policy whose identifiers use this function.
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
    Config::load(&ConfigInputs::environment(variables)).unwrap().config.tenants.operator
}
