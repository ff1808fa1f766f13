//! Changes to a plan for behaviours: its end, the timing of its chunks, its bytes and headers.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::gzip::Gzip;
use super::plan::{Plan, Step};

/// The number of the chunk that `cut-mid-chunk` cuts, from 1.
const CUT_CHUNK: usize = 3;

/// Returns the index of the step with the chunk of this number (from 1), or of the last chunk if there are fewer.
fn index_of_chunk(plan: &Plan, number: usize) -> Option<usize> {
    let chunks = plan.steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Chunk(_)));
    chunks.map(|(index, _)| index).take(number).last()
}

/// Ends the plan with `last` after `chunks` chunks. Comments before the first chunk stay.
pub(super) fn end_after(plan: &mut Plan, chunks: usize, last: Step) {
    let first = plan.steps.iter().position(|step| matches!(step, Step::Chunk(_))).unwrap_or(0);
    let keep = if chunks == 0 { first } else { index_of_chunk(plan, chunks).map_or(0, |index| index + 1) };
    plan.steps.truncate(keep);
    plan.steps.push_back(last);
}

/// Cuts in the middle of chunk number [`CUT_CHUNK`], or of the last chunk if there are fewer.
pub(super) fn cut_mid_chunk(plan: &mut Plan) {
    let Some(index) = index_of_chunk(plan, CUT_CHUNK) else { return };
    plan.steps.truncate(index + 1);
    if let Some(Step::Chunk(bytes)) = plan.steps.back_mut() {
        bytes.truncate(bytes.len() / 2);
    }
    plan.steps.push_back(Step::Cut);
}

/// Adds headers; a name may occur more than once.
pub(super) fn add_headers(plan: &mut Plan, headers: &[(&'static str, &'static str)]) {
    for (name, value) in headers {
        plan.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// Inserts `step` between consecutive chunks.
pub(super) fn separate(plan: &mut Plan, step: &Step) {
    let mut chunks = 0;
    for old in std::mem::take(&mut plan.steps) {
        if matches!(old, Step::Chunk(_)) {
            if chunks > 0 {
                plan.steps.push_back(step.clone());
            }
            chunks += 1;
        }
        plan.steps.push_back(old);
    }
}

/// Applies `rewrite` to the bytes of every step in order and removes `content-length`.
pub(super) fn rewrite_chunks(plan: &mut Plan, mut rewrite: impl FnMut(Bytes) -> Bytes) {
    plan.headers.remove(CONTENT_LENGTH);
    for step in &mut plan.steps {
        if let Step::Chunk(bytes) | Step::Filler(bytes) = step {
            *bytes = rewrite(std::mem::take(bytes));
        }
    }
}

/// Returns true if `accept-encoding` lists gzip.
pub(super) fn accepts_gzip(asked: &HeaderMap) -> bool {
    let mut values = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|coding| coding.trim().to_ascii_lowercase().starts_with("gzip")))
}

/// Encodes the body as one gzip member whose pieces can be decoded as they arrive.
pub(super) fn compress(plan: &mut Plan) {
    let mut gzip = Gzip::default();
    rewrite_chunks(plan, |bytes| gzip.feed(&bytes));
    plan.steps.push_back(Step::Filler(gzip.finish()));
    plan.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
}
