//! Step 4: checks blocks and limits. The check of the body follows when the body is complete.

use callsign_store::limits::{Arrival, Limiter, LimitsRefusedError};

use super::identify::{CallerRequest, RequestKind};
use super::snapshot::Snapshot;
use crate::prices::Prices;
use crate::record::RequestRecord;
use crate::upstream::request_body::BodyCheck;
use callsign_core::auth::UpstreamCredential;

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
        (Some(_), Some(user)) => Some(limiter.suspect(&snapshot.rules, caller.tenant, user)),
        _ => None,
    };
    record.limited(inference, watcher, reservation, suspect);
    Ok(())
}

/// Returns the check of the request's body: its models must be allowed, and its estimated cost must fit the budgets
/// (`docs/SPEC.md#allowed-models`, `docs/SPEC.md#reservations`).
pub(super) fn check_body(
    snapshot: &Snapshot,
    prices: &Prices,
    request: &CallerRequest<'_>,
    record: &RequestRecord,
) -> BodyCheck {
    let RequestKind::Inference(inference, _) = request.kind else { return BodyCheck::none() };
    let models = snapshot.rules.models(&request.caller.identity()).cloned();
    let raiser = record.raiser().filter(|_| !inference.is_free());
    if models.is_none() && raiser.is_none() {
        return BodyCheck::none();
    }
    let (prices, flat) = (prices.clone(), snapshot.rules.estimate);
    BodyCheck::new(move |outer, tokens| {
        let allowed = models.map_or(Ok(()), |models| models.check(outer));
        let raise = raiser.map(|raiser| (raiser, prices.estimate(inference, outer, tokens, flat)));
        async move {
            allowed?;
            if let Some((raiser, estimate)) = raise {
                raiser.raise(estimate).await?;
            }
            Ok(())
        }
    })
}
