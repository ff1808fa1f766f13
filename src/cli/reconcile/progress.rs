//! Progress of `reconcile`: a bar on a terminal, else a line every ten seconds.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// Time between two lines if there is no terminal.
const LINES: Duration = Duration::from_secs(10);

/// A progress display.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    done: usize,
    all: usize,
    line: Instant,
}

impl Progress {
    pub(super) fn new(all: usize, terminal: bool) -> Self {
        let bar = terminal.then(|| {
            let template = "{bar:40} {pos} of {len} records requested, {eta} left";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(all as u64).with_style(style)
        });
        Self { bar, done: 0, all, line: Instant::now() }
    }

    /// Counts one more request as done.
    pub(super) fn step(&mut self, err: &mut impl Write) -> io::Result<()> {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
        } else if self.line.elapsed() >= LINES {
            self.line = Instant::now();
            writeln!(err, "{} of {} records requested", self.done, self.all)?;
        }
        Ok(())
    }

    /// Prints a line above the bar.
    pub(super) fn say(&self, line: &str, err: &mut impl Write) -> io::Result<()> {
        match &self.bar {
            Some(bar) => bar.suspend(|| writeln!(err, "{line}")),
            None => writeln!(err, "{line}"),
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
