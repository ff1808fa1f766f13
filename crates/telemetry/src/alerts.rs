//! Events that an operator is told of by a webhook (docs/SPEC.md#alerts).
//!
//! Parts of callsign raise them. The root package takes them, names people as the configuration says, and sends them.
//! Without a webhook nothing is stored.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Maximum number of alerts that wait. A further one is dropped: as many as that say the same.
const MOST: usize = 256;
/// Maximum length of a name in characters.
const LONGEST: usize = 512;

/// The kind of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertKind {
    /// 80 % of a budget is used.
    BudgetWarning,
    /// A request was refused because a budget is used up.
    BudgetExhausted,
    /// A user was suspended because providers refused their requests.
    AutoBlock,
    /// Requests have no user id.
    Unattributed,
    /// Several users have one identifier.
    Collision,
    /// A part of callsign or a key is in trouble: a line `degraded` of `/readyz`.
    Degraded,
    /// Costs wait to be looked up.
    CostBacklog,
    /// The operator tests the webhook.
    Test,
}

impl AlertKind {
    /// Returns the name in the webhook's JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::BudgetWarning => "budget_warning",
            Self::BudgetExhausted => "budget_exhausted",
            Self::AutoBlock => "auto_block",
            Self::Unattributed => "unattributed",
            Self::Collision => "collision",
            Self::Degraded => "degraded",
            Self::CostBacklog => "cost_backlog",
            Self::Test => "test",
        }
    }
}

/// The user whom an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlertPerson {
    /// The tenant.
    pub tenant: Option<String>,
    /// The user id.
    pub user: String,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The kind.
    pub kind: AlertKind,
    /// A limit, a key's name or a problem. Alerts of one kind, subject and person are sent once an hour.
    pub subject: String,
    /// The user, if it is about one.
    pub person: Option<AlertPerson>,
}

impl Alert {
    /// Creates an alert that is about no user.
    pub fn new(kind: AlertKind, subject: &str) -> Self {
        Self { kind, subject: subject.chars().take(LONGEST).collect(), person: None }
    }

    /// Sets the user.
    #[must_use]
    pub fn about(mut self, tenant: Option<&str>, user: &str) -> Self {
        let cut = |text: &str| text.chars().take(LONGEST).collect();
        self.person = Some(AlertPerson { tenant: tenant.map(cut), user: cut(user) });
        self
    }
}

/// The alerts that wait to be sent.
#[derive(Debug, Default)]
pub struct Alerts {
    is_on: AtomicBool,
    waiting: Mutex<VecDeque<Alert>>,
}

impl Alerts {
    /// Turns alerts on or off. Off drops those that wait.
    pub fn turn(&self, on: bool) {
        self.is_on.store(on, Ordering::Relaxed);
        if !on {
            self.waiting.lock().clear();
        }
    }

    /// Returns true if alerts are on.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Adds an alert, unless alerts are off, an equal one waits, or too many do.
    pub fn raise(&self, alert: impl FnOnce() -> Alert) {
        if !self.is_on() {
            return;
        }
        let alert = alert();
        let mut waiting = self.waiting.lock();
        if waiting.len() < MOST && !waiting.contains(&alert) {
            waiting.push_back(alert);
        }
    }

    /// Takes the alerts that wait, oldest first.
    pub fn take(&self) -> VecDeque<Alert> {
        std::mem::take(&mut *self.waiting.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_alerts_wait_once_and_none_while_they_are_off() {
        let alerts = Alerts::default();
        let raise = |subject: &str| alerts.raise(|| Alert::new(AlertKind::BudgetWarning, subject).about(None, "alice"));
        raise("usd_day");
        assert!(alerts.take().is_empty());
        alerts.turn(true);
        for subject in ["usd_day", "usd_day", "usd_month"] {
            raise(subject);
        }
        assert_eq!(
            alerts.take().iter().map(|alert| alert.subject.as_str()).collect::<Vec<_>>(),
            ["usd_day", "usd_month"]
        );
        for number in 0..2 * MOST {
            raise(&number.to_string());
        }
        assert_eq!(alerts.take().len(), MOST);
        raise(&"x".repeat(10_000));
        assert_eq!(alerts.take()[0].subject.len(), LONGEST);
    }
}
