//! The entries in memory. Merging is union, so the order and the repetition of merges do not matter (test:
//! `replicas_converge`).

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

/// Maximum length of an entry's text in bytes.
pub const LONGEST_BODY: usize = 8 * 1024;
/// Maximum number of lifted entries that are kept. Beyond it those that were lifted first are dropped. A copy of the list
/// that is older than 20,000 liftings can then bring such an entry back; it can never lift one.
pub const MOST_LIFTED: usize = 20_000;
/// Maximum number of entries. Further entries of a place are ignored.
const MOST: usize = 60_000;

/// One entry. It is identified by its kind and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The kind, such as `block`.
    pub kind: Arc<str>,
    /// The random id of the change that made it. Ids sort by time of creation.
    pub op: Uuid,
    /// True if it is no longer in force. This is final.
    pub lifted: bool,
    /// Its content. If it is lifted: the number of the lifting in 20 digits, or empty.
    pub body: Arc<str>,
}

/// Largest number of a lifting. Larger ones count as 0.
const MOST_LIFTINGS: u64 = 1_000_000_000_000_000;

/// Writes the number of a lifting, so that texts are in the order of numbers.
pub(super) fn lifting(number: u64) -> String {
    format!("{number:020}")
}

/// Returns the number in a text of [`lifting`]; 0 for any other text.
fn lifting_of(body: &str) -> u64 {
    let number = Some(body).filter(|body| body.len() == 20).and_then(|body| body.parse().ok());
    number.filter(|number| *number <= MOST_LIFTINGS).unwrap_or_default()
}

/// The entries that a place returned, and the number of those that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Number of rows that are no entries.
    pub unreadable: usize,
}

/// The entries of one process.
#[derive(Debug)]
pub struct Entries {
    held: HashMap<(Arc<str>, Uuid), Entry>,
    /// Incremented with every change.
    generation: u64,
    /// The largest number of a lifting. It counts up as in a Lamport clock, so the order needs no wall clock.
    liftings: u64,
    /// Returns true if this version can read an entry's content.
    is_readable: fn(&Entry) -> bool,
}

impl Entries {
    /// Creates an empty list. `is_readable` decides which of two contents of one entry is kept.
    pub fn new(is_readable: fn(&Entry) -> bool) -> Self {
        Self { held: HashMap::new(), generation: 0, liftings: 0, is_readable }
    }

    /// Returns a number that grows with every change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Iterates over the entries of one kind that are in force.
    pub fn of<'e>(&'e self, kind: &'e str) -> impl Iterator<Item = &'e Entry> {
        self.held.values().filter(move |entry| !entry.lifted && *entry.kind == *kind)
    }

    /// Adds an entry and returns its id.
    pub fn add(&mut self, kind: &str, body: &str) -> Uuid {
        let (kind, op): (Arc<str>, _) = (kind.into(), Uuid::now_v7());
        let entry = Entry { kind: Arc::clone(&kind), op, lifted: false, body: body.into() };
        self.held.insert((kind, op), entry);
        self.generation += 1;
        op
    }

    /// Lifts an entry.
    pub fn lift(&mut self, kind: &str, op: Uuid) {
        if let Some(entry) = self.held.get_mut(&(kind.into(), op))
            && !entry.lifted
        {
            self.liftings = (self.liftings + 1).min(MOST_LIFTINGS);
            (entry.lifted, entry.body) = (true, lifting(self.liftings).into());
            self.generation += 1;
        }
    }

    /// Merges entries of a place. Returns the number of entries that were ignored because there are too many or they
    /// are too long.
    pub fn merge(&mut self, found: &[Entry]) -> usize {
        let mut ignored = 0;
        for entry in found {
            if entry.lifted {
                self.liftings = self.liftings.max(lifting_of(&entry.body));
            }
            let key = (Arc::clone(&entry.kind), entry.op);
            let is_full = self.held.len() >= MOST;
            match self.held.get_mut(&key) {
                _ if entry.body.len() > LONGEST_BODY => ignored += 1,
                None if is_full => ignored += 1,
                None => {
                    self.held.insert(key, entry.clone());
                    self.generation += 1;
                }
                Some(held) => {
                    if is_better(self.is_readable, entry, held) {
                        *held = entry.clone();
                        self.generation += 1;
                    }
                }
            }
        }
        self.prune();
        ignored
    }

    /// Returns the entries that a place with these entries lacks or has in a worse copy.
    pub fn missing_in(&self, found: &[Entry]) -> Vec<Entry> {
        let there: HashMap<(&str, Uuid), &Entry> =
            found.iter().map(|entry| ((&*entry.kind, entry.op), entry)).collect();
        let is_missing = |entry: &&Entry| {
            let there = there.get(&(&*entry.kind, entry.op));
            there.is_none_or(|there| is_better(self.is_readable, entry, there))
        };
        self.held.values().filter(is_missing).cloned().collect()
    }

    /// Returns the lifted entries of a place that were dropped here.
    pub fn dropped(&self, found: &[Entry]) -> Vec<Entry> {
        let is_dropped = |entry: &&Entry| entry.lifted && !self.held.contains_key(&(Arc::clone(&entry.kind), entry.op));
        found.iter().filter(is_dropped).cloned().collect()
    }

    fn prune(&mut self) {
        let order = |entry: &Entry| (lifting_of(&entry.body), entry.op);
        let mut lifted: Vec<_> = self.held.values().filter(|entry| entry.lifted).map(order).collect();
        if lifted.len() > MOST_LIFTED {
            let surplus = lifted.len() - MOST_LIFTED;
            let (_, first_kept, _) = lifted.select_nth_unstable(surplus);
            let first_kept = *first_kept;
            self.held.retain(|_, entry| !entry.lifted || order(entry) >= first_kept);
        }
    }
}

/// Returns true if `one` replaces `other`, which has the same id.
fn is_better(is_readable: fn(&Entry) -> bool, one: &Entry, other: &Entry) -> bool {
    match (one.lifted, other.lifted) {
        (true, true) => return lifting_of(&one.body) > lifting_of(&other.body),
        (false, false) => {}
        (is_lifted, _) => return is_lifted,
    }
    one.body != other.body && is_readable(one) && !is_readable(other)
}

#[cfg(test)]
mod tests;
