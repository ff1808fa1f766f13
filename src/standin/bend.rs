//! The tools with which a behaviour bends a plan: where it ends, when its chunks go, what its bytes and headers are.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::gzip::Gzip;
use super::plan::{Plan, Step};

/// The chunk in which `cut-mid-chunk` cuts, counted from 1.
const CUT_CHUNK: usize = 3;

/// The index of the step that is the chunk of that number, counted from 1; the last one if there are fewer.
fn index_of_chunk(plan: &Plan, number: usize) -> Option<usize> {
    let chunks = plan.steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Chunk(_)));
    chunks.map(|(index, _)| index).take(number).last()
}

/// Lets the plan end with `last` after so many chunks; comments before the first one stay.
pub(super) fn end_after(plan: &mut Plan, chunks: usize, last: Step) {
    let first = plan.steps.iter().position(|step| matches!(step, Step::Chunk(_))).unwrap_or(0);
    let keep = if chunks == 0 { first } else { index_of_chunk(plan, chunks).map_or(0, |index| index + 1) };
    plan.steps.truncate(keep);
    plan.steps.push_back(last);
}

/// Cuts half-way through the chunk of number [`CUT_CHUNK`], or the last one if there are fewer.
pub(super) fn cut_mid_chunk(plan: &mut Plan) {
    let Some(index) = index_of_chunk(plan, CUT_CHUNK) else { return };
    plan.steps.truncate(index + 1);
    if let Some(Step::Chunk(bytes)) = plan.steps.back_mut() {
        bytes.truncate(bytes.len() / 2);
    }
    plan.steps.push_back(Step::Cut);
}

/// Adds headers; a name may come twice.
pub(super) fn add_headers(plan: &mut Plan, headers: &[(&'static str, &'static str)]) {
    for (name, value) in headers {
        plan.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// Puts `step` between any two chunks.
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

/// Changes the bytes of every step in their order. The length is no longer announced.
pub(super) fn rewrite_chunks(plan: &mut Plan, mut rewrite: impl FnMut(Bytes) -> Bytes) {
    plan.headers.remove(CONTENT_LENGTH);
    for step in &mut plan.steps {
        if let Step::Chunk(bytes) | Step::Filler(bytes) = step {
            *bytes = rewrite(std::mem::take(bytes));
        }
    }
}

/// Whether `accept-encoding` names gzip.
pub(super) fn accepts_gzip(asked: &HeaderMap) -> bool {
    let mut values = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|coding| coding.trim().to_ascii_lowercase().starts_with("gzip")))
}

/// Encodes the body as one gzip member whose pieces can be decoded as they come.
pub(super) fn compress(plan: &mut Plan) {
    let mut gzip = Gzip::default();
    rewrite_chunks(plan, |bytes| gzip.feed(&bytes));
    plan.steps.push_back(Step::Filler(gzip.finish()));
    plan.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
}
