//! Finds the credential of a request in the headers that SDKs use (`docs/SPEC.md#credentials`).

use http::header::{AUTHORIZATION, HeaderMap, HeaderName};

use super::error::AuthError;
use crate::stored_key::PREFIX;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Used by OpenAI's SDKs in Azure mode.
const API_KEY: HeaderName = HeaderName::from_static("api-key");
/// The headers that may carry a credential.
pub const HEADERS: [HeaderName; 3] = [AUTHORIZATION, X_API_KEY, API_KEY];

/// A credential as received. It has no `Debug`, so that it cannot be printed by accident.
#[derive(Clone, Copy)]
pub struct Credential<'a>(&'a [u8]);

impl<'a> Credential<'a> {
    /// Finds the credential. Empty values do not count. Several headers may carry the same value.
    ///
    /// # Errors
    /// [`AuthError::MissingCredential`]; [`AuthError::AmbiguousCredential`] for differing values or one header twice,
    /// with the names of the headers.
    pub fn find(headers: &'a HeaderMap) -> Result<Self, AuthError> {
        let mut found: Option<(&'static str, &'a [u8])> = None;
        for (name, shown) in HEADERS.iter().zip(["authorization", "x-api-key", "api-key"]) {
            let mut values = headers.get_all(name).iter().filter_map(|raw| secret_part(name, raw.as_bytes()));
            let Some(value) = values.next() else { continue };
            if values.next().is_some() {
                return Err(AuthError::AmbiguousCredential(format!("`{shown}`")));
            }
            match found {
                None => found = Some((shown, value)),
                Some((_, same)) if same == value => {}
                Some((first, _)) => {
                    return Err(AuthError::AmbiguousCredential(format!("`{first}` and `{shown}`")));
                }
            }
        }
        found.map(|(_, value)| Self(value)).ok_or(AuthError::MissingCredential)
    }

    /// Returns the bytes, for digesting or pass-through.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns true if it has the prefix of callsign's keys. Only such keys are in the database.
    pub fn is_callsign_key(self) -> bool {
        self.0.starts_with(PREFIX.as_bytes())
    }

    /// Returns true if it has the prefix of OpenRouter keys. Only such keys may pass through.
    pub fn is_openrouter_key(self) -> bool {
        self.0.starts_with(b"sk-or-")
    }
}

/// Returns the credential in a header's value, if any.
fn secret_part<'a>(name: &HeaderName, raw: &'a [u8]) -> Option<&'a [u8]> {
    let value = raw.trim_ascii();
    let value = if name == AUTHORIZATION { bearer(value)? } else { value };
    (!value.is_empty()).then_some(value)
}

/// Removes the scheme `Bearer`, which some proxies write in their token headers too.
pub fn without_scheme(value: &[u8]) -> &[u8] {
    bearer(value).unwrap_or(value)
}

/// Returns the text after the scheme `Bearer`, which is case-insensitive (RFC 9110, section 11.1). Returns `None` for
/// other schemes.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && rest.first().is_none_or(u8::is_ascii_whitespace);
    is_bearer.then(|| rest.trim_ascii())
}
