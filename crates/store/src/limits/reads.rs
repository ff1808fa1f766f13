//! Blocks and limits of requests that run no model: reads of the catalogue and of a caller's own data.
//!
//! They take no budget, but OpenRouter counts those that reach it against the operator's key. So they count against
//! [`Limit::Rpm`], and a blocked caller gets none (`docs/SPEC.md#catalogue-endpoints`).

use super::counters::Ask;
use super::limiter::{Limiter, reservation_id};
use super::refused::{LimitsRefusedError, Over};
use super::rules::Rules;
use super::subject::Subject;
use callsign_core::allowance::{Ceilings, Estimate, Limit};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::request_id::RequestId;
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;

impl Limiter {
    /// Checks that the caller is not blocked. `sent` is the user's identifier as it would go upstream.
    ///
    /// # Errors
    /// [`LimitsRefusedError::Blocked`].
    pub fn check_blocks(
        &self,
        rules: &Rules,
        sources: &CallerIdentity<'_>,
        sent: Option<&str>,
    ) -> Result<(), LimitsRefusedError> {
        if rules.stops(sources) || self.gate().stops(sources, sent) {
            self.0.metrics.limits.blocked.inc();
            return Err(LimitsRefusedError::Blocked);
        }
        Ok(())
    }

    /// Counts a read against the requests per minute.
    ///
    /// # Errors
    /// [`LimitsRefusedError`] if the limit is reached, or the store is unavailable and configured to deny.
    pub async fn count_read(
        &self,
        rules: &Rules,
        sources: &CallerIdentity<'_>,
        request: RequestId,
    ) -> Result<(), LimitsRefusedError> {
        let Some(rpm) = rules.ceilings(sources).of(Limit::Rpm) else { return Ok(()) };
        let mut ceilings = Ceilings::default();
        ceilings.0[Limit::Rpm as usize] = Some(rpm);
        let estimate = Estimate { tokens: 0, usd: 0 };
        let ask = Ask { id: reservation_id(request), ceilings, message: None, estimate, enforce: !rules.dry_run };
        let (standing, reservation) = self.reserve(Subject::of(sources), ask, rules.count_byok).await?;
        match standing.over() {
            Some((limit, _)) if !rules.dry_run => {
                reservation.drop_uncounted();
                self.0.metrics.limits.refused(limit);
                return Err(LimitsRefusedError::Over(Over { limit, ceilings, gauges: standing.gauges }));
            }
            Some((limit, _)) => self.0.metrics.limits.would_refuse(limit),
            None => {}
        }
        // The count stays; there is nothing else to settle.
        reservation.settle(Bill::Free, &Usage::default(), false);
        Ok(())
    }
}
