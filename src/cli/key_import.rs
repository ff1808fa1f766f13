//! `callsign key import`: takes keys of the configuration into the database (docs/SPEC.md#import-of-keys).

use std::io::{self, Write};

use super::args::ImportKeys;
use super::operator_state::Opened;
use super::{Exit, actor};
use crate::config::Config;
use callsign_core::auth::key::Key;
use callsign_core::visible::printable;
use callsign_store::limits::keys::row::KeyRow;
use callsign_store::limits::orders::key::Configured;
use callsign_store::limits::orders::key::import::{NotImportedError, row};

/// Lists what an import does, and does it with `--yes`.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(
    config: &Config,
    asked: &ImportKeys,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    if asked.new_name.is_some() && asked.keys.len() != 1 {
        writeln!(err, "callsign: --as names one key; give exactly one --key")?;
        return Ok(Exit::Invalid);
    }
    let keys: Vec<_> = config.callers.keys.iter().filter(|key| is_asked(asked, key)).collect();
    if let Some(unknown) = asked.keys.iter().find(|name| !keys.iter().any(|key| key.name == **name)) {
        writeln!(err, "callsign: the configuration has no key {}; see callsign key list", printable(unknown))?;
        return Ok(Exit::Failure);
    }
    if keys.is_empty() {
        writeln!(err, "callsign: the configuration has no keys")?;
        return Ok(Exit::Failure);
    }
    let Some(mut opened) = Opened::open_shared(config, err).await? else { return Ok(Exit::Failure) };
    let (mut generation, mut left) = (None, 0);
    for key in keys {
        let name = asked.new_name.as_deref().unwrap_or(&key.name);
        let imported = row_of(config, &opened, key, name);
        let shown = printable(&key.name);
        match imported {
            Ok(row) if !asked.yes => writeln!(out, "would import {}", described(&shown, key, &row))?,
            Ok(row) => match opened.state.create_key(&row) {
                Ok((_, changed)) => {
                    generation = Some(changed);
                    writeln!(out, "imported {}", described(&shown, key, &row))?;
                }
                Err(error) => {
                    left += 1;
                    writeln!(out, "left {shown}: {error}")?;
                }
            },
            Err(NotImportedError::Present) => writeln!(out, "left {shown}: {}", NotImportedError::Present)?,
            Err(reason) => {
                left += 1;
                writeln!(out, "left {shown}: {}", printable(&reason.to_string()))?;
            }
        }
    }
    if !asked.yes {
        writeln!(err, "Nothing is changed. Repeat the command with --yes.")?;
    }
    let stored = match generation {
        Some(generation) => opened.commit(generation, out, err).await?,
        None => Exit::Success,
    };
    if stored == Exit::Success && generation.is_some() {
        writeln!(err, "Now remove these keys from the configuration. Until then its entries are the ones in force.")?;
    }
    Ok(if left == 0 { stored } else { Exit::Failure })
}

fn is_asked(asked: &ImportKeys, key: &Key) -> bool {
    asked.keys.is_empty() || asked.keys.contains(&key.name)
}

fn row_of(config: &Config, opened: &Opened, key: &Key, name: &str) -> Result<KeyRow, NotImportedError> {
    let configured = Configured {
        callers: &config.callers,
        tenants: &config.tenants,
        operator_pays: config.upstream.api_key.is_some(),
    };
    row(&opened.state, configured, &config.limits, key, name, &actor::name())
}

/// Describes a key and its row, without the key and its digest.
fn described(shown: &str, key: &Key, row: &KeyRow) -> String {
    let of = match (&row.holder.user, &row.holder.preset) {
        (Some(user), _) => format!("user {}", printable(user)),
        (None, preset) => format!("preset {}", printable(preset.as_deref().unwrap_or_default())),
    };
    let renamed = if row.name == key.name { String::new() } else { format!(" as {}", printable(&row.name)) };
    let unsure = if key.has_prefix.is_none() { "; must begin with sk-cs-, which its sha256 does not tell" } else { "" };
    format!("{shown}{renamed}: {of}{unsure}")
}
