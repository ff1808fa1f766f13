//! Step 4: checks blocks and limits. The check of the body follows when the body is complete.

use callsign_core::endpoint::{INFERENCE, SelfService};
use callsign_store::ledger::Reader;
use callsign_store::limits::{Arrival, Limiter, LimitsRefusedError, Reservation};

use super::identify::{CallerRequest, RequestKind};
use super::snapshot::Snapshot;
use super::videos::{self, NewJob};
use crate::prices::Prices;
use crate::record::RequestRecord;
use crate::upstream::request_body::BodyCheck;
use callsign_core::auth::UpstreamCredential;

/// Checks that the caller is neither blocked nor over a limit, and stores the reserved quota in the record
/// (`docs/SPEC.md#limits-and-budgets`). `is_cached` is true if a cached answer serves the request.
///
/// # Errors
/// [`LimitsRefusedError`].
pub(super) async fn check_limits(
    (limiter, prices): (&Limiter, &Prices),
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
    let arrival = Arrival {
        id: record.id(),
        caller: &caller,
        sent,
        endpoint: inference,
        by_app: request.caller.by_app,
        operator_pays: request.caller.upstream_credential == UpstreamCredential::Operator,
    };
    let reservation = limiter.admit(&snapshot.rules, &arrival).await?;
    let suspect = match (snapshot.rules.auto_block, caller.user) {
        // A caller who pays endangers no account of the operator, and can name any user.
        (Some(_), Some(user)) if arrival.operator_pays => Some(limiter.suspect(&snapshot.rules, caller.tenant, user)),
        _ => None,
    };
    let has_budget = reservation.as_ref().is_some_and(Reservation::has_budget);
    let learning = has_budget.then(|| (prices.clone(), prices.digest_of(&caller)));
    record.limited(inference, watcher, reservation, suspect, learning);
    Ok(())
}

/// Returns the check of the request's body: its models must be allowed, a job that it continues must be the
/// caller's, and its estimated cost must fit the budgets (`docs/SPEC.md#allowed-models`, `docs/SPEC.md#videos`,
/// `docs/SPEC.md#reservations`).
pub(super) fn check_body(
    snapshot: &Snapshot,
    (prices, reader): (&Prices, Option<&Reader>),
    request: &CallerRequest<'_>,
    record: &RequestRecord,
) -> BodyCheck {
    let RequestKind::Inference(inference, _) = request.kind else { return BodyCheck::none() };
    let models = snapshot.rules.models(&request.caller.identity()).cloned();
    let raiser = record.raiser().filter(|_| !inference.is_free());
    let job = NewJob::check_of(snapshot, request, reader);
    if models.is_none() && raiser.is_none() && job.is_none() {
        return BodyCheck::none();
    }
    let (prices, flat) = (prices.clone(), snapshot.rules.estimate);
    let digest = prices.digest_of(&request.caller.identity());
    BodyCheck::new(move |outer, tokens| {
        let allowed = models.map_or(Ok(()), |models| models.check(outer));
        let job = job.map(|job| job.check(videos::previous(outer)));
        let raise = raiser.map(|raiser| (raiser, prices.estimate((digest, inference), outer, tokens, flat)));
        async move {
            allowed?;
            if let Some(job) = job {
                job.await?;
            }
            if let Some((raiser, estimate)) = raise {
                raiser.raise(estimate).await?;
            }
            Ok(())
        }
    })
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
    let operator_pays = request.caller.upstream_credential == UpstreamCredential::Operator;
    if is_cached { Ok(()) } else { limiter.count_read(&snapshot.rules, &caller, operator_pays, record.id()).await }
}
