//! `callsign export`: writes everything that is stored about one person (docs/SPEC.md#case-and-export).

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;

use jiff::Timestamp;

use super::Exit;
use super::args::Export;
use super::bundle::{self, Bundle, Copied, Password};
use super::error::CommandError;
use super::person;
use super::record::record;
use crate::config::Config;
use callsign_store::archive::settings::Place;
use callsign_store::ledger::query::{By, Found, Grouping, StoredRequest};
use callsign_store::ledger::{Reader, report};
use callsign_store::limits::acts::Verb;
use callsign_store::person::{Named, Person};

/// The file in the new directory.
const FILE: &str = "export.zip";

/// Writes the directory and prints what it holds.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(
    config: &Config,
    asked: &Export,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    match write(config, asked, out, err).await {
        Ok(exit) => Ok(exit),
        Err(error) => error.report(err),
    }
}

async fn write(
    config: &Config,
    asked: &Export,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Exit, CommandError> {
    let place = bundle::archive(config, asked.bundle.with_archives)?;
    let password = Password::new(asked.bundle.password_file.as_deref())?;
    let reader = Reader::open(&config.ledger)?;
    let named = Named { id: asked.user.trim(), tenant: asked.tenant.as_deref() };
    let people = named.users(&reader, &config.org_ids, asked.user_id).await?;
    let Some(person) = person::only(&people, err)? else { return Ok(Exit::Failure) };
    if !record(config, Verb::Export, &person, None, err).await? {
        return Ok(Exit::Failure);
    }

    let directory = &asked.output;
    // Fails if the path exists, also as a symbolic link.
    let created = DirBuilder::new().mode(0o700).create(directory);
    created.map_err(|error| CommandError::file(directory, "cannot create the directory", error))?;
    let path = directory.join(FILE);
    let written = match Bundle::create(&path, &password) {
        Ok(bundle) => fill(bundle, &reader, &person, place, err).await,
        Err(error) => Err(error),
    };
    let (requests, copied) = written.inspect_err(|_| {
        let _not_empty = fs::remove_dir(directory);
    })?;
    password.show(&path, err)?;
    bundle::Written { path: &path, person: &person, requests, copied }.print(asked.bundle.form.is_json(), out)?;
    Ok(if copied.unreadable == 0 { Exit::Success } else { Exit::Failure })
}

/// Writes all entries. Returns the number of requests and of archives.
async fn fill(
    mut bundle: Bundle<'_>,
    reader: &Reader,
    person: &Person,
    place: Option<&Place>,
    err: &mut impl Write,
) -> Result<(usize, Copied), CommandError> {
    let (mut requests, mut identifiers) = (0, Identifiers::default());
    bundle.start_list("requests.json")?;
    let each = person::each_request(reader, person, |request| {
        bundle.add_to_list(requests, &report::request_json(request))?;
        requests += 1;
        identifiers.add(request);
        Ok(())
    });
    each.await?;
    bundle.end_list()?;
    let by = Grouping { first: By::Day, second: Some(By::Model) };
    let usage = reader.usage(by, &person.filter()).await?;
    bundle.json("usage.json", &report::usage_json(by, &usage))?;
    bundle.json("identifiers.json", &report::whois_json(&identifiers.list()))?;
    let copied = match place {
        Some(place) => bundle::copy_archives(&mut bundle, place, person, |_| true, err)?,
        None => Copied::default(),
    };
    bundle.finish()?;
    Ok((requests, copied))
}

/// The identifiers of a person by kind, text and key, as sent and as stated.
#[derive(Debug, Default)]
struct Identifiers(BTreeMap<(&'static str, String, String), Found>);

impl Identifiers {
    /// Adds the identifiers of a request. An identifier that was sent as it was stated counts once.
    fn add(&mut self, request: &StoredRequest) {
        let labels = &request.begun.labels;
        let at = Timestamp::from_microsecond(request.begun.began_us).ok();
        let mut counted = Vec::new();
        for (kind, identifier) in request.identifiers() {
            if counted.contains(&(kind, identifier)) {
                continue;
            }
            counted.push((kind, identifier));
            let [identifier, key] = [identifier, &labels.key].map(|text| text.as_ref().to_owned());
            let found = self.0.entry((kind.name(), identifier.clone(), key.clone())).or_insert_with(|| Found {
                kind,
                identifier,
                user: labels.user.as_deref().map(str::to_owned),
                key: Some(key).filter(|key| !key.is_empty()),
                tenant: labels.tenant.as_deref().map(str::to_owned),
                first_seen: at,
                last_seen: at,
                requests: 0,
            });
            found.first_seen = found.first_seen.min(at);
            found.last_seen = found.last_seen.max(at);
            found.requests += 1;
        }
    }

    fn list(self) -> Vec<Found> {
        self.0.into_values().collect()
    }
}
