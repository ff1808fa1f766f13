//! Creates, rotates and revokes keys in the database (docs/SPEC.md#key-commands).

pub mod import;

use std::time::Duration;

use callsign_core::allowance::{Ceiling, Limit};
use callsign_core::auth::identity_header;
use callsign_core::auth::settings::Callers;
use callsign_core::identity::longest;
use callsign_core::secret::Secret;
use callsign_core::tenant::{Tenants, UnknownTenantError};
use callsign_core::visible::is_invisible;
use jiff::Timestamp;
use uuid::Uuid;

use crate::limits::keys::changes::KeyChangeError;
use crate::limits::keys::material;
use crate::limits::keys::row::{Holder, KeyRow};
use crate::limits::operator_state::OperatorState;
use crate::limits::operator_state::acknowledgement::{Acknowledgement, Stored};

/// The preset of an app's key if none is given.
pub const DEFAULT_PRESET: &str = "generic";
/// Longest time for which the key before a rotation stays valid: 30 days.
pub const LONGEST_OVERLAP: Duration = Duration::from_hours(30 * 24);
/// The usual time for which the key before a rotation stays valid.
pub const USUAL_OVERLAP: Duration = Duration::from_hours(24);
/// Bytes that a numbered name keeps for its number.
const NUMBER_BYTES: usize = 20;

/// The configuration that a key must fit.
#[derive(Clone, Copy, Debug)]
pub struct Configured<'a> {
    /// The configured keys, issuers and presets.
    pub callers: &'a Callers,
    /// The tenants.
    pub tenants: &'a Tenants,
    /// True if the operator has an OpenRouter key, which pays for tenants without one.
    pub operator_pays: bool,
}

/// The caller of a new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum For {
    /// One user.
    User(String),
    /// An app with this name, and the preset of its headers.
    App(String, Option<String>),
}

/// A request for a new key.
#[derive(Clone, Debug)]
pub struct Create {
    /// The caller.
    pub of: For,
    /// The name; by default that of the user or app, with a number if it is taken.
    pub name: Option<String>,
    /// The tenant, if any.
    pub tenant: Option<String>,
    /// The time until its end; unlimited if absent.
    pub expires: Option<Duration>,
    /// The limits of its callers.
    pub limits: Vec<(Limit, Ceiling)>,
    /// The client networks from which it is accepted. Empty: all.
    pub from: Vec<String>,
    /// The operator, for the list and the audit log.
    pub by: String,
}

/// A new key. It is shown once.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key.
    pub key: Secret,
    /// Its row.
    pub row: KeyRow,
    /// The generation of the state that has it.
    pub generation: u64,
    /// The id of the row, for taking it back.
    id: Option<Uuid>,
}

