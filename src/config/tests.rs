//! Tests of values, problems and warnings, all through [`Config::load`].

mod admin_issuers;
mod aliases;
mod callers;
mod first_hour;
mod issuers;
mod layers;
mod names;
mod rules;
mod secrecy;
mod tenants;
mod warnings;

use super::*;
use callsign_core::secret::KeyDigest;

/// Secrets that no problem, warning or listing may contain.
const KEY: &str = "sk-cs-very-secret-key-1";
const OTHER_KEY: &str = "sk-cs-very-secret-key-2";
const API_KEY: &str = "sk-or-v1-very-secret";
const ID_SECRET: &str = "a-very-secret-id-secret";

/// The minimal configuration that serves.
const MINIMAL: [(&str, &str); 2] = [("OPENROUTER_API_KEY", API_KEY), ("CALLSIGN_APP_KEY", KEY)];

fn environment(variables: &[(&str, &str)]) -> ConfigInputs {
    ConfigInputs::environment(variables.iter().copied())
}

fn load(variables: &[(&str, &str)]) -> Loaded {
    Config::load(&environment(variables)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Returns the problems of these variables, one per line; empty if there are none.
fn problems(variables: &[(&str, &str)]) -> String {
    Config::load(&environment(variables)).err().map(|problems| problems.to_string()).unwrap_or_default()
}

/// Loads a TOML text together with variables. The result names the file `FILE`.
fn with_file(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("callsign.toml");
    std::fs::write(&path, text).unwrap();
    let shorten = |text: &mut String| *text = text.replace(&path.display().to_string(), "FILE");
    match Config::load(&environment(variables).file(Some(path.clone()))) {
        Ok(mut loaded) => {
            loaded.effective.iter_mut().for_each(|row| shorten(&mut row.source));
            loaded.warnings.iter_mut().for_each(shorten);
            Ok(loaded)
        }
        Err(problems) => {
            let mut text = problems.to_string();
            shorten(&mut text);
            Err(text)
        }
    }
}

fn file_problems(text: &str) -> String {
    with_file(text, &[]).err().unwrap_or_default()
}

fn source_of<'l>(loaded: &'l Loaded, name: &str) -> &'l str {
    &loaded.effective.iter().find(|row| row.name == name).unwrap().source
}

fn value_of<'l>(loaded: &'l Loaded, name: &str) -> Option<&'l str> {
    loaded.effective.iter().find(|row| row.name == name).unwrap().value.as_deref()
}

/// Returns a `[[keys]]` entry for `key` with these further lines.
fn key_entry(name: &str, key: &str, lines: &str) -> String {
    let digest = KeyDigest::of(key.as_bytes()).to_hex();
    format!("[[keys]]\nname = \"{name}\"\nsha256 = \"{digest}\"\n{lines}\n")
}
