//! The values that counters exchange with their callers: the request to count, its use, and its end.

use callsign_core::allowance::{Ceilings, Estimate, Limit};

/// A request that is to be counted for one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// A random id of the request.
    pub id: u64,
    /// The limits in force for the subject.
    pub ceilings: Ceilings,
    /// The message, if the request is one.
    pub message: Option<Message>,
    /// The estimated use.
    pub estimate: Estimate,
    /// True if a request that does not fit is refused. False counts it anyway.
    pub enforce: bool,
}

/// A request that is a message (docs/SPEC.md#messages).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The digest of the message id, or the id of a request without one. Equal marks count once.
    pub mark: u64,
    /// The digest of the chat, if the request may join the chat's open message or keep it open.
    pub chat: Option<u64>,
    /// True if the request has a message id. It then joins no other message.
    pub is_named: bool,
}

impl Message {
    /// Returns a message with this mark and no chat.
    pub fn new(mark: u64) -> Self {
        Self { mark, chat: None, is_named: true }
    }
}

impl Ask {
    /// Returns the tokens to reserve, at most the limit itself.
    pub(super) fn tokens(&self) -> Option<i64> {
        self.ceilings.of(Limit::TokensDay).map(|most| self.estimate.tokens.min(most))
    }

    /// Returns the nano-dollars to reserve, at most the daily and the monthly limit.
    pub(super) fn usd(&self) -> i64 {
        let most = [Limit::UsdDay, Limit::UsdMonth].into_iter().filter_map(|limit| self.ceilings.of(limit)).min();
        most.map_or(0, |most| self.estimate.usd.min(most))
    }

    /// Returns the amount of a limit that the request takes.
    pub(super) fn needs(&self, limit: Limit) -> i64 {
        match limit {
            Limit::Rpm | Limit::Messages | Limit::Concurrent => 1,
            Limit::TokensDay => self.tokens().unwrap_or(0),
            Limit::UsdDay | Limit::UsdMonth => self.usd(),
        }
    }
}

/// The use of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge {
    /// The use before the request.
    pub used: i64,
    /// Milliseconds until the request fits; 0 if it does.
    pub wait_ms: i64,
}

/// The result of an [`Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// True if the request was counted.
    pub counted: bool,
    /// The use by [`Limit`]; zero for absent limits.
    pub gauges: [Gauge; 6],
}

impl Standing {
    /// Returns the reached limit with the longest wait.
    pub fn over(&self) -> Option<(Limit, Gauge)> {
        let gauges = Limit::ALL.into_iter().zip(self.gauges);
        gauges.filter(|(_, gauge)| gauge.wait_ms > 0).max_by_key(|(_, gauge)| gauge.wait_ms)
    }

    /// Returns true if the request fits all limits.
    pub(super) fn fits(&self) -> bool {
        self.gauges.iter().all(|gauge| gauge.wait_ms == 0)
    }
}

/// The end of a request. `rpm` is never given back (docs/SPEC.md#refunds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The request was not sent, or OpenRouter refused it. It is no message, and its reservation is given back.
    Undone,
    /// OpenRouter did not answer. The request is no message, and its use stays as estimated.
    Failed,
    /// The request was sent. What is unknown of its use stays as estimated.
    Used(Used),
    /// As `Used`, but the rest of the use may be found later ([`super::counters::Counters::correct`]).
    Pending(Used),
}

impl Settlement {
    /// Returns the use.
    pub(super) fn used(self) -> Used {
        match self {
            Self::Undone => Used { tokens: Some(0), usd: Some(0) },
            Self::Failed => Used::default(),
            Self::Used(used) | Self::Pending(used) => used,
        }
    }

    /// Returns true if the request was a message.
    pub(super) fn is_message(self) -> bool {
        matches!(self, Self::Used(_) | Self::Pending(_))
    }
}

/// The actual use of budgets; `None` if unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens.
    pub tokens: Option<i64>,
    /// Nano-dollars.
    pub usd: Option<i64>,
}

/// The use of budgets that the ledger knows of one subject (docs/SPEC.md#reservations).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens of the day.
    pub tokens_day: i64,
    /// Nano-dollars of the day.
    pub usd_day: i64,
    /// Nano-dollars of the month.
    pub usd_month: i64,
}
