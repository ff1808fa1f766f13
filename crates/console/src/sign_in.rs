//! The interface to the sign-in by a proxy in front of the console (docs/SPEC.md#sign-in-by-a-proxy). The program
//! implements it: it has the issuers and fetches their keys.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName};
use callsign_core::auth::jwt::TokenError;
use callsign_telemetry::throttle::Throttle;

use crate::roles::Role;

/// The reason why a proxy's token signs nobody in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignInError {
    /// The header has several lines.
    #[error("the header {0} was sent more than once; the proxy must replace the one of its client")]
    Several(HeaderName),
    /// The token is not valid.
    #[error("{reason} (header {header})")]
    Token {
        /// The header of the token.
        header: HeaderName,
        /// The problem.
        reason: TokenError,
    },
    /// The token is valid, and its user is in no list.
    #[error("{user} is neither in `operators` nor in `viewers` of [[admin.issuers]] {issuer}")]
    Unlisted {
        /// The user of the token.
        user: String,
        /// The name of the issuer.
        issuer: String,
    },
}

/// A user whom a proxy has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUser {
    /// The user of the token.
    pub name: String,
    /// The role of the person.
    pub role: Role,
    /// True if a viewer may read about single users.
    pub persons: bool,
}

/// The future result of a sign-in; `None` if the request has no token.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<Option<ProxyUser>, SignInError>> + Send + 'a>>;

/// Signs in by the token that a proxy adds to a request.
pub trait SignIn: fmt::Debug + Send + Sync {
    /// Returns true if any issuer is configured.
    fn is_on(&self) -> bool;

    /// Returns the user whom the request's token names.
    fn user<'a>(&'a self, headers: &'a HeaderMap) -> Pending<'a>;
}

/// Logs refused tokens: once a minute each user who is in no list, and once a minute all other reasons together, because
/// everybody who reaches the port can send invalid tokens.
#[derive(Debug)]
pub(crate) struct RefusedTokens(Throttle);

impl Default for RefusedTokens {
    fn default() -> Self {
        Self(Throttle::new(Duration::from_mins(1)))
    }
}

impl RefusedTokens {
    /// Logs the refusal of a token, unless there was one like it in the last minute. Returns true if it is logged.
    pub(crate) fn log(&self, error: &SignInError, now: Instant) -> bool {
        let subject = if let SignInError::Unlisted { user, .. } = error { user } else { "" };
        let passes = self.0.passes(subject, now);
        if passes {
            tracing::warn!(%error, "console: a proxy's token signs nobody in");
        }
        passes
    }
}

/// A shared sign-in.
pub type SharedSignIn = Arc<dyn SignIn>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_tokens_are_logged_once_a_minute_for_each_user() {
        let unlisted = |user: &str| SignInError::Unlisted { user: user.to_owned(), issuer: "proxy".to_owned() };
        let several = || SignInError::Several(HeaderName::from_static("x-token"));
        let (refused, start) = (RefusedTokens::default(), Instant::now());
        let soon = start + Duration::from_secs(59);
        let asked = [
            (several(), start, true),
            (several(), soon, false),
            (unlisted("mallory"), soon, true),
            (unlisted("mallory"), soon, false),
            (unlisted("eve"), soon, true),
            (several(), start + Duration::from_mins(1), true),
        ];
        for (number, (error, now, is_logged)) in asked.into_iter().enumerate() {
            assert_eq!(refused.log(&error, now), is_logged, "{number}");
        }
    }
}
