//! Step 2: finds out who is calling.

use callsign_core::auth::{AuthContext, AuthError, Caller, Need};
use callsign_core::endpoint::Endpoint;
use http::request::Parts;

use super::snapshot::Snapshot;
use crate::error::Refusal;
use crate::record::RequestRecord;
use crate::server::Peer;

/// Authenticates the caller and takes its place among the requests in flight. If a token names a key that is not known yet,
/// the issuer's keys are fetched once.
pub(super) async fn authenticate<'a>(
    snapshot: &'a Snapshot,
    parts: &'a Parts,
    peer: Peer,
    endpoint: &Endpoint,
    record: &mut RequestRecord,
) -> Result<Caller<'a>, Refusal> {
    let need = match endpoint {
        Endpoint::Inference(_) | Endpoint::SelfService(_) => Need::Identity,
        Endpoint::Read(_) => Need::Credential,
    };
    let known = AuthContext { directory: &snapshot.directory, verifier: &snapshot.verifier };
    let resolve = || Caller::resolve(&parts.headers, peer.address.ip(), known, need);
    let caller = match resolve() {
        Err(AuthError::UnknownKey(key)) if snapshot.issuers.refresh(&key).await => resolve(),
        resolved => resolved,
    }?;
    record.key = Some(caller.key.clone().into_owned());
    Ok(caller)
}
