//! `callsign archive show ID`.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::cli::Exit;
use crate::cli::args::Part;
use callsign_core::visible::{printable, printable_lines};
use callsign_store::archive::ArchiveError;
use callsign_store::archive::reader::{self, Found, Opened};
use callsign_store::archive::settings::Place;

/// Prints the archives of an id. Archives named by the id are found by path; only if there are none, every archive is
/// opened.
pub(super) fn show(
    place: &Place,
    id: &str,
    tenant: Option<&str>,
    part: Option<Part>,
    is_terminal: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let by_name = reader::named(&place.directory, id)?;
    let mut found = open(place, by_name, |_| true, tenant, err)?;
    if found.is_empty() {
        found = open(place, reader::list(&place.directory, None)?, |opened| opened.meta.has(id), tenant, err)?;
    }
    found.sort_by(|(_, one), (_, other)| one.meta.began.cmp(&other.meta.began));
    let mut tenants: Vec<_> = found.iter().map(|(_, opened)| opened.meta.tenant.clone()).collect();
    tenants.sort_unstable();
    tenants.dedup();
    if tenants.len() > 1 {
        let names: Vec<_> = tenants.iter().map(|name| printable(name.as_deref().unwrap_or("none (\"\")"))).collect();
        writeln!(err, "callsign: this id exists in several tenants; choose one with --tenant: {}", names.join(", "))?;
        return Ok(Exit::Failure);
    }
    if found.is_empty() {
        writeln!(err, "callsign: no archived request has this id; see callsign archive list")?;
        return Ok(Exit::Failure);
    }
    let mut exit = Exit::Success;
    for (path, mut opened) in found {
        if let Err(error) = print(place, &path, &mut opened, part, is_terminal, out) {
            match error {
                // An error of `out`: its reader is gone.
                ArchiveError::Read(error) => return Err(error),
                error => writeln!(err, "callsign: {} {error}", printable(&path.display().to_string()))?,
            }
            exit = Exit::Failure;
        }
    }
    Ok(exit)
}

/// Opens the archives in `found` that match, each with its path below the directory.
fn open(
    place: &Place,
    found: Vec<Found>,
    wanted: impl Fn(&Opened) -> bool,
    tenant: Option<&str>,
    err: &mut impl Write,
) -> io::Result<Vec<(PathBuf, Opened)>> {
    let mut opened = Vec::new();
    for Found { path, .. } in found {
        let below = path.strip_prefix(&place.directory).unwrap_or(&path).to_owned();
        match Opened::open(&path, &place.password) {
            Ok(archive) if wanted(&archive) && tenant.is_none_or(|tenant| archive.meta.is_of_tenant(tenant)) => {
                opened.push((below, archive));
            }
            Ok(_) => {}
            Err(error) => writeln!(err, "callsign: {} {error}", printable(&below.display().to_string()))?,
        }
    }
    Ok(opened)
}

fn print(
    place: &Place,
    path: &std::path::Path,
    opened: &mut Opened,
    part: Option<Part>,
    is_terminal: bool,
    out: &mut impl Write,
) -> Result<(), ArchiveError> {
    let entries = opened.entries();
    if part.is_none() {
        writeln!(out, "==== {}", printable(&path.display().to_string()))?;
    }
    for name in entries.iter().filter(|name| part.is_none_or(|part| part.is(name))) {
        if part.is_none() {
            writeln!(out, "---- {}", printable(name))?;
        }
        if is_terminal {
            let mut bytes = Vec::new();
            opened.copy(name, &place.password, &mut bytes)?;
            out.write_all(printable_lines(&String::from_utf8_lossy(&bytes)).as_bytes())?;
        } else {
            opened.copy(name, &place.password, out)?;
        }
        if part.is_none() {
            writeln!(out)?;
        }
    }
    Ok(())
}

impl Part {
    /// Returns true if an entry of the archive is this part.
    fn is(self, entry: &str) -> bool {
        let stem = match self {
            Self::Meta => "meta",
            Self::Headers => "headers",
            Self::Request => "request",
            Self::Response => "response",
        };
        entry.split('.').next() == Some(stem)
    }
}
