//! Counts of the exchanges, and the findings that fail the test.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use tokio::sync::oneshot;

use super::faults::Fault;

/// Begins each nonce. 16 hexadecimal digits follow.
pub(crate) const MARK: &str = "nonce-";
pub(crate) const LENGTH: usize = MARK.len() + 16;

/// The numbers of one run.
#[derive(Debug)]
pub(crate) struct Tally {
    /// The number of arrivals of each request.
    arrived: Vec<AtomicU8>,
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    outcomes: Mutex<BTreeMap<Fault, [u64; 3]>>,
    wrong: Mutex<Vec<String>>,
    /// Told when the upstream has sent the last byte of an exchange.
    written: Mutex<HashMap<u64, oneshot::Sender<()>>>,
}

/// The end of an exchange as its client saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// A whole answer of the upstream.
    Answered,
    /// An answer of callsign itself.
    Refused,
    /// A cut, or the client left.
    Cut,
}

impl Tally {
    pub(crate) fn new(exchanges: u64) -> Self {
        Self {
            arrived: (0..exchanges).map(|_| AtomicU8::new(0)).collect(),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            outcomes: Mutex::default(),
            wrong: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// Records something that must never happen.
    pub(crate) fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// Records that a request has arrived.
    pub(crate) fn arrived(&self, number: u64) {
        self.requests.fetch_add(1, Relaxed);
        match usize::try_from(number).ok().and_then(|number| self.arrived.get(number)) {
            Some(times) if times.fetch_add(1, Relaxed) == 0 => {}
            Some(_) => self.wrong(format!("request {number} arrived twice")),
            None => self.wrong(format!("a request with the nonce {number:x}, which nobody sent")),
        }
    }

    pub(crate) fn count(&self, fault: Fault, outcome: Outcome) {
        self.outcomes.lock().unwrap().entry(fault).or_default()[outcome as usize] += 1;
    }

    /// Searches bytes that a client received for nonces other than its own. Returns the number of its own.
    pub(crate) fn search(&self, number: u64, fault: Fault, bytes: &[u8]) -> usize {
        let own = nonce(number);
        let mut found = 0;
        for at in memchr::memmem::find_iter(bytes, MARK) {
            let seen = bytes.get(at..at + LENGTH).unwrap_or(&bytes[at..]);
            // A cut answer may end within a nonce.
            if own.as_bytes().starts_with(seen) {
                found += usize::from(seen.len() == LENGTH);
            } else {
                self.wrong(format!("{fault:?} {own} got {}: {}", seen.escape_ascii(), bytes.escape_ascii()));
            }
        }
        found
    }

    /// Waits for the end of an exchange, from before its beginning.
    pub(crate) fn expect_end(&self, number: u64) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.written.lock().unwrap().insert(number, tell);
        told
    }

    /// Records that the upstream has sent the last byte of an exchange.
    pub(crate) fn ended(&self, number: u64) {
        // Not every client waits.
        self.written.lock().unwrap().remove(&number);
    }

    /// Returns the figures, and all that was wrong.
    pub(crate) fn report(&self) -> (String, Vec<String>) {
        let mut text = format!("{:<16} {:>9} {:>9} {:>9}\n", "fault", "answered", "refused", "cut");
        let mut wrong = self.wrong.lock().unwrap().clone();
        for (fault, [answered, refused, cut]) in self.outcomes.lock().unwrap().iter() {
            let _ = writeln!(text, "{:<16} {answered:>9} {refused:>9} {cut:>9}", fault.name());
            // An upstream that closes at the wrong moment, which others in the same pool do, costs a few requests.
            if fault.is_sound() && *answered < 4 * (refused + cut) {
                wrong.push(format!("{fault:?}: only {answered} answered, {refused} refused, {cut} cut"));
            }
        }
        let (requests, connections) = (self.requests.load(Relaxed), self.connections.load(Relaxed));
        let _ = writeln!(text, "{requests} requests arrived over {connections} connections; {} wrong", wrong.len());
        if requests < connections * 5 / 4 {
            wrong.push(format!("connections are not used again: {connections} for {requests} requests"));
        }
        (text, wrong)
    }
}

pub(crate) fn nonce(number: u64) -> String {
    format!("{MARK}{number:016x}")
}

/// Returns the number of the first nonce in `bytes`.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(bytes, MARK.as_bytes())?;
    let digits = bytes.get(at + MARK.len()..at + LENGTH)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
