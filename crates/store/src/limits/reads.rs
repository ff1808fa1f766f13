//! Blocks and limits of requests that run no model: reads of the catalogue and of a caller's own data.
//!
//! They take no budget, but OpenRouter counts those that reach it against the operator's key. So they count against
//! [`Limit::Rpm`], and a blocked caller gets none (`docs/SPEC.md#catalogue-endpoints`).

use super::ask::Ask;
use super::limiter::{Limiter, reservation_id};
use super::refused::LimitsRefusedError;
use super::rules::Rules;
use super::subject::Subject;
use callsign_core::allowance::{Ceilings, Estimate, Limit};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::request_id::RequestId;

impl Limiter {
    /// Checks that the caller is not blocked. `sent` is the user's identifier as it would go upstream.
    ///
    /// # Errors
    /// [`LimitsRefusedError::Blocked`]. [`LimitsRefusedError::Unavailable`] while the list of blocks has never been read
    /// and the store's failure is configured to deny.
    pub fn check_blocks(
        &self,
        rules: &Rules,
        sources: &CallerIdentity<'_>,
        sent: Option<&str>,
    ) -> Result<(), LimitsRefusedError> {
        if self.refuses_unread_blocks() {
            return Err(LimitsRefusedError::Unavailable);
        }
        if rules.stops(sources) || self.gate().stops(sources, sent) {
            self.0.metrics.limits.blocked.inc();
            return Err(LimitsRefusedError::Blocked);
        }
        Ok(())
    }

    /// Counts a read against the requests per minute. `operator_pays` is false for callers with an OpenRouter key of their
    /// own; one that OpenRouter has not accepted is not counted.
    ///
    /// # Errors
    /// [`LimitsRefusedError`] if the limit is reached, or the store is unavailable and configured to deny.
    pub async fn count_read(
        &self,
        rules: &Rules,
        caller: &CallerIdentity<'_>,
        operator_pays: bool,
        request: RequestId,
    ) -> Result<(), LimitsRefusedError> {
        let mut scopes = rules.scopes(caller, operator_pays, &self.overrides());
        for limits in &mut scopes {
            limits.ceilings = limits.ceilings.only(Limit::Rpm);
        }
        scopes.retain(|limits| limits.ceilings.is_any());
        if scopes.is_empty() || !operator_pays && !self.0.is_proven(Subject::of(caller)) {
            return Ok(());
        }
        let (estimate, enforce) = (Estimate { tokens: 0, usd: 0 }, !rules.dry_run);
        let ask = Ask { id: reservation_id(request), ceilings: Ceilings::default(), message: None, estimate, enforce };
        let (reservation, standings) = self.reserve(self.hold(caller, &scopes, ask), rules.count_byok).await?;
        // The count stays when the reservation is dropped; there is nothing else to settle.
        reservation.judged(estimate, standings).map(drop)
    }
}
