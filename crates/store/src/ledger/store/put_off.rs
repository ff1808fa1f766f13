//! The increments of large batches that wait in memory (see `unsummed`).

use crate::ledger::increments::Increments;
use crate::ledger::placed::Placed;

/// Finished rows from which a batch is put off. The time of a smaller one is that of its commit anyway.
pub(super) const LARGE: usize = 32;
/// Rows that are put off at most. Adding them takes some 100 ms, which new rows wait.
const MOST: usize = 16_384;
/// The same in `strict` mode, where responses wait as well. Adding them takes some 20 ms.
const MOST_STRICT: usize = 4_096;
/// Bytes of names that are put off at most.
const MOST_BYTES: usize = 8 << 20;

/// Increments that are put off.
#[derive(Debug, Default)]
pub(super) struct PutOff {
    increments: Increments,
    rows: usize,
    bytes: usize,
    /// The number of entries in `unsummed`.
    pub(super) entries: u64,
    /// The number of the latest entry.
    pub(super) latest: i64,
}

impl PutOff {
    /// Adds a committed batch.
    pub(super) fn add(&mut self, rows: &[Placed<'_>]) {
        self.bytes += self.increments.add(rows);
        self.rows += rows.len();
        self.entries += 1;
    }

    /// Returns true if no more may be put off.
    pub(super) fn is_full(&self, is_durable: bool) -> bool {
        self.rows >= if is_durable { MOST_STRICT } else { MOST } || self.bytes >= MOST_BYTES
    }

    /// Takes the increments and the number of their entries.
    pub(super) fn take(&mut self) -> (Increments, u64) {
        let latest = self.latest;
        let taken = std::mem::replace(self, Self { latest, ..Self::default() });
        (taken.increments.settled(), taken.entries)
    }
}
