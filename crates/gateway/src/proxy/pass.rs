//! Blocks and limits: whether a caller who is known may have an answer now.

use super::admit::Authenticated;
use super::snapshot::Snapshot;
use crate::record::account::RequestRecord;
use callsign_store::limits::{Limiter, Refused};

/// Lets a request pass, and puts what it holds until its end into its account.
///
/// # Errors
/// [`Refused`].
pub(super) async fn pass(
    limiter: &Limiter,
    snapshot: &Snapshot,
    identified: &Authenticated<'_>,
    account: &mut RequestRecord,
) -> Result<(), Refused> {
    let Some((inference, sources, sent)) = identified.asks() else { return Ok(()) };
    // Watched before it is looked at, so that no block comes in between.
    account.watch_cuts(limiter.watch(&sources, sent));
    if let Some(reservation) = limiter.admit(&snapshot.rules, &sources, sent, inference).await? {
        account.hold(reservation, inference);
    }
    if let (Some(_), Some(user)) = (snapshot.rules.auto_block, sources.user) {
        account.suspect(limiter.suspect(&snapshot.rules, sources.tenant, user), inference);
    }
    Ok(())
}
