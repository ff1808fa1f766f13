//! Rows that neither the database nor the spill file took (docs/SPEC.md#rows-that-wait). They wait in memory until one of
//! them does.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::due::REOPENING;
use crate::ledger::queue::Cell;
use crate::ledger::row::Row;

/// Maximum number of rows that wait. Their texts count against the bytes of the queue.
const MOST: usize = 16_384;

/// The rows that wait, oldest first. Of a request there may be two: as begun and as finished.
#[derive(Debug, Default)]
pub(super) struct Held {
    rows: VecDeque<(Row, Arc<Cell>)>,
    /// The time of the next attempt at the spill file alone.
    due: Option<Instant>,
}

impl Held {
    /// Returns true if no row waits.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a row. Returns false if too many wait.
    pub(super) fn push(&mut self, row: Row, cell: &Arc<Cell>) -> bool {
        let has_room = self.rows.len() < MOST;
        if has_room {
            self.rows.push_back((row, Arc::clone(cell)));
        }
        has_room
    }

    /// Schedules the next attempt at the spill file.
    pub(super) fn put_off(&mut self) {
        self.due = Some(Instant::now() + REOPENING);
    }

    /// Makes the next attempt due.
    pub(super) fn hurry(&mut self) {
        self.due = None;
    }

    /// Returns true if the next attempt at the spill file is due.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_none_or(|due| Instant::now() >= due)
    }

    /// Takes the oldest rows, at most this many.
    pub(super) fn take(&mut self, most: usize) -> (Vec<Row>, Vec<Arc<Cell>>) {
        self.rows.drain(..most.min(self.rows.len())).unzip()
    }
}
