//! Takes keys of the configuration into the database (docs/SPEC.md#import-of-keys). The digest stays, so callers notice
//! nothing; while the configuration has the key too, its entry is the one in force.

use callsign_core::allowance::{Allowance, Limit};
use callsign_core::auth::key::{Grant, Key};
use callsign_core::auth::settings::Callers;
use jiff::Timestamp;

use super::{Configured, KeyOrderError, is_name};
use crate::limits::keys::row::{Holder, KeyRow};
use crate::limits::operator_state::OperatorState;
use crate::limits::settings::Settings;

/// A reason for which a key of the configuration is not imported.
#[derive(Debug, thiserror::Error)]
pub enum NotImportedError {
    /// The database has it.
    #[error("the database has it already")]
    Present,
    /// It is not valid.
    #[error("it is disabled or has expired")]
    Ended,
    /// Keys in the database are looked up by their prefix.
    #[error("it does not begin with sk-cs-, and only such keys are looked up in the database")]
    Prefix,
    /// Its users are named by tokens.
    #[error("its users have tokens of an issuer; keys in the database have a user or a plain preset")]
    Issuer,
    /// It has a setting that rows do not have.
    #[error("it sets {0}, which keys in the database do not have")]
    Setting(&'static str),
    /// The name cannot be used.
    #[error("its name is reserved: give it another one with --key {0} --as NAME; statistics follow the name")]
    Reserved(String),
    /// The key does not fit the configuration or the database.
    #[error(transparent)]
    Order(#[from] KeyOrderError),
}

/// Returns the row for a key of the configuration. `name` is its name in the database, `by` the operator.
///
/// # Errors
/// [`NotImportedError`].
pub fn row(
    state: &OperatorState,
    configured: Configured<'_>,
    limits: &Settings,
    key: &Key,
    name: &str,
    by: &str,
) -> Result<KeyRow, NotImportedError> {
    if state.has_key_digest(key.digest) {
        return Err(NotImportedError::Present);
    }
    if key.disabled || key.expires.is_some_and(|end| end <= Timestamp::now()) {
        return Err(NotImportedError::Ended);
    }
    if key.has_prefix == Some(false) {
        return Err(NotImportedError::Prefix);
    }
    if let Some(setting) = surplus(key, limits) {
        return Err(NotImportedError::Setting(setting));
    }
    let holder = holder(key, configured.callers)?;
    configured.check_tenant(holder.tenant.as_deref())?;
    if Callers::is_reserved(name) {
        return Err(NotImportedError::Reserved(key.name.clone()));
    }
    if !is_name(name) {
        return Err(KeyOrderError::NoName.into());
    }
    if name != key.name && configured.callers.has_name(name) {
        return Err(KeyOrderError::Configured.into());
    }
    state.check_key_name(name, &holder).map_err(KeyOrderError::from)?;
    let Allowance(values) = limits.keys.get(&key.name).copied().unwrap_or_default();
    let values = Limit::ALL.into_iter().zip(values).filter_map(|(limit, value)| Some((limit, value?)));
    let mut row = KeyRow::new(name, holder, key.digest, by).with_limits(&values.collect::<Vec<_>>());
    row.from = key.from.iter().map(ToString::to_string).collect();
    row.expires = key.expires;
    if row.check().is_some() { Ok(row) } else { Err(KeyOrderError::Network.into()) }
}

/// Returns the first setting of a key that rows do not have.
fn surplus(key: &Key, limits: &Settings) -> Option<&'static str> {
    let settings = [
        (!key.metadata.is_empty(), "metadata"),
        (key.chat_header.is_some(), "headers.chat"),
        (key.message_header.is_some(), "headers.message"),
        (key.archive.is_some(), "archive"),
        (limits.key_totals.contains_key(&key.name), "total_limits"),
        (limits.models.keys.contains_key(&key.name), "models"),
    ];
    settings.into_iter().find(|(is_set, _)| *is_set).map(|(_, name)| name)
}

fn holder(key: &Key, callers: &Callers) -> Result<Holder, NotImportedError> {
    let tenant = key.tenant.clone();
    match &key.grant {
        Grant::User(user) => Ok(Holder { user: Some(user.clone()), preset: None, tenant }),
        Grant::Preset(preset) => {
            let mut named = callers.named_presets().into_iter();
            let name = named.find(|(_, other)| other == preset).map(|(name, _)| name);
            let preset = name.ok_or_else(|| KeyOrderError::Preset("no preset that has a name".to_owned()))?;
            Ok(Holder { user: None, preset: Some(preset), tenant })
        }
        Grant::Signed(_) => Err(NotImportedError::Issuer),
    }
}
