//! The entries in memory. Merging is union, so the order and the repetition of merges do not matter (test:
//! `replicas_converge`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Maximum length of an entry's text in bytes.
pub const LONGEST_BODY: usize = 8 * 1024;
/// Maximum number of lifted entries that are kept. Beyond it those that were lifted first are dropped. A copy of the list
/// that is older than 20,000 liftings can then bring such an entry back; it can never lift one.
pub const MOST_LIFTED: usize = 20_000;
/// Maximum number of entries of one kind. Further entries of a place are ignored.
const MOST: usize = 60_000;
/// The kind of which there may be many: keys (docs/SPEC.md#database-keys).
pub const NUMEROUS: &str = "key";
/// Maximum number of entries of the kind [`NUMEROUS`], and of its lifted entries. A lifted key is a revoked one.
const MOST_NUMEROUS: usize = 500_000;

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

/// Returns true if a row of a place is a lifted entry: it is marked as one and has a body that lifted entries have. A row
/// whose mark alone is damaged stays in force.
pub(super) fn is_lifted(mark: bool, body: &str) -> bool {
    mark && (body.is_empty() || (body.len() == 20 && body.bytes().all(|byte| byte.is_ascii_digit())))
}

/// Returns the id of an entry. A damaged id gets one that depends only on its text, so that every server reads the same.
pub(super) fn op(text: &str) -> Uuid {
    text.parse().unwrap_or_else(|_| {
        let digest: [u8; 32] = Sha256::digest(text).into();
        Uuid::from_u128(u128::from_be_bytes(digest.first_chunk().copied().unwrap_or_default()))
    })
}

/// The entries that a place returned, and the number of those that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Number of rows that are no entries.
    pub unreadable: usize,
}

/// Decides if this version can read an entry's content.
pub type IsReadable = Arc<dyn Fn(&Entry) -> bool + Send + Sync>;

/// The entries of one process.
pub struct Entries {
    /// By kind and id.
    held: HashMap<Arc<str>, HashMap<Uuid, Held>>,
    /// Incremented with every change.
    generation: u64,
    /// The largest number of a lifting. It counts up as in a Lamport clock, so the order needs no wall clock.
    liftings: u64,
    is_readable: IsReadable,
}

/// An entry, and the generation of its latest change.
#[derive(Clone, Debug)]
struct Held {
    entry: Entry,
    changed: u64,
}

/// The entries that a place has, collected while they are read.
#[derive(Debug, Default)]
pub struct Seen {
    ids: HashSet<(Arc<str>, Uuid)>,
    /// The copies of this process that replace those of the place.
    better: Vec<Entry>,
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Entries {
    /// Creates an empty list. `is_readable` decides which of two contents of one entry is kept.
    pub fn new(is_readable: impl Fn(&Entry) -> bool + Send + Sync + 'static) -> Self {
        Self { held: HashMap::new(), generation: 0, liftings: 0, is_readable: Arc::new(is_readable) }
    }

    /// Returns a number that grows with every change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Iterates over the entries of one kind that are in force.
    pub fn of<'e>(&'e self, kind: &'e str) -> impl Iterator<Item = &'e Entry> {
        self.all_of(kind).map(|held| &held.entry).filter(|entry| !entry.lifted)
    }

    /// Returns the number of entries in force whose kind is none of these.
    pub fn of_other_kinds(&self, known: &[&str]) -> usize {
        self.all().filter(|held| !held.entry.lifted && !known.contains(&&*held.entry.kind)).count()
    }

    /// Iterates over the entries of one kind that changed after a generation, lifted or not.
    pub fn changed_after<'e>(&'e self, kind: &'e str, generation: u64) -> impl Iterator<Item = &'e Entry> {
        self.all_of(kind).filter(move |held| held.changed > generation).map(|held| &held.entry)
    }

    fn all_of(&self, kind: &str) -> impl Iterator<Item = &Held> {
        self.held.get(kind).into_iter().flat_map(HashMap::values)
    }

    fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.values().flat_map(HashMap::values)
    }

    fn one(&self, entry: &Entry) -> Option<&Entry> {
        self.held.get(&entry.kind)?.get(&entry.op).map(|held| &held.entry)
    }

    /// Adds an entry and returns its id.
    pub fn add(&mut self, kind: &str, body: &str) -> Uuid {
        let op = Uuid::now_v7();
        self.add_as(kind, op, body);
        op
    }

