use std::path::PathBuf;

use super::*;
use crate::secret::KeyDigest;

/// A key that problems must never repeat.
const KEY: &str = "sk-cs-very-secret-key-1";
const OTHER_KEY: &str = "sk-cs-very-secret-key-2";

/// The least that serves.
const MINIMAL: [(&str, &str); 2] = [("OPENROUTER_API_KEY", "sk-or-v1-very-secret"), ("CALLSIGN_APP_KEY", KEY)];

fn environment(variables: &[(&str, &str)]) -> Sources {
    Sources::environment(variables.iter().copied())
}

fn load(variables: &[(&str, &str)]) -> Loaded {
    Config::load(&environment(variables)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(variables: &[(&str, &str)]) -> String {
    Config::load(&environment(variables)).err().map(|problems| problems.to_string()).unwrap_or_default()
}

/// Loads a TOML text together with variables; what comes back names the file `FILE`.
fn with_file(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("callsign.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&environment(variables).file(Some(path.clone())))
        .map(|mut loaded| {
            for row in &mut loaded.effective {
                row.source = row.source.replace(&path.display().to_string(), "FILE");
            }
            for warning in &mut loaded.warnings {
                *warning = warning.replace(&path.display().to_string(), "FILE");
            }
            loaded
        })
        .map_err(|problems| problems.to_string().replace(&path.display().to_string(), "FILE"))
}

#[test]
fn a_key_for_each_side_is_enough() {
    let config = load(&MINIMAL).config;
    assert_eq!(config.data.listen.to_string(), "127.0.0.1:8484");
    assert_eq!(config.admin.listen.unwrap().to_string(), "127.0.0.1:8485");
    assert_eq!(config.callers.keys.len(), 1);
    assert!(!config.identifiers.valves.any());
    assert!(config.check_serving().is_ok());
}
