//! Faults of a connection or a server: answers that stall, break off or are garbled, for tests.
//!
//! A model selects them like a behaviour: `mock/gate+cut-after-3`. Compiled only with the cargo feature `faults`, which
//! the shipped program does not have; `no_faults.rs` replaces this module there.

mod gzip;
pub(super) mod interruption;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::sync::Semaphore;

use self::gzip::Gzip;
use self::interruption::{Interruption, pass};
use super::names::{self, Row, row};
use super::plan::{Plan, Step};

/// All faults. A *chunk* is one event of a stream (comments do not count) or the body of a plain response.
const TABLE: [Row<Fault>; 13] = [
    row("early-N", "answers with status N without reading the body", |n| names::status(n).map(Fault::Early)),
    row("hang", "reads the request and never answers", |_| Some(Fault::Hang)),
    row("slow-read", "waits for `release(1)` after each piece of the request body", |_| Some(Fault::SlowRead)),
    row("hang-after-N", "sends nothing more after N chunks", |n| Some(Fault::HangAfter(n))),
    row("cut-after-N", "aborts the connection after N chunks", |n| Some(Fault::CutAfter(n))),
    row("cut-mid-chunk", "aborts the connection half-way through the third (or only) chunk", |_| {
        Some(Fault::CutMidChunk)
    }),
    row("gate", "waits for `release(1)` between chunks", |_| Some(Fault::Gate)),
    row("gate-head", "waits for `release(1)` before the head of the answer", |_| Some(Fault::GateHead)),
    row("compressed", "answers in gzip if the request accepts it", |_| Some(Fault::Compressed)),
    row("compressed-always", "answers in gzip even if the request does not accept it", |_| {
        Some(Fault::CompressedAlways)
    }),
    row("origin-headers", "adds headers that speak for the origin", |_| Some(Fault::Headers(&ORIGIN_HEADERS))),
    row("hop-headers", "adds hop-by-hop headers", |_| Some(Fault::Headers(&HOP_HEADERS))),
    row("crlf", "ends the lines of a stream with CR LF", |_| Some(Fault::CrLf)),
];

/// Headers that callsign must not relay (docs/SPEC.md#response-headers).
const ORIGIN_HEADERS: [(&str, &str); 13] = [
    ("set-cookie", "__cf_bm=origin; path=/; HttpOnly"),
    ("set-cookie", "session=origin; path=/"),
    ("strict-transport-security", "max-age=31536000"),
    ("alt-svc", "h3=\":443\"; ma=86400"),
    ("nel", "{\"success_fraction\":0,\"report_to\":\"cf-nel\"}"),
    ("report-to", "{\"group\":\"cf-nel\",\"max_age\":604800}"),
    ("reporting-endpoints", "default=\"https://openrouter.ai/report\""),
    ("clear-site-data", "\"*\""),
    ("access-control-allow-credentials", "true"),
    ("access-control-allow-headers", "authorization"),
    ("access-control-max-age", "600"),
    ("x-callsign-error", "invented_upstream"),
    ("x-callsign-anything", "invented_upstream"),
];

/// Hop-by-hop headers (RFC 9110, section 7.6.1); `connection` lists one of them.
const HOP_HEADERS: [(&str, &str); 5] = [
    ("connection", "x-hop"),
    ("x-hop", "1"),
    ("keep-alive", "timeout=5"),
    ("proxy-authenticate", "Basic realm=\"origin\""),
    ("proxy-connection", "keep-alive"),
];

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Early(StatusCode),
    Hang,
    SlowRead,
    HangAfter(usize),
    CutAfter(usize),
    CutMidChunk,
    Gate,
    GateHead,
    Compressed,
    CompressedAlways,
    Headers(&'static [(&'static str, &'static str)]),
    CrLf,
}

/// The faults that one model selects.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Lists the models that select one fault, with their descriptions.
    pub(super) fn models() -> impl Iterator<Item = (String, &'static str)> {
        names::models(&TABLE)
    }

    /// Adds the fault of this name. Returns false if there is none.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let fault = names::find(&TABLE, name);
        self.0.extend(fault);
        fault.is_some()
    }

    fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Returns the status to answer with before the request body is read.
    pub(super) fn early(&self) -> Option<StatusCode> {
        self.0.iter().find_map(|fault| if let Fault::Early(status) = fault { Some(*status) } else { None })
    }

    /// Waits after a piece of the request body.
    pub(super) async fn delay_upload(&self, gate: &Semaphore) {
        if self.has(Fault::SlowRead) {
            pass(gate).await;
        }
    }

    /// Waits before the head of the response, possibly forever.
    pub(super) async fn delay_head(&self, gate: &Semaphore) {
        if self.has(Fault::GateHead) {
            pass(gate).await;
        }
        if self.has(Fault::Hang) {
            std::future::pending::<()>().await;
        }
    }

    /// Changes a response. The order is fixed: faults of the bytes, then of their end, then of their timing.
    pub(super) fn apply(&self, plan: &mut Plan, asked: &HeaderMap, gate: &Arc<Semaphore>) {
        if self.has(Fault::CrLf) {
            rewrite_chunks(plan, |bytes| Bytes::from(String::from_utf8_lossy(&bytes).replace('\n', "\r\n")));
        }
        if self.has(Fault::CompressedAlways) || self.has(Fault::Compressed) && accepts_gzip(asked) {
            compress(plan);
        }
        for fault in &self.0 {
            match *fault {
                Fault::CutAfter(chunks) => end_after(plan, chunks, Interruption::Cut),
                Fault::HangAfter(chunks) => end_after(plan, chunks, Interruption::Hang),
                Fault::CutMidChunk => cut_mid_chunk(plan),
                Fault::Headers(headers) => add_headers(plan, headers),
                _ => {}
            }
        }
        if self.has(Fault::Gate) {
            plan.separate(&Step::Interrupt(Interruption::Gate(Arc::clone(gate))));
        }
    }
}