    /// Adds an entry with this id, which must be new.
    pub fn add_as(&mut self, kind: &str, op: Uuid, body: &str) {
        let kind: Arc<str> = kind.into();
        self.put(Entry { kind, op, lifted: false, body: body.into() });
    }

    /// Puts an entry in place of the one with its id.
    fn put(&mut self, mut entry: Entry) {
        self.generation += 1;
        // All entries of a kind share its name.
        if let Some((kind, _)) = self.held.get_key_value(&entry.kind) {
            entry.kind = Arc::clone(kind);
        }
        let held = Held { changed: self.generation, entry };
        self.held.entry(Arc::clone(&held.entry.kind)).or_default().insert(held.entry.op, held);
    }

    /// Lifts an entry.
    pub fn lift(&mut self, kind: &str, op: Uuid) {
        let Some(held) = self.held.get_mut(kind).and_then(|of_kind| of_kind.get_mut(&op)) else { return };
        if !held.entry.lifted {
            self.liftings = (self.liftings + 1).min(MOST_LIFTINGS);
            self.generation += 1;
            (held.entry.lifted, held.entry.body) = (true, lifting(self.liftings).into());
            held.changed = self.generation;
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
            let is_full = || self.held.get(&entry.kind).is_some_and(|held| held.len() >= most(&entry.kind, MOST));
            match self.one(entry) {
                _ if entry.body.len() > LONGEST_BODY => ignored += 1,
                None if is_full() => ignored += 1,
                Some(held) if !is_better(&self.is_readable, entry, held) => {}
                _ => self.put(entry.clone()),
            }
        }
        self.prune();
        ignored
    }

    /// Notes what a place has. Call it after the merge of these entries.
    pub fn see(&self, found: &[Entry], seen: &mut Seen) {
        for there in found {
            seen.ids.insert((Arc::clone(&there.kind), there.op));
            seen.better.extend(self.one(there).filter(|held| is_better(&self.is_readable, held, there)).cloned());
        }
    }

    /// Returns the entries that a place lacks or has in a worse copy. If the place had all entries of a generation
    /// `since`, later changes and what was seen are compared.
    pub fn missing(&self, seen: Seen, since: Option<u64>) -> Vec<Entry> {
        let is_new = |held: &&Held| since.is_none_or(|since| held.changed > since);
        let is_absent = |entry: &&Entry| !seen.ids.contains(&(Arc::clone(&entry.kind), entry.op));
        let absent = self.all().filter(is_new).map(|held| &held.entry).filter(is_absent).cloned();
        let absent: Vec<_> = absent.collect();
        seen.better.into_iter().chain(absent).collect()
    }

    /// Returns the lifted entries of a place that were dropped here.
    pub fn dropped(&self, found: &[Entry]) -> Vec<Entry> {
        found.iter().filter(|entry| entry.lifted && self.one(entry).is_none()).cloned().collect()
    }

    fn prune(&mut self) {
        let order = |entry: &Entry| (lifting_of(&entry.body), entry.op);
        for (kind, of_kind) in &mut self.held {
            let most = most(kind, MOST_LIFTED);
            if of_kind.len() <= most {
                continue;
            }
            let lifted = of_kind.values().map(|held| &held.entry).filter(|entry| entry.lifted);
            let mut lifted: Vec<_> = lifted.map(order).collect();
            if lifted.len() > most {
                let surplus = lifted.len() - most;
                let (_, first_kept, _) = lifted.select_nth_unstable(surplus);
                let first_kept = *first_kept;
                of_kind.retain(|_, Held { entry, .. }| !entry.lifted || order(entry) >= first_kept);
            }
        }
    }
}

/// Returns a maximum for a kind.
fn most(kind: &str, usual: usize) -> usize {
    if kind == NUMEROUS { MOST_NUMEROUS } else { usual }
}

/// Returns true if `one` replaces `other`, which has the same id.
fn is_better(is_readable: &IsReadable, one: &Entry, other: &Entry) -> bool {
    match (one.lifted, other.lifted) {
        (true, true) => return lifting_of(&one.body) > lifting_of(&other.body),
        (false, false) => {}
        (is_lifted, _) => return is_lifted,
    }
    one.body != other.body && is_readable(one) && !is_readable(other)
}

#[cfg(test)]
mod tests;
