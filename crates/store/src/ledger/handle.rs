//! What the request path has of the ledger. Nothing in here waits, reads or writes: a short lock and a push.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::error::LedgerError;
use super::names::{AskedBy, Names};
use super::queue::{Cell, Shared};
use super::record::{Begun, End, Finished};
use callsign_core::usage::Usage;
use super::{opening, sums};
use super::settings::Settings;
use crate::ledger::settings::Mode;
use callsign_telemetry::metrics::Metrics;

/// An answer waits no longer for its row (contract, section 6; the end of a response is released then).
const PATIENCE: Duration = Duration::from_secs(2);
/// How long [`Ledger::close`] waits.
const CLOSING: Duration = Duration::from_secs(5);

/// The ledger as requests see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    shared: Option<Arc<Shared>>,
}

/// One request that has begun. Dropped unfinished, it has ended as "client gone" with what is known.
#[derive(Debug)]
pub struct Entry {
    /// `None` when the ledger is off, or its end is known.
    cell: Option<Arc<Cell>>,
}

/// Becomes ready when the row is committed, or has reached neither database nor spill file within two seconds.
#[derive(Debug)]
pub struct Committed {
    cell: Arc<Cell>,
    patience: Pin<Box<Sleep>>,
    done: bool,
}

impl Ledger {
    /// A ledger that writes nothing down.
    pub fn off() -> Self {
        Self { shared: None }
    }

    /// Opens the store and starts the writer; [`Ledger::off`] where none is configured. Waits for the database, at most
    /// a few seconds; in `fast` mode one that does not answer, or that is damaged, is no error: rows go to the spill file.
    ///
    /// # Errors
    /// [`LedgerError`]: in `strict` mode whatever keeps a row from being written.
    pub fn open(settings: &Settings, metrics: &Arc<Metrics>) -> Result<Self, LedgerError> {
        Ok(Self { shared: opening::open(settings, metrics)? })
    }

    /// Whether anything is written down; otherwise nothing need be gathered.
    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// False in `strict` mode from a lost row until a write succeeds: new requests get 503 `ledger_unavailable`.
    pub fn is_available(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.mode == Mode::Fast || !shared.is_losing())
    }

    /// Who asks, and what is sent for them, shared with earlier requests of the same conversation.
    pub fn names(&self, asked: &AskedBy<'_>) -> Arc<Names> {
        match &self.shared {
            Some(shared) => shared.names.names(asked),
            None => Arc::new(asked.into()),
        }
    }

    /// Notes that a request goes upstream.
    pub fn begin(&self, begun: Begun) -> Entry {
        Entry { cell: self.shared.as_ref().map(|shared| Cell::begin(shared, begun)) }
    }

    /// Writes what is queued, then stops the writer; gives up after five seconds. For the end of a drain.
    pub async fn close(&self) {
        let Some(shared) = &self.shared else { return };
        let mut ended = shared.ended.subscribe();
        shared.close();
        let waited = tokio::time::timeout(CLOSING, ended.wait_for(|ended| *ended)).await;
        if waited.is_err() {
            tracing::error!(queued = shared.len(), "the ledger did not take its last rows in time");
        }
    }
}

impl Entry {
    /// Notes that the head of the answer came, and under which generation id.
    pub fn answered(&self, generation: Option<&str>) {
        if let (Some(cell), Some(generation)) = (&self.cell, generation) {
            cell.answered(generation);
        }
    }

    /// Notes how it ended. In `strict` mode the end of the answer waits for what is returned.
    pub fn finish(mut self, finished: Finished) -> Option<Committed> {
        let cell = self.cell.take()?;
        cell.finish(finished);
        (cell.shared.mode == Mode::Strict).then(|| Committed {
            cell,
            patience: Box::pin(tokio::time::sleep(PATIENCE)),
            done: false,
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        let began_us = cell.state().begun.as_ref().map_or(0, |begun| begun.began_us);
        cell.finish(Finished {
            end: End::ClientGone,
            status: 0,
            error: None,
            model: None,
            provider: None,
            generation: None,
            usage: Usage::default(),
            request_bytes: 0,
            response_bytes: 0,
            first_byte_us: None,
            duration_us: u64::try_from(sums::now_us() - began_us).unwrap_or_default(),
        });
    }
}

impl Future for Committed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.done || self.cell.is_settled(context.waker()) {
            self.done = true;
            return Poll::Ready(());
        }
        if self.patience.as_mut().poll(context).is_ready() {
            // The writer is held up by something that does not even fail.
            self.done = true;
            self.cell.shared.lost(1);
            tracing::error!("a response was released although its row is not written yet");
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
