//! What is known of one issuer of tokens, and the rules that its tokens are held to (contract, section 2, `[[issuers]]`).

pub mod preset;

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use jsonwebtoken::Algorithm;

use super::jwt::Trap;
use crate::secret::Secret;

/// One issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Its name in logs and as the key name of its callers.
    pub name: String,
    /// The tenant whose users it names.
    pub tenant: Option<String>,
    /// The expected `iss`; absent only where tokens carry none.
    pub issuer: Option<String>,
    /// The algorithms that it is pinned to. Never taken from a token.
    pub algorithms: Vec<Algorithm>,
    /// Where given, one of these must be in `aud`.
    pub audience: Vec<String>,
    /// Where given, `azp` must be one of these.
    pub authorized_parties: Vec<String>,
    /// Where its tokens arrive. In `authorization` the token is the credential; elsewhere it needs an app's key beside it.
    pub header: HeaderName,
    /// The claim that names the user.
    pub user_claim: String,
    /// The claim that names the session.
    pub session_claim: Option<String>,
    /// The header in which a caller may add the chat.
    pub bring_chat: Option<HeaderName>,
    /// Likewise the message.
    pub bring_message: Option<HeaderName>,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// What else it signs.
    pub trap: Trap,
    /// Whether its tokens are padded against RFC 7515.
    pub padded: bool,
}

/// The index of an issuer in its directory.
pub type IssuerId = usize;

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A JWK set at this URL.
    Jwks(String),
    /// A JWK set named by the OpenID configuration below this issuer URL, which must say the same of itself.
    Discovery(String),
    /// A JWK set in this file.
    File(PathBuf),
    /// One shared secret.
    Secret(Secret),
    /// One PEM key for each `kid`, below this URL (AWS's load balancers).
    PemByKid(String),
}
