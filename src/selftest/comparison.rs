//! Compares the request that reached the upstream with the expected one. Pure; the tests show that each comparison can
//! fail.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::json_members;
use callsign_core::secret::Secret;
use mock_openrouter::Sent;

/// The result of a comparison: a description of what was found, or of what is wrong.
pub(crate) type Outcome = Result<String, String>;

/// Members that can name a caller (`docs/SPEC.md#removed-fields`). The check has its own list: with the list of the
/// code under test it could not find a missing entry.
pub(crate) const CLAIMS: [&str; 9] = [
    "user",
    "session_id",
    "metadata",
    "safety_identifier",
    "trace",
    "client_metadata",
    "callback_url",
    "__proto__",
    "prompt_cache_key",
];
/// Headers that belong to the connection between callsign and the upstream.
const FRAMING: [HeaderName; 3] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];

/// The request that must arrive.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The client's members that must arrive in this order: name and JSON text.
    pub(crate) kept: Vec<(String, String)>,
    /// Members that callsign must write.
    pub(crate) written: Vec<(String, String)>,
    /// All headers except framing and `authorization`.
    pub(crate) headers: HeaderMap,
    /// The `authorization` header.
    pub(crate) authorization: HeaderValue,
    /// The owner of that key, for messages.
    pub(crate) payer: &'static str,
    /// A text that every spoofed value contains.
    pub(crate) marker: String,
    /// The caller's own credential, which must not arrive elsewhere.
    pub(crate) credential: Secret,
}

/// Runs all comparisons. Returns the name and the outcome of each.
pub(crate) fn compare(expected: &Expected, headers: &HeaderMap, body: &[u8]) -> Vec<(&'static str, Outcome)> {
    let text = String::from_utf8_lossy(body);
    let members: Result<Vec<(String, String)>, String> = json_members::read(&text)
        .map(|members| members.iter().map(|member| (member.name(), member.value.to_owned())).collect())
        .map_err(|error| format!("the body is not a JSON object: {error}"));
    let members = members.as_deref().map_err(Clone::clone);
    vec![
        ("identifiers", members.clone().and_then(|members| identifiers(expected, members, headers))),
        ("nothing spoofed", nothing_spoofed(expected, headers, &text)),
        ("body", members.and_then(|members| rest_of_body(expected, members))),
        ("headers", other_headers(expected, headers)),
        ("authorization", authorization(expected, headers)),
    ]
}

/// Compares the client's response with the one that the upstream sent.
pub(crate) fn same_answer(answer: &Response<Bytes>, sent: Option<&Sent>) -> Outcome {
    match sent {
        Some(sent) if sent.status == answer.status() && sent.body == *answer.body() => {
            Ok(format!("{} bytes, unchanged", sent.body.len()))
        }
        Some(sent) => Err(format!(
            "the client received {} and {} bytes, the upstream sent {} and {}",
            answer.status(),
            answer.body().len(),
            sent.status,
            sent.body.len()
        )),
        None => Err("the upstream sent no response".to_owned()),
    }
}

/// Checks that every expected identifier is there once with its value, and no other.
fn identifiers(expected: &Expected, members: &[(String, String)], headers: &HeaderMap) -> Outcome {
    let mut wrong = Vec::new();
    for (name, value) in &expected.written {
        let found: Vec<_> = members.iter().filter(|(found, _)| found == name).map(|(_, value)| value).collect();
        match found.as_slice() {
            [found] if *found == value => {}
            [found] => wrong.push(format!("{name} is {found}, expected {value}")),
            [] => wrong.push(format!("{name} is missing, expected {value}")),
            several => wrong.push(format!("{name} is there {} times, expected once", several.len())),
        }
    }
    let ours = |name: &str| expected.written.iter().chain(&expected.kept).any(|(own, _)| own == name);
    for (name, _) in members.iter().filter(|(name, _)| !ours(name)) {
        if CLAIMS.iter().any(|claim| claim.eq_ignore_ascii_case(name)) {
            wrong.push(format!("{name} is there, but is not expected"));
        }
    }
    let session = HeaderName::from_static("x-session-id");
    if expected.headers.get(&session) != headers.get(&session) {
        wrong.push("the header x-session-id differs from the expected one".to_owned());
    }
    let names = expected.written.iter().map(|(name, _)| name.as_str());
    let header = expected.headers.contains_key(&session).then_some("header x-session-id");
    let names: Vec<_> = names.chain(header).collect();
    outcome(&wrong, if names.is_empty() { "none, as all valves are off".to_owned() } else { names.join(", ") })
}

