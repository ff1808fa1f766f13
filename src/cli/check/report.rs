//! Prints the results of `check` as text and as JSON. It must not decide any result.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::cli::summary;
use crate::config::Config;
use crate::json_members;
use crate::selftest::comparison::{CLAIMS, Outcome};
use callsign_core::endpoint::Inference;
use callsign_core::identity::identifier::TABLE;
use callsign_core::visible::printable;
use mock_openrouter::Received;

/// The endpoint whose arrived request is shown.
const SHOWN: &str = "chat/completions";
/// Headers whose values are shown as `***`.
const CREDENTIALS: [&str; 5] = ["authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"];

/// The results of all checks.
#[derive(Debug)]
pub(super) struct Report {
    warnings: Vec<String>,
    valves: Value,
    formats: Value,
    checks: Vec<(String, Outcome)>,
    received: Option<Arrived>,
}

/// One request as it arrived, without credentials: headers as names and values, body members as names and JSON texts.
#[derive(Debug)]
struct Arrived {
    headers: Vec<(String, String)>,
    body: Vec<(String, String)>,
}

impl Report {
    /// Creates a report on this configuration without results.
    pub(super) fn new(config: &Config, warnings: Vec<String>) -> Self {
        let policy = &config.tenants.operator;
        Self {
            warnings,
            valves: policy.valves.list().into_iter().map(|valve| (valve.variable, valve.on)).collect(),
            formats: TABLE.iter().map(|row| (row.name, policy.formats[row.identifier].to_string())).collect(),
            checks: Vec::new(),
            received: None,
        }
    }

    /// Adds the result of a check.
    pub(super) fn add(&mut self, name: &str, outcome: Outcome) {
        self.checks.push((name.to_owned(), outcome));
    }

    /// Stores an arrived request if its endpoint is the one to show.
    pub(super) fn show(&mut self, endpoint: &Inference, received: &Received) {
        if endpoint.path != SHOWN {
            return;
        }
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            let value = if CREDENTIALS.contains(&name.as_str()) {
                "***".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            (name.as_str().to_owned(), value)
        };
        let body = String::from_utf8_lossy(&received.body);
        let members = json_members::read(&body).unwrap_or_default();
        self.received = Some(Arrived {
            headers: received.headers.iter().map(header).collect(),
            body: members.iter().map(|member| (member.name(), member.value.to_owned())).collect(),
        });
    }

    /// Returns true if there were checks and none failed.
    pub(super) fn passed(&self) -> bool {
        !self.checks.is_empty() && self.failed() == 0
    }

    fn failed(&self) -> usize {
        self.checks.iter().filter(|(_, outcome)| outcome.is_err()).count()
    }

    /// Prints the report as text.
    pub(super) fn print(&self, config: &Config, out: &mut impl Write) -> io::Result<()> {
        const BOLD: Style = Style::new().bold();
        const DIM: Style = Style::new().dimmed();
        let (green, red) = (AnsiColor::Green.on_default(), AnsiColor::Red.on_default());
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        summary::print(config, out)?;
        writeln!(out)?;
        let width = self.checks.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, outcome) in &self.checks {
            match outcome {
                Ok(found) => writeln!(out, "{green}✓{green:#} {name:width$}  {DIM}{}{DIM:#}", printable(found))?,
                Err(wrong) => writeln!(out, "{red}✗ {name:width$}  {}{red:#}", printable(wrong))?,
            }
        }
        if let Some(received) = &self.received {
            writeln!(out, "\n{BOLD}Arrived for {SHOWN}{BOLD:#} (the request claimed another user's identifiers)")?;
            for (name, value) in &received.headers {
                writeln!(out, "  {name}: {}", printable(value))?;
            }
            for (name, value) in received.body.iter().filter(|(name, _)| CLAIMS.contains(&name.as_str())) {
                writeln!(out, "  {green}\"{}\": {}{green:#}", printable(name), printable(value))?;
            }
        }
        let checks = self.checks.len();
        match self.failed() {
            0 => writeln!(out, "\n{green}passed{green:#}: {checks} checks"),
            failed => writeln!(out, "\n{red}FAILED{red:#}: {failed} of {checks} checks"),
        }
    }

    /// Prints the report as one JSON document.
    pub(super) fn print_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let checks = self.checks.iter().map(|(name, outcome)| {
            let (Ok(detail) | Err(detail)) = outcome;
            json!({ "name": name, "passed": outcome.is_ok(), "detail": detail })
        });
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("passed", &self.passed())?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.serialize_entry("valves", &self.valves)?;
        map.serialize_entry("formats", &self.formats)?;
        map.serialize_entry("checks", &checks.collect::<Vec<_>>())?;
        map.serialize_entry("received", &self.received)?;
        map.end()
    }
}

impl Serialize for Arrived {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("headers", &Headers(&self.headers))?;
        map.serialize_entry("body", &Body(&self.body))?;
        map.end()
    }
}

struct Headers<'a>(&'a [(String, String)]);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A body whose numbers keep their spelling.
struct Body<'a>(&'a [(String, String)]);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = |text: &String| RawValue::from_string(text.clone()).ok();
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, raw(value))))
    }
}
