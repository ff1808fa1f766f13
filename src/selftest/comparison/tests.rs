use bytes::Bytes;

use super::*;

const BODY: &str = r#"{"model":"m",   "n":1.10,"user":"acme_alice","metadata":{"user_id":"acme_alice"}}"#;

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn expected() -> Expected {
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static("*/*"));
    headers.insert("x-session-id", HeaderValue::from_static("s1"));
    Expected {
        kept: vec![pair("model", r#""m""#), pair("n", "1.10")],
        written: vec![pair("user", r#""acme_alice""#), pair("metadata", r#"{"user_id":"acme_alice"}"#)],
        headers,
        authorization: HeaderValue::from_static("Bearer operator"),
        payer: "the operator's key",
        marker: "spoofed42".to_owned(),
        credential: Secret::new("sk-cs-caller"),
    }
}

fn arrived() -> HeaderMap {
    let mut headers = expected().headers;
    headers.insert("host", HeaderValue::from_static("upstream"));
    headers.insert("content-length", HeaderValue::from_static("100"));
    headers.insert("authorization", HeaderValue::from_static("Bearer operator"));
    headers
}

/// Returns the names of the comparisons that fail.
fn failing(headers: &HeaderMap, body: &str) -> Vec<&'static str> {
    let outcomes = compare(&expected(), headers, body.as_bytes());
    outcomes.into_iter().filter(|(_, outcome)| outcome.is_err()).map(|(name, _)| name).collect()
}

#[test]
fn the_expected_request_passes() {
    assert_eq!(failing(&arrived(), BODY), Vec::<&str>::new());
}

#[test]
fn a_wrong_body_fails() {
    let none: [&str; 0] = [];
    for (from, to, failures) in [
        // Missing, wrong, twice.
        (r#","user":"acme_alice""#, "", ["identifiers"].as_slice()),
        (r#""user":"acme_alice""#, r#""user":"acme_bob""#, &["identifiers"]),
        (r#""user":"acme_alice""#, r#""user":"acme_alice","user":"acme_alice""#, &["identifiers"]),
        (r#""user":"acme_alice""#, r#""user":"acme_alice","\u0075ser":"eve""#, &["identifiers"]),
        // Too many members, in other spellings too.
        (r#""n":1.10"#, r#""n":1.10,"session_id":"s""#, &["identifiers", "body"]),
        (r#""n":1.10"#, r#""n":1.10,"User":"x""#, &["identifiers", "body"]),
        (r#""n":1.10"#, r#""n":1.10,"prompt_cache_key":"k""#, &["identifiers", "body"]),
        // Leaks.
        (r#""m""#, r#""m spoofed42""#, &["nothing spoofed", "body"]),
        (r#""m""#, r#""m SPOOFED42""#, &["nothing spoofed", "body"]),
        (r#""m""#, r#""sk-cs-caller""#, &["nothing spoofed", "body"]),
        // Changed bytes or order.
        ("1.10", "1.1", &["body"]),
        (r#""model":"m",   "n":1.10"#, r#""n":1.10,"model":"m""#, &["body"]),
        (r#""n":1.10,"#, "", &["body"]),
        ("}}", "}", &["identifiers", "body"]),
        // White space may differ.
        ("   ", " ", &none),
    ] {
        assert!(BODY.contains(from), "{from}");
        assert_eq!(failing(&arrived(), &BODY.replacen(from, to, 1)), failures, "{from} → {to}");
    }
}

#[test]
fn wrong_headers_fail() {
    let with = |name: &'static str, value: &'static str| {
        let mut headers = arrived();
        headers.append(name, HeaderValue::from_static(value));
        headers
    };
    assert_eq!(failing(&with("cookie", "a=b"), BODY), ["headers"]);
    assert_eq!(failing(&with("x-user-id", "spoofed42"), BODY), ["nothing spoofed", "headers"]);
    assert_eq!(failing(&with("x-api-key", "sk-cs-caller"), BODY), ["nothing spoofed", "headers"]);
    assert_eq!(failing(&with("accept", "text/html"), BODY), ["headers"]);
    assert_eq!(failing(&with("authorization", "Bearer operator"), BODY), ["authorization"]);

    let without = |name: &str| {
        let mut headers = arrived();
        headers.remove(name);
        headers
    };
    assert_eq!(failing(&without("x-session-id"), BODY), ["identifiers", "headers"]);
    assert_eq!(failing(&without("authorization"), BODY), ["authorization"]);

    let mut headers = arrived();
    headers.insert("authorization", HeaderValue::from_static("Bearer sk-cs-caller"));
    let outcomes = compare(&expected(), &headers, BODY.as_bytes());
    assert!(!format!("{outcomes:?}").contains("sk-cs-caller"), "{outcomes:?}");
    assert_eq!(failing(&headers, BODY), ["authorization"]);
}

#[test]
fn another_answer_fails() {
    let sent = Sent {
        number: 0,
        status: http::StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b": comment\n\ndata: [DONE]\n\n"),
    };
    let answer = |body: &'static str| Response::new(Bytes::from_static(body.as_bytes()));
    assert!(same_answer(&answer(": comment\n\ndata: [DONE]\n\n"), Some(&sent)).is_ok());
    assert!(same_answer(&answer("data: [DONE]\n\n"), Some(&sent)).is_err());
    assert!(same_answer(&answer(""), None).is_err());
}