/// Checks that the marker and the caller's credential are nowhere.
fn nothing_spoofed(expected: &Expected, headers: &HeaderMap, body: &str) -> Outcome {
    let mut wrong = Vec::new();
    for (text, what) in
        [(expected.marker.as_str(), "a spoofed value"), (expected.credential.expose(), "the caller's key")]
    {
        if holds(body.as_bytes(), text) {
            wrong.push(format!("{what} is in the body"));
        }
        for (name, _) in headers.iter().filter(|(name, value)| **name != AUTHORIZATION && holds(value.as_bytes(), text))
        {
            wrong.push(format!("{what} is in the header {name}"));
        }
    }
    outcome(&wrong, "neither in the body nor in the headers".to_owned())
}

/// Checks that the client's other members are unchanged and in order.
fn rest_of_body(expected: &Expected, members: &[(String, String)]) -> Outcome {
    let written = |name: &str| expected.written.iter().any(|(own, _)| own == name);
    let rest: Vec<_> = members.iter().filter(|(name, _)| !written(name)).collect();
    if rest.iter().copied().eq(&expected.kept) {
        return Ok(format!("the other {} members are unchanged, byte for byte", rest.len()));
    }
    let wanted = expected.kept.iter();
    let changed = wanted.filter(|member| !rest.contains(member)).map(|(name, _)| name.as_str());
    let added = rest.iter().filter(|member| !expected.kept.contains(**member)).map(|(name, _)| name.as_str());
    Err(format!(
        "missing or changed: [{}]; not the client's: [{}]",
        changed.collect::<Vec<_>>().join(", "),
        added.collect::<Vec<_>>().join(", ")
    ))
}

/// Checks that exactly the expected headers are there. Messages contain no values, which may be secrets.
fn other_headers(expected: &Expected, headers: &HeaderMap) -> Outcome {
    let mut wrong = Vec::new();
    for name in expected.headers.keys() {
        if !expected.headers.get_all(name).iter().eq(headers.get_all(name)) {
            wrong.push(format!("{name} is missing or changed"));
        }
    }
    let known =
        |name: &HeaderName| expected.headers.contains_key(name) || FRAMING.contains(name) || *name == AUTHORIZATION;
    wrong
        .extend(headers.keys().filter(|name| !known(name)).map(|name| format!("{name} is there, but is not expected")));
    let names: Vec<_> = expected.headers.keys().map(HeaderName::as_str).collect();
    outcome(&wrong, format!("only {}", names.join(", ")))
}

fn authorization(expected: &Expected, headers: &HeaderMap) -> Outcome {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if *value == expected.authorization => Ok(expected.payer.to_owned()),
        (Some(_), None) => Err(format!("it is not {}", expected.payer)),
        (None, _) => Err("it is missing".to_owned()),
        (Some(_), Some(_)) => Err("it is there more than once, expected once".to_owned()),
    }
}

fn outcome(wrong: &[String], right: String) -> Outcome {
    if wrong.is_empty() { Ok(right) } else { Err(wrong.join("; ")) }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(&bytes.to_ascii_lowercase(), text.to_ascii_lowercase().as_bytes()).is_some()
}

#[cfg(test)]
mod tests;
