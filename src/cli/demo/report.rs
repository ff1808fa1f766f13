//! The viewer's text: what the app sent, what OpenRouter got, and who it was.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Response};
use serde_json::Value;

use crate::json_members;
use callsign_core::endpoint::removed_fields::RemovedField;
use callsign_core::visible::{printable, printable_lines};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GONE: Style = AnsiColor::Red.on_default();
const NEW: Style = AnsiColor::Green.on_default();
const NAMED: Style = AnsiColor::Cyan.on_default().bold();

/// Width of a name and of a value, in characters.
const NAME: usize = 13;
const VALUE: usize = 26;
/// Longest value in characters; longer ones are cut.
const SHOWN: usize = 60;

/// A request as the app sent it.
pub(super) struct Sent<'a> {
    pub(super) headers: &'a HeaderMap,
    /// True if it has the key of the demo's app.
    pub(super) is_own_key: bool,
    pub(super) body: &'a Bytes,
}

/// A request as the mock OpenRouter says that it received it.
pub(super) struct Received {
    /// The identifiers in the body.
    body: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

impl Received {
    /// Reads the mock OpenRouter's answer. Returns `None` for another answer.
    pub(super) fn read(answer: &[u8]) -> Option<Self> {
        let answer: Value = serde_json::from_slice(answer).ok()?;
        let told = answer.pointer("/choices/0/message/content")?.as_str()?;
        let (_, told) = told.split_once("\nIdentifiers in the body")?;
        let (body, headers) = told.split_once("\nHeaders that reached it:")?;
        let rows = |text: &str| {
            let rows = text.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(' '));
            rows.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
        };
        Some(Self { body: rows(body), headers: rows(headers) })
    }

    /// Returns the field `user`.
    pub(super) fn user(&self) -> Option<&str> {
        self.value("user")
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.body.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Returns the part about the app's side.
pub(super) fn sent(sent: &Sent<'_>, received: Option<&Received>) -> String {
    let mut text = format!("{BOLD}The app sent to callsign{BOLD:#}\n");
    let key = if sent.is_own_key { "the app's key" } else { "a key (not shown)" };
    line(&mut text, Style::new(), ("authorization", key), "");
    for (name, value) in sent.headers.iter().filter(|(name, _)| *name != AUTHORIZATION) {
        let value = String::from_utf8_lossy(value.as_bytes());
        let is_gone = received.is_some_and(|received| received.headers.iter().all(|(own, _)| own != name.as_str()));
        line(
            &mut text,
            Style::new(),
            (name.as_str(), &value),
            if is_gone { "read by callsign, not sent on" } else { "" },
        );
    }
    let body = String::from_utf8_lossy(sent.body);
    let Ok(members) = json_members::read(&body) else {
        line(&mut text, Style::new(), ("body", &body), "");
        return text + "\n";
    };
    for member in members {
        let name = member.name();
        let plain = serde_json::from_str::<String>(member.value).unwrap_or_else(|_| member.value.to_owned());
        let is_gone = received.is_some_and(|received| received.value(&name) != Some(&plain));
        let is_claim = RemovedField::find(&name).is_some() && is_gone;
        let (style, why) = if is_claim { (GONE, "the client's claim, removed") } else { (Style::new(), "") };
        line(&mut text, style, (&name, &plain), why);
    }
    text + "\n"
}

/// Returns the part about OpenRouter's side.
pub(super) fn received(sent: &Sent<'_>, received: &Received) -> String {
    let mut text = format!("{BOLD}OpenRouter got from callsign{BOLD:#}\n");
    let noise = ["accept", "accept-encoding", "user-agent"];
    for (name, value) in received.headers.iter().filter(|(name, _)| !noise.contains(&name.as_str())) {
        let style = if sent.headers.contains_key(name.as_str()) { Style::new() } else { NEW };
        line(&mut text, style, (name, value), "");
    }
    if received.body.is_empty() {
        text += "  no identifier\n";
    }
    for (name, value) in &received.body {
        line(&mut text, NEW, (name, value), "written by callsign");
    }
    text + "\n"
}

/// Returns the part about the person: the ledger's answer for the identifier that OpenRouter got.
pub(super) fn person(identifier: Option<&str>, found: Option<(String, Option<String>)>) -> String {
    let mut text = format!("{BOLD}Who it was{BOLD:#}\n");
    match (identifier, found) {
        (Some(_), Some((user, key))) => {
            let key = key.map(|key| format!(", with the key \"{}\"", printable(&key))).unwrap_or_default();
            let user = printable(&user);
            // Writing to a `String` does not fail.
            let _ = writeln!(text, "  {NAMED}{user}{NAMED:#}{key}   {DIM}see Users in the console{DIM:#}");
        }
        (Some(_), None) => text += "  the ledger does not have the request yet\n",
        (None, _) => text += "  OpenRouter cannot tell: SEND_END_USER_ID is off\n",
    }
    text
}

/// Returns the part about a request that did not reach OpenRouter, or whose answer is not a plain chat completion.
pub(super) fn refused(answer: &Response<Bytes>) -> String {
    let status = answer.status().as_u16();
    let Some(code) = answer.headers().get("x-callsign-error") else {
        let body = printable_lines(&String::from_utf8_lossy(answer.body()));
        return format!("{BOLD}The answer{BOLD:#}\n  {status}\n{body}\n");
    };
    let code = printable(&String::from_utf8_lossy(code.as_bytes()));
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let message = printable(body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default());
    format!(
        "{BOLD}callsign refused it{BOLD:#}\n  {GONE}{status} {code}{GONE:#}\n  {message}\n\n\
         {BOLD}OpenRouter got from callsign{BOLD:#}\n  nothing\n"
    )
}

/// Adds a line: name, value, reason.
fn line(text: &mut String, style: Style, (name, value): (&str, &str), why: &str) {
    let (name, mut value) = (printable(name), printable(value));
    if let Some((at, _)) = value.char_indices().nth(SHOWN) {
        value.truncate(at);
        value.push('…');
    }
    // Writing to a `String` does not fail.
    let _ = if why.is_empty() {
        writeln!(text, "  {style}{name:NAME$}  {value}{style:#}")
    } else {
        writeln!(text, "  {style}{name:NAME$}  {value:VALUE$}{style:#}  {DIM}{why}{DIM:#}")
    };
}
