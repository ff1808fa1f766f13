//! `callsign archive verify`.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Exit;
use callsign_core::visible::printable;
use callsign_store::archive::reader::{self, Opened};
use callsign_store::archive::settings::Place;

/// Reads every archive and names those that are not intact. A terminal shows the progress.
pub(super) fn verify(place: &Place, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let found = reader::list(&place.directory, None)?;
    // The bar draws on the standard error, and only if that is a terminal.
    let bar = ProgressBar::new(found.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} archives, {eta} left") {
        bar.set_style(style);
    }
    let mut unsound = 0_u64;
    for found in &found {
        let opened = Opened::open(&found.path, &place.password);
        if let Err(error) = opened.and_then(|mut opened| opened.verify(&place.password)) {
            unsound += 1;
            let path = found.path.strip_prefix(&place.directory).unwrap_or(&found.path).display().to_string();
            bar.suspend(|| writeln!(err, "{} {error}", printable(&path)))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let intact = found.len() as u64 - unsound;
    writeln!(out, "{intact} of {} archives are intact", found.len())?;
    Ok(if unsound == 0 { Exit::Success } else { Exit::Failure })
}