/// An order that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum KeyOrderError {
    /// The user, the app or the name is no id.
    #[error("expected a user, an app and a name of 1 to {} bytes without invisible characters", longest::NAME)]
    NoName,
    /// The name is reserved or configured.
    #[error("a key or an issuer of the configuration has this name, or it is reserved: choose another name")]
    Configured,
    /// The preset is not configured.
    #[error("the preset is unknown; there are {0}")]
    Preset(String),
    /// The tenant is not configured.
    #[error(transparent)]
    Tenant(#[from] UnknownTenantError),
    /// No OpenRouter key pays.
    #[error("no OpenRouter key pays for these callers: set OPENROUTER_API_KEY, or api_key of the tenant")]
    Unpaid,
    /// A network is invalid.
    #[error("expected a network or an address, as 10.0.0.0/8 or 2001:db8::1")]
    Network,
    /// A limit has two values.
    #[error("{0} is given twice: give each limit one value")]
    Twice(&'static str),
    /// The overlap is too long.
    #[error("expected an overlap from 0 to 30 days")]
    Overlap,
    /// The place of state does not answer, so that names cannot be compared.
    #[error("the place of the keys does not answer; nothing was changed. Try again when it does")]
    Away,
    /// The system has no random numbers.
    #[error("the system has no random numbers: {0}")]
    Random(#[from] std::io::Error),
    /// The change is not possible.
    #[error(transparent)]
    Change(#[from] KeyChangeError),
}

/// Creates a key in this process. The exchange with other processes follows.
///
/// # Errors
/// [`KeyOrderError`]. Nothing is changed then.
pub fn create(state: &OperatorState, configured: Configured<'_>, order: Create) -> Result<NewKey, KeyOrderError> {
    let Create { of, name, tenant, expires, limits, from, by } = order;
    let tenant = tenant.filter(|tenant| !tenant.is_empty());
    configured.check_tenant(tenant.as_deref())?;
    let (own_name, holder) = configured.holder(of, tenant)?;
    for (at, (limit, _)) in limits.iter().enumerate() {
        if limits.iter().take(at).any(|(earlier, _)| earlier == limit) {
            return Err(KeyOrderError::Twice(limit.name()));
        }
    }
    let name = match name {
        Some(name) => name.trim().to_owned(),
        None => {
            free_name(&own_name, |name| !configured.callers.has_name(name) && !state.is_key_name_taken(name, &holder))
        }
    };
    if !is_name(&name) {
        return Err(KeyOrderError::NoName);
    }
    if configured.callers.has_name(&name) {
        return Err(KeyOrderError::Configured);
    }
    let key = Secret::new(material::generate()?);
    let mut row = KeyRow::new(&name, holder, key.digest(), &by).with_limits(&limits);
    row.from = from;
    row.expires = expires.map(|time| row.since.saturating_add(time).unwrap_or(Timestamp::MAX));
    if row.check().is_none() {
        return Err(KeyOrderError::Network);
    }
    let (id, generation) = state.create_key(&row)?;
    Ok(NewKey { key, row, generation, id: Some(id) })
}

/// Replaces a key in this process; `by` is the operator. The exchange with other processes follows.
///
/// # Errors
/// [`KeyOrderError`]. Nothing is changed then.
pub fn rotate(state: &OperatorState, name: &str, overlap: Duration, by: &str) -> Result<NewKey, KeyOrderError> {
    if overlap > LONGEST_OVERLAP {
        return Err(KeyOrderError::Overlap);
    }
    let key = Secret::new(material::generate()?);
    let (row, generation) = state.rotate_key(name, key.digest(), overlap, by)?;
    Ok(NewKey { key, row, generation, id: None })
}

impl NewKey {
    /// Takes a created key back if the shared place does not have it: another key there may have its name. A rotation
    /// that no place has is an error too: it ends with the process. A server, which goes on, does not ask for it.
    ///
    /// # Errors
    /// [`KeyOrderError::Away`].
    pub fn confirm(&self, state: &OperatorState, told: &Acknowledgement) -> Result<(), KeyOrderError> {
        match (told.stored, self.id) {
            // Another server has created one at the same time.
            (Stored::Shared, Some(id)) if state.has_other_key(&self.row.name, id) => {
                state.withdraw_key(id, &self.row);
                Err(KeyChangeError::Taken.into())
            }
            (Stored::Shared, _) | (Stored::Locally, None) => Ok(()),
            (_, Some(id)) => {
                state.withdraw_key(id, &self.row);
                Err(KeyOrderError::Away)
            }
            (_, None) => Err(KeyOrderError::Away),
        }
    }
}

impl Configured<'_> {
    fn check_tenant(&self, tenant: Option<&str>) -> Result<(), KeyOrderError> {
        self.tenants.policy_of(tenant)?;
        let of_tenant = tenant.and_then(|name| self.tenants.list.iter().find(|tenant| tenant.name == name));
        let pays = self.operator_pays || of_tenant.is_some_and(|tenant| tenant.api_key.is_some());
        if pays { Ok(()) } else { Err(KeyOrderError::Unpaid) }
    }

    /// Returns the usual name and the holder of a key.
    fn holder(&self, of: For, tenant: Option<String>) -> Result<(String, Holder), KeyOrderError> {
        match of {
            For::User(user) => {
                let user = user.trim().to_owned();
                if !identity_header::is_id(&user) {
                    return Err(KeyOrderError::NoName);
                }
                Ok((user.clone(), Holder { user: Some(user), preset: None, tenant }))
            }
            For::App(app, preset) => {
                let preset = preset.unwrap_or_else(|| DEFAULT_PRESET.to_owned());
                if self.callers.preset(&preset).is_none() {
                    let known: Vec<_> = self.callers.named_presets().into_keys().collect();
                    return Err(KeyOrderError::Preset(known.join(", ")));
                }
                if !is_name(app.trim()) {
                    return Err(KeyOrderError::NoName);
                }
                Ok((app.trim().to_owned(), Holder { user: None, preset: Some(preset), tenant }))
            }
        }
    }
}

/// Returns the name of a key, shortened to the longest one, and with a number unless it is free.
pub fn free_name(name: &str, is_free: impl Fn(&str) -> bool) -> String {
    let short = name.floor_char_boundary(longest::NAME - NUMBER_BYTES);
    let name = name.get(..short).unwrap_or_default().trim_end();
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| is_free(name)).unwrap_or_default()
}

/// Returns true if the text can be the name of a key.
fn is_name(text: &str) -> bool {
    (1..=longest::NAME).contains(&text.len()) && text.trim() == text && !text.contains(is_invisible)
}

#[cfg(test)]
mod tests;
