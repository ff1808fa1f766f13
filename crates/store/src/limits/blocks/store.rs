//! The block list of one process. A change is in force here at once; the exchange with the places of state follows
//! (docs/SPEC.md#block-merge).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::Block;
use super::acknowledgement::{Acknowledgement, PATIENCE, Progress, Stored};
use super::content::{self, KIND};
use super::gate::Gate;
use crate::state::{Entries, StateStore, Synced};

/// Maximum number of blocks.
pub const MOST_BLOCKS: usize = 10_000;
/// Time after the end of a block until it is removed, if the clock is trusted.
const ENDED: Duration = Duration::from_hours(24);

/// The list has no room for another block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list of blocks is full ({MOST_BLOCKS}): unblock somebody first, or shorten the reason")]
pub struct FullError;

/// The block list of one process. Clones share it.
#[derive(Clone, Debug)]
pub struct BlockStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    entries: Mutex<Entries>,
    gate: Arc<Gate>,
    /// Wakes the worker.
    wake: Notify,
    progress: watch::Sender<Progress>,
    /// Number of callers that wait for acknowledgements.
    waiting: AtomicUsize,
    unreadable: AtomicUsize,
    is_unread: AtomicBool,
    /// True after the worker's last exchange.
    ended: watch::Sender<bool>,
}

impl Default for BlockStore {
    fn default() -> Self {
        Self(Arc::new(Inner {
            entries: Mutex::new(Entries::new(content::is_readable)),
            gate: Arc::default(),
            wake: Notify::new(),
            progress: watch::Sender::default(),
            waiting: AtomicUsize::new(0),
            unreadable: AtomicUsize::new(0),
            is_unread: AtomicBool::new(true),
            ended: watch::Sender::new(false),
        }))
    }
}

impl BlockStore {
    /// Returns the list in force, for checking requests.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.0.gate
    }

    /// Returns all blocks, also those whose time is over.
    pub fn list(&self) -> Vec<Block> {
        content::blocks(self.0.entries.lock().of(KIND)).blocks
    }

    /// Blocks a user, in place of earlier blocks of the same id and tenant. Returns the generation of the change.
    ///
    /// # Errors
    /// [`FullError`]. Nothing is changed then.
    pub fn put(&self, block: &Block) -> Result<u64, FullError> {
        let text = content::text(block).ok_or(FullError)?;
        self.change(|entries| {
            let mut earlier = Vec::new();
            let mut in_force = 0;
            for entry in entries.of(KIND) {
                match content::block(entry) {
                    Some(other) if other.is_about_same(block) => earlier.push(entry.op),
                    Some(other) if !other.holds(block.since) => {}
                    _ => in_force += 1,
                }
            }
            if in_force >= MOST_BLOCKS {
                return Err(FullError);
            }
            entries.add(KIND, &text);
            for op in earlier {
                entries.lift(KIND, op);
            }
            Ok(entries.generation())
        })
    }

    /// Lifts the blocks of `id`, either of one tenant or of all. Returns their number and the generation of the change.
    pub fn lift(&self, id: &str, tenant: Option<&str>) -> (usize, u64) {
        let is_meant =
            |block: &Block| block.id == id && tenant.is_none_or(|tenant| block.tenant.as_deref() == Some(tenant));
        self.lift_all(is_meant)
    }

    /// Removes blocks whose time is long over. Call it only with a trusted clock.
    pub(super) fn lift_ended(&self, now: Timestamp) {
        self.lift_all(|block| block.until.is_some_and(|until| until.saturating_add(ENDED).is_ok_and(|end| end < now)));
    }

    fn lift_all(&self, is_meant: impl Fn(&Block) -> bool) -> (usize, u64) {
        self.change(|entries| {
            // A damaged entry is lifted by the id that can be read.
            let meant =
                |entry: &&crate::state::Entry| content::blocks(std::iter::once(*entry)).blocks.iter().any(&is_meant);
            let ops: Vec<_> = entries.of(KIND).filter(meant).map(|entry| entry.op).collect();
            for op in &ops {
                entries.lift(KIND, *op);
            }
            (ops.len(), entries.generation())
        })
    }

    /// Changes the entries and puts the resulting list into force.
    fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        let mut entries = self.0.entries.lock();
        let before = entries.generation();
        let changed = change(&mut entries);
        if entries.generation() != before {
            self.enforce(&entries);
            self.0.wake.notify_one();
        }
        changed
    }

    fn enforce(&self, entries: &Entries) {
        let found = content::blocks(entries.of(KIND));
        self.0.unreadable.store(found.unreadable, Ordering::Relaxed);
        self.0.gate.set(found.blocks);
    }

    /// Exchanges the list with the places of state.
    pub async fn exchange(&self, state: &mut StateStore) -> Synced {
        let mut synced = state.sync(&self.0.entries, &|entries| self.enforce(entries)).await;
        synced.unreadable += self.0.unreadable.load(Ordering::Relaxed);
        synced
    }

    /// Waits until a change is stored and all running servers have applied it, at most two seconds. For a server, whose
    /// worker does the exchange.
    pub async fn acknowledged(&self, generation: u64) -> Acknowledgement {
        let _waiting = Waiting::new(&self.0);
        let mut progress = self.0.progress.subscribe();
        let is_done = |progress: &Progress| progress.is_done(generation);
        let _late = tokio::time::timeout(PATIENCE, progress.wait_for(is_done)).await;
        let progress = self.0.progress.borrow();
        progress.acknowledgement(generation)
    }

    /// Publishes the result of an exchange.
    pub(super) fn publish(&self, progress: Progress) {
        self.0.is_unread.store(progress.stored == Stored::Unread, Ordering::Relaxed);
        self.0.progress.send_replace(progress);
    }

    /// Waits for a change, at most `longest`. The wait is short while somebody waits for acknowledgements.
    pub(super) async fn changed(&self, longest: Duration) {
        let longest = match self.0.waiting.load(Ordering::Relaxed) {
            0 => longest,
            _ => longest.min(Duration::from_millis(50)),
        };
        let _time_is_over = tokio::time::timeout(longest, self.0.wake.notified()).await;
    }

    /// Records that the worker has ended.
    pub(super) fn end(&self) {
        self.0.ended.send_replace(true);
    }

    /// Waits for the end of the worker.
    pub(in crate::limits) async fn ended(&self) {
        // Cannot fail: the sender is in `self`.
        let mut ended = self.0.ended.subscribe();
        let _ended = ended.wait_for(|ended| *ended).await;
    }

    /// Returns true if somebody waits for acknowledgements.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    /// Returns true if no place has answered yet, so that the list may lack blocks.
    pub fn is_unread(&self) -> bool {
        self.0.is_unread.load(Ordering::Relaxed)
    }
}

