//! The places of one configuration, and the exchange of entries with them.

use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::entries::{Entries, Entry, Found, Seen};
use super::error::StateError;
use super::mark::{Access, Mark, Node};
use super::place::Place;
use super::redis_place::RedisPlace;
use super::sql::{SqlPlace, file};
use super::witness::Witness;
use crate::ledger;
use crate::ledger::engine::Target;
use callsign_core::secret::Secret;

/// Attempts to write to a place that others change at the same time, within one exchange.
const ATTEMPTS: u32 = 4;
/// Time between two reads of all entries. Other reads do not notice rows that another program than callsign changed.
const READ_ALL: Duration = Duration::from_mins(10);
/// Number of entries of one write.
const CHUNK: usize = 1_000;

/// The state of all places after an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// The number of the version in the first place that has all entries, and the generation of the entries it has.
    pub stored: Option<(i64, u64)>,
    /// True if the first place answered. Otherwise only a later one may have the entries.
    pub is_first: bool,
    /// True if a place answered that had entries before this server began, or the first one. A new `state.db` tells
    /// nothing about the entries in the shared place.
    pub is_informed: bool,
    /// The error of each place that failed.
    pub failed: Vec<StateError>,
    /// Number of rows that are no entries, or too many, or too long.
    pub unreadable: usize,
    /// Number of entries that were given back to a place that had gone back in time.
    pub restored: usize,
}

/// The places of state, in order of precedence: the shared one, then `state.db`.
#[derive(Debug)]
pub struct StateStore {
    places: Vec<Tracked>,
}

#[derive(Debug)]
struct Tracked {
    place: Place,
    /// The version whose entries are merged.
    known: Option<Mark>,
    /// False after a failure.
    answers: bool,
    /// The time of the latest read of all entries.
    read_all: Option<Instant>,
    /// The highest number that was seen, to notice that the place went back.
    highest: i64,
    /// The generation of the entries that the place has.
    generation: Option<u64>,
    unreadable: usize,
    /// True if it had entries when it was first read; `None` before.
    had_entries: Option<bool>,
    /// Of a `state.db` that is the only place.
    witness: Option<Witness>,
}

impl StateStore {
    /// Finds the places of a configuration: the ledger's PostgreSQL, else Redis (`redis`); then `state.db` in the data
    /// directory. Connects at the first exchange.
    ///
    /// # Errors
    /// [`StateError::Address`] if an address is invalid.
    pub fn new(
        ledger: &ledger::settings::Settings,
        redis: Option<&Secret>,
        access: Access,
    ) -> Result<Self, StateError> {
        let shared = match (&ledger.store, redis) {
            (Some(store @ ledger::settings::Store::Postgres(_)), _) => {
                let target = Target::new(store).map_err(|_| StateError::Address("CALLSIGN_LEDGER"))?;
                Some(Place::Sql(Box::new(SqlPlace::new(target, access))))
            }
            (_, Some(url)) => Some(Place::Redis(Box::new(RedisPlace::new(url)?))),
            _ => None,
        };
        let is_local = |directory: &&Path| match access {
            Access::Server => true,
            // A command does not create a copy beside a shared place, nor a directory that nobody has set.
            Access::Command => {
                file(directory).exists() || (shared.is_none() && (ledger.data_dir_set || directory.exists()))
            }
        };
        let local = ledger.data_dir.as_deref().filter(is_local);
        // With a shared place a lost copy is no loss.
        let witness = local.filter(|_| shared.is_none()).map(Witness::new);
        let local = local.map(|directory| Place::Sql(Box::new(SqlPlace::new(Target::Sqlite(file(directory)), access))));
        let mut places: Vec<_> = shared.into_iter().chain(local).map(Tracked::new).collect();
        if let Some(only) = places.last_mut() {
            only.witness = witness;
        }
        Ok(Self { places })
    }

    /// Returns true if there is no place, so that the state is only in memory.
    pub fn is_nowhere(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns true if programs other than callsign may be able to write to a place: one is Redis.
    pub fn is_open(&self) -> bool {
        self.places.iter().any(|tracked| matches!(tracked.place, Place::Redis(_)))
    }

    /// Names the first place.
    pub fn name(&self) -> &'static str {
        self.places.first().map_or("memory", |tracked| tracked.place.name())
    }

