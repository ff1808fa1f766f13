//! `callsign key create --print-only`: makes a key, prints it once, and prints both ways to configure it.

use std::io::{self, Write};

use super::Exit;
use super::args::KeyHolder;
use crate::config::Config;
use callsign_core::auth::identity_header;
use callsign_core::auth::preset::Preset;
use callsign_core::identity::longest;
use callsign_core::secret::KeyDigest;
use callsign_store::limits::keys::material;

/// The preset of an app's key if none is given.
const DEFAULT_PRESET: &str = "generic";

/// Makes and prints a key.
///
/// # Errors
/// I/O errors of `out` and `err`, and errors of the system's random source.
pub(super) fn print(
    config: &Config,
    holder: &KeyHolder,
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
    writeln!(out, "{key}\n\nThe key is shown only once. To accept it, set this variable:\n")?;
    let line = environment(id, preset, &key);
    let line =
        line.as_deref().unwrap_or("(not possible: the id is too long, or contains a comma, an equals sign or a quote)");
    let more = if preset.is_none() { "(separate several users by commas) " } else { "" };
    writeln!(out, "  {line}\n\n{more}or add this to the configuration file:\n")?;
    writeln!(out, "[[keys]]")?;
    writeln!(out, "name = {}", quoted(&free_name(config, id))?)?;
    writeln!(out, "sha256 = \"{}\"", KeyDigest::of(key.as_bytes()).to_hex())?;
    match preset {
        None => writeln!(out, "user = {}", quoted(id)?)?,
        Some(preset) => writeln!(out, "preset = {}", quoted(preset)?)?,
    }
    Ok(Exit::Success)
}

/// Returns the variables that configure the key; `None` if the id cannot be part of one.
fn environment(id: &str, preset: Option<&str>, key: &str) -> Option<String> {
    match preset {
        Some(DEFAULT_PRESET) => Some(format!("CALLSIGN_APP_KEY={key}")),
        Some(preset) => Some(format!("CALLSIGN_APP_KEY={key} CALLSIGN_PRESET={preset}")),
        None if id.len() > longest::NAME || id.contains([',', '=', '\'']) => None,
        None if id.contains(|c: char| !c.is_ascii_alphanumeric() && !"-_.@:/".contains(c)) => {
            Some(format!("CALLSIGN_USER_KEYS='{id}={key}'"))
        }
        None => Some(format!("CALLSIGN_USER_KEYS={id}={key}")),
    }
}

/// Returns `id`, shortened to the length of a key's name, and with a number appended if a configured key has that name.
fn free_name(config: &Config, id: &str) -> String {
    let taken = |name: &str| config.callers.keys.iter().any(|key| key.name == name);
    // 20 bytes are left for the number.
    let id = id.get(..id.floor_char_boundary(longest::NAME - 20)).unwrap_or_default().trim_end();
    let numbered = (2..).map(|number| format!("{id}-{number}"));
    std::iter::once(id.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// Returns a TOML basic string. JSON's escapes are valid TOML, and ids do not contain U+007F, which only TOML escapes.
fn quoted(text: &str) -> io::Result<String> {
    Ok(serde_json::to_string(text)?)
}
