//! Step 4: checks blocks and limits.

use callsign_store::limits::{Limiter, LimitsRefusedError};

use super::identify::{CallerRequest, RequestKind};
use super::snapshot::Snapshot;
use crate::record::RequestRecord;

/// Checks that the caller is neither blocked nor over a limit, and stores the reserved quota in the record. Only inference
/// requests count (`docs/SPEC.md#limits-and-budgets`).
///
/// # Errors
/// [`LimitsRefusedError`].
pub(super) async fn check_limits(
    limiter: &Limiter,
    snapshot: &Snapshot,
    request: &CallerRequest<'_>,
    record: &mut RequestRecord,
) -> Result<(), LimitsRefusedError> {
    let RequestKind::Inference(inference, identifiers) = &request.kind else { return Ok(()) };
    let (caller, sent) = (request.caller.identity(), identifiers.user.as_deref());
    // The watcher starts before the check, so that no block is missed in between.
    let watcher = limiter.watch(&caller, sent);
    let reservation = limiter.admit(&snapshot.rules, (&caller, sent), record.id(), inference).await?;
    let suspect = match (snapshot.rules.auto_block, caller.user) {
        (Some(_), Some(user)) => Some(limiter.suspect(&snapshot.rules, caller.tenant, user)),
        _ => None,
    };
    record.limited(inference, watcher, reservation, suspect);
    Ok(())
}
