//! Rewrites bodies as callsign does, one a line: base64 in, base64 out.
//!
//! What cannot be rewritten comes out as `invalid OFFSET`. `tests/external/json_readers.sh` holds the output against the
//! JSON readers of Node and Python.
//!
//! ```console
//! $ printf '{"user":"mallory","n":1.10}' | base64 | cargo run --quiet --example rewrite | base64 -d
//! {                 "n":1.10,"user":"u-1","session_id":"s-1","metadata":{"user_id":"u-1"}}
//! ```

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use bytes::Bytes;
use callsign::endpoint::REMOVED;
use callsign::identifiers::secret::{Binder, Purpose};
use callsign::identifiers::sources::Sources;
use callsign::rewrite::{Filter, Output, OwnedNames, Rejected};
use data_encoding::BASE64;

/// What is appended to every body.
const MEMBERS: &str = r#""user":"u-1","session_id":"s-1","metadata":{"user_id":"u-1"}"#;
/// Bodies are fed in pieces of this many bytes, as if they came over a slow line.
const PIECE: usize = 7;

fn main() -> anyhow::Result<()> {
    let owned = Arc::new(OwnedNames::new(REMOVED, Some("prompt_cache_key")));
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        match rewrite(&owned, &BASE64.decode(line?.as_bytes())?) {
            Ok(sent) => writeln!(out, "{}", BASE64.encode(&sent))?,
            Err(Rejected::Invalid(invalid)) => writeln!(out, "invalid {}", invalid.offset)?,
            Err(rejected) => writeln!(out, "rejected: {rejected}")?,
        }
    }
    Ok(out.flush()?)
}

fn rewrite(owned: &Arc<OwnedNames>, body: &[u8]) -> Result<Vec<u8>, Rejected> {
    let caller = Sources { key: "app", user: Some("u-1"), ..Sources::default() };
    let mut filter =
        Filter::new(Arc::clone(owned), MEMBERS.to_owned()).bind(Binder::new(&caller, None, Purpose::Cache));
    let mut out = Output::default();
    for piece in body.chunks(PIECE) {
        filter.feed(&Bytes::copy_from_slice(piece), &mut out)?;
    }
    filter.finish()?;
    Ok(out.into_pieces().flatten().collect())
}
