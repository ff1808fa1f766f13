//! The environment of a demo. It takes the valves, the formats, the ports and the log from the operator's environment, and
//! ignores every other setting of callsign: no state, key, alert or file of the operator is used.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::{Config, ConfigInputs, DEFAULTS_FILE, settings};
use callsign_core::identity::identifier::TABLE;

/// The settings that a demo takes, besides valves and formats.
const TAKEN: [&str; 11] = [
    "CALLSIGN_LISTEN",
    "CALLSIGN_ADMIN_LISTEN",
    "CALLSIGN_LOG",
    "CALLSIGN_LOG_FORMAT",
    "CALLSIGN_ID_SECRET",
    "CALLSIGN_ID_SECRET_FILE",
    "CALLSIGN_MISSING_USER",
    "SEND_TRACE",
    "OPENROUTER_USER_TRACKING",
    "OPENROUTER_USER_PREFIX",
    "OPENROUTER_EXTERNAL_USER",
];

/// Returns the demo's variables: those taken from `variables`, then `own`, then defaults of a demo. Names that are no
/// setting stay, so that a misspelt one is reported.
pub(super) fn of_demo(
    mut variables: Vec<(OsString, OsString)>,
    own: Vec<(&'static str, String)>,
) -> Vec<(OsString, OsString)> {
    variables.retain(|(name, value)| {
        let name = name.to_str().unwrap_or_default();
        !value.is_empty() && (is_taken(name) || settings::by_variable(name).is_none())
    });
    for (name, value) in &mut variables {
        if *name == *"CALLSIGN_LISTEN" || *name == *"CALLSIGN_ADMIN_LISTEN" {
            to_loopback(value);
        }
    }
    // No admin port would be no console.
    variables.retain(|(name, value)| *name != *"CALLSIGN_ADMIN_LISTEN" || *value != *"off");
    let is_unset = |names: &[&str]| variables.iter().all(|(name, _)| names.iter().all(|of| *name != **of));
    let mut defaults = Vec::new();
    for row in TABLE.iter().filter(|row| row.metadata.is_some()) {
        if is_unset(&[row.valve.variable, alias(row.valve.variable)]) {
            defaults.push((row.valve.variable, "true".to_owned()));
        }
    }
    if is_unset(&["CALLSIGN_MISSING_USER", "OPENROUTER_EXTERNAL_USER"]) {
        defaults.push(("CALLSIGN_MISSING_USER", "reject".to_owned()));
    }
    for (name, address) in ports_of_the_image() {
        if is_unset(&[name]) {
            defaults.push((name, address.to_string()));
        }
    }
    variables.extend(defaults.into_iter().chain(own).map(|(name, value)| (name.into(), value.into())));
    variables
}

fn is_taken(name: &str) -> bool {
    TAKEN.contains(&name) || TABLE.iter().any(|row| row.valve.variable == name || row.format.variable == name)
}

/// Returns the alias of a valve, or the valve itself.
fn alias(valve: &'static str) -> &'static str {
    if valve == "SEND_END_USER_ID" { "OPENROUTER_USER_TRACKING" } else { valve }
}

/// Replaces the host of an address by the loopback address. Text that is no address stays, and is reported later.
fn to_loopback(value: &mut OsString) {
    let address = value.to_str().and_then(|text| text.parse::<SocketAddr>().ok());
    if let Some(mut address) = address.filter(|address| !address.ip().is_loopback()) {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        *value = address.to_string().into();
    }
}

/// Returns the addresses in the defaults of the container image. Its loopback address cannot be reached from outside.
fn ports_of_the_image() -> Vec<(&'static str, SocketAddr)> {
    if !std::path::Path::new(DEFAULTS_FILE).exists() {
        return Vec::new();
    }
    let none: [(&str, &str); 0] = [];
    let Ok(loaded) = Config::load(&ConfigInputs::environment(none).defaults(DEFAULTS_FILE)) else { return Vec::new() };
    let admin = loaded.config.admin.listen.map(|address| ("CALLSIGN_ADMIN_LISTEN", address));
    [("CALLSIGN_LISTEN", loaded.config.data.listen)].into_iter().chain(admin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = vec![("CALLSIGN_APP_KEY", "sk-cs-of-the-demo".to_owned())];
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let text = |text: OsString| text.into_string().unwrap();
        of_demo(variables, own).into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn value(of: &[(String, String)], name: &str) -> Option<String> {
        let values: Vec<_> = of.iter().filter(|(own, _)| own == name).collect();
        assert!(values.len() < 2, "{values:?}");
        values.first().map(|(_, value)| value.clone())
    }

    #[test]
    fn no_state_key_or_alert_of_the_operator_is_used() {
        let mine = of(&[
            ("CALLSIGN_APP_KEY", "sk-cs-mine"),
            ("CALLSIGN_APP_KEY_FILE", "/run/secrets/app"),
            ("CALLSIGN_DATA_DIR", "/var/lib/callsign"),
            ("CALLSIGN_CONFIG", "/etc/callsign/callsign.toml"),
            ("CALLSIGN_LEDGER", "postgres://db/ledger"),
            ("CALLSIGN_LIMIT_STORE", "redis://db"),
            ("CALLSIGN_ALERT_WEBHOOK", "https://hooks.example"),
            ("CALLSIGN_ARCHIVE_DIR", "/var/lib/archive"),
            ("OPENROUTER_API_KEY", "sk-or-mine"),
            ("OPENROUTER_ORG_ID", "org_mine"),
            ("SEND_USER_ID", "true"),
            ("PATH", "/bin"),
        ]);
        let names: Vec<_> = mine.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "SEND_USER_ID",
            "PATH",
            "SEND_END_USER_ID",
            "SEND_SESSION_ID",
            "SEND_CHAT_ID",
            "SEND_MESSAGE_ID",
            "CALLSIGN_MISSING_USER",
            "CALLSIGN_APP_KEY",
        ];
        assert_eq!(names, expected);
        assert_eq!(value(&mine, "CALLSIGN_APP_KEY").unwrap(), "sk-cs-of-the-demo");
    }

    #[test]
    fn valves_formats_and_ports_are_taken_and_listen_on_loopback() {
        let mine = of(&[
            ("SEND_CHAT_ID", "false"),
            ("USER_ID_FORMAT", "acme_{user}"),
            ("OPENROUTER_USER_TRACKING", "false"),
            ("OPENROUTER_EXTERNAL_USER", "acme"),
            ("CALLSIGN_LISTEN", "0.0.0.0:9000"),
            ("CALLSIGN_ADMIN_LISTEN", "off"),
        ]);
        assert_eq!(value(&mine, "SEND_CHAT_ID").unwrap(), "false");
        assert_eq!(value(&mine, "SEND_SESSION_ID").unwrap(), "true");
        assert_eq!(value(&mine, "USER_ID_FORMAT").unwrap(), "acme_{user}");
        assert_eq!(value(&mine, "CALLSIGN_LISTEN").unwrap(), "127.0.0.1:9000");
        // Each of these would be an error beside its alias.
        for name in ["SEND_END_USER_ID", "CALLSIGN_MISSING_USER", "CALLSIGN_ADMIN_LISTEN"] {
            assert_eq!(value(&mine, name), None, "{name}");
        }
    }
}
