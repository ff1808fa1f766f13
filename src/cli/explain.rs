//! `callsign explain`: shows what is removed from a request body and why, and what is written and by which setting.
//!
//! The body goes through the filter of the proxy, and the two texts are compared.

mod compare;
mod paint;

use std::io::{self, Read, Write};

use bytes::Bytes;

use super::identity_args::{self, Person};
use super::summary::SAMPLE;
use super::{Exit, labels};
use crate::config::Config;
use callsign_core::endpoint::Inference;
use callsign_core::identity::Identifiers;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::rewrite::{Output, RewriteError};
use callsign_gateway::error::Refusal;
use callsign_gateway::proxy::snapshot::Snapshot;
use callsign_gateway::upstream::upload_state::UploadError;
use compare::{Mark, Row};

/// Tells a person at a terminal that the command waits for a body.
///
/// # Errors
/// I/O errors of `err`.
pub(super) fn announce(is_terminal: bool, err: &mut impl Write) -> io::Result<()> {
    if is_terminal {
        writeln!(err, "callsign: reading the request body from the terminal; end it with Ctrl-D")?;
    }
    Ok(())
}

/// Explains the request body on `input`, as a diff or in JSON. If `person` has no ids, the sample caller is used.
///
/// # Errors
/// I/O errors of `input`, `out` and `err`. A refused body is reported on `err`.
pub(super) fn explain(
    config: &Config,
    person: Person<'_>,
    (endpoint, json): (&Inference, bool),
    input: impl Read,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(policy) = identity_args::policy_of(config, person, err)? else { return Ok(Exit::Failure) };
    person.note_unusable(config, err)?;
    let (sources, sample) = if person.is_nobody() {
        (CallerIdentity { tenant: person.tenant, ..SAMPLE }, true)
    } else {
        (person.sources(), false)
    };
    let snapshot = Snapshot::new(&config.proxy(), None).map_err(io::Error::other)?;
    let identifiers = match policy.identify(&sources, &[], endpoint.fields) {
        Ok(identifiers) => identifiers,
        Err(required) => {
            writeln!(err, "callsign: 403 user_required: {required}")?;
            return Ok(Exit::Failure);
        }
    };
    let mut body = Vec::new();
    input.take(snapshot.limits.max_body.saturating_add(1)).read_to_end(&mut body)?;
    if body.len() as u64 > snapshot.limits.max_body {
        writeln!(err, "callsign: 413 body_too_large: the body has more than {} bytes", snapshot.limits.max_body)?;
        return Ok(Exit::Failure);
    }
    let body = Bytes::from(body);
    let after = match rewrite(&snapshot, endpoint, &sources, &identifiers, &body) {
        Ok(after) => after,
        Err(rejected) => {
            let code = Refusal::from(UploadError::from(rejected)).code;
            writeln!(err, "callsign: {} {}: {rejected}", code.status().as_u16(), code.name())?;
            return Ok(Exit::Failure);
        }
    };
    // The filter accepts only UTF-8.
    let (before, after) = (String::from_utf8_lossy(&body), String::from_utf8_lossy(&after));
    let mut rows = compare::rows(&before, &after, &snapshot, endpoint, &sources)?;
    if let Some(session) = identifiers.session_header() {
        let why = labels::writer("session_id", policy, &sources);
        rows.push(Row::new(Mark::Written, "header x-session-id", session, why));
    }
    for omission in &identifiers.omitted {
        let (field, why) = labels::omission(*omission);
        rows.push(Row::new(Mark::Omitted, field, "not sent", why));
    }
    if json {
        paint::json(endpoint, (&sources, sample), &rows, (before.len(), after.len()), out)?;
        return Ok(Exit::Success);
    }
    paint::title(endpoint, &sources, sample, out)?;
    paint::rows(&rows, out)?;
    paint::footer(before.len(), after.len(), policy.valves.any(), out)?;
    Ok(Exit::Success)
}

/// Returns the body as it would be sent upstream.
fn rewrite(
    snapshot: &Snapshot,
    endpoint: &Inference,
    sources: &CallerIdentity<'_>,
    identifiers: &Identifiers<'_>,
    body: &Bytes,
) -> Result<Vec<u8>, RewriteError> {
    let mut filter = snapshot.filter(endpoint, identifiers.members(), snapshot.cache_binder(endpoint, sources));
    let mut out = Output::default();
    filter.feed(body, &mut out)?;
    filter.finish()?;
    Ok(out.into_pieces().flatten().collect())
}
