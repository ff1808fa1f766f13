//! Figures of all rounds, to see that the rounds do something.

use std::fmt;
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) rounds: u64,
    pub(crate) changes: usize,
    pub(crate) stored_locally: usize,
    pub(crate) unclear: usize,
    pub(crate) kills: usize,
    pub(crate) outages: usize,
    pub(crate) old_copies: usize,
    pub(crate) checks: usize,
    /// Requests, and those whose answer arrived as a whole.
    pub(crate) requests: usize,
    pub(crate) finished: usize,
    /// Requests of blocked people on servers that had acknowledged the block.
    pub(crate) blocked: usize,
    /// Requests that a budget refused.
    pub(crate) over_budget: usize,
    /// The longest time from an acknowledged block to the start of a request that passed.
    pub(crate) to_enforce: Duration,
    /// The longest time from an acknowledged unblocking to the start of a request that was refused.
    pub(crate) to_admit: Duration,
    /// The most that a user spent, in thousandths of the budget, of the rounds in which it holds exactly.
    pub(crate) most_spent: u64,
    /// The same of the rounds in which Redis loses its memory.
    pub(crate) most_spent_after_loss: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} rounds: {} changes ({} only in state.db, {} unclear), {} kills, {} outages, {} old copies",
            self.rounds, self.changes, self.stored_locally, self.unclear, self.kills, self.outages, self.old_copies
        )?;
        writeln!(
            f,
            "{} checks, {} requests, {} finished, {} of blocked people, {} over a budget",
            self.checks, self.requests, self.finished, self.blocked, self.over_budget
        )?;
        writeln!(
            f,
            "at most {} ms to enforce a block, {} ms to admit",
            self.to_enforce.as_millis(),
            self.to_admit.as_millis()
        )?;
        let percent = |thousandths: u64| format!("{}.{} %", thousandths / 10, thousandths % 10);
        write!(
            f,
            "at most {} of a budget spent, {} where Redis lost its memory",
            percent(self.most_spent),
            percent(self.most_spent_after_loss)
        )
    }
}
