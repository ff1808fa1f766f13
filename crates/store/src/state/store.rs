//! The places of one configuration, and the exchange of entries with them.

use std::path::Path;

use parking_lot::Mutex;

use super::entries::Entries;
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
                match tracked.sync(entries, enforce).await {
                    Ok(restored) => {
                        synced.restored += restored;
                        let mark = tracked.known.as_ref().map(|mark| mark.number);
                        synced.stored = mark.zip(tracked.generation);
                        synced.is_first = number == 0;
                        synced.is_informed |= number == 0 || tracked.had_entries == Some(true);
                    }
                    Err(error) => {
                        (tracked.known, tracked.generation) = (None, None);
                        synced.failed.push(error);
                    }
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
            if let Some(mark) = tracked.known.clone()
                && !matches!(tracked.place.beat(node, name, &mark).await, Ok(true))
            {
                // The place has news, or does not answer. The next exchange finds out.
                tracked.known = None;
            }
        }
    }

    /// Returns the servers of the first place that answers.
    pub async fn nodes(&mut self) -> Vec<Node> {
        for tracked in &mut self.places {
            if tracked.known.is_some()
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

impl Tracked {
    fn new(place: Place) -> Self {
        Self { place, known: None, highest: 0, generation: None, unreadable: 0, had_entries: None, witness: None }
    }

    /// Exchanges entries with the place. Returns the number of entries that it had lost.
    async fn sync(
        &mut self,
        entries: &Mutex<Entries>,
        enforce: &(dyn Fn(&Entries) + Sync),
    ) -> Result<usize, StateError> {
        let generation = entries.lock().generation();
        if self.known.is_some()
            && self.generation == Some(generation)
            && self.place.mark().await.map(Some)? == self.known
        {
            return Ok(0);
        }
        let mut restored = 0;
        for _ in 0..ATTEMPTS {
            let read = self.place.read().await;
            // A process that has read a version gives its entries back itself.
            if let Some(witness) = self.witness.as_ref().filter(|_| self.had_entries.is_none()) {
                match &read {
                    Ok((mark, _)) => witness.check(mark)?,
                    Err(StateError::NotPrepared(_)) => witness.check(&Mark::default())?,
                    Err(_) => {}
                }
            }
            let (mark, found) = read?;
            self.had_entries.get_or_insert(mark.number > 0);
            let (missing, dropped, generation) = {
                let mut entries = entries.lock();
                let before = entries.generation();
                let ignored = entries.merge(&found.entries);
                self.unreadable = found.unreadable + ignored;
                if entries.generation() != before {
                    enforce(&entries);
                }
                (entries.missing_in(&found.entries), entries.dropped(&found.entries), entries.generation())
            };
            if !dropped.is_empty() {
                self.place.remove(&dropped).await?;
            }
            if mark.number < self.highest {
                restored += missing.len();
            }
            let written = if missing.is_empty() { None } else { Some(self.place.write(&missing).await?) };
            let is_undisturbed = written.as_ref().is_none_or(|written| written.before == mark.token);
            let mark = written.map_or(mark, |written| written.after);
            self.highest = mark.number;
            if let Some(witness) = &mut self.witness {
                witness.record(&mark);
            }
            if is_undisturbed {
                (self.known, self.generation) = (Some(mark), Some(generation));
                return Ok(restored);
            }
        }
        Err(StateError::Unavailable { place: self.place.name(), reason: "others change it all the time".to_owned() })
    }
}

#[cfg(test)]
mod tests;
