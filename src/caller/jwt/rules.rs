//! What particular issuers sign with the same key and must not be taken for a user's session.

use serde_json::{Map, Value};

use super::super::issuer::Issuer;
use super::TokenError;

/// An issuer's particular trap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trap {
    /// None beyond the general rules.
    #[default]
    None,
    /// Clerk's key also signs JWT templates, machine tokens and OAuth access tokens, and sessions that are still pending
    /// (Clerk docs, "Session tokens", "Token formats").
    Clerk,
    /// Supabase's anonymous and service keys are tokens too.
    Supabase,
    /// Open WebUI's session tokens have no `iss`, but a `typ`.
    OpenWebUiSession,
    /// Every account's load balancers share their keys: the signer in the header must be one's own (AWS docs, "Verify
    /// user claims").
    AwsAlb {
        /// The load balancer's ARN.
        signer: String,
    },
}

/// The header `cat` of Clerk's session tokens.
const CLERK_SESSION: &str = "cl_B7d4PD111AAA";

/// Refuses what the issuer's trap says.
pub(super) fn check(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
    issuer: &Issuer,
) -> Result<(), TokenError> {
    let refuse = |reason| Err(TokenError::Refused(reason));
    match &issuer.trap {
        Trap::None => Ok(()),
        Trap::Clerk => clerk(header, claims),
        Trap::Supabase => match text(claims, "role") {
            Some("anon" | "service_role") => refuse("it is an anonymous or service key, not a user's token"),
            _ => Ok(()),
        },
        Trap::OpenWebUiSession => match text(claims, "typ") {
            Some("session") => Ok(()),
            _ => refuse("it is not a session token (typ)"),
        },
        Trap::AwsAlb { signer } => match text(header, "signer") {
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
        Some(_) => return refuse("it is a JWT template's or a machine's, not a session token (cat)"),
    }
    let kind = text(header, "typ").unwrap_or_default().to_ascii_lowercase();
    if matches!(kind.as_str(), "at+jwt" | "application/at+jwt") {
        return refuse("it is an OAuth access token, not a session token (typ)");
    }
    if text(claims, "sub").is_some_and(|subject| subject.starts_with("mch_")) {
        return refuse("it is a machine's (sub)");
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
