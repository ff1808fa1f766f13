//! Verifies a signed token by the rules of its issuer (RFC 7519, RFC 8725) and reads its claims.
//!
//! The token's own headers are not trusted: the algorithm must be one of the issuer's and suit the key; `jku`, `x5u`,
//! `jwk` and `x5c` are not read; any `crit` is refused. Keys and time are arguments; this module must not fetch keys.

mod claims;
mod error;
mod rules;

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::issuer::Issuer;
use crate::auth::jwks::KeySet;
pub use claims::Verified;
pub use error::TokenError;

/// Maximum length of a token in bytes. Real tokens have 1 to 3 KiB.
const LONGEST: usize = 16 * 1024;

/// The decoded parts of an unverified token.
struct Parts<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    message: &'a [u8],
    signature: &'a str,
}

/// Verifies `token` at `now` (Unix time in seconds).
///
/// # Errors
/// [`TokenError`]. After [`TokenError::UnknownKey`], retry with refreshed keys.
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

/// Returns the unverified `iss` of a token. Use it only to select the issuer whose rules and keys apply.
pub fn claimed_issuer(token: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: Option<String>,
    }
    let (_, payload, _) = three_parts(token)?;
    serde_json::from_slice::<Claimed>(&decode(payload)?).ok()?.iss
}

/// Returns true if a credential has two dots, as tokens do. callsign's keys have none.
pub fn looks_like_token(credential: &[u8]) -> bool {
    memchr::memchr_iter(b'.', credential).count() == 2
}

impl<'a> Parts<'a> {
    /// Splits and decodes a token. `padded` allows `=` at the end of the parts, which AWS load balancers write contrary
    /// to RFC 7515.
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

/// Splits a token into header, payload and signature, still encoded. Additional dots stay in the payload, which then
/// fails to decode.
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
    // Unknown names, including `none`, do not parse.
    header.get("alg")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests;
