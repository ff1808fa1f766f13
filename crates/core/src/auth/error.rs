//! The reasons why no caller can be resolved.

use http::HeaderName;

use super::identity_header::{AmbiguousIdentityError, Unusable};
use super::issuer::IssuerId;
use super::jwt::TokenError;

/// The reason why no caller could be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No header has a credential.
    #[error("no API key; send `Authorization: Bearer KEY` or `x-api-key: KEY` with a key from callsign's operator")]
    MissingCredential,
    /// The credential is unknown.
    #[error("this API key is not valid; ask callsign's operator for one")]
    InvalidCredential,
    /// The credential has the form of a key of OpenRouter, and pass-through is off.
    #[error(
        "this is a key of OpenRouter, which only callsign itself uses; send the key that callsign's operator gave this app \
         (CALLSIGN_APP_KEY) or you"
    )]
    OpenRouterKey,
    /// The credential is a configured key that is not valid for this request. The message is that of an unknown key.
    #[error("this API key is not valid; ask callsign's operator for one")]
    RefusedKey(RefusedKey),
    /// The key may be one in the database, and the list of those is too old.
    #[error("the list of API keys is not available at the moment; try again")]
    KeysUnavailable,
    /// Differing credentials, or one header twice.
    #[error("ambiguous credential in {0}; send one value, at most once in each header")]
    AmbiguousCredential(String),
    /// An identity header was sent twice.
    #[error(transparent)]
    AmbiguousIdentity(#[from] AmbiguousIdentityError),
    /// The user's token is missing. Callers get the same message as for a refused one.
    #[error("no valid user token; sign in again, or check how the app forwards the token")]
    MissingToken,
    /// The user's token is refused.
    #[error("no valid user token; sign in again, or check how the app forwards the token")]
    InvalidToken(RefusedToken),
    /// The token is signed with an unknown key. Retry after refreshing the issuer's keys.
    #[error("no valid user token; sign in again, or check how the app forwards the token")]
    UnknownKey(UnknownKey),
}

/// A known key that is not valid for a request, for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedKey {
    /// The key's name.
    pub name: String,
    /// The violated rule.
    pub reason: KeyRefusal,
}

/// The reason why a known key is not valid for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// The key is disabled.
    Disabled,
    /// The key has expired.
    Expired,
    /// The client's address is not in the key's `allowed_networks`.
    Network,
    /// The preset of a key in the database is not configured.
    Preset,
    /// The tenant of a key in the database is not configured.
    Tenant,
}

impl KeyRefusal {
    /// Returns the name in log lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "key_disabled",
            Self::Expired => "key_expired",
            Self::Network => "key_network",
            Self::Preset => "key_preset",
            Self::Tenant => "key_tenant",
        }
    }
}

/// A refused token, for the operator's log. It has nothing of the token's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedToken {
    /// The name of the issuer whose rules the token violates.
    pub issuer: String,
    /// The violated rule.
    pub reason: TokenError,
}

/// An unknown signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// The issuer of the token.
    pub issuer: IssuerId,
    /// The key id in the token.
    pub kid: Option<String>,
}

/// The header that names the user is missing, and `CALLSIGN_MISSING_USER` is `reject`.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "this request has no user id, but the operator requires one; send the user's id in the header `{header}`, which \
     callsign reads for this key"
)]
pub struct MissingUserError {
    /// The header.
    pub header: HeaderName,
}

/// A header that should name the user was sent, but names nobody, while the operator requires a user: a block or a limit
/// holds, or `CALLSIGN_MISSING_USER` is `reject`.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("header `{header}` has no usable user id: {reason}; send the user's own id in it, unchanged and once")]
pub struct UnusableUserError {
    /// The header.
    pub header: HeaderName,
    /// The reason.
    pub reason: Unusable,
}
