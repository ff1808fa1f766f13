//! `callsign backup`: copies the SQLite files while servers run (docs/SPEC.md#backup-and-restore).

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;

use super::Exit;
use super::args::Backup;
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::backup::write::{Progress, write};
use callsign_store::ledger::settings::Store;

/// Time between two lines of progress if there is no terminal.
const LINES: Duration = Duration::from_secs(10);

/// Makes a backup and prints what it holds.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(
    config: &Config,
    asked: &Backup,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let mut shown = Shown::new(io::stderr().is_terminal());
    let written = write(&config.ledger, &asked.output, &mut |progress| shown.show(progress, err)).await;
    shown.end();
    let manifest = match written {
        Ok(manifest) => manifest,
        Err(error) => {
            writeln!(err, "callsign: {}", printable(&error.to_string()))?;
            return Ok(Exit::Failure);
        }
    };
    if asked.form.is_json() {
        let mut result = serde_json::to_value(&manifest)?;
        result["path"] = json!(asked.output.display().to_string());
        writeln!(out, "{result:#}")?;
    } else {
        for file in &manifest.files {
            writeln!(out, "{}: {} bytes", file.name, file.bytes)?;
        }
        writeln!(out, "{}: complete", printable(&asked.output.display().to_string()))?;
    }
    if matches!(config.ledger.store, Some(Store::Postgres(_))) {
        writeln!(err, "The ledger and the state are in PostgreSQL, which this backup lacks: use pg_dump.")?;
    } else if config.limits.store.is_some() {
        writeln!(err, "The state is in Redis. state.db is the copy of this node.")?;
    }
    writeln!(err, "Keep the configuration and CALLSIGN_ID_SECRET too, apart from this backup. It lacks the archive.")?;
    Ok(Exit::Success)
}

/// The display of progress: a bar on a terminal, else a line every ten seconds.
struct Shown {
    is_terminal: bool,
    bar: Option<ProgressBar>,
    line: Instant,
}

impl Shown {
    fn new(is_terminal: bool) -> Self {
        Self { is_terminal, bar: None, line: Instant::now() }
    }

    fn show(&mut self, progress: Progress, err: &mut impl Write) {
        let Progress { part, bytes, of } = progress;
        if self.is_terminal {
            let bar = self.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{msg} {bar:40} {bytes} of {total_bytes}, {eta} left");
                ProgressBar::new(of).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            });
            bar.set_message(part.name());
            bar.set_length(of);
            bar.set_position(bytes.min(of));
        } else if self.line.elapsed() >= LINES {
            self.line = Instant::now();
            // The copy goes on if nobody reads this.
            let _unread = writeln!(err, "{}: {bytes} of at most {of} bytes", part.name());
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
