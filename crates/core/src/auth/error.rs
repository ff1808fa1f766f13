//! The reasons why no caller can be resolved.

use super::identity_header::AmbiguousIdentityError;
use super::issuer::IssuerId;
use super::jwt::TokenError;

/// The reason why no caller could be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No header has a credential.
    #[error("no API key; send `Authorization: Bearer KEY` or `x-api-key: KEY` with a key from callsign's operator")]
    MissingCredential,
    /// The credential is unknown, disabled, expired or used from another network. The message does not say which.
    #[error("this API key is not valid; ask callsign's operator for one")]
    InvalidCredential,
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
