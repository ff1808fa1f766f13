//! What requests pass: the list in force, and word of a new one for those that are under way.
//!
//! A request that runs keeps four digests of who it is of, and looks at the list again only when there is another one. A new
//! list wakes all that wait, so that a cut comes at once and nothing is looked at as long as nobody is stopped.

use std::collections::HashSet;
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

/// See the module.
#[derive(Debug, Default)]
pub struct Gate {
    list: ArcSwap<BlockList>,
    cut: ArcSwap<HashSet<u64>>,
    /// How many lists there have been.
    lists: AtomicU64,
    news: Arc<Notify>,
    keys: RandomState,
}

impl Gate {
    /// Takes a list into force, and wakes whoever it may cut.
    pub fn set(&self, blocks: Vec<Block>) {
        let now = Timestamp::now();
        let cut = blocks.iter().filter(|block| block.cut && block.holds(now));
        let cut = cut.map(|block| self.digest(block.tenant.as_deref(), &block.id)).collect();
        self.list.store(Arc::new(BlockList::new(blocks)));
        self.cut.store(Arc::new(cut));
        self.lists.fetch_add(1, Ordering::Release);
        self.news.notify_waiters();
    }

    /// Whether this caller is stopped.
    pub fn stops(&self, sources: &CallerIdentity<'_>, sent: Option<&str>) -> bool {
        let list = self.list.load();
        !list.is_empty() && list.stops(sources.tenant, sources.user, sent, Timestamp::now())
    }

    /// The list in force.
    pub fn blocks(&self) -> Vec<Block> {
        self.list.load().iter().cloned().collect()
    }

    /// Watches for a cut of this caller's requests.
    pub fn watch(self: &Arc<Self>, sources: &CallerIdentity<'_>, sent: Option<&str>) -> Watcher {
        let tenant = sources.tenant.unwrap_or_default();
        let both =
            |name: Option<&str>| name.map_or([0, 0], |name| [self.digest(None, name), self.digest(Some(tenant), name)]);
        let ([a, b], [c, d]) = (both(sources.user), both(sent));
        Watcher { gate: Arc::clone(self), who: [a, b, c, d], seen: self.lists.load(Ordering::Acquire), news: None }
    }

    fn digest(&self, tenant: Option<&str>, id: &str) -> u64 {
        self.keys.hash_one((tenant, id))
    }
}

/// Of one running request; see [`Gate::watch`].
#[derive(Debug)]
pub struct Watcher {
    gate: Arc<Gate>,
    who: [u64; 4],
    seen: u64,
    news: Option<Pin<Box<OwnedNotified>>>,
}

impl Watcher {
    /// Whether the request is to end now. One load unless there is a new list.
    pub fn is_cut(&mut self) -> bool {
        let lists = self.gate.lists.load(Ordering::Acquire);
        if lists == self.seen {
            return false;
        }
        self.seen = lists;
        let cut = self.gate.cut.load();
        self.who.iter().any(|digest| cut.contains(digest))
    }

    /// The same; otherwise the task is woken when there is a new list.
    pub fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.news.is_some() {
                // Registered already, and for the same task.
                if self.gate.lists.load(Ordering::Acquire) == self.seen {
                    return Poll::Pending;
                }
                self.news = None;
            }
            let mut news = Box::pin(Arc::clone(&self.gate.news).notified_owned());
            let registered = news.as_mut().poll(context).is_pending();
            // Looked at behind the registration, so that nothing comes in between.
            if self.is_cut() {
                return Poll::Ready(());
            }
            if registered {
                self.news = Some(news);
                return Poll::Pending;
            }
        }
    }

    /// Ends when the request is to. Nothing is allocated: every request waits here for its answer's head.
    pub async fn cut(&mut self) {
        let gate = Arc::clone(&self.gate);
        loop {
            let mut news = std::pin::pin!(gate.news.notified());
            news.as_mut().enable();
            // Looked at behind the registration, so that nothing comes in between.
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
        Block { id, tenant, since: Timestamp::now(), until: None, reason: None, cut }
    }

    fn of<'a>(tenant: Option<&'a str>, user: &'a str) -> CallerIdentity<'a> {
        CallerIdentity { tenant, user: Some(user), ..CallerIdentity::default() }
    }

    #[tokio::test]
    async fn whoever_is_cut_is_woken_and_nobody_else_ends() {
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
        gate.set(vec![block("ada", Some(""), true), block("bob", None, false), block("eve", Some("acme"), true)]);
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
        gate.set(vec![block("bob", None, true)]);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gate.set(vec![block("ada", None, true)]);
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.unwrap().unwrap();
    }

    /// Whether it ends at once.
    fn is_cut_now(watcher: &mut Watcher) -> bool {
        watcher.poll_cut(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }
}
