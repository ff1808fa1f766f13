//! `callsign config`: prints every setting with its value and source, and the run-time limits that win over settings.
//! Secrets are shown as `***`.

use std::io::{self, Write};

use serde_json::json;

use super::Exit;
use super::operator_state::Opened;
use crate::config::{Effective, Loaded};
use callsign_core::visible::printable;

/// Prints the configuration, and what wins over it.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub async fn run(loaded: &Loaded, json: bool, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let state = Opened::open_if_any(&loaded.config, err).await?;
    if json {
        let setting = |row: &Effective| json!({ "name": row.name, "value": row.value, "source": row.source });
        let settings: Vec<_> = loaded.effective.iter().map(setting).collect();
        let set = state.overrides().described(usize::MAX);
        let whole = json!({ "settings": settings, "limits_set_while_running": set });
        writeln!(out, "{}", serde_json::to_string_pretty(&whole)?)?;
        return Ok(Exit::Success);
    }
    print(loaded, out)?;
    for (number, line) in state.overrides().described(usize::MAX).into_iter().enumerate() {
        if number == 0 {
            writeln!(out, "\nLimits that were set while callsign runs, and win over settings:")?;
        }
        writeln!(out, "  {line}")?;
    }
    Ok(Exit::Success)
}

/// Prints one setting per line: name, value, source. A setting without a value shows the variable to set.
///
/// # Errors
/// I/O errors of `out`.
pub fn print(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<_> = loaded
        .effective
        .iter()
        .map(|row| (printable(&row.name), row.value.as_deref().map(printable), printable(&row.source)))
        .collect();
    let width = |text: &str| text.chars().count();
    let name_width = rows.iter().map(|(name, ..)| width(name)).max().unwrap_or_default();
    let value_width = rows.iter().filter_map(|(_, value, _)| value.as_deref().map(width)).max().unwrap_or_default();
    // One long value must not move the source column off the screen.
    let value_width = value_width.min(40);
    for (name, value, source) in rows {
        match value {
            Some(value) => writeln!(out, "{name:name_width$}  {value:value_width$}  {source}")?,
            None => writeln!(out, "{name:name_width$}  {:value_width$}  not set ({source})", "-")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigInputs};

    #[test]
    fn a_line_holds_name_value_and_source_and_no_secret() {
        let variables = [("CALLSIGN_LISTEN", "0.0.0.0:1"), ("CALLSIGN_APP_KEY", "sk-cs-a-secret-key")];
        let loaded = Config::load(&ConfigInputs::environment(variables)).unwrap();
        let mut out = Vec::new();
        print(&loaded, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let words = |name: &str| -> Vec<&str> {
            let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            lines.find(|words| words.first() == Some(&name)).unwrap()
        };
        assert_eq!(words("listen"), ["listen", "0.0.0.0:1", "env", "CALLSIGN_LISTEN"]);
        assert_eq!(words("app_key"), ["app_key", "***", "env", "CALLSIGN_APP_KEY"]);
        assert_eq!(words("log"), ["log", "info", "default"]);
        assert_eq!(words("id_secret"), ["id_secret", "-", "not", "set", "(CALLSIGN_ID_SECRET)"]);
        assert!(!text.contains("a-secret-key"));
    }
}
