//! The block list in force. It checks new requests and notifies running ones of a new list.
//!
//! A running request keeps five digests of its user and its key, and checks them again only when the list changes. A new
//! list wakes all waiting requests, so a block with `cut` ends them at once, without any work while the list stays the
//! same.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::{Block, BlockList};
use callsign_core::identity::caller_identity::CallerIdentity;

/// The block list in force.
#[derive(Debug, Default)]
pub struct Gate {
    list: ArcSwap<BlockList>,
    /// The digests of blocked users. True if the block ends running requests.
    digests: ArcSwap<HashMap<u64, bool>>,
    /// Version of the list, incremented with every change.
    lists: AtomicU64,
    news: Arc<Notify>,
    keys: RandomState,
}

impl Gate {
    /// Puts a list into force, and wakes running requests that it may end. `revoked` are the rows of revoked keys, each
    /// with true if its running requests end.
    pub fn set(&self, blocks: Vec<Block>, revoked: &[(u128, bool)]) {
        let now = Timestamp::now();
        let mut digests = HashMap::new();
        // Running requests of a forgotten user met the block when it was set.
        for block in blocks.iter().filter(|block| block.holds(now) && !block.forgotten) {
            let names = [Some(Named::User), (!block.user_id).then_some(Named::Sent)];
            for named in names.into_iter().flatten() {
                *digests.entry(self.digest(named, block.tenant.as_deref(), &block.id)).or_default() |= block.cut;
            }
        }
        for (row, cut) in revoked {
            *digests.entry(self.digest_of_key(*row)).or_default() |= cut;
        }
        self.list.store(Arc::new(BlockList::new(blocks)));
        self.digests.store(Arc::new(digests));
        self.lists.fetch_add(1, Ordering::Release);
        self.news.notify_waiters();
    }

    /// Returns true if this caller is blocked.
    pub fn stops(&self, sources: &CallerIdentity<'_>, sent: Option<&str>) -> bool {
        let list = self.list.load();
        !list.is_empty() && list.stops(sources.tenant, sources.user, sent, Timestamp::now())
    }

    /// Returns true if a block is in force.
    pub fn is_any_blocked(&self) -> bool {
        let now = Timestamp::now();
        self.list.load().iter().any(|block| block.holds(now))
    }

    /// Returns the list in force.
    pub fn blocks(&self) -> Vec<Block> {
        self.list.load().iter().cloned().collect()
    }

    /// Returns a watcher that signals when this caller's running requests must end.
    pub fn watch(self: &Arc<Self>, sources: &CallerIdentity<'_>, sent: Option<&str>) -> Watcher {
        let tenant = sources.tenant.unwrap_or_default();
        let both = |named, name: Option<&str>| {
            name.map_or([0, 0], |name| [self.digest(named, None, name), self.digest(named, Some(tenant), name)])
        };
        let ([a, b], [c, d]) = (both(Named::User, sources.user), both(Named::Sent, sent));
        let key = sources.stored.map_or(0, |key| self.digest_of_key(key.row));
        Watcher { gate: Arc::clone(self), who: [a, b, c, d, key], seen: self.lists.load(Ordering::Acquire), news: None }
    }

    fn digest_of_key(&self, row: u128) -> u64 {
        self.keys.hash_one(row)
    }

    fn digest(&self, named: Named, tenant: Option<&str>, id: &str) -> u64 {
        self.keys.hash_one((named, tenant, id))
    }
}

/// The role of a caller's name.
#[derive(Clone, Copy, Hash)]
enum Named {
    /// The user id.
    User,
    /// The identifier that is sent upstream as the user.
    Sent,
}

/// The watcher of one running request; created by [`Gate::watch`].
#[derive(Debug)]
pub struct Watcher {
    gate: Arc<Gate>,
    who: [u64; 5],
    seen: u64,
    news: Option<Pin<Box<OwnedNotified>>>,
}

impl Watcher {
    /// Returns true if the request must end now. Costs one atomic load unless the list has changed.
    pub fn is_cut(&mut self) -> bool {
        let lists = self.gate.lists.load(Ordering::Acquire);
        if lists == self.seen {
            return false;
        }
        self.seen = lists;
        let digests = self.gate.digests.load();
        self.who.iter().any(|digest| digests.get(digest) == Some(&true))
    }

