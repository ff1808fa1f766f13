//! Fetches and refreshes the public keys of the issuers of signed callers (`docs/SPEC.md#issuers`).
//!
//! Keys are fetched at start and once an hour. A token signed with an unknown key triggers a further fetch: per issuer
//! two in quick succession, then one a minute (`Budget`). An issuer has at most one fetch at a time, and all requests
//! that need it wait for the same one. A request whose key is known must not wait. While an issuer is unreachable its
//! keys stay in use for at most a day.

mod budget;
mod fetch;

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use budget::Budget;
use callsign_core::auth::UnknownKey;
use callsign_core::auth::issuer::{IssuerId, KeySource};
use callsign_core::auth::jwks::KeySet;
use callsign_core::auth::settings::TokenIssuer;
use callsign_core::auth::verifier::Verifier;
use fetch::Fetcher;
pub use fetch::{FetchError, initial, is_secure};

/// Interval between scheduled fetches.
const REFRESH_INTERVAL: Duration = Duration::from_hours(1);
/// Time after which a failed scheduled fetch is retried.
const RETRY_INTERVAL: Duration = Duration::from_mins(1);
/// Maximum age of keys since the last successful fetch.
const MAX_KEY_AGE: Duration = Duration::from_hours(24);

/// The issuers of one configuration snapshot. Dropping it ends the scheduled fetches.
#[derive(Debug, Default)]
pub struct Issuers {
    feeds: Vec<Arc<Feed>>,
    hourly: tokio::task::JoinSet<()>,
}

/// One issuer and the fetches of its keys.
#[derive(Debug)]
struct Feed {
    id: IssuerId,
    name: String,
    source: KeySource,
    verifier: Arc<Verifier>,
    fetcher: Fetcher,
    state: Mutex<FetchState>,
}

#[derive(Debug)]
struct FetchState {
    /// The running fetch.
    running: Option<PendingFetch>,
    budget: Budget,
    /// The time of the last successful fetch of all keys.
    last_success: Instant,
}

impl Issuers {
    /// Starts the scheduled fetches of `verifier`'s keys. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The HTTP client cannot be created.
    fn start(sources: Vec<(String, KeySource)>, verifier: &Arc<Verifier>) -> Result<Self, FetchError> {
        if sources.is_empty() {
            return Ok(Self::default());
        }
        let fetcher = Fetcher::new()?;
        let mut issuers = Self::default();
        for (id, (name, source)) in sources.into_iter().enumerate() {
            let state = FetchState { running: None, budget: Budget::new(Instant::now()), last_success: Instant::now() };
            let feed = Arc::new(Feed {
                id,
                name,
                verifier: Arc::clone(verifier),
                fetcher: fetcher.clone(),
                state: Mutex::new(state),
                source,
            });
            if feed.source.is_fetched() {
                // Begins before the first request can arrive, so that a request can wait for this fetch.
                let first = feed.begin(None, true);
                issuers.hourly.spawn(Arc::clone(&feed).keep_fresh(first));
            }
            issuers.feeds.push(feed);
        }
        Ok(issuers)
    }

    /// Starts the issuers of a configuration that replaces `previous`, and returns the verifier of their tokens. They
    /// start with the keys that `previous` knows: without them a reload would refuse tokens until the issuer answers.
    ///
    /// # Errors
    /// The HTTP client that fetches keys cannot be created.
    pub fn replacing<'a>(
        issuers: impl Iterator<Item = &'a TokenIssuer> + Clone,
        previous: Option<&Self>,
    ) -> Result<(Arc<Verifier>, Self), FetchError> {
        let key_sets = issuers.clone().map(|issuer| {
            let known = previous.and_then(|previous| previous.known(&issuer.rules.name, &issuer.keys));
            known.unwrap_or_else(|| issuer.initial.clone())
        });
        let verifier = Arc::new(Verifier::new(key_sets));
        let sources = issuers.map(|issuer| (issuer.rules.name.clone(), issuer.keys.clone())).collect();
        let started = Self::start(sources, &verifier)?;
        Ok((verifier, started))
    }

    /// Returns the keys in use for the issuer of this name, if it has the same URL.
    fn known(&self, name: &str, source: &KeySource) -> Option<KeySet> {
        let feed = self.feeds.iter().find(|feed| feed.name == name)?;
        let same = matches!((feed.source.url(), source.url()), (Some(before), Some(now)) if before == now);
        same.then(|| KeySet::clone(&feed.verifier.key_set(feed.id)))
    }

    /// Refreshes an issuer's keys because the key of `signer` is unknown. Returns true if the token should be verified
    /// again.
    pub async fn refresh(&self, signer: &UnknownKey) -> bool {
        let Some(feed) = self.feeds.get(signer.issuer) else { return false };
        let kid = signer.kid.as_deref();
        loop {
            // The key may have arrived since the verification failed.
            if kid.is_some_and(|kid| feed.verifier.key_set(feed.id).contains(kid)) {
                return true;
            }
            match feed.begin(kid, false) {
                None => return false,
                Some(Fetch::Started(fetch)) => return fetch_result(fetch).await,
                Some(Fetch::Running(fetch)) => {
                    let success = fetch_result(fetch).await;
                    if kid.is_none() {
                        return success;
                    }
                    // If the key is still missing, that fetch was for another key or was answered before this key was
                    // published. Try once more if the budget allows it.
                }
            }
        }
    }
}

