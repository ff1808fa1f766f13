//! Blocks, run-time limits, keys and the audit log in one process. A change is in force here at once; the exchange with the places of state
//! follows (docs/SPEC.md#block-merge).
//!
//! | module | purpose |
//! |---|---|
//! | `blocks`, `limits`, [`keys`] | the changes |
//! | [`acts`] | the audit log, and the digests of forgotten users |
//! | [`acknowledgement`] | where a change is stored, and who obeys it |
//! | [`commit`] | stores a change of a command |
//! | `worker` | the thread of a server that exchanges changes with the places |

pub mod acknowledgement;
pub mod acts;
pub mod blocks;
pub mod commit;
pub mod keys;
mod limits;
pub(super) mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::blocks::content;
use super::blocks::gate::Gate;
use super::keys::changes;
use super::keys::index::KeyIndex;
use super::keys::row;
use super::overrides::{self, Override, OverrideList};
use crate::state::{Entries, Entry, StateStore, Synced};
use acknowledgement::{Acknowledgement, PATIENCE, Progress};

/// Time after the end of a block or a run-time limit until it is removed, if the clock is trusted.
const ENDED: Duration = Duration::from_hours(24);

/// The blocks and run-time limits of one process. Clones share them.
#[derive(Clone, Debug)]
pub struct OperatorState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    entries: Mutex<Entries>,
    gate: Arc<Gate>,
    overrides: ArcSwap<OverrideList>,
    keys: Arc<KeyIndex>,
    /// True if run-time limits must not exceed configured ones, because a place is open to others.
    only_tighten: AtomicBool,
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

impl Default for OperatorState {
    fn default() -> Self {
        let keys = Arc::<KeyIndex>::default();
        let of_entries = Arc::clone(&keys);
        Self(Arc::new(Inner {
            entries: Mutex::new(Entries::new(move |entry| is_readable(entry, &of_entries))),
            keys,
            gate: Arc::default(),
            overrides: ArcSwap::default(),
            only_tighten: AtomicBool::new(false),
            wake: Notify::new(),
            progress: watch::Sender::default(),
            waiting: AtomicUsize::new(0),
            unreadable: AtomicUsize::new(0),
            is_unread: AtomicBool::new(true),
            ended: watch::Sender::new(false),
        }))
    }
}

impl OperatorState {
    /// Returns the list in force, for checking requests.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.0.gate
    }

    /// Returns the run-time limits in force.
    pub fn overrides(&self) -> Guard<Arc<OverrideList>> {
        self.0.overrides.load()
    }

    /// Keeps run-time limits from exceeding configured ones if a place is open to others. Call it before the first
    /// exchange.
    pub fn guard_against(&self, state: &StateStore) {
        self.0.only_tighten.store(state.is_open(), Ordering::Relaxed);
    }

    /// Removes blocks and run-time limits whose time is long over, and acts that are older than this many days. Call it
    /// only with a trusted clock.
    fn lift_ended(&self, now: Timestamp, days: u32) {
        let is_over = |until: Option<Timestamp>| {
            until.is_some_and(|until| until.saturating_add(ENDED).is_ok_and(|end| end < now))
        };
        self.lift_blocks(|block| is_over(block.until));
        self.lift_limits(|one| is_over(one.until));
        self.lift_old_acts(now, days);
        self.lift_ended_keys(now);
    }

    /// Lifts all entries of this kind that are meant.
    fn lift_entries(&self, kind: &str, is_meant: impl Fn(&Entry) -> bool) {
        self.change(|entries| lift_in(entries, kind, is_meant));
    }

    /// Changes the entries and puts the resulting lists into force.
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
        let found = content::blocks(entries.of(content::KIND));
        let mut unreadable = found.unreadable + entries.of_other_kinds(&KINDS);
        self.0.keys.apply(entries);
        let revoked = changes::revoked(entries, self.0.keys.seal().as_deref(), Timestamp::now());
        self.0.gate.set(found.blocks, &revoked);
        let limits = entries.of(overrides::KIND).flat_map(|entry| {
            unreadable += usize::from(Override::read(entry).is_none());
            Override::of_entry(entry)
        });
        let limits = OverrideList::new(limits, self.0.only_tighten.load(Ordering::Relaxed));
        self.0.overrides.store(Arc::new(limits));
        self.0.unreadable.store(unreadable, Ordering::Relaxed);
    }

    /// Exchanges the entries with the places of state.
    pub async fn exchange(&self, state: &mut StateStore) -> Synced {
        let mut synced = state.sync(&self.0.entries, &|entries| self.enforce(entries)).await;
        synced.unreadable += self.0.unreadable.load(Ordering::Relaxed);
        if synced.is_first || state.is_nowhere() {
            self.0.keys.is_fresh_now();
        }
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
    fn publish(&self, progress: Progress) {
        self.0.is_unread.store(!progress.is_informed, Ordering::Relaxed);
        self.0.progress.send_replace(progress);
    }

    /// Waits for a change, at most `longest`. The wait is short while somebody waits for acknowledgements.
    async fn changed(&self, longest: Duration) {
        let longest = match self.0.waiting.load(Ordering::Relaxed) {
            0 => longest,
            _ => longest.min(Duration::from_millis(50)),
        };
        let _time_is_over = tokio::time::timeout(longest, self.0.wake.notified()).await;
    }

    /// Records that the worker has ended.
    fn end(&self) {
        self.0.ended.send_replace(true);
    }

    /// Waits for the end of the worker.
    pub(in crate::limits) async fn ended(&self) {
        // Cannot fail: the sender is in `self`.
        let mut ended = self.0.ended.subscribe();
        let _ended = ended.wait_for(|ended| *ended).await;
    }

    /// Returns true if somebody waits for acknowledgements.
    fn is_awaited(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    /// Returns true if no place has answered yet, so that the list may lack blocks.
    pub fn is_unread(&self) -> bool {
        self.0.is_unread.load(Ordering::Relaxed)
    }
}

/// Lifts all entries of this kind that are meant. Returns their number.
fn lift_in(entries: &mut Entries, kind: &str, is_meant: impl Fn(&Entry) -> bool) -> usize {
    let ops: Vec<_> = entries.of(kind).filter(|entry| is_meant(entry)).map(|entry| entry.op).collect();
    for op in &ops {
        entries.lift(kind, *op);
    }
    ops.len()
}

/// The kinds that this version knows. An entry of another kind is of a later version or is damaged.
const KINDS: [&str; 5] = [content::KIND, overrides::KIND, super::acts::KIND, row::KIND, row::RETIRED];

/// Returns true if this version can read the entry. Entries of other kinds are not read here. A row of a key whose HMAC is
/// wrong cannot be read, so that a good copy replaces it.
fn is_readable(entry: &Entry, keys: &KeyIndex) -> bool {
    match &*entry.kind {
        row::KIND | row::RETIRED => {
            keys.seal().map_or_else(|| row::is_readable(entry), |seal| row::is_genuine(entry, &seal))
        }
        content::KIND => content::block(entry).is_some(),
        overrides::KIND => Override::read(entry).is_some(),
        super::acts::KIND => super::acts::Act::read(entry).is_some(),
        _ => true,
    }
}

/// Counts a caller of [`OperatorState::acknowledged`].
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
