//! Passes one body through the complete filter in pieces of the size of socket reads.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use callsign_core::rewrite::{Filter, Output, ReservedFields};

/// Bytes per piece: the largest socket read.
const PIECE: usize = 32 * 1024;
/// The members that are appended.
const MEMBERS: &str =
    r#""user":"acme_0123456789abcdef0123456789abcdef","session_id":"0123456789abcdef0123456789abcdef""#;

/// Passes one body through a new filter.
pub(crate) fn pass(reserved: &Arc<ReservedFields>, body: &Bytes) {
    let mut filter = Filter::new(Arc::clone(reserved), MEMBERS.to_owned());
    filter.block_shared_tools(Arc::default(), false);
    let mut out = Output::default();
    for from in (0..body.len()).step_by(PIECE) {
        filter.feed(&body.slice(from..(from + PIECE).min(body.len())), &mut out).unwrap();
        while let Some(piece) = out.pop() {
            black_box(piece);
        }
    }
    filter.finish().unwrap();
}
