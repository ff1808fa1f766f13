//! One body's way through the whole filter, in pieces as they come from a socket.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use callsign::rewrite::{Filter, Output, OwnedNames};

/// What one read from a socket gives at most.
const PIECE: usize = 32 * 1024;
/// What is appended.
const MEMBERS: &str =
    r#""user":"acme_0123456789abcdef0123456789abcdef","session_id":"0123456789abcdef0123456789abcdef""#;

/// Passes one body through a fresh filter.
pub(crate) fn pass(owned: &Arc<OwnedNames>, body: &Bytes) {
    let mut filter = Filter::new(Arc::clone(owned), MEMBERS.to_owned()).block_shared_tools();
    let mut out = Output::default();
    for from in (0..body.len()).step_by(PIECE) {
        filter.feed(&body.slice(from..(from + PIECE).min(body.len())), &mut out).unwrap();
        while let Some(piece) = out.pop() {
            black_box(piece);
        }
    }
    filter.finish().unwrap();
}
