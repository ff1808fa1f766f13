//! The pace of look-ups. All nodes of a ledger share one pace through its database.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use callsign_store::ledger::{Keeper, LedgerError};

use super::records::Finding;

/// Shortest time between two look-ups of all nodes: 20 a second.
const SHORTEST_GAP: i64 = 50_000;
/// Longest time between two look-ups, in microseconds.
const LONGEST_GAP: i64 = 10_000_000;
/// Longest `retry-after` that is honoured.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// The farthest time of a look-up, in microseconds: 15 minutes.
const FARTHEST: i64 = 900_000_000;
/// Maximum number of look-ups that are reserved at once.
const BATCH: usize = 10;
/// Time without look-ups with a key that OpenRouter refuses, in microseconds.
const SUSPENSION: i64 = 600_000_000;

/// The permission for one look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Its time in microseconds since 1970.
    pub(super) at: i64,
    /// The gap between two look-ups when it was reserved.
    gap: i64,
}

/// Hands out look-ups in the shared pace.
#[derive(Debug)]
pub(super) struct Pace {
    keeper: Keeper,
    slots: VecDeque<Slot>,
    /// The gap as this process knows it.
    gap: i64,
    /// The end of a `retry-after`.
    not_before: i64,
}

impl Pace {
    pub(super) fn new(keeper: Keeper) -> Self {
        Self { keeper, slots: VecDeque::new(), gap: SHORTEST_GAP, not_before: 0 }
    }

    /// Returns the next slot. Reserves `wanted` more if there is none, at most ten.
    pub(super) async fn slot(&mut self, wanted: usize, now: i64) -> Result<Slot, LedgerError> {
        if self.slots.is_empty() {
            let count = wanted.clamp(1, BATCH);
            let (wait, gap) = self.keeper.reserve_lookups(u32::try_from(count).unwrap_or(1)).await?;
            self.gap = gap;
            self.slots.extend((0_i64..).take(count).map(|number| Slot { at: now + wait + number * gap, gap }));
        }
        let slot = self.slots.pop_front().unwrap_or(Slot { at: now, gap: self.gap });
        let at = slot.at.max(self.not_before);
        // A later time is that of a clock that went back since.
        let at = if at > now + FARTHEST { now } else { at };
        Ok(Slot { at, ..slot })
    }

    /// Adapts the pace to a result: slower while OpenRouter limits the rate, else slowly back to the fastest.
    pub(super) async fn learn(&mut self, slot: Slot, finding: &Finding, now: i64) -> Result<(), LedgerError> {
        if let Finding::Later { after } = finding {
            let after = after.unwrap_or_default().min(LONGEST_WAIT);
            self.not_before = self.not_before.max(now + i64::try_from(after.as_micros()).unwrap_or_default());
        }
        let gap = adapted(self.gap, slot.gap, finding);
        if gap != self.gap {
            self.gap = gap;
            self.keeper.set_lookup_gap(gap).await?;
        }
        Ok(())
    }
}

/// Returns the gap after a look-up that was made with the gap `then`. Look-ups that run at the same time slow down only
/// once, and one from before does not speed up again.
fn adapted(gap: i64, then: i64, finding: &Finding) -> i64 {
    match finding {
        Finding::Later { .. } => gap.max(then.saturating_mul(2)).clamp(SHORTEST_GAP, LONGEST_GAP),
        Finding::Found(_) | Finding::NotYet | Finding::Never if gap == then => (gap - gap / 8).max(SHORTEST_GAP),
        _ => gap,
    }
}

/// The accounts whose key OpenRouter refuses, by fingerprint.
#[derive(Debug, Default)]
pub(super) struct Suspensions(HashMap<String, i64>);

impl Suspensions {
    /// Suspends an account. Returns true if it was not suspended.
    pub(super) fn add(&mut self, account: &str, now: i64) -> bool {
        let is_new = !self.has(account, now);
        self.0.insert(account.to_owned(), now + SUSPENSION);
        is_new
    }

    /// Returns true if an account is suspended.
    pub(super) fn has(&self, account: &str, now: i64) -> bool {
        self.0.get(account).is_some_and(|until| *until > now)
    }

    /// Ends the suspension of an account that OpenRouter accepts, and of those whose time is over. Returns true if none
    /// is left.
    pub(super) fn end(&mut self, account: &str, now: i64) -> bool {
        self.0.retain(|of, until| of != account && *until > now);
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_halves_once_for_look_ups_at_the_same_time_and_recovers_slowly() {
        let later = Finding::Later { after: None };
        let mut gap = SHORTEST_GAP;
        for _ in 0..8 {
            gap = adapted(gap, SHORTEST_GAP, &later);
        }
        assert_eq!(gap, 2 * SHORTEST_GAP);
        assert_eq!(adapted(gap, SHORTEST_GAP, &Finding::NotYet), gap, "from before");
        assert_eq!(adapted(gap, gap, &Finding::Refused(401)), gap);
        let mut looks = 0;
        while gap > SHORTEST_GAP {
            gap = adapted(gap, gap, &Finding::NotYet);
            looks += 1;
        }
        assert_eq!((gap, looks), (SHORTEST_GAP, 6));
        for _ in 0..20 {
            gap = adapted(gap, gap, &later);
        }
        assert_eq!(gap, LONGEST_GAP);
    }

    #[test]
    fn a_refused_account_is_left_alone_for_ten_minutes() {
        let mut suspensions = Suspensions::default();
        assert!(suspensions.add("a", 0) && !suspensions.add("a", 1) && suspensions.add("b", 1));
        assert!(suspensions.has("a", SUSPENSION) && !suspensions.has("a", 1 + SUSPENSION) && !suspensions.has("c", 0));
        assert!(!suspensions.end("a", 2) && suspensions.has("b", 2) && !suspensions.has("a", 2));
        assert!(suspensions.end("c", 1 + SUSPENSION));
    }
}