/// The number of the chunk that `cut-mid-chunk` cuts, from 1.
const CUT_CHUNK: usize = 3;

/// Returns the index of the step with the chunk of this number (from 1), or of the last chunk if there are fewer.
fn index_of_chunk(plan: &Plan, number: usize) -> Option<usize> {
    let chunks = plan.steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Chunk(_)));
    chunks.map(|(index, _)| index).take(number).last()
}

/// Ends the plan with `last` after `chunks` chunks. Comments before the first chunk stay.
fn end_after(plan: &mut Plan, chunks: usize, last: Interruption) {
    let first = plan.steps.iter().position(|step| matches!(step, Step::Chunk(_))).unwrap_or(0);
    let keep = if chunks == 0 { first } else { index_of_chunk(plan, chunks).map_or(0, |index| index + 1) };
    plan.steps.truncate(keep);
    plan.steps.push_back(Step::Interrupt(last));
}

/// Cuts in the middle of chunk number [`CUT_CHUNK`], or of the last chunk if there are fewer.
fn cut_mid_chunk(plan: &mut Plan) {
    let Some(index) = index_of_chunk(plan, CUT_CHUNK) else { return };
    plan.steps.truncate(index + 1);
    if let Some(Step::Chunk(bytes)) = plan.steps.back_mut() {
        bytes.truncate(bytes.len() / 2);
    }
    plan.steps.push_back(Step::Interrupt(Interruption::Cut));
}

/// Adds headers; a name may occur more than once.
fn add_headers(plan: &mut Plan, headers: &[(&'static str, &'static str)]) {
    for (name, value) in headers {
        plan.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// Applies `rewrite` to the bytes of every step in order and removes `content-length`.
fn rewrite_chunks(plan: &mut Plan, mut rewrite: impl FnMut(Bytes) -> Bytes) {
    plan.headers.remove(CONTENT_LENGTH);
    for step in &mut plan.steps {
        if let Step::Chunk(bytes) | Step::Filler(bytes) = step {
            *bytes = rewrite(std::mem::take(bytes));
        }
    }
}

/// Returns true if `accept-encoding` lists gzip.
fn accepts_gzip(asked: &HeaderMap) -> bool {
    let mut values = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|coding| coding.trim().to_ascii_lowercase().starts_with("gzip")))
}

/// Encodes the body as one gzip member whose pieces can be decoded as they arrive.
fn compress(plan: &mut Plan) {
    let mut gzip = Gzip::default();
    rewrite_chunks(plan, |bytes| gzip.feed(&bytes));
    plan.steps.push_back(Step::Filler(gzip.finish()));
    plan.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(names: &[&str]) -> Faults {
        let mut faults = Faults::default();
        assert!(names.iter().all(|name| faults.add(name)), "{names:?}");
        faults
    }

    #[test]
    fn names_are_parsed_with_their_numbers() {
        assert_eq!(faults(&["gate", "cut-after-12"]).0, [Fault::Gate, Fault::CutAfter(12)]);
        for unknown in ["", "gat", "gate-1", "cut-after", "cut-after-N", "early-42", "hang-after-x"] {
            assert!(!Faults::default().add(unknown), "{unknown}");
        }
    }

    #[test]
    fn chunks_are_counted_without_comments() {
        let steps = |names: &[&str]| {
            let mut plan = Plan::stream([&b"one"[..], b"two", b"three4", b"five"].map(Bytes::from_static).to_vec());
            faults(names).apply(&mut plan, &HeaderMap::new(), &Arc::new(Semaphore::new(0)));
            let shown = plan.steps.iter().filter_map(|step| match step {
                Step::Filler(_) => None,
                Step::Chunk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                Step::Interrupt(Interruption::Gate(_)) => Some("Gate".to_owned()),
                Step::Interrupt(other) => Some(format!("{other:?}")),
                Step::Pause(_) => Some("Pause".to_owned()),
            });
            shown.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(steps(&["cut-after-2"]), "one two Cut");
        assert_eq!(steps(&["cut-after-0"]), "Cut");
        assert_eq!(steps(&["hang-after-9"]), "one two three4 five Hang");
        assert_eq!(steps(&["cut-mid-chunk"]), "one two thr Cut");
        assert_eq!(steps(&["gate", "cut-after-3"]), "one Gate two Gate three4 Cut");
    }
}
