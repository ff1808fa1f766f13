//! The ledger's interface to the request path. It takes a short lock and queues; it does no I/O.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::error::LedgerError;
use super::queue::{Cell, Shared};
use super::record::{Begun, Finished};
use super::settings::Settings;
use super::{grain, opening};
use crate::ledger::settings::Mode;
use crate::trusted_clock::TrustedClock;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::outcome::Outcome;
use callsign_telemetry::metrics::Metrics;

/// Maximum time that a response waits for its row in `strict` mode (docs/SPEC.md#strict-mode). Then its end is
/// released.
const PATIENCE: Duration = Duration::from_secs(2);
/// Maximum time that [`Ledger::close`] waits.
const CLOSING: Duration = Duration::from_secs(5);

/// A cheap handle to the ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    shared: Option<Arc<Shared>>,
}

/// A request in flight. Dropping it without calling `finish` records it as `client_gone`.
#[derive(Debug)]
pub struct Entry {
    /// `None` if the ledger is off or the request has finished.
    cell: Option<Arc<Cell>>,
}

/// A future that completes when the row is committed (true), or when it was not stored within two seconds (false). A row
/// in the spill file counts as committed.
#[derive(Debug)]
pub struct Committed {
    cell: Arc<Cell>,
    patience: Pin<Box<Sleep>>,
    done: Option<bool>,
}

impl Ledger {
    /// Returns a ledger that records nothing.
    pub fn off() -> Self {
        Self { shared: None }
    }

    /// Opens the database and starts the writer. Returns [`Ledger::off`] if none is configured. Waits a few seconds
    /// for the database. `clock` decides whether old rows may be deleted. In `fast` mode an unavailable or damaged database is not an error: rows go to the spill file.
    ///
    /// # Errors
    /// [`LedgerError`] if the writer cannot start, or in `strict` mode if rows cannot be written.
    pub fn open(settings: &Settings, metrics: &Arc<Metrics>, clock: &Arc<TrustedClock>) -> Result<Self, LedgerError> {
        Ok(Self { shared: opening::open(settings, metrics, clock)? })
    }

    /// Returns true if a ledger is configured.
    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// Returns false in `strict` mode while rows cannot be stored. New requests then get 503 `ledger_unavailable`.
    pub fn is_available(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.mode == Mode::Fast || !shared.is_losing())
    }

    /// Returns true if the end of a response waits for its row.
    pub fn is_strict(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.mode == Mode::Strict)
    }

    /// Records that a request goes upstream.
    pub fn begin(&self, begun: Begun) -> Entry {
        Entry { cell: self.shared.as_ref().map(|shared| Cell::begin(shared, begun)) }
    }

    /// Writes queued rows and stops the writer, for the end of a drain. Gives up after five seconds.
    pub async fn close(&self) {
        let Some(shared) = &self.shared else { return };
        let mut ended = shared.ended.subscribe();
        shared.close();
        let waited = tokio::time::timeout(CLOSING, ended.wait_for(|ended| *ended)).await;
        if waited.is_err() {
            tracing::error!(queued = shared.len(), "ledger: shutdown timed out; queued rows are lost");
        }
    }
}

impl Entry {
    /// Records the response's head and its generation id.
    pub fn answered(&self, generation: Option<&str>) {
        if let (Some(cell), Some(generation)) = (&self.cell, generation) {
            cell.answered(generation);
        }
    }

    /// Records the request's end. In `strict` mode the end of the response waits for the returned future.
    pub fn finish(mut self, finished: Finished) -> Option<Committed> {
        let cell = self.cell.take()?;
        cell.finish(finished, false);
        (cell.shared.mode == Mode::Strict).then(|| Committed::new(cell))
    }

    /// Records the request's end, and writes the row at once in every mode. `None` without a ledger.
    pub fn finish_at_once(mut self, finished: Finished) -> Option<Committed> {
        let cell = self.cell.take()?;
        cell.finish(finished, true);
        Some(Committed::new(cell))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        let began_us = cell.state().begun.as_ref().map_or(0, |begun| begun.began_us);
        cell.finish(
            Finished {
                outcome: Some(Outcome::ClientGone),
                duration_us: u64::try_from(grain::now_us() - began_us).unwrap_or_default(),
                ..Finished::unknown(Bill::Never)
            },
            false,
        );
    }
}

impl Committed {
    fn new(cell: Arc<Cell>) -> Self {
        Self { cell, patience: Box::pin(tokio::time::sleep(PATIENCE)), done: None }
    }
}

impl Future for Committed {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        self.done = self.done.or_else(|| self.cell.settled(context.waker()));
        if let Some(written) = self.done {
            return Poll::Ready(written);
        }
        if self.patience.as_mut().poll(context).is_ready() {
            // The row is stored later: it is still with the writer.
            self.done = Some(false);
            self.cell.shared.late();
            tracing::error!("ledger: timed out waiting for a row; the response was released before it");
            return Poll::Ready(false);
        }
        Poll::Pending
    }
}
