//! `callsign key import`: takes keys of the configuration into the database (docs/SPEC.md#import-of-keys).

use std::io::{self, Write};

use serde_json::{Value, json};

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
    let (mut generation, mut lines) = (None, Vec::new());
    for key in keys {
        let name = asked.new_name.as_deref().unwrap_or(&key.name);
        let outcome = match row_of(config, &opened, key, name) {
            Ok(row) if !asked.yes => Outcome::Would(row),
            Ok(row) => match opened.state.create_key(&row) {
                Ok((_, changed)) => {
                    generation = Some(changed);
                    Outcome::Imported(row)
                }
                Err(error) => Outcome::Left(error.to_string()),
            },
            Err(NotImportedError::Present) => Outcome::Present,
            Err(reason) => Outcome::Left(reason.to_string()),
        };
        lines.push(Line { key, outcome });
    }
    let json = asked.form.is_json();
    if !json {
        for line in &lines {
            writeln!(out, "{}", line.text())?;
        }
        if !asked.yes {
            writeln!(err, "Nothing is changed. Repeat the command with --yes.")?;
        }
    }
    let result = json.then(|| {
        let keys: Vec<_> = lines.iter().map(Line::json).collect();
        json!({ "dry_run": !asked.yes, "keys": keys })
    });
    let stored = match (generation, result) {
        (Some(generation), result) => opened.commit(generation, result, out, err).await?,
        (None, Some(result)) => {
            writeln!(out, "{result:#}")?;
            Exit::Success
        }
        (None, None) => Exit::Success,
    };
    if stored == Exit::Success && generation.is_some() {
        writeln!(err, "Now remove these keys from the configuration. Until then its entries are the ones in force.")?;
    }
    let is_complete = !lines.iter().any(|line| matches!(line.outcome, Outcome::Left(_)));
    Ok(if is_complete { stored } else { Exit::Failure })
}

/// The outcome for one key.
enum Outcome {
    Would(KeyRow),
    Imported(KeyRow),
    /// The database has it already, which is no failure.
    Present,
    Left(String),
}

/// One key of the configuration.
struct Line<'k> {
    key: &'k Key,
    outcome: Outcome,
}

impl Line<'_> {
    /// Describes it without the key and its digest.
    fn text(&self) -> String {
        let shown = printable(&self.key.name);
        match &self.outcome {
            Outcome::Would(row) => format!("would import {}", described(&shown, self.key, row)),
            Outcome::Imported(row) => format!("imported {}", described(&shown, self.key, row)),
            Outcome::Present => format!("left {shown}: {}", NotImportedError::Present),
            Outcome::Left(reason) => format!("left {shown}: {}", printable(reason)),
        }
    }

    /// Formats it as JSON, without the key and its digest.
    fn json(&self) -> Value {
        let (treatment, row, reason) = match &self.outcome {
            Outcome::Would(row) => ("would_import", Some(row), None),
            Outcome::Imported(row) => ("imported", Some(row), None),
            Outcome::Present => ("left", None, Some(NotImportedError::Present.to_string())),
            Outcome::Left(reason) => ("left", None, Some(reason.clone())),
        };
        json!({
            "name": self.key.name,
            "treatment": treatment,
            "as": row.map(|row| &row.name),
            "user": row.and_then(|row| row.holder.user.as_ref()),
            "preset": row.and_then(|row| row.holder.preset.as_ref()),
            "reason": reason,
        })
    }
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
