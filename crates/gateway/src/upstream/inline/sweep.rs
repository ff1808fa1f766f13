//! The idle connections and the one task that closes those which become old or receive something.
//!
//! A connection that becomes idle registers the task's waker, so no connection has a task or a timer. The task exists
//! while there are idle connections.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};

use super::idle::IdleLines;
use super::line::Line;
use super::origin::Origin;
use crate::upstream::pool_key::PoolKey;

/// The pool of one thread.
#[derive(Debug)]
pub(super) struct Pool(Mutex<State>);

#[derive(Debug)]
struct State {
    idle: IdleLines,
    sweeper: Sweeper,
}

/// The task that sweeps.
#[derive(Debug)]
enum Sweeper {
    /// Nothing is idle.
    None,
    /// It was not polled yet. Its first poll registers all connections.
    Started,
    /// It waits.
    Waits(Waker),
}

impl Pool {
    pub(super) fn new(idle: IdleLines) -> Self {
        Self(Mutex::new(State { idle, sweeper: Sweeper::None }))
    }

    /// Takes a connection that can take a request of this account to `origin`. `now` is the current time.
    pub(super) fn take(&self, key: &PoolKey, origin: &Origin, now: Instant) -> Option<Box<Line>> {
        self.0.lock().idle.take(key, origin, now)
    }

    /// Adds a connection if it is between two requests, with nothing left over. Else closes it.
    pub(super) fn put(self: &Arc<Self>, key: &PoolKey, mut line: Box<Line>) {
        let mut state = self.0.lock();
        // Under the lock, so that a connection of an account that is being retired does not stay.
        if key.is_retired() {
            return;
        }
        let waker = match &state.sweeper {
            Sweeper::Waits(waker) => waker,
            Sweeper::None | Sweeper::Started => Waker::noop(),
        };
        if !line.is_idle(&mut Context::from_waker(waker)) {
            return;
        }
        if let Sweeper::None = state.sweeper {
            let Ok(runtime) = Handle::try_current() else { return };
            state.sweeper = Sweeper::Started;
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
        state.idle.put(key, line);
    }

    /// Closes the connections of retired accounts.
    pub(super) fn drop_retired(&self) {
        self.0.lock().idle.drop_retired();
    }

    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.0.lock().idle.count()
    }

    fn poll_sweep(&self, alarm: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        loop {
            let Some(next) = state.idle.sweep(cx) else {
                state.sweeper = Sweeper::None;
                return Poll::Ready(());
            };
            let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
            if alarm.deadline() != next {
                alarm.as_mut().reset(next);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                state.sweeper = Sweeper::Waits(cx.waker().clone());
                return Poll::Pending;
            }
        }
    }
}

/// Sweeps until nothing is idle or the pool is gone.
async fn sweep(pool: Weak<Pool>) {
    let mut alarm = None;
    std::future::poll_fn(|cx| pool.upgrade().map_or(Poll::Ready(()), |pool| pool.poll_sweep(&mut alarm, cx))).await;
}
