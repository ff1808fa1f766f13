//! `callsign archive verify`.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::Exit;
use callsign_core::visible::printable;
use callsign_store::archive::reader::{self, Opened};
use callsign_store::archive::settings::Place;

/// Reads every archive and names those that are not intact: on `err`, with `json` in one object on `out`. A terminal
/// shows the progress.
pub(super) fn verify(place: &Place, json: bool, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let found = reader::list(&place.directory, None)?;
    // The bar draws on the standard error, and only if that is a terminal.
    let bar = ProgressBar::new(found.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} archives, {eta} left") {
        bar.set_style(style);
    }
    let mut damaged = Vec::new();
    for found in &found {
        let opened = Opened::open(&found.path, &place.password);
        if let Err(error) = opened.and_then(|mut opened| opened.verify(&place.password)) {
            let path = found.path.strip_prefix(&place.directory).unwrap_or(&found.path).display().to_string();
            let path = printable(&path);
            if !json {
                bar.suspend(|| writeln!(err, "{path} {error}"))?;
            }
            damaged.push(json!({ "path": path, "error": error.to_string() }));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let intact = found.len().saturating_sub(damaged.len());
    let is_sound = damaged.is_empty();
    if json {
        let whole = json!({ "archives": found.len(), "intact": intact, "damaged": damaged });
        writeln!(out, "{}", serde_json::to_string_pretty(&whole)?)?;
    } else {
        writeln!(out, "{intact} of {} archives are intact", found.len())?;
    }
    Ok(if is_sound { Exit::Success } else { Exit::Failure })
}
