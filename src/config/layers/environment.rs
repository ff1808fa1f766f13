//! Reads the environment as a layer: settings, `_FILE` forms and aliases. Misspelt names become problems
//! (`docs/SPEC.md#unknown-settings`); variables that Kubernetes injects do not.

use std::ffi::OsString;

use super::entry::{Entry, Layer, read_secret_file, split_list, stored_path};
use super::hint;
use crate::config::problem::Problems;
use crate::config::settings::{self, Known, Setting};
use crate::config::values::switch;

/// The values of the environment.
pub(super) struct Environment {
    /// Values of settings, in order of name.
    pub(super) entries: Vec<Entry>,
    /// Values of aliases.
    pub(super) aliases: Vec<Alias>,
}

/// An alias with its value translated into that of its setting.
pub(super) struct Alias {
    /// The alias's variable.
    pub(super) variable: &'static str,
    /// The setting that it stands for.
    pub(super) stands_for: &'static Setting,
    /// The value for that setting.
    pub(super) text: String,
}

impl Alias {
    /// Returns true if `text`, the setting's own value, means the same.
    pub(super) fn agrees_with(&self, text: &str) -> bool {
        text == self.text || switch(text).is_ok_and(|value| switch(&self.text) == Ok(value))
    }
}

/// Reads callsign's variables and ignores all others, and empty ones.
pub(super) fn read(
    variables: &[(OsString, OsString)],
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Environment {
    let mut variables: Vec<_> = variables
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?, value)))
        .filter(|(_, v)| !v.is_empty())
        .collect();
    variables.sort_unstable();
    let mut entries: Vec<Entry> = Vec::new();
    for (name, value) in variables {
        let Some(known) = settings::by_variable(name) else {
            unknown(name, &value.to_string_lossy(), problems, warnings);
            continue;
        };
        let place = format!("env {name}");
        let Some(text) = value.to_str() else {
            problems.push(place, "is not UTF-8; set it to UTF-8 text");
            continue;
        };
        let (setting, text) = match known {
            Known::Value(setting) => (setting, Ok(text.to_owned())),
            Known::File(setting) => (setting, read_secret_file(text)),
        };
        match text {
            Err(message) => problems.push(place, message),
            Ok(text) => {
                let path = stored_path(setting);
                // Sorted, so that NAME comes before NAME_FILE.
                if entries.iter().any(|entry| entry.path == path) {
                    problems.push(&place, format!("is set together with {}; keep one", setting.name()));
                }
                let text = if setting.list { split_list(&text) } else { text };
                entries.push(Entry { layer: Layer::Environment, source: place, path, text });
            }
        }
    }
    let aliases = aliases(&entries, problems);
    Environment { entries, aliases }
}

fn aliases(entries: &[Entry], problems: &mut Problems) -> Vec<Alias> {
    let mut aliases: Vec<Alias> = Vec::new();
    let mut alias = |variable: &'static str, stands_for: &str, text: String, problems: &mut Problems| {
        let Some(stands_for) = settings::by_id(stands_for) else { return };
        match aliases.iter().find(|other| other.stands_for == stands_for) {
            Some(other) => problems.push(
                format!("env {variable}"),
                format!("is an alias of {}, and so is {}; keep one", stands_for.name(), other.variable),
            ),
            None => aliases.push(Alias { variable, stands_for, text }),
        }
    };
    let value = |variable: &str| entries.iter().find(|entry| entry.path == [variable]).map(|entry| entry.text.clone());
    let literal = |variable: &'static str, problems: &mut Problems| {
        let text = value(variable)?;
        if text.contains(['{', '}']) {
            let message = "contains a brace but is literal text; set USER_ID_FORMAT instead";
            problems.push(format!("env {variable}"), message);
            return None;
        }
        Some(text)
    };
    if let Some(text) = value("OPENROUTER_USER_TRACKING") {
        alias("OPENROUTER_USER_TRACKING", "valves.send_end_user_id", text, problems);
    }
    if let Some(prefix) = literal("OPENROUTER_USER_PREFIX", problems) {
        alias("OPENROUTER_USER_PREFIX", "formats.user", format!("{prefix}_{{user}}"), problems);
    }
    if let Some(client) = literal("OPENROUTER_EXTERNAL_USER", problems) {
        let variable = "OPENROUTER_EXTERNAL_USER";
        alias(variable, "formats.user", format!("{client}_user_{{sha256:8 user}}"), problems);
        alias(variable, "missing_user", format!("shared:{client}"), problems);
    }
    aliases
}

fn unknown(name: &str, value: &str, problems: &mut Problems, warnings: &mut Vec<String>) {
    let place = format!("env {name}");
    if name.starts_with("CALLSIGN_") {
        if !is_from_kubernetes(name, value) {
            problems.push(place, format!("is not a setting; the nearest one is {}", hint::variable(name)));
        } else if name == "CALLSIGN_PORT" && !value.contains("://") {
            warnings.push(format!("{place}: is ignored, because Kubernetes sets it; set CALLSIGN_LISTEN"));
        }
    } else if let Some(meant) = hint::misspelt(name) {
        problems.push(place, format!("is not a setting; did you mean {meant}? Rename or unset it"));
    } else if name.starts_with("OPENROUTER_") {
        let meant = hint::by_words(name).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        warnings.push(format!("{place}: is not a setting, so callsign ignores it{meant}"));
    }
}

/// Returns true if Kubernetes injects this name for a Service called callsign, or one whose name begins with that, as
/// callsign-admin (Kubernetes docs, "Accessing the Service": `{SVC}_SERVICE_HOST`, `{SVC}_SERVICE_PORT[_NAME]`, and the
/// older Docker links `{SVC}_PORT[_N_PROTOCOL[_PROTO|_PORT|_ADDR]]`).
fn is_from_kubernetes(name: &str, value: &str) -> bool {
    let service = name.strip_prefix("CALLSIGN").unwrap_or_default();
    if service.ends_with("_SERVICE_HOST") || service.contains("_SERVICE_PORT") || service == "_PORT" {
        return true;
    }
    if service.ends_with("_PORT") && value.contains("://") {
        return true;
    }
    let mut rest = service.split("_PORT_").skip(1).flat_map(|rest| rest.split('_'));
    rest.next().is_some_and(|port| port.parse::<u16>().is_ok())
        && rest.next().is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol))
        && rest.next().is_none_or(|what| ["PROTO", "PORT", "ADDR"].contains(&what))
        && rest.next().is_none()
}
