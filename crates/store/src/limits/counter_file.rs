//! The counters of this process in `state.db`, for a server without a shared store. They are found by subject, so a
//! restarted server knows all of them. The worker writes changed ones once a second; a crash loses the last second.

use std::collections::HashMap;
use std::path::Path;

use super::counters::Counters;
use super::memory::Memory;
use super::subject::Subject;
use crate::state::counters::CounterTable;

/// Attempts to open the table, and the time between them. Another process may hold its lock for a moment.
const ATTEMPTS: u32 = 5;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// The stored counters.
#[derive(Debug)]
pub(super) struct CounterFile {
    table: CounterTable,
    /// Rows that are not written yet; `None` for subjects without counters.
    pending: HashMap<Subject, Option<String>>,
    /// True if the latest failure has been logged.
    told: bool,
}

impl CounterFile {
    /// Opens the table and loads its counters into `memory`, at the latest of several attempts. Returns `None`, with the
    /// reason in the log, if the file cannot be used.
    pub(super) async fn open(directory: &Path, memory: &Memory) -> Option<Self> {
        let open = async || {
            let mut table = CounterTable::open(directory).await?;
            let rows = table.all().await?;
            Ok::<_, crate::state::StateError>((table, rows))
        };
        let mut opened = open().await;
        for _ in 1..ATTEMPTS {
            if opened.is_ok() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            opened = open().await;
        }
        match opened {
            Ok((table, rows)) => {
                for (subject, counters) in rows {
                    let read: Option<Counters> = serde_json::from_str(&counters).ok();
                    if let Some((subject, counters)) = Subject::from_hex(&subject).zip(read) {
                        memory.adopt(subject, counters);
                    } else {
                        tracing::error!("limits: counters in state.db cannot be read; they count from zero");
                    }
                }
                Some(Self { table, pending: HashMap::new(), told: false })
            }
            Err(error) => {
                tracing::error!(%error, "limits: counters are kept in memory only");
                None
            }
        }
    }

    /// Writes changed counters. Rows that cannot be written are kept for the next time.
    pub(super) async fn write(&mut self, memory: &Memory) {
        let pending = &mut self.pending;
        // Cannot fail: the counters are plain data.
        memory.changes(|subject, counters| {
            pending.insert(subject, counters.and_then(|counters| serde_json::to_string(counters).ok()));
        });
        let rows: Vec<_> = pending.iter().map(|(subject, counters)| (subject.hex(), counters.clone())).collect();
        match self.table.write(&rows).await {
            Ok(()) => {
                self.pending.clear();
                self.told = false;
            }
            Err(error) if !std::mem::replace(&mut self.told, true) => {
                tracing::error!(%error, "limits: cannot write counters; retrying every second");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ask::Ask;
    use callsign_core::allowance::{Ceilings, Estimate};

    const NOW: i64 = 1_767_225_600_000;
    const CEILINGS: Ceilings = Ceilings([Some(1_000_000), None, None, None, None, None]);

    fn count(memory: &Memory, user: &str, times: u64) {
        for id in 0..times {
            let estimate = Estimate { tokens: 0, usd: 0 };
            let ask = Ask { id, ceilings: CEILINGS, message: None, estimate, enforce: true };
            memory.reserve(&[(Subject::user(None, user), ask)], NOW);
        }
    }

    fn used(memory: &Memory, user: &str) -> i64 {
        memory.look(Subject::user(None, user), CEILINGS, NOW)[0].used
    }

    #[tokio::test]
    async fn what_was_counted_is_there_again() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::default();
        let mut file = CounterFile::open(directory.path(), &memory).await.unwrap();
        for (ada, bob) in [(3, 0), (2, 1)] {
            count(&memory, "ada", ada);
            count(&memory, "bob", bob);
            file.write(&memory).await;
        }
        // Another process finds them by subject, while the first one still runs.
        let again = Memory::default();
        let mut second = CounterFile::open(directory.path(), &again).await.unwrap();
        assert_eq!((used(&again, "ada"), used(&again, "bob"), used(&again, "eve")), (5, 1, 0));
        again.tidy(NOW + 100 * 86_400_000);
        second.write(&again).await;
        let none = Memory::default();
        CounterFile::open(directory.path(), &none).await.unwrap();
        assert_eq!(used(&none, "ada"), 0, "expired counters are deleted");
    }
}