    /// Merges the entries with all places, in both directions. Calls `enforce` as soon as entries have changed, before
    /// the next exchange over a network.
    pub async fn sync(&mut self, entries: &Mutex<Entries>, enforce: &(dyn Fn(&Entries) + Sync)) -> Synced {
        let mut synced = Synced::default();
        // A second round gives the first places what came from the last one.
        for round in 0..2 {
            let before = entries.lock().generation();
            let is_settled = round > 0 && self.places.iter().all(|tracked| tracked.generation == Some(before));
            if is_settled {
                break;
            }
            let restored = synced.restored;
            synced = Synced { restored, ..Synced::default() };
            // `state.db` first: it does not wait for a network.
            for (number, tracked) in self.places.iter_mut().enumerate().rev() {
                let result = tracked.sync(entries, enforce).await;
                tracked.answers = result.is_ok();
                match result {
                    Ok(restored) => {
                        synced.restored += restored;
                        let mark = tracked.known.as_ref().map(|mark| mark.number);
                        synced.stored = mark.zip(tracked.generation);
                        synced.is_first = number == 0;
                        synced.is_informed |= number == 0 || tracked.had_entries == Some(true);
                    }
                    Err(error) => synced.failed.push(error),
                }
                synced.unreadable = synced.unreadable.max(tracked.unreadable);
            }
        }
        synced
    }

    /// Removes earlier servers from `state.db`. Call it with the lock on the directory: nobody else runs there.
    pub async fn take_over_file(&mut self) {
        for tracked in self.places.iter_mut().filter(|tracked| tracked.place.name() == "state.db") {
            if let Place::Sql(place) = &mut tracked.place {
                // If it fails, the rows are ignored after a few seconds.
                let _unavailable = place.forget_nodes().await;
            }
        }
    }

    /// Records in every place that this server has applied its version.
    pub async fn beat(&mut self, node: &str, name: &str) {
        for tracked in &mut self.places {
            if let Some(mark) = tracked.known.clone().filter(|_| tracked.answers) {
                // If the place has news, or does not answer, the next exchange finds out.
                let _recorded = tracked.place.beat(node, name, &mark).await;
            }
        }
    }

    /// Returns the servers of the first place that answers.
    pub async fn nodes(&mut self) -> Vec<Node> {
        for tracked in &mut self.places {
            if tracked.answers
                && let Ok(nodes) = tracked.place.nodes().await
            {
                return nodes;
            }
        }
        Vec::new()
    }

    /// Removes this server from every place.
    pub async fn leave(&mut self, node: &str) {
        for tracked in &mut self.places {
            let _unavailable = tracked.place.leave(node).await;
        }
    }
}

/// The work that is left in an exchange with a place, after the entries of the place were merged.
struct Compared {
    mark: Mark,
    missing: Vec<Entry>,
    dropped: Vec<Entry>,
    /// The generation of the entries that the place has once it has the missing ones.
    generation: u64,
}

impl Tracked {
    fn new(place: Place) -> Self {
        Self {
            place,
            known: None,
            answers: false,
            read_all: None,
            highest: 0,
            generation: None,
            unreadable: 0,
            had_entries: None,
            witness: None,
        }
    }

    /// Returns true if all entries must be read although the place may know the merged version.
    fn must_read_all(&self) -> bool {
        // An entry that cannot be read may have been repaired.
        self.unreadable > 0 || !self.has_read_all()
    }

    /// Returns true if all entries were read a short time ago.
    fn has_read_all(&self) -> bool {
        self.read_all.is_some_and(|at| at.elapsed() < READ_ALL)
    }

