//! Lists the differences between two configurations for the log: `valves.send_end_user_id: true → false`.

use crate::config::Effective;
use callsign_core::visible::printable;

/// Settings that are read only at start. A change is logged and needs a restart.
const FIXED: [&str; 18] = [
    "listen",
    "admin_listen",
    "admin_token",
    "tls_cert",
    "tls_key",
    "max_connections",
    "max_connections_per_address",
    "max_in_flight",
    "max_in_flight_per_caller",
    "drain_seconds",
    "drain_delay_seconds",
    "log",
    "archive.dir",
    "archive.password",
    "archive.retention_days",
    "archive.required",
    "archive.max_body_bytes",
    "archive.max_memory_bytes",
];

/// Returns one line for each setting that differs. Secrets are shown as `***`.
pub(super) fn between(old: &[Effective], new: &[Effective]) -> Vec<String> {
    let find = |list: &[Effective], name: &str| list.iter().find(|row| row.name == name).cloned();
    let mut names: Vec<&str> = old.iter().chain(new).map(|row| row.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut changes = Vec::new();
    for name in names {
        let (before, after) = (find(old, name), find(new, name));
        let same = match (&before, &after) {
            (Some(before), Some(after)) => before.is_same_value(after),
            (before, after) => before.is_none() && after.is_none(),
        };
        if !same {
            let restart = if FIXED.contains(&name) { " (needs a restart)" } else { "" };
            changes.push(format!(
                "{}: {} → {}{restart}",
                printable(name),
                shown(before.as_ref()),
                shown(after.as_ref())
            ));
        }
    }
    changes
}

fn shown(row: Option<&Effective>) -> String {
    row.and_then(|row| row.value.as_deref()).map_or_else(|| "not set".to_owned(), printable)
}
