//! Parsers that several commands share.

use std::time::Duration;

use clap::builder::UnknownArgumentValueParser;

use callsign_store::ledger;
use callsign_store::limits::orders::limit;

/// Longest temporary block: 100 years.
const MAX_BLOCK_SECONDS: u64 = 3_155_760_000;

/// Returns a parser that refuses `--until` and names the option that exists.
pub(super) fn instead_of_until() -> UnknownArgumentValueParser {
    UnknownArgumentValueParser::suggest_arg("--for").and_suggest("--for takes a duration, as --for 24h or --for 7d")
}

/// Parses a limit and its value.
pub(super) fn limit_value(text: &str) -> Result<limit::Value, String> {
    let (name, value) = text.split_once('=').ok_or("expected LIMIT=VALUE, as rpm=5")?;
    limit::value(name, value)
}

/// Parses the duration of a block or a run-time limit.
pub(super) fn time(text: &str) -> Result<Duration, &'static str> {
    let time = ledger::duration(text).and_then(|time| Duration::try_from(time).ok());
    let time = time.filter(|time| (1..=MAX_BLOCK_SECONDS).contains(&time.as_secs()));
    time.ok_or("expected a number and s, m, h or d, as 24h; at most 100 years")
}