/// Counts a caller of [`BlockStore::acknowledged`].
struct Waiting<'a>(&'a Inner);

impl<'a> Waiting<'a> {
    fn new(inner: &'a Inner) -> Self {
        inner.waiting.fetch_add(1, Ordering::Relaxed);
        inner.wake.notify_one();
        Self(inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(id: &str, tenant: Option<&str>) -> Block {
        let (id, tenant) = (id.to_owned(), tenant.map(str::to_owned));
        Block { id, tenant, since: Timestamp::UNIX_EPOCH, until: None, reason: None, cut: false, user_id: false }
    }

    fn ids(store: &BlockStore) -> Vec<String> {
        let mut ids: Vec<_> = store.list().into_iter().map(|block| block.id).collect();
        ids.sort();
        ids
    }

    #[test]
    fn a_later_word_replaces_an_earlier_one() {
        let store = BlockStore::default();
        for block in [block("ada", None), block("ada", Some("acme")), block("bob", None)] {
            store.put(&block).unwrap();
        }
        store.put(&Block { cut: true, ..block("ada", None) }).unwrap();
        assert_eq!(ids(&store), ["ada", "ada", "bob"]);
        assert_eq!(store.lift("ada", Some("acme")).0, 1);
        assert_eq!(store.lift("eve", None).0, 0);
        assert_eq!(store.lift("ada", None).0, 1);
        assert_eq!(ids(&store), ["bob"]);
    }

    #[test]
    fn only_blocks_that_ended_long_ago_are_removed() {
        let store = BlockStore::default();
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (id, ago) in [("long", 100_000), ("just", 10), ("never", -10)] {
            let until = Some(now - jiff::SignedDuration::from_secs(ago));
            store.put(&Block { until, ..block(id, None) }).unwrap();
        }
        store.lift_ended(now);
        assert_eq!(ids(&store), ["just", "never"]);
    }

    #[test]
    fn the_list_is_bounded() {
        let store = BlockStore::default();
        let long = Block { reason: Some("x".repeat(9_000)), ..block("ada", None) };
        assert_eq!(store.put(&long), Err(FullError));
        for number in 0..MOST_BLOCKS {
            let text = content::text(&block(&number.to_string(), None)).unwrap();
            store.0.entries.lock().add(KIND, &text);
        }
        assert_eq!(store.put(&block("ada", None)), Err(FullError));
        store.lift("7", None);
        assert!(store.put(&block("ada", None)).is_ok());
    }
}
