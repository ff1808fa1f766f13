//! Keeps the issuers' keys fresh. Control plane: a request touches this room only when its token is signed with a key that
//! is not known, and then waits for at most one fetch.
//!
//! Keys are fetched at start and once an hour; between that an unknown key may ask for more, twice in quick succession,
//! then once a minute per issuer, whoever asks. One fetch runs at a time and everybody who needs it waits for the same
//! one; nobody whose key is known waits at all. While an issuer is down its keys stay in force, for a day at most.

mod budget;
mod fetch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::caller::Signer;
use crate::caller::issuer::{IssuerId, KeySource};
use crate::caller::key_set::KeySet;
use crate::caller::verifier::Verifier;
use budget::Budget;
use fetch::Fetcher;
pub use fetch::{FetchError, initial, is_secure};

/// How often keys are fetched without being asked for.
const EVERY: Duration = Duration::from_hours(1);
/// How soon a failed load is tried again.
const AGAIN: Duration = Duration::from_mins(1);
/// How long keys are used without a word from their issuer.
const STALE: Duration = Duration::from_hours(24);

/// The issuers of one snapshot. Dropping it ends the hourly fetches.
#[derive(Debug, Default)]
pub struct Issuers {
    feeds: Vec<Arc<Feed>>,
    hourly: tokio::task::JoinSet<()>,
}

/// One issuer's supply of keys.
#[derive(Debug)]
struct Feed {
    id: IssuerId,
    name: String,
    source: KeySource,
    verifier: Arc<Verifier>,
    fetcher: Fetcher,
    flight: Mutex<Flight>,
}

#[derive(Debug)]
struct Flight {
    /// The fetch that is under way.
    running: Option<Flying>,
    budget: Budget,
    heard: Instant,
}

impl Issuers {
    /// Starts to keep the keys of `verifier` fresh. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When no client for fetching can be built.
    pub fn start(sources: Vec<(String, KeySource)>, verifier: &Arc<Verifier>) -> Result<Self, FetchError> {
        if sources.is_empty() {
            return Ok(Self::default());
        }
        let fetcher = Fetcher::new()?;
        let mut issuers = Self::default();
        for (id, (name, source)) in sources.into_iter().enumerate() {
            let flight = Flight { running: None, budget: Budget::new(Instant::now()), heard: Instant::now() };
            let feed = Arc::new(Feed {
                id,
                name,
                verifier: Arc::clone(verifier),
                fetcher: fetcher.clone(),
                flight: Mutex::new(flight),
                source,
            });
            if feed.source.is_fetched() {
                // Begun before the first request can come, so that it finds a fetch to wait for.
                let first = feed.begin(None, true);
                issuers.hourly.spawn(Arc::clone(&feed).keep_fresh(first));
            }
            issuers.feeds.push(feed);
        }
        Ok(issuers)
    }

    /// The keys that are in force for an issuer of this name whose keys come from the same URL, for a configuration that
    /// replaces this one: a reload must not forget keys, or tokens would be refused until the issuer answers.
    pub fn known(&self, name: &str, source: &KeySource) -> Option<KeySet> {
        let feed = self.feeds.iter().find(|feed| feed.name == name)?;
        let same = matches!((feed.source.url(), source.url()), (Some(before), Some(now)) if before == now);
        same.then(|| KeySet::clone(&feed.verifier.key_set(feed.id)))
    }

    /// Has the keys of an issuer refreshed because `signer` is not known; whether it is worth asking again.
    pub async fn refresh(&self, signer: &Signer) -> bool {
        let Some(feed) = self.feeds.get(signer.issuer) else { return false };
        let kid = signer.kid.as_deref();
        loop {
            // It may have come since it was found missing.
            if kid.is_some_and(|kid| feed.verifier.key_set(feed.id).holds(kid)) {
                return true;
            }
            match feed.begin(kid, false) {
                None => return false,
                Some(Boarded::Own(flight)) => return landed(flight).await,
                Some(Boarded::Others(flight)) => {
                    let brought = landed(flight).await;
                    if kid.is_none() {
                        return brought;
                    }
                    // Without this key it was for another one, or was answered before this one was published: the budget
                    // decides whether there is one more.
                }
            }
        }
    }
}

/// A fetch to wait for.
enum Boarded {
    /// Begun for whoever asked.
    Own(Flying),
    /// It was under way already.
    Others(Flying),
}

/// Learns whether a fetch brought keys.
type Flying = watch::Receiver<Option<bool>>;

async fn landed(mut flight: Flying) -> bool {
    // The sender is dropped only if the fetch was aborted with the runtime.
    flight.wait_for(Option::is_some).await.is_ok_and(|brought| *brought == Some(true))
}

impl Feed {
    /// Joins the fetch that is under way, or begins one if the budget allows it (or it is `free`).
    fn begin(self: &Arc<Self>, kid: Option<&str>, free: bool) -> Option<Boarded> {
        if !self.source.is_fetched() || !self.source.could_bring(kid) {
            return None;
        }
        let mut flight = self.flight();
        if let Some(running) = &flight.running {
            return Some(Boarded::Others(running.clone()));
        }
        if !(free || flight.budget.take(Instant::now())) {
            return None;
        }
        let (landed, running) = watch::channel(None);
        flight.running = Some(running.clone());
        drop(flight);
        // A task of its own, so that a caller who leaves does not end it for everybody who waits.
        let (feed, kid) = (Arc::clone(self), kid.map(str::to_owned));
        tokio::spawn(async move {
            let brought = feed.fetch(kid.as_deref()).await;
            feed.flight().running = None;
            landed.send_replace(Some(brought));
        });
        Some(Boarded::Own(running))
    }

    /// A fetch that nobody asked for; whether it brought keys.
    async fn load(first: Option<Boarded>) -> bool {
        match first {
            Some(Boarded::Own(flight) | Boarded::Others(flight)) => landed(flight).await,
            None => false,
        }
    }

    async fn fetch(&self, kid: Option<&str>) -> bool {
        match self.fetcher.fetch(&self.source, kid, &self.verifier.key_set(self.id)).await {
            Ok(keys) => {
                self.verifier.exchange(self.id, keys);
                if self.source.speaks_for_all(kid) {
                    self.flight().heard = Instant::now();
                }
                tracing::debug!(issuer = %self.name, "keys refreshed");
                true
            }
            Err(error) => {
                tracing::warn!(issuer = %self.name, %error, "keys could not be refreshed; those known stay in force");
                false
            }
        }
    }

    async fn keep_fresh(self: Arc<Self>, first: Option<Boarded>) {
        let mut fresh = Self::load(first).await;
        loop {
            tokio::time::sleep(if fresh { EVERY } else { AGAIN }).await;
            fresh = Self::load(self.begin(None, true)).await;
            if self.flight().heard.elapsed() > STALE {
                tracing::error!(issuer = %self.name, "no word from this issuer for a day; its keys are no longer used");
                self.verifier.exchange(self.id, KeySet::default());
            }
        }
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
