//! Checks the claims of every token: time, issuer, audience, authorized party, user (RFC 7519, section 4.1).

use serde_json::{Map, Value};

use super::error::TokenError;
use crate::auth::identity_header::is_id;
use crate::auth::issuer::Issuer;

/// The claims of a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The user claim.
    pub user: String,
    /// The session claim, if configured and present.
    pub session: Option<String>,
    /// The first second (Unix time, with leeway) at which the token is expired.
    pub expires: i64,
}

/// Checks the claims and returns the user and the session.
pub(super) fn check(claims: &Map<String, Value>, issuer: &Issuer, now: i64) -> Result<Verified, TokenError> {
    let leeway = i64::try_from(issuer.leeway.as_secs()).unwrap_or(0);
    let expires = time(claims, "exp")?.ok_or(TokenError::Refused("it has no expiry time (no exp)"))?;
    let expires = expires.saturating_add(leeway);
    if now >= expires {
        return Err(TokenError::Refused("it has expired"));
    }
    for (name, refusal) in [("nbf", "it is not valid yet (nbf)"), ("iat", "it was issued in the future (iat)")] {
        if time(claims, name)?.is_some_and(|since| since > now.saturating_add(leeway)) {
            return Err(TokenError::Refused(refusal));
        }
    }
    if let Some(expected) = &issuer.issuer
        && claims.get("iss").and_then(Value::as_str) != Some(expected)
    {
        return Err(TokenError::Refused("its issuer is not the configured one (iss)"));
    }
    if !issuer.audience.is_empty()
        && !audiences(claims).any(|audience| issuer.audience.iter().any(|own| own == audience))
    {
        return Err(TokenError::Refused("its audience is not in the issuer's `audience` (aud)"));
    }
    if issuer.for_console {
        for_console(claims, issuer)?;
    }
    if !issuer.authorized_parties.is_empty() {
        let party = claims.get("azp").and_then(Value::as_str);
        if !party.is_some_and(|party| issuer.authorized_parties.iter().any(|own| own == party)) {
            return Err(TokenError::Refused("its party is not in the issuer's `authorized_parties` (azp)"));
        }
    }
    let user = match claims.get(&issuer.user_claim) {
        Some(Value::String(user)) if is_id(user) => user.clone(),
        _ => {
            let reason = "its user claim is missing, empty, not text, too long, or has invisible characters";
            return Err(TokenError::Refused(reason));
        }
    };
    // A session claim that is not text, or empty, counts as absent.
    let session = issuer.session_claim.as_ref().and_then(|name| claims.get(name)?.as_str());
    let session = session.filter(|id| !id.is_empty());
    if session.is_some_and(|id| !is_id(id)) {
        return Err(TokenError::Refused("its session claim is too long or has invisible characters"));
    }
    Ok(Verified { user, session: session.map(str::to_owned), expires })
}

/// Reads a `NumericDate` (RFC 7519, section 2), rounded down to seconds.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, TokenError> {
    let whole = |number: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-int cast saturates, as intended")]
        let seconds = number.floor() as i64;
        seconds
    };
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            number.as_i64().or_else(|| number.as_f64().map(whole)).map(Some).ok_or(TokenError::Malformed)
        }
        Some(_) => Err(TokenError::Refused("one of exp, nbf and iat is not a number")),
    }
}

/// Checks what tokens for the console need beyond those of callers (docs/SPEC.md#sign-in-by-a-proxy).
fn for_console(claims: &Map<String, Value>, issuer: &Issuer) -> Result<(), TokenError> {
    let is_for_one = match claims.get("aud") {
        Some(Value::String(_)) => true,
        Some(Value::Array(many)) => many.len() == 1,
        _ => false,
    };
    if !is_for_one {
        return Err(TokenError::Refused("it is not for one audience alone (aud)"));
    }
    // People can often enter any address in their profile (OpenID Connect Core, section 5.7).
    if issuer.user_claim == "email"
        && claims.get("email_verified").is_some_and(|verified| verified != &Value::Bool(true))
    {
        return Err(TokenError::Refused("its address is not verified (email_verified)"));
    }
    Ok(())
}

/// Returns the values of `aud`, a string or a list of strings (RFC 7519, section 4.1.3).
fn audiences(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let (one, many) = match claims.get("aud") {
        Some(Value::String(one)) => (Some(one.as_str()), [].as_slice()),
        Some(Value::Array(many)) => (None, many.as_slice()),
        _ => (None, [].as_slice()),
    };
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}
