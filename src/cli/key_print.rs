//! `callsign key create --print-only`: makes a key and prints it once. The standard error gets both ways to configure it.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Exit;
use super::args::KeyHolder;
use crate::config::Config;
use callsign_core::auth::identity_header;
use callsign_core::auth::preset::Preset;
use callsign_core::identity::longest;
use callsign_core::secret::KeyDigest;
use callsign_store::limits::keys::material;
use callsign_store::limits::orders::key::{DEFAULT_PRESET, free_name};

/// Makes and prints a key.
///
/// # Errors
/// I/O errors of `out` and `err`, and errors of the system's random source.
pub(super) fn print(
    config: &Config,
    holder: &KeyHolder,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let given = holder.user.as_deref().or(holder.app.as_deref()).unwrap_or_default().trim_ascii();
    let Some(id) = Some(given).filter(|given| identity_header::is_id(given)) else {
        let most = longest::ID;
        writeln!(err, "callsign: expected an id of 1 to {most} bytes without invisible characters")?;
        return Ok(Exit::Invalid);
    };
    let preset = holder.app.as_ref().map(|_| holder.preset.as_deref().unwrap_or(DEFAULT_PRESET));
    if let Some(preset) = preset.filter(|preset| config.callers.preset(preset).is_none()) {
        let known = Preset::names().collect::<Vec<_>>().join(", ");
        writeln!(err, "callsign: --preset {preset:?} is unknown; expected {known}, or one of [presets]")?;
        return Ok(Exit::Invalid);
    }
    let key = material::generate()?;
    let is_free = |name: &str| config.callers.keys.iter().all(|key| key.name != name);
    let entry = Entry { id, name: free_name(id, is_free), preset, key: &key };
    if json {
        writeln!(out, "{:#}", entry.json())?;
    } else {
        writeln!(out, "{key}")?;
        entry.explain(err)?;
    }
    Ok(Exit::Success)
}

/// A new key and what configures it.
struct Entry<'a> {
    /// The user or the app.
    id: &'a str,
    name: String,
    preset: Option<&'a str>,
    key: &'a str,
}

impl Entry<'_> {
    fn sha256(&self) -> String {
        KeyDigest::of(self.key.as_bytes()).to_hex()
    }

    /// Formats it as JSON. `variables` has the environment that accepts the key, without the key.
    fn json(&self) -> Value {
        json!({
            "key": self.key,
            "name": self.name,
            "user": self.preset.is_none().then_some(self.id),
            "preset": self.preset,
            "sha256": self.sha256(),
            "variables": environment(self.id, self.preset),
        })
    }

    /// Prints both ways to configure the key.
    fn explain(&self, err: &mut impl Write) -> io::Result<()> {
        let Self { id, name, preset, .. } = self;
        writeln!(err, "\nThe key is shown only once. To accept it, set this variable, with the key for KEY:\n")?;
        let line = environment(id, *preset);
        let line = line
            .as_deref()
            .unwrap_or("(not possible: the id is too long, or contains a comma, an equals sign or a quote)");
        let more = match preset {
            None => "Several users are separated by commas.",
            Some(_) => "CALLSIGN_MISSING_USER=reject with it refuses requests in which the app names no user.",
        };
        writeln!(err, "  {line}\n\n{more}\nOr add this to the configuration file:\n")?;
        writeln!(err, "[[keys]]")?;
        writeln!(err, "name = {}", quoted(name)?)?;
        writeln!(err, "sha256 = \"{}\"", self.sha256())?;
        match preset {
            None => writeln!(err, "user = {}", quoted(id)?),
            Some(preset) => writeln!(err, "preset = {}", quoted(preset)?),
        }
    }
}

/// Returns the variables that configure a key; `None` if the id cannot be part of one.
fn environment(id: &str, preset: Option<&str>) -> Option<String> {
    match preset {
        Some(DEFAULT_PRESET) => Some("CALLSIGN_APP_KEY=KEY".to_owned()),
        Some(preset) => Some(format!("CALLSIGN_APP_KEY=KEY CALLSIGN_PRESET={preset}")),
        None if id.len() > longest::NAME || id.contains([',', '=', '\'']) => None,
        None if id.contains(|c: char| !c.is_ascii_alphanumeric() && !"-_.@:/".contains(c)) => {
            Some(format!("CALLSIGN_USER_KEYS='{id}=KEY'"))
        }
        None => Some(format!("CALLSIGN_USER_KEYS={id}=KEY")),
    }
}

/// Returns a TOML basic string. JSON's escapes are valid TOML, and ids do not contain U+007F, which only TOML escapes.
fn quoted(text: &str) -> io::Result<String> {
    Ok(serde_json::to_string(text)?)
}
