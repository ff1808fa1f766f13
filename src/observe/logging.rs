//! Sets up logs, and the type that strings from outside are logged in.

use std::fmt;

use crate::config::LogFormat;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// The most characters of a string from outside that a log line shows.
const SHOWN: usize = 64;

/// Starts logging to standard error for the whole process. A second call does nothing, as tests need.
///
/// # Errors
/// When `filter` is no tracing filter.
pub fn start(filter: &str, format: LogFormat) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_timer(SystemTime)
        .with_ansi(ansi);
    // An error means that logging has been started already.
    let _again = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// A string that somebody else chose: shown escaped and cut, so that it can neither forge a log line nor flood the log.
#[derive(Clone, Copy)]
pub struct Untrusted<'a>(pub &'a str);

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(SHOWN).flat_map(char::escape_debug) {
            fmt::Write::write_char(f, character)?;
        }
        if self.0.chars().nth(SHOWN).is_some() { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_from_outside_are_escaped_and_cut() {
        assert_eq!(Untrusted("a\n\x1b[31mb\u{202e}\"").to_string(), "a\\n\\u{1b}[31mb\\u{202e}\\\"");
        let shown = Untrusted(&"x".repeat(1000)).to_string();
        assert_eq!(shown.chars().count(), SHOWN + 1);
    }
}
