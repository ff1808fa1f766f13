//! Verifies one signed token against one issuer's rules (RFC 7519, RFC 8725) and takes its claims.
//!
//! Pure over token, issuer, keys and time. What a token says of itself is never followed: the algorithm must be one that
//! the issuer is pinned to and fit the key, `jku`, `x5u`, `jwk` and `x5c` are not read, any `crit` is refused. Which keys
//! an issuer has is `key_set.rs`'s business; fetching them, `issuers.rs`'s.

mod claims;
mod rules;

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::issuer::Issuer;
use super::key_set::KeySet;
pub use rules::Trap;

/// A longer token is not looked at. Real ones have one to three KiB; hyper takes 64 KiB of headers.
const LONGEST: usize = 16 * 1024;

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The user claim.
    pub user: String,
    /// The session claim, if the issuer has one and the token brings it.
    pub session: Option<String>,
    /// From this second on (Unix time, leeway included) it is no longer valid.
    pub expires: i64,
}

/// Why a token is not accepted. The reasons are for the operator's debug log; callers hear only that it is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No three parts of base64url, no JSON objects in them, or too long.
    #[error("the token is malformed")]
    Malformed,
    /// No key of this id is known; the issuer may have rotated its keys.
    #[error("the token is signed with a key that is not known (yet)")]
    UnknownKey {
        /// The token's `kid`; never printed.
        kid: Option<String>,
    },
    /// An algorithm that the issuer is not pinned to, or that does not fit the key.
    #[error("the token's algorithm is not one of the issuer's")]
    Algorithm,
    /// The signature.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim or header that the rules refuse.
    #[error("the token is refused: {0}")]
    Refused(&'static str),
}

/// A token taken apart; nothing in it has been verified.
struct Parts<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    message: &'a [u8],
    signature: &'a str,
}

/// Verifies `token` at `now` (Unix time in seconds).
///
/// # Errors
/// [`TokenError`]; after [`TokenError::UnknownKey`] it is worth asking again with fresh keys.
pub fn verify(token: &[u8], issuer: &Issuer, keys: &KeySet, now: i64) -> Result<Verified, TokenError> {
    let parts = Parts::split(token, issuer.padded).ok_or(TokenError::Malformed)?;
    if parts.header.contains_key("crit") {
        return Err(TokenError::Refused("it has critical headers (crit)"));
    }
    let algorithm = algorithm(&parts.header).filter(|named| issuer.algorithms.contains(named));
    let algorithm = algorithm.ok_or(TokenError::Algorithm)?;
    let kid = match parts.header.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.as_str()),
        Some(_) => return Err(TokenError::Malformed),
    };
    let key = keys.find(kid, algorithm).ok_or_else(|| TokenError::UnknownKey { kid: kid.map(str::to_owned) })?;
    match jsonwebtoken::crypto::verify(parts.signature, parts.message, key, algorithm) {
        Ok(true) => {}
        Ok(false) | Err(_) => return Err(TokenError::Signature),
    }
    rules::check(&parts.header, &parts.claims, issuer)?;
    claims::check(&parts.claims, issuer, now)
}

/// The `iss` that a token claims, unverified: only to choose whose rules and keys it is to be held against.
pub fn claimed_issuer(token: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: Option<String>,
    }
    let (_, payload, _) = three_parts(token)?;
    serde_json::from_slice::<Claimed>(&decode(payload)?).ok()?.iss
}

/// Whether a credential could be a token at all; keys have no dots.
pub fn looks_like_token(credential: &[u8]) -> bool {
    memchr::memchr_iter(b'.', credential).count() == 2
}

impl<'a> Parts<'a> {
    /// `padded` allows `=` at the ends of the parts, which AWS's load balancers write against RFC 7515.
    fn split(token: &'a [u8], padded: bool) -> Option<Self> {
        let (header, payload, signature) = three_parts(token)?;
        let unpadded = |part: &'a str| if padded { part.trim_end_matches('=') } else { part };
        let object = |part| match serde_json::from_slice(&decode(unpadded(part))?).ok()? {
            Value::Object(object) => Some(object),
            _ => None,
        };
        Some(Self {
            header: object(header)?,
            claims: object(payload)?,
            message: token.get(..header.len() + 1 + payload.len())?,
            signature: unpadded(signature),
        })
    }
}

/// Header, payload and signature, still encoded; where there are more dots than two, they are left to the payload, which
/// cannot be decoded then.
fn three_parts(token: &[u8]) -> Option<(&str, &str, &str)> {
    let token = std::str::from_utf8(token).ok().filter(|token| token.len() <= LONGEST)?;
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    Some((header, payload, signature))
}

fn decode(part: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok()
}

fn algorithm(header: &Map<String, Value>) -> Option<Algorithm> {
    // Unknown names, `none` above all, have no variant.
    header.get("alg")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests;
