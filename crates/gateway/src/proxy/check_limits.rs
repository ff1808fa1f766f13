//! Step 4: checks blocks and limits.

use callsign_core::endpoint::{INFERENCE, SelfService};
use callsign_store::limits::{Limiter, LimitsRefusedError};

use super::identify::{CallerRequest, RequestKind};
use super::snapshot::Snapshot;
use crate::record::RequestRecord;

/// Checks that the caller is neither blocked nor over a limit, and stores the reserved quota in the record
/// (`docs/SPEC.md#limits-and-budgets`). `is_cached` is true if a cached answer serves the request.
///
/// # Errors
/// [`LimitsRefusedError`].
pub(super) async fn check_limits(
    limiter: &Limiter,
    snapshot: &Snapshot,
    request: &CallerRequest<'_>,
    is_cached: bool,
    record: &mut RequestRecord,
) -> Result<(), LimitsRefusedError> {
    let RequestKind::Inference(inference, identifiers) = &request.kind else {
        return check_read(limiter, snapshot, request, is_cached, record).await;
    };
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

/// Checks a read of the catalogue or of the caller's own data. It counts against the requests per minute unless a cached
/// answer serves it.
async fn check_read(
    limiter: &Limiter,
    snapshot: &Snapshot,
    request: &CallerRequest<'_>,
    is_cached: bool,
    record: &RequestRecord,
) -> Result<(), LimitsRefusedError> {
    // callsign answers this one itself, and shows a blocked caller no more than their own usage.
    if matches!(request.kind, RequestKind::SelfService(SelfService::Me)) {
        return Ok(());
    }
    let caller = request.caller.identity();
    let policy = &snapshot.tenant(caller.tenant).policy;
    let [chat, ..] = &INFERENCE;
    // A caller without a user may read the catalogue whatever the policy.
    let sent = policy.identify(&caller, request.caller.metadata, chat.fields).ok().and_then(|sent| sent.user);
    limiter.check_blocks(&snapshot.rules, &caller, sent.as_deref())?;
    if is_cached { Ok(()) } else { limiter.count_read(&snapshot.rules, &caller, record.id()).await }
}
