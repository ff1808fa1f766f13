//! What `deploy/` holds: every manifest gives callsign a configuration that serves, and the protection that the docs promise;
//! what is generated from the command line is as the command line is.
//!
//! Whether the programs that read these files take them is for `tests/external`: `image.sh`, `balancer.sh`, `systemd.sh`.

mod compose;
mod generated;
mod kubernetes;
mod packages;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use callsign::config::settings::{SECTIONS, Setting};
use callsign::config::{Config, Sources};
use serde_json::Value;

/// The user in the image.
const USER: u64 = 65532;

/// Settings that `deploy/` names although this callsign has none of them yet: left out until it has.
const TO_COME: [&str; 1] = ["CALLSIGN_LIMIT_STORE"];

/// Variables of a container or a service, as a manifest has them.
type Variables = Vec<(String, String)>;

fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(repository(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The files of a directory below `deploy/`, by path from the repository's root.
fn files(directory: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(repository(directory)).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| format!("{directory}/{}", entry.file_name().display()))
        .collect()
}

/// The documents of a YAML file.
fn documents(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What stands at `path`, as `/spec/replicas`.
#[track_caller]
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or_else(|| panic!("no {path} in {value:#}"))
}

#[track_caller]
fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    at(value, path).as_str().unwrap_or_else(|| panic!("{path} is no text in {value:#}"))
}

fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    value.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The setting that a variable is for, by its name or the name of its `_FILE` form.
fn setting(variable: &str) -> Option<&'static Setting> {
    let by_name =
        |name: &str| SECTIONS.iter().flat_map(|section| section.settings).find(|row| row.variable == Some(name));
    by_name(variable).or_else(|| by_name(variable.strip_suffix("_FILE")?).filter(|row| row.secret))
}

/// Something that a secret may be.
fn sample(variable: &str) -> &'static str {
    match variable {
        "CALLSIGN_LEDGER_FILE" => "postgres://callsign:password@postgres/callsign",
        "CALLSIGN_LIMIT_STORE_FILE" => "redis://valkey:6379",
        "OPENROUTER_API_KEY_FILE" => "sk-or-v1-0123456789abcdef",
        _ => "a-secret-of-a-test-0123456789",
    }
}

/// Loads what a container or a service with these variables does, over these files of defaults and settings, and expects
/// nothing to be said about it. `secrets` begins the paths of files that hold secrets; no secret stands elsewhere.
fn serves(whence: &str, variables: &Variables, secrets: &str, defaults: Option<&str>, file: Option<&str>) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let mut given = Variables::new();
    for (name, value) in variables {
        let Some(setting) = setting(name) else {
            let known = TO_COME.iter().any(|to_come| name.trim_end_matches("_FILE") == *to_come);
            assert!(known, "{whence}: {name} is no setting");
            continue;
        };
        if let Some(secret) = value.strip_prefix(secrets) {
            assert!(name.ends_with("_FILE"), "{whence}: {name} is not a file's name");
            std::fs::write(directory.path().join(secret), sample(name)).unwrap();
            given.push((name.clone(), directory.path().join(secret).display().to_string()));
            continue;
        }
        // An address without a password is none.
        let harmless = value.contains("://") && !value.contains('@');
        assert!(!setting.secret || harmless, "{whence}: {name} is a secret and stands there");
        given.push((name.clone(), value.clone()));
    }
    let mut sources = Sources::environment(given).file(file.map(repository)).serving();
    if let Some(defaults) = defaults {
        sources = sources.defaults(repository(defaults));
    }
    let loaded = Config::load(&sources).unwrap_or_else(|problems| panic!("{whence}: {problems}"));
    assert!(loaded.warnings.is_empty(), "{whence}: {:?}", loaded.warnings);
    loaded.config
}

/// The same for a container of the image.
fn container_serves(whence: &str, variables: &Variables, secrets: &str) -> Config {
    serves(whence, variables, secrets, Some("deploy/defaults.toml"), None)
}
