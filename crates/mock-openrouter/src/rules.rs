//! OpenRouter's rules for identifiers (docs/SPEC.md#id-limits).
//!
//! The mock server refuses the same identifiers as OpenRouter, so that a demo, a check or a test that sends an invalid
//! one fails here and not in production. It does not check the rest of a body.

use serde_json::Value;

use super::asked::ParsedRequest;

/// The longest `user`, `session_id` or `safety_identifier` in UTF-16 code units.
const MAX_ID_UNITS: usize = 256;

/// The most pairs of `metadata`.
const MAX_PAIRS: usize = 16;
/// The longest key of `metadata` in UTF-16 code units.
const MAX_KEY_UNITS: usize = 64;
/// The longest value of `metadata` in UTF-16 code units.
const MAX_VALUE_UNITS: usize = 512;

/// Returns the message of a 400 for the first rule that the request breaks.
pub(super) fn broken(asked: &ParsedRequest) -> Option<String> {
    for name in ["user", "session_id", "safety_identifier"] {
        // Only `safety_identifier` may be null.
        match asked.get(name) {
            None if asked.raw(name).is_none() => {}
            Some(Value::Null) if name == "safety_identifier" => {}
            Some(Value::String(id)) if units(&id) <= MAX_ID_UNITS => {}
            Some(Value::String(_)) => return Some(format!("{name}: at most {MAX_ID_UNITS} characters")),
            _ => return Some(format!("{name}: expected string")),
        }
    }
    if asked.header("x-session-id").is_some_and(|id| units(&id) > MAX_ID_UNITS) {
        return Some(format!("x-session-id: at most {MAX_ID_UNITS} characters"));
    }
    if asked.get("trace").is_some_and(|trace| !trace.is_object()) {
        return Some("trace: expected object".to_owned());
    }
    match asked.path.as_str() {
        "messages" | "messages/count_tokens" => anthropic_metadata(&asked.get("metadata")?),
        "responses" => {
            let stateful = asked.get("store") == Some(Value::Bool(true))
                || asked.get("previous_response_id").is_some_and(|id| !id.is_null());
            if stateful { Some("The Responses API is stateless".to_owned()) } else { metadata(&asked.get("metadata")?) }
        }
        _ => metadata(&asked.get("metadata")?),
    }
}

fn anthropic_metadata(metadata: &Value) -> Option<String> {
    let Value::Object(pairs) = metadata else { return Some("metadata: expected object".to_owned()) };
    let unknown = pairs.iter().find(|(name, value)| *name != "user_id" || !(value.is_string() || value.is_null()));
    unknown.map(|(name, _)| format!("metadata.{name}: only user_id, a string, is known here"))
}

fn metadata(metadata: &Value) -> Option<String> {
    let Value::Object(pairs) = metadata else { return Some("metadata: expected object".to_owned()) };
    if pairs.len() > MAX_PAIRS {
        return Some(format!("metadata: at most {MAX_PAIRS} pairs"));
    }
    pairs.iter().find_map(|(name, value)| match value {
        _ if units(name) > MAX_KEY_UNITS || name.contains(['[', ']']) => {
            Some(format!("metadata: keys have at most {MAX_KEY_UNITS} characters and no brackets"))
        }
        Value::String(text) if units(text) <= MAX_VALUE_UNITS => None,
        _ => Some(format!("metadata.{name}: expected a string of at most {MAX_VALUE_UNITS} characters")),
    })
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn refused(path: &str, body: &str) -> bool {
        broken(&ParsedRequest::read(path, &HeaderMap::new(), body.as_bytes()).unwrap()).is_some()
    }

    #[test]
    fn invalid_identifiers_are_refused() {
        let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(257));
        let many: Vec<_> = (0..17).map(|n| format!(r#""k{n}":"v""#)).collect();
        let many = format!(r#"{{"metadata":{{{}}}}}"#, many.join(","));
        for body in [
            r#"{"user":null}"#,
            r#"{"user":7}"#,
            r#"{"user":"\ud800"}"#,
            r#"{"session_id":[]}"#,
            r#"{"metadata":null}"#,
            r#"{"metadata":{"n":1}}"#,
            r#"{"metadata":{"a[0]":"x"}}"#,
            r#"{"trace":"x"}"#,
            &long,
            &many,
        ] {
            assert!(refused("chat/completions", body), "{body}");
        }
        assert!(refused("messages", r#"{"metadata":{"chat_id":"c"}}"#));
        assert!(refused("responses", r#"{"store":true}"#));
    }

    #[test]
    fn identifiers_of_callsign_are_accepted() {
        let body = r#"{"n":1e400,"user":"alice","session_id":"s","metadata":{"user_id":"alice"},"trace":{"a":"b"}}"#;
        for path in ["chat/completions", "responses", "messages"] {
            assert!(!refused(path, body), "{path}");
        }
        assert!(!refused("responses", r#"{"safety_identifier":null,"store":false}"#));
    }
}
