//! The assistant's text: the identifiers and headers that the mock server received. `serve --demo` shows it.

use http::HeaderMap;
use serde_json::Value;

use super::asked::ParsedRequest;

/// Headers whose values are secret; the text shows only their presence.
pub(super) const CREDENTIALS: [&str; 5] = ["authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"];

/// Headers that only describe framing; the text omits them.
const FRAMING: [&str; 6] = ["host", "content-length", "content-type", "transfer-encoding", "connection", "te"];

/// Body members that can identify a caller or a session.
const IDENTIFIERS: [&str; 8] = [
    "user",
    "session_id",
    "metadata",
    "safety_identifier",
    "trace",
    "prompt_cache_key",
    "client_metadata",
    "previous_response_id",
];

/// Longest value in characters that the text shows; longer ones are cut.
const SHOWN_CHARS: usize = 600;

/// Longest question in characters that the text repeats; longer ones are cut.
const QUESTION_CHARS: usize = 80;

/// Returns the complete text about `asked`.
pub(super) fn tell(asked: &ParsedRequest) -> String {
    let mut lines = vec!["This is callsign's mock OpenRouter. It called no model and charged nothing.".to_owned()];
    if let Some(question) = question(asked) {
        lines.push(format!("You wrote: {}", cut(&question.replace(['\n', '\r'], " "), QUESTION_CHARS)));
    }
    lines.push(format!("\nIdentifiers in the body that reached {}:", asked.path));
    lines.extend(table(&identifiers(asked)));
    lines.push("\nHeaders that reached it:".to_owned());
    lines.extend(table(&headers(asked.headers())));
    lines.join("\n") + "\n"
}

fn table(rows: &[(String, String)]) -> Vec<String> {
    if rows.is_empty() {
        return vec!["  (none)".to_owned()];
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("  {name:width$}  {}", cut(value, SHOWN_CHARS))).collect()
}

fn identifiers(asked: &ParsedRequest) -> Vec<(String, String)> {
    let shown = |name: &str| {
        let plain = asked.text(name);
        plain.or_else(|| asked.raw(name).map(str::to_owned)).map(|value| (name.to_owned(), value))
    };
    IDENTIFIERS.into_iter().filter_map(shown).collect()
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let about_the_caller = headers.iter().filter(|(name, _)| !FRAMING.contains(&name.as_str()));
    about_the_caller
        .map(|(name, value)| {
            let shown = match name.as_str() {
                "authorization" => "the operator's key".to_owned(),
                name if CREDENTIALS.contains(&name) => "(a credential, not shown)".to_owned(),
                _ => String::from_utf8_lossy(value.as_bytes()).into_owned(),
            };
            (name.as_str().to_owned(), shown)
        })
        .collect()
}

/// Returns the last text of the user, in any API format.
fn question(asked: &ParsedRequest) -> Option<String> {
    let last = |name| asked.get(name).and_then(|value| last_text(&value));
    last("messages").or_else(|| last("input")).or_else(|| last("prompt"))
}

fn last_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => items.iter().rev().find_map(last_text),
        Value::Object(item) => item.get("content").or_else(|| item.get("text")).and_then(last_text),
        _ => None,
    }
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_identifiers_and_headers_and_hides_credentials() {
        let mut headers = HeaderMap::new();
        headers.append("authorization", "Bearer sk-or-v1-secret".parse().unwrap());
        headers.append("cookie", "session=secret".parse().unwrap());
        headers.append("user-agent", "callsign/0.1.0".parse().unwrap());
        let body = br#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi\nthere"}]}],"user":"alice",
            "metadata":{"user_id":"alice"}}"#;
        let text = tell(&ParsedRequest::read("chat/completions", &headers, body).unwrap());
        for expected in [
            "You wrote: hi there\n",
            "  user      alice\n",
            "  metadata  {\"user_id\":\"alice\"}\n",
            "  authorization  the operator's key\n",
            "  cookie         (a credential, not shown)\n",
            "  user-agent     callsign/0.1.0\n",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }
}
