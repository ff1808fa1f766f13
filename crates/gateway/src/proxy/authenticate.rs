//! Step 2: finds out who is calling.

use callsign_core::auth::key::Directory;
use callsign_core::auth::{AuthContext, AuthError, Caller, KeyRefusal, Need, RefusedKey};
use callsign_core::endpoint::Endpoint;
use callsign_store::limits::Limiter;
use http::request::Parts;
use jiff::Timestamp;

use super::snapshot::Snapshot;
use crate::error::Refusal;
use crate::record::RequestRecord;
use crate::server::Peer;

/// Authenticates the caller. If a token names an unknown signing key, the issuer's keys are fetched once and the token
/// is verified again.
///
/// # Errors
/// [`AuthError`], as a [`Refusal`].
pub(super) async fn authenticate<'a>(
    limiter: &'a Limiter,
    snapshot: &'a Snapshot,
    parts: &'a Parts,
    peer: Peer,
    endpoint: &Endpoint,
    record: &mut RequestRecord,
) -> Result<Caller<'a>, Refusal> {
    let need = match endpoint {
        Endpoint::Inference(_) | Endpoint::SelfService(_) | Endpoint::Video(_) => Need::Identity,
        Endpoint::Read(_) => Need::Credential,
    };
    let resolve = |now| {
        let known = AuthContext {
            directory: &snapshot.directory,
            verifier: &snapshot.verifier,
            stored: limiter.operator_state(),
            now,
        };
        let caller = Caller::resolve(&parts.headers, peer.address.ip(), known, need)?;
        check_tenant(snapshot, caller)
    };
    let began = Timestamp::from_microsecond(record.began_us).unwrap_or_else(|_| Timestamp::now());
    let caller = match resolve(began) {
        Err(AuthError::UnknownKey(key)) if snapshot.issuers.refresh(&key).await => resolve(Timestamp::now()),
        resolved => resolved,
    }
    .inspect_err(|error| note_refusal(error, &snapshot.directory, record))?;
    record.key = Some(caller.key.clone().into_owned());
    Ok(caller)
}

/// Refuses a key in the database whose tenant is not configured any more: its callers have no policy.
fn check_tenant<'a>(snapshot: &Snapshot, caller: Caller<'a>) -> Result<Caller<'a>, AuthError> {
    match &caller.stored {
        Some(key) if key.tenant.as_ref().is_some_and(|tenant| !snapshot.tenants.contains_key(tenant)) => {
            Err(AuthError::RefusedKey(RefusedKey { name: key.name.clone(), reason: KeyRefusal::Tenant }))
        }
        _ => Ok(caller),
    }
}

/// Notes for the operator why a credential is refused. The response says only that it is not valid.
fn note_refusal(error: &AuthError, directory: &Directory, record: &mut RequestRecord) {
    match error {
        AuthError::RefusedKey(refused) => {
            record.key = Some(refused.name.clone());
            record.reason = Some(refused.reason.name());
        }
        AuthError::InvalidToken(refused) => {
            tracing::debug!(issuer = %refused.issuer, error = %refused.reason, "token refused");
        }
        AuthError::UnknownKey(key) => {
            let issuer = directory.issuers().get(key.issuer).map(|issuer| issuer.name.as_str());
            tracing::debug!(issuer, error = "the token is signed with an unknown key", "token refused");
        }
        _ => {}
    }
}
