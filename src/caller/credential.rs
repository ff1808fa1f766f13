//! Finds the one credential of a request, wherever a client's SDK puts it.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName};

use super::Unresolved;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Azure mode of OpenAI's SDKs.
const API_KEY: HeaderName = HeaderName::from_static("api-key");
/// The headers that may hold a credential.
pub const HEADERS: [HeaderName; 3] = [AUTHORIZATION, X_API_KEY, API_KEY];

/// A credential as it came. It has no `Debug`, so that it cannot be printed by accident.
#[derive(Clone, Copy)]
pub struct Credential<'a>(&'a [u8]);

impl<'a> Credential<'a> {
    /// The credential of these headers: the same value in several of them is one; differing values, or one header
    /// twice, are ambiguous; empty values do not count.
    ///
    /// # Errors
    /// [`Unresolved::MissingCredential`] and [`Unresolved::AmbiguousCredential`], which names the headers.
    pub fn find(headers: &'a HeaderMap) -> Result<Self, Unresolved> {
        let mut found: Option<(&'static str, &'a [u8])> = None;
        for (name, shown) in HEADERS.iter().zip(["authorization", "x-api-key", "api-key"]) {
            let mut values = headers.get_all(name).iter().filter_map(|raw| secret_part(name, raw.as_bytes()));
            let Some(value) = values.next() else { continue };
            if values.next().is_some() {
                return Err(Unresolved::AmbiguousCredential(format!("`{shown}`")));
            }
            match found {
                None => found = Some((shown, value)),
                Some((_, same)) if same == value => {}
                Some((first, _)) => {
                    return Err(Unresolved::AmbiguousCredential(format!("`{first}` and `{shown}`")));
                }
            }
        }
        found.map(|(_, value)| Self(value)).ok_or(Unresolved::MissingCredential)
    }

    /// The bytes, to be digested or, for pass-through, sent on.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether it looks like a key of OpenRouter's own, which alone may pass through.
    pub fn is_openrouter_key(self) -> bool {
        self.0.starts_with(b"sk-or-")
    }
}

/// What of a header's value is the credential; `None` if there is none in it.
fn secret_part<'a>(name: &HeaderName, raw: &'a [u8]) -> Option<&'a [u8]> {
    let value = raw.trim_ascii();
    let value = if name == AUTHORIZATION { bearer(value)? } else { value };
    (!value.is_empty()).then_some(value)
}

/// A token from a header of its own: some proxies put the scheme before it there too.
pub(super) fn without_scheme(value: &[u8]) -> &[u8] {
    bearer(value).unwrap_or(value)
}

/// What follows the scheme `Bearer`, whose name is case-insensitive (RFC 9110, section 11.1); other schemes hold no key
/// of ours.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && rest.first().is_none_or(u8::is_ascii_whitespace);
    is_bearer.then(|| rest.trim_ascii())
}