    /// Returns true if the user is blocked, also by a block that lets running requests end.
    pub fn is_blocked(&self) -> bool {
        let digests = self.gate.digests.load();
        self.who.iter().any(|digest| digests.contains_key(digest))
    }

    /// Completes when the user is blocked, also by a block that lets running requests end.
    pub async fn blocked(self) {
        loop {
            let mut news = std::pin::pin!(self.gate.news.notified());
            news.as_mut().enable();
            // Checked after the registration, so that a list that arrives in between is not missed.
            if self.is_blocked() {
                return;
            }
            news.await;
        }
    }

    /// Is ready if the request must end now. Otherwise the task is woken at the next list.
    pub fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.news.is_some() {
                // The same task is registered already.
                if self.gate.lists.load(Ordering::Acquire) == self.seen {
                    return Poll::Pending;
                }
                self.news = None;
            }
            let mut news = Box::pin(Arc::clone(&self.gate.news).notified_owned());
            let registered = news.as_mut().poll(context).is_pending();
            // Checked after the registration, so that a list that arrives in between is not missed.
            if self.is_cut() {
                return Poll::Ready(());
            }
            if registered {
                self.news = Some(news);
                return Poll::Pending;
            }
        }
    }

    /// Completes when the request must end. Does not allocate, because every request uses it while waiting for the
    /// response's head.
    pub async fn cut(&mut self) {
        let gate = Arc::clone(&self.gate);
        loop {
            let mut news = std::pin::pin!(gate.news.notified());
            news.as_mut().enable();
            // Checked after the registration, so that a list that arrives in between is not missed.
            if self.is_cut() {
                return;
            }
            news.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(id: &str, tenant: Option<&str>, cut: bool) -> Block {
        let (id, tenant) = (id.to_owned(), tenant.map(str::to_owned));
        let (since, user_id, forgotten) = (Timestamp::now(), false, false);
        Block { id, tenant, since, until: None, reason: None, cut, user_id, forgotten }
    }

    fn of<'a>(tenant: Option<&'a str>, user: &'a str) -> CallerIdentity<'a> {
        CallerIdentity { tenant, user: Some(user), ..CallerIdentity::default() }
    }

    #[tokio::test]
    async fn a_new_list_ends_only_blocked_requests() {
        let gate = Arc::new(Gate::default());
        let mut watchers = [
            gate.watch(&of(None, "ada"), None),
            gate.watch(&of(Some("acme"), "ada"), None),
            gate.watch(&of(None, "bob"), Some("ada")),
            gate.watch(&of(None, "bob"), None),
            gate.watch(&of(Some("acme"), "eve"), None),
        ];
        let tasks = watchers.each_mut().map(is_cut_now);
        assert_eq!(tasks, [false; 5]);
        gate.set(vec![block("ada", Some(""), true), block("bob", None, false), block("eve", Some("acme"), true)], &[]);
        let ended = watchers.each_mut().map(is_cut_now);
        assert_eq!(ended, [true, false, true, false, true]);
        assert!(gate.stops(&of(None, "bob"), None));
    }

    #[tokio::test]
    async fn a_waiting_request_hears_of_a_cut() {
        let gate = Arc::new(Gate::default());
        let mut watcher = gate.watch(&of(None, "ada"), None);
        let waiting = tokio::spawn(async move { watcher.cut().await });
        tokio::task::yield_now().await;
        gate.set(vec![block("bob", None, true)], &[]);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gate.set(vec![block("ada", None, true)], &[]);
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_request_without_a_client_hears_of_any_block_of_its_user() {
        let gate = Arc::new(Gate::default());
        let watcher = gate.watch(&of(Some("acme"), "ada"), None);
        assert!(!watcher.is_blocked());
        let waiting = tokio::spawn(watcher.blocked());
        tokio::task::yield_now().await;
        gate.set(vec![block("ada", Some(""), false)], &[]);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gate.set(vec![block("ada", None, false)], &[]);
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.unwrap().unwrap();
        assert!(gate.watch(&of(None, "bob"), Some("ada")).is_blocked());
    }

    /// Returns true if the watcher is ready at once.
    fn is_cut_now(watcher: &mut Watcher) -> bool {
        watcher.poll_cut(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }
}
