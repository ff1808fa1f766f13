//! The claims that every token is held to: time, issuer, audience, party, user.

use serde_json::{Map, Value};

use super::super::issuer::Issuer;
use super::{TokenError, Verified};

/// Checks the claims and takes those that name the caller.
pub(super) fn check(claims: &Map<String, Value>, issuer: &Issuer, now: i64) -> Result<Verified, TokenError> {
    let leeway = i64::try_from(issuer.leeway.as_secs()).unwrap_or(0);
    let expires = time(claims, "exp")?.ok_or(TokenError::Refused("it never expires (no exp)"))?;
    let expires = expires.saturating_add(leeway);
    if now >= expires {
        return Err(TokenError::Refused("it has expired"));
    }
    for (name, refusal) in [("nbf", "it is not valid yet (nbf)"), ("iat", "it comes from the future (iat)")] {
        if time(claims, name)?.is_some_and(|since| since > now.saturating_add(leeway)) {
            return Err(TokenError::Refused(refusal));
        }
    }
    if let Some(expected) = &issuer.issuer
        && claims.get("iss").and_then(Value::as_str) != Some(expected)
    {
        return Err(TokenError::Refused("it is another issuer's (iss)"));
    }
    if !issuer.audience.is_empty()
        && !audiences(claims).any(|audience| issuer.audience.iter().any(|own| own == audience))
    {
        return Err(TokenError::Refused("it is not meant for this audience (aud)"));
    }
    if !issuer.authorized_parties.is_empty() {
        let party = claims.get("azp").and_then(Value::as_str);
        if !party.is_some_and(|party| issuer.authorized_parties.iter().any(|own| own == party)) {
            return Err(TokenError::Refused("it was issued to another party (azp)"));
        }
    }
    let user = match claims.get(&issuer.user_claim) {
        Some(Value::String(user)) if is_id(user) => user.clone(),
        _ => return Err(TokenError::Refused("its user claim is missing, empty, no text, or holds control characters")),
    };
    // A signed claim is taken as it is; one that is no text says nothing.
    let session = issuer.session_claim.as_ref().and_then(|name| claims.get(name)?.as_str());
    Ok(Verified { user, session: session.filter(|id| is_id(id)).map(str::to_owned), expires })
}

/// Whether a claim can be an identifier. Letter for letter, but for control characters: formats and bindings join fields
/// by U+001F, and whoever could put one into a name could be taken for somebody else.
fn is_id(claim: &str) -> bool {
    !claim.is_empty() && !claim.contains(char::is_control)
}

/// A `NumericDate` (RFC 7519, section 2), whose fraction does not matter.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, TokenError> {
    let whole = |number: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-int cast saturates, which is what is wanted")]
        let seconds = number.floor() as i64;
        seconds
    };
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            number.as_i64().or_else(|| number.as_f64().map(whole)).map(Some).ok_or(TokenError::Malformed)
        }
        Some(_) => Err(TokenError::Refused("one of its times is no number")),
    }
}

/// `aud` is one string or a list of them (RFC 7519, section 4.1.3).
fn audiences(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let (one, many) = match claims.get("aud") {
        Some(Value::String(one)) => (Some(one.as_str()), [].as_slice()),
        Some(Value::Array(many)) => (None, many.as_slice()),
        _ => (None, [].as_slice()),
    };
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}
