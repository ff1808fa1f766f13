//! Headers, copied without their credentials: these are in no archive, and in no record on its way there.
//!
//! A copy, since a reference to a header keeps the whole buffer alive that its connection was read into.

use http::{HeaderMap, HeaderName};

/// What a header's name holds that carries a credential or a session of the client's: one word too many is better than one
/// too few.
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
/// The letters that begin them.
const FIRST: [bool; 256] = {
    let (mut first, mut word) = ([false; 256], 0);
    while word < WORDS.len() {
        first[WORDS[word].as_bytes()[0] as usize] = true;
        word += 1;
    }
    first
};
/// The shortest key of a usual kind.
const SHORTEST: usize = 16;
/// What stands in place of a credential.
const REDACTED: &[u8] = b"***";

/// Which headers carry credentials, besides those that can be told by their names.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    names: Vec<HeaderName>,
}

/// The headers of one message, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flat(Box<[u8]>);

impl Redaction {
    /// Redacts these too: the headers in which issuers' tokens arrive.
    pub fn new(names: impl IntoIterator<Item = HeaderName>) -> Self {
        Self { names: names.into_iter().collect() }
    }

    fn hides(&self, name: &HeaderName, value: &[u8]) -> bool {
        is_telling(name.as_str().as_bytes()) || self.names.contains(name) || is_credential(value)
    }
}

/// Whether a word stands in the name. Asked of every header of every request that is archived: most letters of a name begin
/// no word, and cost a look.
fn is_telling(name: &[u8]) -> bool {
    let begins = |at: usize| WORDS.iter().any(|word| name[at..].starts_with(word.as_bytes()));
    (0..name.len()).any(|at| FIRST[usize::from(name[at])] && begins(at))
}

/// Whether a value looks like a credential, whatever its header is called: a key of a usual kind, or a signed token.
fn is_credential(value: &[u8]) -> bool {
    let scheme = |name: &[u8]| value.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    scheme(b"bearer ")
        || scheme(b"basic ")
        || (value.len() >= SHORTEST
            && memchr::memmem::find(value, b"sk-").is_some_and(|at| value.len() - at >= SHORTEST))
        || (value.starts_with(b"eyJ") && memchr::memchr_iter(b'.', value).count() >= 2)
}

impl Flat {
    /// Copies headers.
    pub fn of(headers: &HeaderMap, redaction: &Redaction) -> Self {
        let length = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let mut text = Vec::with_capacity(length);
        for (name, value) in headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(b':');
            let hidden = value.is_sensitive() || redaction.hides(name, value.as_bytes());
            text.extend_from_slice(if hidden { REDACTED } else { value.as_bytes() });
            // No header holds one.
            text.push(b'\n');
        }
        Self(text.into_boxed_slice())
    }

    /// Its size in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Names and values in order; bytes that are no UTF-8 are replaced.
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
    use crate::caller::issuer::preset::PRESETS;

    fn shown(name: &str, value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        let redaction = Redaction::new([HeaderName::from_static("x-house")]);
        let [pair] = Flat::of(&headers, &redaction).pairs().try_into().unwrap();
        assert_eq!(pair[0], name);
        pair[1].clone()
    }

    #[test]
    fn credentials_are_told_by_name_and_by_look() {
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
    fn what_is_marked_as_sensitive_is_hidden_and_order_and_repetition_stay() {
        let mut headers = HeaderMap::new();
        headers.append("accept", HeaderValue::from_static("a"));
        headers.append("accept", HeaderValue::from_static("b"));
        let mut value = HeaderValue::from_static("x");
        value.set_sensitive(true);
        headers.append("x-odd", value);
        headers.append("x-bytes", HeaderValue::from_bytes(b"\xff").unwrap());
        let flat = Flat::of(&headers, &Redaction::default());
        let pairs: Vec<_> = flat.pairs().iter().map(|pair| pair.join("=")).collect();
        assert_eq!(pairs, ["accept=a", "accept=b", "x-odd=***", "x-bytes=\u{fffd}"]);
    }
}