    /// Exchanges entries with the place. Returns the number of entries that it had lost.
    async fn sync(
        &mut self,
        entries: &Mutex<Entries>,
        enforce: &(dyn Fn(&Entries) + Sync),
    ) -> Result<usize, StateError> {
        let generation = entries.lock().generation();
        if self.has_read_all()
            && self.known.is_some()
            && self.generation == Some(generation)
            && self.place.mark().await.map(Some)? == self.known
        {
            return Ok(0);
        }
        let mut restored = 0;
        for _ in 0..ATTEMPTS {
            let compared = match self.read_changes(entries, enforce).await? {
                Some(compared) => compared,
                None => self.read_all(entries, enforce).await?,
            };
            let Compared { mut mark, missing, dropped, generation } = compared;
            if !dropped.is_empty() {
                self.place.remove(&dropped).await?;
            }
            if mark.number < self.highest {
                restored += missing.len();
            }
            let mut is_undisturbed = true;
            for chunk in missing.chunks(CHUNK) {
                let written = self.place.write(chunk).await?;
                is_undisturbed &= written.before == mark.token;
                if is_undisturbed {
                    mark = written.after;
                }
            }
            // The changes of others are read since the version before them.
            self.highest = mark.number;
            if let Some(witness) = &mut self.witness {
                witness.record(&mark);
            }
            (self.known, self.generation) = (Some(mark), Some(generation));
            if is_undisturbed {
                return Ok(restored);
            }
        }
        Err(StateError::Unavailable { place: self.place.name(), reason: "others change it all the time".to_owned() })
    }

    /// Reads what changed since the merged version, and merges it. `None` if all entries must be read.
    async fn read_changes(
        &mut self,
        entries: &Mutex<Entries>,
        enforce: &(dyn Fn(&Entries) + Sync),
    ) -> Result<Option<Compared>, StateError> {
        let (Some(known), Some(since)) = (&self.known, self.generation) else { return Ok(None) };
        if self.must_read_all() {
            return Ok(None);
        }
        let Some((mark, found)) = self.place.changes(known).await? else { return Ok(None) };
        let mut seen = Seen::default();
        let (unreadable, dropped) = merge(entries, enforce, &found, &mut seen);
        self.unreadable += unreadable;
        let entries = entries.lock();
        let (missing, generation) = (entries.missing(seen, Some(since)), entries.generation());
        Ok(Some(Compared { mark, missing, dropped, generation }))
    }

    /// Reads and merges all entries.
    async fn read_all(
        &mut self,
        entries: &Mutex<Entries>,
        enforce: &(dyn Fn(&Entries) + Sync),
    ) -> Result<Compared, StateError> {
        let mark = self.place.mark().await;
        // A process that has read a version gives its entries back itself.
        if let Some(witness) = self.witness.as_ref().filter(|_| self.had_entries.is_none()) {
            match &mark {
                Ok(mark) => witness.check(mark)?,
                Err(StateError::NotPrepared(_)) => witness.check(&Mark::default())?,
                Err(_) => {}
            }
        }
        let mark = mark?;
        self.had_entries.get_or_insert(mark.number > 0);
        let (mut seen, mut dropped, mut unreadable) = (Seen::default(), Vec::new(), 0);
        let mut cursor = Some(String::new());
        while let Some(after) = cursor {
            let (found, next) = self.place.page(&after).await?;
            let (ignored, more) = merge(entries, enforce, &found, &mut seen);
            unreadable += ignored;
            dropped.extend(more);
            cursor = next;
        }
        (self.unreadable, self.read_all) = (unreadable, Some(Instant::now()));
        let entries = entries.lock();
        let (missing, generation) = (entries.missing(seen, None), entries.generation());
        Ok(Compared { mark, missing, dropped, generation })
    }
}

/// Merges entries of a place. Returns the number of those that cannot be read, and the lifted ones that were dropped
/// here.
fn merge(
    entries: &Mutex<Entries>,
    enforce: &(dyn Fn(&Entries) + Sync),
    found: &Found,
    seen: &mut Seen,
) -> (usize, Vec<Entry>) {
    let mut entries = entries.lock();
    let before = entries.generation();
    let ignored = entries.merge(&found.entries);
    if entries.generation() != before {
        enforce(&entries);
    }
    entries.see(&found.entries, seen);
    (found.unreadable + ignored, entries.dropped(&found.entries))
}

#[cfg(test)]
mod tests;
