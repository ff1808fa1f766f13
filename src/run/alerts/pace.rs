//! Limits the number of alerts: one an hour of each kind, subject and user, 30 an hour in all, then a summary.

use std::collections::VecDeque;
use std::time::Duration;

use callsign_telemetry::alerts::{Alert, AlertKind};
use tokio::time::Instant;

/// Time after which an alert is sent again.
const HOUR: Duration = Duration::from_hours(1);
/// Maximum number of alerts in an hour.
const MOST: usize = 30;

/// The alerts of the last hour, oldest first, and the number of those left out.
#[derive(Debug, Default)]
pub(super) struct Pace {
    sent: VecDeque<(Instant, Alert)>,
    left_out: u64,
    /// The time of the first alert that was left out since the last summary.
    since: Option<Instant>,
}

/// The decision on an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    Silence,
}

impl Pace {
    /// Decides about an alert. A test is always sent.
    pub(super) fn judge(&mut self, alert: &Alert, now: Instant) -> Verdict {
        while self.sent.front().is_some_and(|(at, _)| now.duration_since(*at) >= HOUR) {
            self.sent.pop_front();
        }
        if alert.kind == AlertKind::Test {
            return Verdict::Send;
        }
        if self.sent.iter().any(|(_, sent)| sent == alert) {
            return Verdict::Silence;
        }
        if self.sent.len() >= MOST {
            self.left_out += 1;
            self.since.get_or_insert(now);
            return Verdict::Silence;
        }
        self.sent.push_back((now, alert.clone()));
        Verdict::Send
    }

    /// Returns the number of alerts that were left out, an hour after the first of them.
    pub(super) fn summary(&mut self, now: Instant) -> Option<u64> {
        self.since.filter(|since| now.duration_since(*since) >= HOUR)?;
        self.since = None;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_an_hour_of_a_kind_and_thirty_in_all_then_a_summary() {
        let mut pace = Pace::default();
        let alert = |subject: &str| Alert::new(AlertKind::Unattributed, subject);
        let now = Instant::now();
        assert_eq!(pace.judge(&alert("app"), now), Verdict::Send);
        assert_eq!(pace.judge(&alert("app"), now), Verdict::Silence);
        let sent = (0..100).filter(|number| pace.judge(&alert(&number.to_string()), now) == Verdict::Send).count();
        assert_eq!(sent, MOST - 1);
        assert_eq!(pace.judge(&Alert::new(AlertKind::Test, ""), now), Verdict::Send);
        assert_eq!(pace.summary(now), None);
        assert_eq!(pace.summary(now + HOUR), Some(71));
        assert_eq!(pace.summary(now + 2 * HOUR), None);
        assert_eq!(pace.judge(&alert("app"), now + HOUR), Verdict::Send);
    }
}
