//! Blocks and limits: whether a caller who is known may have an answer now.

use super::admit::Identified;
use super::snapshot::Snapshot;
use crate::limits::{Limiter, Refused};
use crate::observe::Account;

/// Lets a request pass, and puts what it holds until its end into its account.
///
/// # Errors
/// [`Refused`].
pub(super) async fn pass(
    limiter: &Limiter,
    snapshot: &Snapshot,
    identified: &Identified<'_>,
    account: &mut Account,
) -> Result<(), Refused> {
    let Some((inference, sources, sent)) = identified.asks() else { return Ok(()) };
    // Watched before it is looked at, so that no block comes in between.
    account.watch_cuts(limiter.watch(&sources, sent));
    if let Some(reservation) = limiter.admit(&snapshot.rules, &sources, sent, inference).await? {
        account.hold(reservation, inference);
    }
    if let (Some(_), Some(user)) = (snapshot.rules.breaker, sources.user) {
        account.suspect(limiter.suspect(&snapshot.rules, sources.tenant, user), inference);
    }
    Ok(())
}
