//! The recorder: received requests, sent responses, cancellations and the account books.
//!
//! An [`Exchange`] records one request. It is created when the head arrives, moves into the response, and is closed
//! once. An exchange that is dropped unclosed counts as cancelled: hyper drops it when the client disconnects. This
//! file must not decide about responses.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Version};
use tokio::sync::watch;

use super::books::{Books, Entry, Total};
use super::generations::{Generation, Generations, LookedUp};
use super::options::Options;

/// A completely received request, unchanged.
#[derive(Clone, Debug)]
pub struct Received {
    /// The number of the request head, from 0, in the order of arrival. The [`Sent`] response has the same number.
    pub number: usize,
    /// The request's method.
    pub method: Method,
    /// The path as received, including `/api/v1`, percent-encoded.
    pub path: String,
    /// The query after the `?`, if there is a `?`.
    pub query: Option<String>,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// All headers, including duplicates. Credentials are marked sensitive, so that `Debug` does not print them.
    pub headers: HeaderMap,
    /// The complete body.
    pub body: Bytes,
}

impl Received {
    /// Returns the body as JSON; `None` if it is not JSON or `serde_json` cannot represent it (lone surrogates,
    /// `1e400`).
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Returns the only value of a header; `None` if it is absent, occurs more than once or is not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        if values.next().is_some() { None } else { first.to_str().ok() }
    }
}

/// The response to one request, as far as it is sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The number of the [`Received`] request.
    pub number: usize,
    /// The status.
    pub status: StatusCode,
    /// The headers, except those that hyper adds (`date`, `transfer-encoding`).
    pub headers: HeaderMap,
    /// The body bytes that were passed to the connection, without framing.
    pub body: Bytes,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) begun: usize,
    pub(super) received: usize,
    pub(super) cancelled: usize,
    pub(super) booked: usize,
}

/// The records of one mock server.
#[derive(Debug)]
pub(super) struct Recorder {
    keep: bool,
    book_entries: usize,
    tally: watch::Sender<Tally>,
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    received: Vec<Received>,
    sent: BTreeMap<usize, SentSoFar>,
    books: Books,
    generations: Generations,
}

#[derive(Debug)]
struct SentSoFar {
    status: StatusCode,
    headers: HeaderMap,
    body: BytesMut,
}

impl Recorder {
    /// Creates an empty recorder. Without [`Options::keep`] it records only counts and the latest book entries and
    /// generations, so that its memory is bounded.
    pub(super) fn new(options: &Options) -> Self {
        let Options { keep, book_entries, .. } = *options;
        Self { keep, book_entries, tally: watch::Sender::default(), records: Mutex::default() }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock()
    }

    pub(super) fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    /// Waits until `reached` returns true.
    pub(super) async fn wait(&self, reached: impl FnMut(&Tally) -> bool) {
        // The only error is that the sender is gone, and `self` owns the sender.
        let _ = self.tally.subscribe().wait_for(reached).await;
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.records().received.clone()
    }

    /// Returns the received request at `index` in the order of completion.
    pub(super) fn received_at(&self, index: usize) -> Option<Received> {
        self.records().received.get(index).cloned()
    }

    pub(super) fn sent(&self, number: usize) -> Option<Sent> {
        let records = self.records();
        let so_far = records.sent.get(&number)?;
        let body = Bytes::copy_from_slice(&so_far.body);
        Some(Sent { number, status: so_far.status, headers: so_far.headers.clone(), body })
    }

    pub(super) fn books(&self) -> Books {
        self.records().books.clone()
    }

    pub(super) fn total(&self) -> Total {
        self.records().books.total()
    }

    /// Looks up the generation record of a request whose response has ended.
    pub(super) fn look_up(&self, id: &str) -> LookedUp {
        self.records().generations.look_up(id)
    }

    fn book(&self, booking: Booking) {
        let mut records = self.records();
        if let Some(record) = booking.record {
            records.generations.file(record);
        }
        if let Some(oldest) = records.books.add(booking.entry, self.book_entries) {
            records.generations.remove(&oldest.generation);
        }
    }
}

/// The book entry and the generation record of a request that is being answered. A request that is refused has no
/// record.
#[derive(Debug)]
pub(super) struct Booking {
    pub(super) entry: Entry,
    pub(super) record: Option<Generation>,
}

/// The record of one request, from its head to the end of its response.
#[derive(Debug)]
pub(super) struct Exchange {
    recorder: Arc<Recorder>,
    number: usize,
    booking: Option<Booking>,
    over: bool,
}

impl Exchange {
    /// Begins the record of a request whose head just arrived.
    pub(super) fn begin(recorder: Arc<Recorder>) -> Self {
        let mut number = 0;
        recorder.tally.send_modify(|tally| {
            number = tally.begun;
            tally.begun += 1;
        });
        Self { recorder, number, booking: None, over: false }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Records the completely received request.
    pub(super) fn received(&self, mut received: Received) {
        if self.recorder.keep {
            for name in super::story::CREDENTIALS {
                if let http::header::Entry::Occupied(mut entry) = received.headers.entry(name) {
                    entry.iter_mut().for_each(|value| value.set_sensitive(true));
                }
            }
            self.recorder.records().received.push(received);
        }
        self.recorder.tally.send_modify(|tally| tally.received += 1);
    }

    /// Records the head of the response. `booking` enters the books when the response ends or is cancelled.
    pub(super) fn answering(&mut self, status: StatusCode, headers: &HeaderMap, booking: Option<Booking>) {
        self.booking = booking;
        if self.recorder.keep {
            let so_far = SentSoFar { status, headers: headers.clone(), body: BytesMut::new() };
            self.recorder.records().sent.insert(self.number, so_far);
        }
    }

    /// Records body bytes that are about to be passed to the connection.
    pub(super) fn wrote(&self, bytes: &[u8]) {
        if self.recorder.keep
            && let Some(so_far) = self.recorder.records().sent.get_mut(&self.number)
        {
            so_far.body.extend_from_slice(bytes);
        }
    }

    /// Closes the record: the response is complete, or the mock server aborts it on purpose.
    pub(super) fn finish(&mut self) {
        self.close(false);
    }

    fn close(&mut self, cancelled: bool) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let booking = self.booking.take();
        let booked = booking.is_some();
        if let Some(mut booking) = booking {
            booking.entry.client_left = cancelled;
            if let Some(record) = &mut booking.record {
                record.cancelled = cancelled;
            }
            self.recorder.book(booking);
        }
        self.recorder.tally.send_modify(|tally| {
            tally.booked += usize::from(booked);
            tally.cancelled += usize::from(cancelled);
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close(true);
    }
}
