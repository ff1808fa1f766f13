//! What the stand-in remembers: which requests arrived, what was answered, who left too early.
//!
//! An [`Exchange`] is the one account of one request: made when its head arrives, moved into its response, and closed
//! exactly once. Whatever drops it unclosed (hyper does so when the client goes) has been cancelled by the client.
//! Nothing here decides what is answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Version};
use tokio::sync::watch;

use super::generations::{Generation, Generations};

/// A request that arrived whole, exactly as it did.
#[derive(Clone, Debug)]
pub struct Received {
    /// Counts the heads that the stand-in has seen, from 0; the same number finds the [`Sent`].
    pub number: usize,
    /// The request's method.
    pub method: Method,
    /// The path as it came, `/api/v1` included, still percent-encoded.
    pub path: String,
    /// What followed the `?`, if there was one.
    pub query: Option<String>,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// Every header, duplicates included. The credentials are marked sensitive, so that `Debug` does not print them.
    pub headers: HeaderMap,
    /// Every byte of the body.
    pub body: Bytes,
}

impl Received {
    /// The body read as JSON; `None` if it is not, or is more than `serde_json` can hold (lone surrogates, `1e400`).
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A header's only value; `None` if it is absent, comes more than once or is not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        if values.next().is_some() { None } else { first.to_str().ok() }
    }
}

/// What the stand-in has answered to one request so far.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The number of its [`Received`].
    pub number: usize,
    /// The status of the answer.
    pub status: StatusCode,
    /// The headers of the answer, but for those that hyper adds (`date`, `transfer-encoding`).
    pub headers: HeaderMap,
    /// The bytes of the body that were handed to the connection, framing apart.
    pub body: Bytes,
}

/// Totals since the start. Each only grows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) begun: usize,
    pub(super) received: usize,
    pub(super) cancelled: usize,
}

/// Everything remembered by one stand-in.
#[derive(Debug)]
pub(super) struct Book {
    keep: bool,
    tally: watch::Sender<Tally>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    received: Vec<Received>,
    sent: BTreeMap<usize, SentSoFar>,
    generations: Generations,
}

#[derive(Debug)]
struct SentSoFar {
    status: StatusCode,
    headers: HeaderMap,
    body: BytesMut,
}

impl Book {
    /// An empty book. Without `keep` it only counts (and keeps the latest generations), so that it stays small.
    pub(super) fn new(keep: bool) -> Self {
        Self { keep, tally: watch::Sender::default(), pages: Mutex::default() }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    /// Waits until `reached` holds; at once if it does already.
    pub(super) async fn wait(&self, reached: impl FnMut(&Tally) -> bool) {
        // The only error is that the sender is gone, and `self` owns the sender.
        let _ = self.tally.subscribe().wait_for(reached).await;
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.pages().received.clone()
    }

    /// The one at `index` in the order of completion.
    pub(super) fn received_at(&self, index: usize) -> Option<Received> {
        self.pages().received.get(index).cloned()
    }

    pub(super) fn sent(&self, number: usize) -> Option<Sent> {
        let pages = self.pages();
        let so_far = pages.sent.get(&number)?;
        let body = Bytes::copy_from_slice(&so_far.body);
        Some(Sent { number, status: so_far.status, headers: so_far.headers.clone(), body })
    }

    pub(super) fn generation(&self, id: &str) -> Option<Generation> {
        self.pages().generations.find(id).cloned()
    }
}

/// The account of one request, from its head to the end of its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    book: Arc<Book>,
    number: usize,
    generation: Option<Generation>,
    over: bool,
}

impl Exchange {
    /// Opens the account of a request whose head has just arrived.
    pub(super) fn begin(book: Arc<Book>) -> Self {
        let mut number = 0;
        book.tally.send_modify(|tally| {
            number = tally.begun;
            tally.begun += 1;
        });
        Self { book, number, generation: None, over: false }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The whole request is here.
    pub(super) fn received(&self, mut received: Received) {
        if self.book.keep {
            for name in super::story::CREDENTIALS {
                if let http::header::Entry::Occupied(mut entry) = received.headers.entry(name) {
                    entry.iter_mut().for_each(|value| value.set_sensitive(true));
                }
            }
            self.book.pages().received.push(received);
        }
        self.book.tally.send_modify(|tally| tally.received += 1);
    }

    /// The answer begins; `generation` is filed when it ends, in whatever way.
    pub(super) fn answering(&mut self, status: StatusCode, headers: &HeaderMap, generation: Option<Generation>) {
        self.generation = generation;
        if self.book.keep {
            let so_far = SentSoFar { status, headers: headers.clone(), body: BytesMut::new() };
            self.book.pages().sent.insert(self.number, so_far);
        }
    }

    /// Bytes of the answer are about to go to the connection.
    pub(super) fn wrote(&self, bytes: &[u8]) {
        if self.book.keep
            && let Some(so_far) = self.book.pages().sent.get_mut(&self.number)
        {
            so_far.body.extend_from_slice(bytes);
        }
    }

    /// The stand-in has said all that it wanted to say (a cut of its own included).
    pub(super) fn finish(&mut self) {
        self.close(false);
    }

    fn close(&mut self, cancelled: bool) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        if let Some(mut generation) = self.generation.take() {
            generation.cancelled = cancelled;
            self.book.pages().generations.file(generation);
        }
        if cancelled {
            self.book.tally.send_modify(|tally| tally.cancelled += 1);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close(true);
    }
}