/// A fetch to wait for.
enum Fetch {
    /// Begun by this call.
    Started(PendingFetch),
    /// Already running.
    Running(PendingFetch),
}

/// The result of a fetch: `None` while it runs, then true if it was successful.
type PendingFetch = watch::Receiver<Option<bool>>;

/// Waits for a fetch. Returns true if it was successful.
async fn fetch_result(mut fetch: PendingFetch) -> bool {
    // The sender is dropped only if the runtime aborts the fetch.
    fetch.wait_for(Option::is_some).await.is_ok_and(|success| *success == Some(true))
}

impl Feed {
    /// Joins the running fetch, or begins one if the budget allows it. A `free` fetch does not use the budget.
    fn begin(self: &Arc<Self>, kid: Option<&str>, free: bool) -> Option<Fetch> {
        if !self.source.is_fetched() || !self.source.accepts_kid(kid) {
            return None;
        }
        let mut state = self.state();
        if let Some(running) = &state.running {
            return Some(Fetch::Running(running.clone()));
        }
        if !(free || state.budget.take(Instant::now())) {
            return None;
        }
        let (sender, running) = watch::channel(None);
        state.running = Some(running.clone());
        drop(state);
        // A separate task, so that a client that disconnects does not cancel the fetch for the others.
        let (feed, kid) = (Arc::clone(self), kid.map(str::to_owned));
        tokio::spawn(async move {
            let success = feed.fetch(kid.as_deref()).await;
            feed.state().running = None;
            sender.send_replace(Some(success));
        });
        Some(Fetch::Started(running))
    }

    /// Waits for a scheduled fetch. Returns true if it was successful.
    async fn load(fetch: Option<Fetch>) -> bool {
        match fetch {
            Some(Fetch::Started(fetch) | Fetch::Running(fetch)) => fetch_result(fetch).await,
            None => false,
        }
    }

    /// Fetches the keys and hands them to the verifier. Returns true if this was successful.
    async fn fetch(&self, kid: Option<&str>) -> bool {
        match self.fetcher.fetch(&self.source, kid, &self.verifier.key_set(self.id)).await {
            Ok(keys) => {
                self.verifier.set_keys(self.id, keys);
                if self.source.refreshes_all(kid) {
                    self.state().last_success = Instant::now();
                }
                tracing::debug!(issuer = %self.name, "issuer keys refreshed");
                true
            }
            Err(error) => {
                tracing::warn!(issuer = %self.name, %error, "cannot refresh issuer keys; known keys stay in use");
                false
            }
        }
    }

    /// Runs the scheduled fetches, and drops the keys when the last successful fetch is older than [`MAX_KEY_AGE`].
    async fn keep_fresh(self: Arc<Self>, first: Option<Fetch>) {
        let mut fresh = Self::load(first).await;
        loop {
            tokio::time::sleep(if fresh { REFRESH_INTERVAL } else { RETRY_INTERVAL }).await;
            fresh = Self::load(self.begin(None, true)).await;
            if self.state().last_success.elapsed() > MAX_KEY_AGE {
                tracing::error!(issuer = %self.name, "no successful fetch of issuer keys for 24 h; keys dropped");
                self.verifier.set_keys(self.id, KeySet::default());
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, FetchState> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests;
