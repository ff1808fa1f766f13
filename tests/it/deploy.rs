//! The files in `deploy/`: every manifest gives callsign a valid configuration and the hardening that the docs promise,
//! and generated files match the command line.
//!
//! `tests/external` (`image.sh`, `balancer.sh`, `systemd.sh`) tests these files with the programs that read them.

mod compose;
mod generated;
mod kubernetes;
mod packages;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use callsign::config::settings::{SECTIONS, Setting};
use callsign::config::{Config, ConfigInputs};
use serde_json::Value;

/// The user id in the image.
const USER: u64 = 65532;

/// The environment variables of a container or service in a manifest.
type Variables = Vec<(String, String)>;

fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(repository(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Lists the files of a directory below `deploy/`, as paths from the repository's root.
fn files(directory: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(repository(directory)).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| format!("{directory}/{}", entry.file_name().display()))
        .collect()
}

/// Parses the documents of a YAML file.
fn documents(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Returns the value at a JSON pointer such as `/spec/replicas`.
#[track_caller]
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or_else(|| panic!("no {path} in {value:#}"))
}

#[track_caller]
fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    at(value, path).as_str().unwrap_or_else(|| panic!("{path} is not a string in {value:#}"))
}

fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    value.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns the setting that a variable or its `_FILE` form sets.
fn setting(variable: &str) -> Option<&'static Setting> {
    let by_name =
        |name: &str| SECTIONS.iter().flat_map(|section| section.settings).find(|row| row.variable == Some(name));
    by_name(variable).or_else(|| by_name(variable.strip_suffix("_FILE")?).filter(|row| row.secret))
}

/// Returns an acceptable value for a secret.
fn sample(variable: &str) -> &'static str {
    match variable {
        "CALLSIGN_LEDGER_FILE" => "postgres://callsign:password@postgres/callsign",
        "CALLSIGN_LIMIT_STORE_FILE" => "redis://valkey:6379",
        "OPENROUTER_API_KEY_FILE" => "sk-or-v1-0123456789abcdef",
        _ => "a-secret-of-a-test-0123456789",
    }
}

/// Loads the configuration of a container or service from its variables, defaults file and settings file. Fails on a
/// problem or warning, and on a secret outside of the files whose paths begin with `secrets`.
fn serves(whence: &str, variables: &Variables, secrets: &str, defaults: Option<&str>, file: Option<&str>) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let mut given = Variables::new();
    for (name, value) in variables {
        let setting = setting(name).unwrap_or_else(|| panic!("{whence}: {name} is not a setting"));
        if let Some(secret) = value.strip_prefix(secrets) {
            assert!(name.ends_with("_FILE"), "{whence}: {name} holds a path and does not end in _FILE");
            std::fs::write(directory.path().join(secret), sample(name)).unwrap();
            given.push((name.clone(), directory.path().join(secret).display().to_string()));
            continue;
        }
        // An address without a password is not a secret.
        let harmless = value.contains("://") && !value.contains('@');
        assert!(!setting.secret || harmless, "{whence}: {name} is a secret in clear text");
        given.push((name.clone(), value.clone()));
    }
    let mut sources = ConfigInputs::environment(given).file(file.map(repository)).serving();
    if let Some(defaults) = defaults {
        sources = sources.defaults(repository(defaults));
    }
    let loaded = Config::load(&sources).unwrap_or_else(|problems| panic!("{whence}: {problems}"));
    assert!(loaded.warnings.is_empty(), "{whence}: {:?}", loaded.warnings);
    loaded.config
}

/// Loads the configuration of a container of callsign's image, as [`serves`] does.
fn container_serves(whence: &str, variables: &Variables, secrets: &str) -> Config {
    serves(whence, variables, secrets, Some("deploy/defaults.toml"), None)
}
