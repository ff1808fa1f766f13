//! Copies of header maps in which credentials are replaced with `***`.
//!
//! Redaction happens while copying, so the queue and the archive do not contain credentials. Headers are copied because
//! a reference to one keeps its connection's whole read buffer alive.

use http::{HeaderMap, HeaderName};

/// Substrings of header names that mark a credential or a client's session. The list errs on the side of redacting.
const WORDS: [&str; 14] = [
    "auth",
    "cookie",
    "token",
    "secret",
    "passw",
    "credential",
    "api-key",
    "apikey",
    "access-key",
    "jwt",
    "assertion",
    "signature",
    "oidc",
    "-key",
];
/// Indexed by byte: true if a word of [`WORDS`] begins with it.
const FIRST: [bool; 256] = {
    let (mut first, mut word) = ([false; 256], 0);
    while word < WORDS.len() {
        first[WORDS[word].as_bytes()[0] as usize] = true;
        word += 1;
    }
    first
};
/// Minimum length in bytes of an `sk-…` key. Shorter values are not redacted.
const SHORTEST: usize = 16;
/// The replacement for a credential.
const REDACTED: &[u8] = b"***";

/// Additional headers to redact, besides those that are recognised by name or value.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    names: Vec<HeaderName>,
}

/// The headers of one message, as `name:value` lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderSnapshot(Box<[u8]>);

impl Redaction {
    /// Redacts these headers too. Used for the headers that carry issuers' tokens.
    pub fn new(names: impl IntoIterator<Item = HeaderName>) -> Self {
        Self { names: names.into_iter().collect() }
    }

    fn applies_to(&self, name: &HeaderName, value: &[u8]) -> bool {
        is_credential_name(name.as_str().as_bytes()) || self.names.contains(name) || is_credential(value)
    }
}

/// Returns true if the name contains one of [`WORDS`]. Runs for every archived header, so a lookup in [`FIRST`] skips
/// most positions.
fn is_credential_name(name: &[u8]) -> bool {
    let begins = |at: usize| WORDS.iter().any(|word| name[at..].starts_with(word.as_bytes()));
    (0..name.len()).any(|at| FIRST[usize::from(name[at])] && begins(at))
}

/// Returns true if the value looks like a credential: `Bearer` or `Basic`, an `sk-…` key, or a JWT.
fn is_credential(value: &[u8]) -> bool {
    let scheme = |name: &[u8]| value.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    scheme(b"bearer ")
        || scheme(b"basic ")
        || (value.len() >= SHORTEST
            && memchr::memmem::find(value, b"sk-").is_some_and(|at| value.len() - at >= SHORTEST))
        || (value.starts_with(b"eyJ") && memchr::memchr_iter(b'.', value).count() >= 2)
}

impl HeaderSnapshot {
    /// Copies headers and redacts credentials.
    pub fn of(headers: &HeaderMap, redaction: &Redaction) -> Self {
        let length = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let mut text = Vec::with_capacity(length);
        for (name, value) in headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(b':');
            let hidden = value.is_sensitive() || redaction.applies_to(name, value.as_bytes());
            text.extend_from_slice(if hidden { REDACTED } else { value.as_bytes() });
            // A header value cannot contain a line feed, so it separates lines safely.
            text.push(b'\n');
        }
        Self(text.into_boxed_slice())
    }

    /// Returns the size in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns names and values in order. Invalid UTF-8 is replaced with U+FFFD.
    pub(super) fn pairs(&self) -> Vec<[String; 2]> {
        let text = String::from_utf8_lossy(&self.0);
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        pairs.map(|(name, value)| [name.to_owned(), value.to_owned()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use callsign_core::auth::issuer::preset::PRESETS;

    fn shown(name: &str, value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        let redaction = Redaction::new([HeaderName::from_static("x-house")]);
        let [pair] = HeaderSnapshot::of(&headers, &redaction).pairs().try_into().unwrap();
        assert_eq!(pair[0], name);
        pair[1].clone()
    }

    #[test]
    fn credentials_are_recognised_by_name_and_by_value() {
        let mut hidden = vec![
            ("authorization", "x"),
            ("proxy-authorization", "x"),
            ("x-api-key", "x"),
            ("api-key", "x"),
            ("cookie", "x"),
            ("set-cookie", "x"),
            ("x-amz-security-token", "x"),
            ("x-house", "x"),
            ("x-anything", "Bearer 0123456789"),
            ("x-anything", "basic dTpw"),
            ("x-anything", "sk-or-v1-0123456789abcdef"),
            ("x-anything", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"),
        ];
        hidden.extend(PRESETS.iter().map(|preset| (preset.header, "x")));
        for (name, value) in hidden {
            assert_eq!(shown(name, value), "***", "{name}: {value}");
        }
        for (name, value) in [
            ("content-type", "application/json"),
            ("x-openwebui-user-id", "alice"),
            ("user-agent", "task-force/1"),
            ("x-generation-id", "gen-1"),
            ("x-title", "a: b"),
        ] {
            assert_eq!(shown(name, value), value, "{name}");
        }
    }

    #[test]
    fn sensitive_values_are_redacted_and_order_and_repetition_are_kept() {
        let mut headers = HeaderMap::new();
        headers.append("accept", HeaderValue::from_static("a"));
        headers.append("accept", HeaderValue::from_static("b"));
        let mut value = HeaderValue::from_static("x");
        value.set_sensitive(true);
        headers.append("x-odd", value);
        headers.append("x-bytes", HeaderValue::from_bytes(b"\xff").unwrap());
        let snapshot = HeaderSnapshot::of(&headers, &Redaction::default());
        let pairs: Vec<_> = snapshot.pairs().iter().map(|pair| pair.join("=")).collect();
        assert_eq!(pairs, ["accept=a", "accept=b", "x-odd=***", "x-bytes=\u{fffd}"]);
    }
}
