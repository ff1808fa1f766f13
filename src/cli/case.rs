//! `callsign case`: writes an evidence bundle about one reported identifier (docs/SPEC.md#case-and-export).

mod summary;

use std::collections::HashSet;
use std::io::{self, Write};

use super::Exit;
use super::args::Case;
use super::bundle::{self, Bundle, Copied, Password};
use super::error::CommandError;
use super::person;
use super::record::record;
use crate::config::Config;
use callsign_core::request_id::RequestId;
use callsign_store::ledger::{Reader, report};
use callsign_store::limits::acts::Verb;
use callsign_store::person::{Named, people};
use summary::Summary;

/// Writes the bundle and prints what it holds.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(config: &Config, asked: &Case, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    match write(config, asked, out, err).await {
        Ok(exit) => Ok(exit),
        Err(error) => error.report(err),
    }
}

async fn write(
    config: &Config,
    asked: &Case,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Exit, CommandError> {
    let place = bundle::archive(config, asked.bundle.with_archives)?;
    let password = Password::new(asked.bundle.password_file.as_deref())?;
    let reader = Reader::open(&config.ledger)?;
    let (id, org_ids) = (asked.id.trim(), &config.org_ids);
    let mut found = Named { id, tenant: asked.tenant.as_deref() }.found(&reader, org_ids).await?;
    let people = people(&found);
    if people.is_empty() && !found.is_empty() {
        writeln!(err, "callsign: the identifier is of 0 persons: its requests have no user id; see callsign whois")?;
        return Ok(Exit::Failure);
    }
    let Some(person) = person::only(&people, err)? else { return Ok(Exit::Failure) };
    found.retain(|found| found.user.as_ref() == Some(&person.user));
    let reported = Some(format!("reported: {id}"));
    if !record(config, Verb::Case, &person, reported, err).await? {
        return Ok(Exit::Failure);
    }

    let mut bundle = Bundle::create(&asked.output, &password)?;
    let (mut summary, mut ids) = (Summary::default(), HashSet::new());
    bundle.start_list("requests.json")?;
    let each = person::each_request(&reader, &person, |request| {
        if request.is_found_by(id, org_ids) {
            bundle.add_to_list(ids.len(), &report::request_json(request))?;
            summary.add(request, id, org_ids);
            ids.insert(request.begun.id);
        }
        Ok(())
    });
    each.await?;
    bundle.end_list()?;
    bundle.json("whois.json", &report::whois_json(&found))?;
    bundle.start("summary.txt")?;
    bundle.write_all(summary.text().as_bytes())?;
    let is_of_case = |request: &str| request.parse().is_ok_and(|id: RequestId| ids.contains(&id));
    let copied = match place {
        Some(place) => bundle::copy_archives(&mut bundle, place, &person, |meta| is_of_case(&meta.request), err)?,
        None => Copied::default(),
    };
    bundle.finish()?;
    password.show(&asked.output, err)?;
    bundle::Written { path: &asked.output, person: &person, requests: ids.len(), copied }
        .print(asked.bundle.form.is_json(), out)?;
    Ok(if copied.unreadable == 0 { Exit::Success } else { Exit::Failure })
}
