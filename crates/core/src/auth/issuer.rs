//! A token issuer: the rules for its tokens and the source of its keys (`docs/SPEC.md#issuers`).

pub mod preset;

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use jsonwebtoken::Algorithm;

use crate::secret::Secret;

/// An issuer with the rules for its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The name in logs, and the key name of callers whose credential is its token.
    pub name: String,
    /// The tenant of its users.
    pub tenant: Option<String>,
    /// The expected `iss`; `None` if it is not checked, because the tokens have no reliable one.
    pub issuer: Option<String>,
    /// The accepted signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// Accepted audiences: one must be in `aud`. Empty: not checked.
    pub audience: Vec<String>,
    /// True if its tokens sign people in to the console. A token must then be for one audience alone, and an address
    /// as the user must not be unverified.
    pub for_console: bool,
    /// Accepted values of `azp`. Empty: not checked.
    pub authorized_parties: Vec<String>,
    /// The header of its tokens. In `authorization` the token is the credential; any other header needs an app's key
    /// too.
    pub header: HeaderName,
    /// The claim with the user id.
    pub user_claim: String,
    /// The claim with the session id.
    pub session_claim: Option<String>,
    /// The header in which a caller may send the chat id.
    pub chat_header: Option<HeaderName>,
    /// The header in which a caller may send the message id.
    pub message_header: Option<HeaderName>,
    /// The accepted difference between clocks.
    pub leeway: Duration,
    /// Further checks that are specific to the issuer.
    pub token_rules: TokenRules,
    /// True if the token parts may end in `=`, contrary to RFC 7515.
    pub padded: bool,
}

/// The checks of tokens that are specific to a kind of issuer; `jwt` applies them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TokenRules {
    /// No additional checks.
    #[default]
    None,
    /// Refuses JWT templates, machine tokens, OAuth access tokens and pending sessions, which Clerk signs with the same
    /// key (Clerk docs, "Session tokens", "Token formats").
    Clerk,
    /// Refuses anonymous and service keys, which Supabase issues as tokens.
    Supabase,
    /// Requires `typ` to be `session`; Open WebUI's session tokens have no `iss`.
    OpenWebUiSession,
    /// Requires `signer` in the header to be the operator's load balancer. AWS publishes the keys of all accounts' load
    /// balancers at one place (AWS docs, "Verify user claims").
    AwsAlb {
        /// The load balancer's ARN.
        signer: String,
    },
}

/// The index of an issuer in its [`Directory`](super::key::Directory).
pub type IssuerId = usize;

/// The source of an issuer's keys.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A JWK set at this URL.
    Jwks(String),
    /// The `jwks_uri` in the OpenID configuration below this issuer URL, which must be the configuration's `issuer`
    /// too.
    Discovery(String),
    /// A JWK set in this file.
    File(PathBuf),
    /// A shared secret.
    Secret(Secret),
    /// A PEM file for each `kid`, below this URL (AWS load balancers).
    PemByKid(String),
}

impl KeySource {
    /// Returns true if keys are fetched over the network.
    pub fn is_fetched(&self) -> bool {
        self.url().is_some()
    }

    /// Returns the URL of keys that are fetched over the network.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Jwks(url) | Self::Discovery(url) | Self::PemByKid(url) => Some(url),
            Self::File(_) | Self::Secret(_) => None,
        }
    }

    /// Returns true if a fetch for this `kid` refreshes all keys, not only the key with that id.
    pub fn refreshes_all(&self, kid: Option<&str>) -> bool {
        kid.is_none() || !matches!(self, Self::PemByKid(_))
    }

    /// Returns false if `kid` cannot be part of the key's URL, so that no fetch is needed.
    pub fn accepts_kid(&self, kid: Option<&str>) -> bool {
        match self {
            Self::PemByKid(_) => kid.is_none_or(is_plain_key_id),
            _ => true,
        }
    }
}

/// Returns true for the form of AWS key ids: 1 to 128 letters, digits and hyphens. Other characters could change the
/// URL's path.
pub fn is_plain_key_id(kid: &str) -> bool {
    (1..=128).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
