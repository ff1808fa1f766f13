//! Rewrites bodies as callsign does: one base64 line in, one base64 line out.
//!
//! A body that is invalid gives `invalid OFFSET`. `tests/external/json_readers.sh` compares the output with the JSON
//! parsers of Node and Python.
//!
//! ```console
//! $ printf '{"user":"mallory","n":1.10}' | base64 | cargo run --quiet --example rewrite | base64 -d
//! {                 "n":1.10,"user":"u-1","session_id":"s-1","metadata":{"user_id":"u-1"}}
//! ```

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use bytes::Bytes;
use callsign_core::endpoint::REMOVED_FIELDS;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::secret::{Binder, Purpose};
use callsign_core::rewrite::{Filter, Output, ReservedFields, RewriteError};
use data_encoding::BASE64;

/// The members that are appended to every body.
const MEMBERS: &str = r#""user":"u-1","session_id":"s-1","metadata":{"user_id":"u-1"}"#;
/// Bytes per piece; small, so that pieces split tokens.
const PIECE: usize = 7;

fn main() -> anyhow::Result<()> {
    let reserved = Arc::new(ReservedFields::new(REMOVED_FIELDS, Some("prompt_cache_key")));
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        match rewrite(&reserved, &BASE64.decode(line?.as_bytes())?) {
            Ok(sent) => writeln!(out, "{}", BASE64.encode(&sent))?,
            Err(RewriteError::Invalid(invalid)) => writeln!(out, "invalid {}", invalid.offset)?,
            Err(rejected) => writeln!(out, "rejected: {rejected}")?,
        }
    }
    Ok(out.flush()?)
}

fn rewrite(reserved: &Arc<ReservedFields>, body: &[u8]) -> Result<Vec<u8>, RewriteError> {
    let caller = CallerIdentity { key: "app", user: Some("u-1"), ..CallerIdentity::default() };
    let mut filter = Filter::new(Arc::clone(reserved), MEMBERS.to_owned());
    filter.bind(Binder::new(&caller, None, Purpose::Cache));
    let mut out = Output::default();
    for piece in body.chunks(PIECE) {
        filter.feed(&Bytes::copy_from_slice(piece), &mut out)?;
    }
    filter.finish()?;
    Ok(out.into_pieces().flatten().collect())
}
