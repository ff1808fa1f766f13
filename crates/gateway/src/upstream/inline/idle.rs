//! The idle connections of a pool, by account. The last one in is the first one out, so that the others become old and
//! close.

use std::collections::{HashMap, VecDeque};
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::line::Line;
use super::origin::Origin;
use crate::upstream::pool_key::PoolKey;

/// Time after which an idle connection is closed. It is shorter than the upstream's own timeout, because a request on a
/// connection that is being closed cannot be repeated.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// Maximum number of idle connections of all accounts, per thread. Each occupies a socket and the state of TLS.
pub(super) const MOST_IDLE: usize = 512;

/// Idle connections.
#[derive(Debug, Default)]
pub(super) struct IdleLines {
    accounts: HashMap<u64, Account>,
    count: usize,
}

/// The idle connections of one account, the oldest first.
#[derive(Debug)]
struct Account {
    key: PoolKey,
    lines: VecDeque<(Instant, Box<Line>)>,
}

impl IdleLines {
    /// Takes the connection that was idle for the shortest time and can take a request to `origin`. Closes those that
    /// cannot.
    pub(super) fn take(&mut self, key: &PoolKey, origin: &Origin, now: Instant) -> Option<Box<Line>> {
        let account = self.accounts.get_mut(&key.number())?;
        while let Some((ends, mut line)) = account.lines.pop_back() {
            self.count -= 1;
            if now < ends && line.is_usable(origin) {
                return Some(line);
            }
        }
        None
    }

    /// Adds a connection. Closes the oldest one if there are too many.
    pub(super) fn put(&mut self, key: &PoolKey, line: Box<Line>) {
        let ends = Instant::now() + POOL_IDLE;
        let account = self.accounts.entry(key.number());
        let account = account.or_insert_with(|| Account { key: key.clone(), lines: VecDeque::new() });
        account.lines.push_back((ends, line));
        self.count += 1;
        if self.count > MOST_IDLE {
            self.drop_oldest();
        }
    }

    /// Closes the connections that are too old, have received something or belong to a retired account. The others wake
    /// `cx`. Returns the time at which the next one becomes too old.
    pub(super) fn sweep(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        let now = Instant::now();
        self.retain(|account| {
            let is_retired = account.key.is_retired();
            account.lines.retain_mut(|(ends, line)| !is_retired && now < *ends && line.is_idle(cx));
        });
        self.oldest()
    }

    /// Closes the connections of retired accounts.
    pub(super) fn drop_retired(&mut self) {
        self.retain(|account| {
            if account.key.is_retired() {
                account.lines.clear();
            }
        });
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.count
    }

    fn retain(&mut self, mut keep: impl FnMut(&mut Account)) {
        self.accounts.retain(|_, account| {
            keep(account);
            !account.lines.is_empty()
        });
        self.count = self.accounts.values().map(|account| account.lines.len()).sum();
    }

    fn oldest(&self) -> Option<Instant> {
        self.accounts.values().filter_map(|account| account.lines.front()).map(|(ends, _)| *ends).min()
    }

    fn drop_oldest(&mut self) {
        let oldest = self.accounts.values_mut().filter(|account| !account.lines.is_empty());
        if let Some(account) = oldest.min_by_key(|account| account.lines.front().map(|(ends, _)| *ends)) {
            account.lines.pop_front();
            self.count -= 1;
        }
    }
}
