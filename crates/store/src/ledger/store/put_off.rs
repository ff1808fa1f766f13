//! The increments of large batches that wait in memory (see `unsummed`).

use crate::ledger::increments::Increments;

/// Finished rows from which a batch is put off. The time of a smaller one is that of its commit anyway.
pub(super) const LARGE: usize = 32;
/// Increments that are put off.
#[derive(Debug, Default)]
pub(super) struct PutOff {
    pub(super) increments: Increments,
    pub(super) rows: usize,
    /// The number of entries in `unsummed`.
    pub(super) entries: u64,
    /// The number of the latest entry.
    pub(super) latest: i64,
}

impl PutOff {
    /// Adds the increments that a committed batch has put off.
    pub(super) fn absorb(&mut self, batch: (Increments, usize)) {
        self.increments.absorb(batch.0);
        self.rows += batch.1;
        self.entries += 1;
    }

    pub(super) fn take(&mut self) -> Self {
        let latest = self.latest;
        std::mem::replace(self, Self { latest, ..Self::default() })
    }
}
