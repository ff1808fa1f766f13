//! The sums of a running period, a day or a month, and of the period before. A clock that was wrong for a moment finds
//! the earlier sums again (docs/SPEC.md#clocks).

use serde::{Deserialize, Serialize};

/// Tokens and nano-dollars of one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    #[serde(rename = "p")]
    pub(super) period: i64,
    #[serde(rename = "t", default, skip_serializing_if = "is_zero")]
    pub(super) tokens: i64,
    #[serde(rename = "u", default, skip_serializing_if = "is_zero")]
    pub(super) usd: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(amount: &i64) -> bool {
    *amount == 0
}

/// The sums of the running period and of the one that was running before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    #[serde(rename = "n")]
    pub(super) now: Sum,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    before: Option<Sum>,
}

impl Sums {
    /// Makes `period` the running one. Returns true if it was not.
    pub(super) fn turn(&mut self, period: i64) -> bool {
        if self.now.period == period {
            return false;
        }
        let known = self.before.filter(|before| before.period == period);
        self.before = Some(self.now);
        self.now = known.unwrap_or(Sum { period, ..Sum::default() });
        true
    }

    /// Returns the sum of a period, if it is still known.
    pub(super) fn of(&mut self, period: i64) -> Option<&mut Sum> {
        if self.now.period == period {
            return Some(&mut self.now);
        }
        self.before.as_mut().filter(|before| before.period == period)
    }

    /// Returns true if nothing was used in both periods.
    pub(super) fn is_zero(&self) -> bool {
        [Some(self.now), self.before].into_iter().flatten().all(|sum| (sum.tokens, sum.usd) == (0, 0))
    }
}

/// Replaces a reserved amount of a sum by the amount that was taken.
pub(super) fn exchange(sum: &mut i64, reserved: Option<i64>, took: Option<i64>) {
    if let Some((reserved, took)) = reserved.zip(took) {
        *sum = sum.saturating_add(took - reserved).max(0);
    }
}
