//! Starts logging and defines [`Untrusted`], the type in which strings from outside are logged.
//!
//! Two rules apply to every event. Other crates' events below `info` are never shown, whatever the filter, because h2
//! and hyper log authorities, paths and frames there (test `other_crates_are_shown_from_info_on_and_callsign_in_full`).
//! An event is one line: characters that could end or reorder a line are escaped, also where the code does not use
//! [`Untrusted`] (test `no_value_can_forge_a_line`).

use std::fmt;
use std::io::{self, Write};

use callsign_core::visible::{printable, printable_output};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{FilterFn, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Plain text.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The most characters that a log line shows of a string from outside.
const SHOWN: usize = 64;

/// Starts logging to standard error for the whole process. A second call does nothing; tests rely on that.
///
/// # Errors
/// If `filter` is not a tracing filter.
pub fn start(filter: &str, format: LogFormat) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = filter.parse()?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // An error means that logging is already started.
    let _again = subscriber(filter, format, ansi, std::io::stderr).try_init();
    Ok(())
}

/// Returns a subscriber that writes events that pass `filter` in this format. `ansi` colours text for a terminal.
pub fn subscriber<W>(filter: Targets, format: LogFormat, ansi: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::registry().with(filter).with(FilterFn::new(is_ours_or_coarse));
    let layer =
        tracing_subscriber::fmt::layer().with_writer(Lines { writer, ansi }).with_timer(SystemTime).with_ansi(ansi);
    match format {
        LogFormat::Text => Box::new(subscriber.with(layer)),
        LogFormat::Json => Box::new(subscriber.with(layer.json().flatten_event(true))),
    }
}

/// Returns true if an event is callsign's own, or at least at level `info`.
fn is_ours_or_coarse(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    // The workspace's crates are `callsign` and `callsign_…`.
    let ours = target.strip_prefix("callsign").is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', ':']));
    ours || *metadata.level() <= LevelFilter::INFO
}

/// Makes writers that write each event as one line.
struct Lines<W> {
    writer: W,
    /// True if the formatter writes colour sequences, which then pass unescaped.
    ansi: bool,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Lines<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { writer: self.writer.make_writer(), ansi: self.ansi }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Line { writer: self.writer.make_writer_for(metadata), ansi: self.ansi }
    }
}

/// Writes one event as one line. `tracing-subscriber` passes one event per write.
struct Line<W> {
    writer: W,
    ansi: bool,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut whole = printable_output(line, self.ansi, |character| character == '\t');
        whole.push('\n');
        self.writer.write_all(whole.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A string from outside: displayed escaped and cut to 64 characters, so that it can neither forge log lines nor
/// flood the log.
#[derive(Clone, Copy)]
pub struct Untrusted<'a>(pub &'a str);

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.char_indices().nth(SHOWN).map_or(self.0, |(end, _)| self.0.get(..end).unwrap_or_default());
        for character in printable(shown).chars() {
            // A quote could seem to end the value.
            if matches!(character, '"' | '\'') {
                f.write_str("\\")?;
            }
            fmt::Write::write_char(f, character)?;
        }
        if self.0.chars().nth(SHOWN).is_some() { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that collects the log.
    #[derive(Clone, Default)]
    struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, emit: impl FnOnce()) -> String {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = subscriber("trace".parse().unwrap(), format, false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, emit);
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_value_can_forge_a_line() {
        let forged = "a\r\n2026-01-01 INFO forged\u{2028}b\u{2029}c\u{85}d\x0b\x0c\0\x1b[31me\u{202e}f\u{9b}31m\x7f";
        for format in [LogFormat::Text, LogFormat::Json] {
            let said = logged(format, || {
                tracing::info!(display = %forged, debug = ?forged, plain = forged, "message {forged}");
                tracing::error!(untrusted = %Untrusted(forged), error = &std::io::Error::other(forged) as &dyn std::error::Error);
            });
            assert_eq!(said.lines().count(), 2, "{said:?}");
            let odd = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}'));
            assert_eq!(said.find(odd), None, "{said:?}");
            if format == LogFormat::Json {
                said.lines().for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).unwrap()));
            }
        }
    }

    #[test]
    fn only_colour_sequences_pass_on_a_terminal() {
        let log = Log::default();
        let mut line = Line { writer: log.clone(), ansi: true };
        line.write_all(b"\x1b[2;31mred\x1b[0m \x1b[2J \x1b]0;title\x07\n").unwrap();
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(said, "\x1b[2;31mred\x1b[0m \\u001b[2J \\u001b]0;title\\u0007\n");
    }

    #[test]
    fn other_crates_are_shown_from_info_on_and_callsign_in_full() {
        let said = logged(LogFormat::Text, || {
            tracing::trace!(target: "h2::codec", "hidden");
            tracing::debug!(target: "hyper", "hidden");
            tracing::debug!(target: "callsignal", "hidden");
            tracing::info!(target: "rustls", "shown 1");
            tracing::trace!(target: "callsign::server", "shown 2");
            tracing::debug!(target: "callsign", "shown 3");
        });
        assert_eq!((said.matches("shown").count(), said.matches("hidden").count()), (3, 0), "{said}");
    }

    #[test]
    fn strings_from_outside_are_escaped_and_cut() {
        assert_eq!(Untrusted("a\n\x1b[31mb\u{202e}\"").to_string(), "a\\n\\u{1b}[31mb\\u{202e}\\\"");
        let shown = Untrusted(&"x".repeat(1000)).to_string();
        assert_eq!(shown.chars().count(), SHOWN + 1);
    }
}
