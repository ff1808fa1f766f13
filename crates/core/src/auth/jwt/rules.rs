//! Issuer-specific checks that refuse tokens which are signed with the same key but are not a user's session.

use serde_json::{Map, Value};

use super::error::TokenError;
use crate::auth::issuer::{Issuer, TokenRules};

/// The value of the header `cat` in Clerk's session tokens.
const CLERK_SESSION: &str = "cl_B7d4PD111AAA";

/// Applies the issuer-specific checks.
pub(super) fn check(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
    issuer: &Issuer,
) -> Result<(), TokenError> {
    let refuse = |reason| Err(TokenError::Refused(reason));
    match &issuer.token_rules {
        TokenRules::None => Ok(()),
        TokenRules::Clerk => clerk(header, claims),
        TokenRules::Supabase => match text(claims, "role") {
            Some("anon" | "service_role") => refuse("it is an anonymous or service key, not a user's token (role)"),
            _ => Ok(()),
        },
        TokenRules::OpenWebUiSession => match text(claims, "typ") {
            Some("session") => Ok(()),
            _ => refuse("it is not a session token (typ)"),
        },
        TokenRules::AwsAlb { signer } => match text(header, "signer") {
            Some(named) if named == signer => Ok(()),
            _ => refuse("it was signed for another load balancer (signer)"),
        },
    }
}

fn clerk(header: &Map<String, Value>, claims: &Map<String, Value>) -> Result<(), TokenError> {
    let refuse = |reason| Err(TokenError::Refused(reason));
    match header.get("cat") {
        None => {}
        Some(Value::String(category)) if category == CLERK_SESSION => {}
        Some(_) => return refuse("it is a JWT template or machine token, not a session token (cat)"),
    }
    let kind = text(header, "typ").unwrap_or_default().to_ascii_lowercase();
    if matches!(kind.as_str(), "at+jwt" | "application/at+jwt") {
        return refuse("it is an OAuth access token, not a session token (typ)");
    }
    if text(claims, "sub").is_some_and(|subject| subject.starts_with("mch_")) {
        return refuse("it is a machine token, not a session token (sub)");
    }
    match claims.get("sts") {
        None => Ok(()),
        Some(Value::String(status)) if status != "pending" => Ok(()),
        Some(_) => refuse("its session is pending (sts)"),
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}
