//! Configurations: arbitrary files and variables must not cause a panic, and output must not repeat a secret.
//!
//! Input: lines `NAME=value` with variables, then a line `---`, then the text of a TOML file. A first line `serve` also
//! checks the settings that serving needs. `@@` stands for a secret ([`CANARY`]). Output must not repeat it if it is
//! the value of a secret setting; a problem may repeat it as a name.

use std::io::Write;
use std::sync::{LazyLock, Mutex};

use callsign::config::settings::{self, Known};
use callsign::config::{Config, ConfigInputs};
use toml::Value;

const CANARY: &str = "c4n4ry-0f-a-Secret-0123456789";
/// The file, overwritten for every input.
static FILE: LazyLock<Mutex<tempfile::NamedTempFile>> =
    LazyLock::new(|| Mutex::new(tempfile::NamedTempFile::new().expect("a temporary file")));

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Reading a device could block forever.
    if ["/dev", "/proc", "/sys"].iter().any(|device| text.contains(device)) {
        return;
    }
    let text = text.replace("@@", CANARY);
    let (variables, toml) = text.split_once("\n---\n").unwrap_or((&text, ""));
    let variables: Vec<(&str, &str)> = variables.lines().filter_map(|line| line.split_once('=')).take(40).collect();
    let mut file = FILE.lock().expect("nobody panics with it");
    write(&mut file, toml).expect("it can be written");
    let sources = ConfigInputs::environment(variables.iter().copied()).file(Some(file.path().to_owned()));
    drop(file);
    let serving = text.starts_with("serve");
    let said = match Config::load(&if serving { sources.serving() } else { sources }) {
        Ok(loaded) => {
            let can_serve = loaded.config.check_serving();
            assert!(can_serve.is_ok() || !serving, "{can_serve:?}");
            let mut listing = Vec::new();
            callsign::cli::config::print(&loaded, &mut listing).expect("it can be printed");
            assert_plain(loaded.warnings.iter().map(String::as_str));
            format!("{}\n{loaded:?}\n{can_serve:?}", String::from_utf8_lossy(&listing))
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert_plain(problems.to_string().lines());
            format!("{problems}\n{problems:?}")
        }
    };
    let secret_only = variables.iter().all(|(name, value)| !is_told(name, value)) && !told_in(toml);
    assert!(!secret_only || !said.contains(CANARY), "{said}");
}

/// Checks that output has no control characters, which would act on the operator's terminal.
fn assert_plain<'a>(lines: impl Iterator<Item = &'a str>) {
    for line in lines {
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

/// Returns true if output may repeat the canary in this variable: in names, paths and values of settings that are not
/// secret.
fn is_told(name: &str, value: &str) -> bool {
    let secret = matches!(settings::by_variable(name), Some(Known::Value(setting)) if setting.secret);
    // Names of users are not secret; their keys are.
    let names = name == "CALLSIGN_USER_KEYS"
        && value.split([',', '\n']).any(|pair| pair.split('=').next().is_some_and(|name| name.contains(CANARY)));
    name.contains(CANARY) || (value.contains(CANARY) && (!secret || names || is_url(name)))
}

/// Returns true for URLs, whose host and path may be repeated.
fn is_url(name: &str) -> bool {
    name.ends_with("_URL")
}

/// Returns true if output may repeat a canary in this file. In a file that is not TOML every value may be secret.
fn told_in(toml: &str) -> bool {
    fn walk(value: &Value, path: &mut Vec<String>) -> bool {
        match value {
            Value::Table(table) => table.iter().any(|(name, value)| {
                path.push(name.clone());
                let told = name.contains(CANARY) || walk(value, path);
                path.pop();
                told
            }),
            Value::Array(entries) => {
                path.push("[]".into());
                let told = entries.iter().any(|entry| walk(entry, path));
                path.pop();
                told
            }
            Value::String(text) if text.contains(CANARY) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                let secret = matches!(settings::by_path(&path), Some(Known::Value(setting)) if setting.secret);
                !secret || path.last() == Some(&"user_keys")
            }
            _ => false,
        }
    }
    toml.contains(CANARY) && toml.parse::<toml::Table>().is_ok_and(|table| walk(&Value::Table(table), &mut Vec::new()))
}

fn write(file: &mut tempfile::NamedTempFile, text: &str) -> std::io::Result<()> {
    use std::io::Seek;
    let file = file.as_file_mut();
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}
