//! Parses a request as leniently as OpenRouter's JavaScript, so that every body that callsign passes on is answered:
//! lone surrogates, `1e400`, any depth, duplicate members.

use std::fmt;

use http::HeaderMap;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The head and the top-level members of one request.
#[derive(Debug)]
pub(super) struct ParsedRequest {
    /// The path below `/api/v1/`.
    pub(super) path: String,
    headers: HeaderMap,
    members: Members,
}

impl ParsedRequest {
    /// Parses `body`, which is JSON unless the content type is multipart. The error is OpenRouter's error message.
    pub(super) fn read(path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Self, &'static str> {
        let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let members = match content_type.and_then(|value| value.strip_prefix("multipart/form-data; boundary=")) {
            Some(boundary) => Members::of_form(boundary, body),
            None => serde_json::from_slice(body).map_err(|_| "Invalid JSON in request body")?,
        };
        Ok(Self { path: path.to_owned(), headers: headers.clone(), members })
    }

    /// Returns the value of a top-level member. The last one of a name counts, as in JavaScript.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        self.raw(name).and_then(|raw| serde_json::from_str(raw).ok())
    }

    /// Returns the raw text of the value that [`ParsedRequest::get`] parses.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.members.0.iter().rev().find(|(key, _)| key == name).map(|(_, raw)| raw.get())
    }

    /// Returns a top-level member that is a string.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|value| value.as_str().map(str::to_owned))
    }

    /// Returns true if the body asks for a stream.
    pub(super) fn wants_stream(&self) -> bool {
        self.get("stream") == Some(Value::Bool(true))
    }

    /// Returns a header's first value, if it is visible ASCII.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    /// Returns all headers.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

/// Returns the key in `authorization`, unless it is empty.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(http::header::AUTHORIZATION)?.as_bytes().strip_prefix(b"Bearer ")?.trim_ascii();
    (!value.is_empty()).then_some(value)
}

/// Decoded names and raw values, in order.
#[derive(Debug, Default)]
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// Reads the text parts of a form as callsign writes it. `trace` and `provider` are JSON.
    fn of_form(boundary: &str, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let delimiter = format!("--{boundary}\r\n");
        let part = |part: &str| {
            let (head, content) = part.split_once("\r\n\r\n")?;
            let name = head.strip_prefix("Content-Disposition: form-data; name=\"")?.strip_suffix('"')?;
            let content = content.split_once(&format!("\r\n--{boundary}")).map_or(content, |(content, _)| content);
            let content = content.strip_suffix("\r\n").unwrap_or(content);
            let json = ["trace", "provider"].contains(&name).then(|| serde_json::from_str(content).ok()).flatten();
            let value = json.or_else(|| serde_json::value::to_raw_value(content).ok())?;
            Some((name.to_owned(), value))
        };
        Self(text.split(&delimiter).filter_map(part).collect())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<Box<RawValue>, Box<RawValue>>()? {
            // A name with a lone surrogate is not a Rust string. Its raw form is kept; no code looks it up.
            let name = serde_json::from_str(key.get()).unwrap_or_else(|_| key.get().to_owned());
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_parts_of_a_form_are_members() {
        let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n1\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nalice\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"trace\"\r\n\r\n{\"a\":\"b\"}\r\n--b--\r\n";
        let content_type = "multipart/form-data; boundary=b".parse().unwrap();
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, content_type)]);
        let asked = ParsedRequest::read("audio/transcriptions", &headers, form.as_bytes()).unwrap();
        assert_eq!((asked.text("user").as_deref(), asked.raw("trace")), (Some("alice"), Some(r#"{"a":"b"}"#)));
        assert_eq!(asked.raw("file"), None);
    }

    #[test]
    fn json_that_javascript_accepts_is_accepted() {
        let deep = format!("{{\"deep\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
        let odd = r#"{"a":1e400,"\ud800":"\udc00","user":"first","\u0075ser":"last","n":12345678901234567890123}"#;
        let asked = |body: &str| ParsedRequest::read("chat/completions", &HeaderMap::new(), body.as_bytes());
        assert!(asked(&deep).is_ok());
        let odd = asked(odd).unwrap();
        assert_eq!(odd.text("user").as_deref(), Some("last"));
        assert_eq!(odd.raw("n"), Some("12345678901234567890123"));
        for bad in ["", "[]", "{\"a\":}", "{\"a\":1} x", "{\"a\":01}"] {
            assert!(asked(bad).is_err(), "{bad}");
        }
    }
}
