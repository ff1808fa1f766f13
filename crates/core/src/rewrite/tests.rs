use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;
use crate::identity::caller_identity::CallerIdentity;
use crate::identity::secret::{Binder, Purpose};
use crate::rewrite::MAX_DEPTH;
use crate::rewrite::pending_member::SPACE_CAP;

#[path = "tests/corner_cases.rs"]
mod corner_cases;

const NAMES: [&str; 4] = ["user", "session_id", "metadata", "__proto__"];

fn reserved() -> Arc<ReservedFields> {
    Arc::new(ReservedFields::new(NAMES, Some("prompt_cache_key")))
}

fn binder() -> Binder {
    Binder::new(&CallerIdentity { key: "k", user: Some("alice"), ..CallerIdentity::default() }, None, Purpose::Cache)
}

/// Feeds `body` in pieces of the given lengths (the rest in one piece) and checks the announced length.
fn run(filter: Filter, body: &[u8], splits: &[usize]) -> Result<String, RewriteError> {
    let mut filter = filter;
    let announced = body.len() + filter.reserve();
    let mut out = Output::default();
    let mut sent = Vec::new();
    let mut rest = Bytes::copy_from_slice(body);
    for &split in splits {
        filter.feed(&rest.split_to(split.min(rest.len())), &mut out)?;
        // Only white space and a key may be buffered.
        let buffered = filter.received.saturating_sub(out.written());
        assert!(buffered <= (SPACE_CAP + filter.reserved.raw_cap()) as u64 + 1, "{buffered} bytes are buffered");
        while let Some(piece) = out.pop() {
            sent.extend_from_slice(&piece);
        }
    }
    filter.feed(&rest, &mut out)?;
    filter.finish()?;
    assert!(filter.length_matches(&out));
    sent.extend(out.into_pieces().flatten());
    assert_eq!(sent.len(), announced);
    Ok(String::from_utf8(sent).unwrap())
}

fn rewrite(members: &str, body: &str) -> String {
    run(Filter::new(reserved(), members.to_owned()), body.as_bytes(), &[]).unwrap()
}

#[test]
fn members_are_blanked_in_place_and_a_comma_belongs_to_the_next_member() {
    for (members, body, expected) in [
        ("", r#"{"a":1,"user":2}"#, r#"{"a":1         }"#),
        ("", r#"{"user":2,"a":1}"#, r#"{         "a":1}"#),
        ("", r#"{"user":2}"#, r"{        }"),
        ("", r"{}", r"{}"),
        ("", " { \"user\" : {\"x\":[1,{}]} , \"a\" : 1 } \n", " {                         \"a\" : 1 } \n"),
        (r#""u":1"#, r"{}", r#"{"u":1 }"#),
        (r#""u":1"#, r#"{"a":1}"#, r#"{"a":1,"u":1}"#),
        (r#""u":1"#, r#"{"user":"x"}"#, r#"{          "u":1 }"#),
        (r#""u":1"#, r#"{"a":1,"user":"x","b":2}"#, r#"{"a":1           ,"b":2,"u":1}"#),
    ] {
        for split in 0..=body.len() {
            let sent = run(Filter::new(reserved(), members.to_owned()), body.as_bytes(), &[split]).unwrap();
            assert_eq!(sent, expected, "{body} at {split}");
        }
        let bytes = run(Filter::new(reserved(), members.to_owned()), body.as_bytes(), &vec![1; body.len()]).unwrap();
        assert_eq!(bytes, expected, "{body}");
    }
}

#[test]
fn the_reserve_is_the_length_of_the_appended_members() {
    let bound = format!(r#","prompt_cache_key":"{}""#, "0".repeat(64)).len();
    for members in ["", r#""u":1"#, r#""user":"acme_alice","session_id":"s""#] {
        let plain = Filter::new(reserved(), members.to_owned());
        let members_and_comma = if members.is_empty() { 0 } else { members.len() + 1 };
        assert_eq!(plain.reserve(), members_and_comma);
        assert!(!plain.binds() && plain.members() == members);
        let mut binding = Filter::new(reserved(), members.to_owned());
        binding.bind(binder());
        assert_eq!(binding.reserve(), members_and_comma + bound);
        assert!(binding.binds());
    }
}

#[test]
fn only_members_of_the_outer_object_are_reserved() {
    let body = r#"{"messages":[{"user":1,"metadata":{}}],"tools":{"user":{"user":"x"}}}"#;
    assert_eq!(rewrite("", body), body);
}

#[test]
fn numbers_surrogates_order_and_nested_duplicates_are_unchanged() {
    let body = r#"{"z":1.10,"a":12345678901234567890123,"e":1e400,"s":"\ud83d","o":{"x":1,"x":2},"z":-0.0e+1}"#;
    assert_eq!(rewrite("", body), body);
}

#[test]
fn every_occurrence_in_any_spelling_and_of_any_type_is_removed() {
    let body = r#"{"user":1,"\u0075ser":{"a":"}"},"User":[1,"]"],"a":true,"user\u0000x":null,"USER":"\"}"}"#;
    let sent = rewrite("", body);
    assert_eq!(sent.split_whitespace().collect::<String>(), r#"{"a":true}"#);
}

#[test]
fn a_long_key_is_decided_without_being_buffered() {
    let long = "k".repeat(100_000);
    let body = format!(r#"{{"{long}":1,"user\u0000{long}":2,"b":3}}"#);
    for splits in [vec![], vec![1; 100], vec![50_000, 20_000], vec![7; 20_000]] {
        let sent = run(Filter::new(reserved(), String::new()), body.as_bytes(), &splits).unwrap();
        let expected = format!(r#"{{"{long}":1,"b":3}}"#);
        assert_eq!(sent.split_whitespace().collect::<String>(), expected);
    }
}

#[test]
fn much_white_space_passes_and_the_comma_moves_to_its_end() {
    let space = " ".repeat(10_000);
    let body = format!("{{\"a\":1,{space}\"user\":2{space},{space}\"b\":3{space}}}");
    for splits in [vec![], vec![1000; 40], vec![1; 25_000]] {
        let sent = run(Filter::new(reserved(), String::new()), body.as_bytes(), &splits).unwrap();
        assert_eq!(sent.split_whitespace().collect::<String>(), r#"{"a":1,"b":3}"#);
    }
}

#[test]
fn white_space_without_a_comma_passes_unchanged() {
    let space = "\t".repeat(SPACE_CAP + 10);
    for body in [format!("{{{space}}}"), format!("{{{space}\"b\":3}}"), format!("{{{space}\"b\":3{space}}}{space}")] {
        for splits in [vec![], vec![1000; 10], vec![1; 5000]] {
            assert_eq!(run(Filter::new(reserved(), String::new()), body.as_bytes(), &splits).unwrap(), body);
        }
    }
}

#[test]
fn a_key_that_a_split_divides_is_decided_at_its_end() {
    let kept = format!(r#"{{"a":"{}""#, "x".repeat(2 * reserved().raw_cap()));
    let body = format!(r#"{kept},"session_id":"mallory","b":3}}"#);
    for split in kept.len()..body.len() {
        let sent = run(Filter::new(reserved(), String::new()), body.as_bytes(), &[split]).unwrap();
        assert_eq!(sent.split_whitespace().collect::<String>(), format!(r#"{kept},"b":3}}"#), "at {split}");
    }
}

#[test]
fn a_cache_key_is_bound_at_any_split_and_other_values_of_that_name_are_removed() {
    let bound = |value: &str| {
        let mut binder = binder();
        binder.update(value.as_bytes());
        format!(r#""prompt_cache_key":"{}""#, binder.finish())
    };
    for (member, expected) in [
        (r#""prompt_cache_key":"k1""#, Some(bound("k1"))),
        (r#""PROMPT_cache_key" : "k\u00e91\n""#, Some(bound("ké1\n"))),
        (r#""prompt_cache_key":"a","prompt_cache_key":"b""#, Some(bound("b"))),
        (r#""prompt_cache_key":"a","prompt_cache_key":7"#, None),
        (r#""prompt_cache_key":"""#, None),
        (r#""prompt_cache_key":["k1"]"#, None),
        (r#""prompt_cache_key":{"k1":"k1"}"#, None),
        (r#""x":"k1""#, None),
    ] {
        let body = format!(r#"{{"m":"v",{member}}}"#);
        for split in 0..body.len() {
            let mut filter = Filter::new(reserved(), r#""user":"u""#.into());
            filter.bind(binder());
            let sent = run(filter, body.as_bytes(), &[split]).unwrap();
            let value: serde_json::Value = serde_json::from_str(&sent).unwrap();
            let got = value.get("prompt_cache_key").map(|key| format!(r#""prompt_cache_key":{key}"#));
            assert_eq!(got, expected, "{body} at {split}");
            assert_eq!(value["user"], "u");
        }
    }
}

#[test]
fn invalid_bodies_are_refused_with_their_offset() {
    let error = |body: &[u8]| run(Filter::new(reserved(), String::new()), body, &[]).unwrap_err();
    for (body, offset, fault) in [
        (&b""[..], 0, JsonErrorKind::Incomplete),
        (b"  ", 2, JsonErrorKind::Incomplete),
        (b"{\"a\":", 5, JsonErrorKind::Incomplete),
        (b"[1]", 0, JsonErrorKind::NotAnObject),
        (b"\xef\xbb\xbf{}", 0, JsonErrorKind::NotAnObject),
        (b"{} x", 3, JsonErrorKind::Syntax),
        (b"{}{}", 2, JsonErrorKind::Syntax),
        (b"{\"a\":1,}", 7, JsonErrorKind::Syntax),
        (b"{,}", 1, JsonErrorKind::Syntax),
        (b"{\"a\":01}", 6, JsonErrorKind::Syntax),
        (b"{\"a\":1.}", 7, JsonErrorKind::Syntax),
        (b"{\"a\":.1}", 5, JsonErrorKind::Syntax),
        (b"{\"a\":+1}", 5, JsonErrorKind::Syntax),
        (b"{\"a\":1e}", 7, JsonErrorKind::Syntax),
        (b"{\"a\":NaN}", 5, JsonErrorKind::Syntax),
        (b"{\"a\":tru}", 8, JsonErrorKind::Syntax),
        (b"{\"a\":\"\\x\"}", 7, JsonErrorKind::Syntax),
        (b"{\"a\":\"\\u12G4\"}", 10, JsonErrorKind::Syntax),
        (b"{\"a\":\"\n\"}", 6, JsonErrorKind::Syntax),
        (b"{'a':1}", 1, JsonErrorKind::Syntax),
        (b"{\"a\":[1,]}", 8, JsonErrorKind::Syntax),
        (b"{\"a\":[1}", 7, JsonErrorKind::Syntax),
        (b"{\"a\":{1:2}}", 6, JsonErrorKind::Syntax),
        (b"{\"a\":\"\xff\"}", 6, JsonErrorKind::Utf8),
        (b"{\"a\":\"\xc0\x80\"}", 6, JsonErrorKind::Utf8),
        (b"{\"a\":\"\xed\xa0\x80\"}", 6, JsonErrorKind::Utf8),
    ] {
        assert_eq!(error(body), RewriteError::Invalid(JsonError { offset, fault }), "{}", body.escape_ascii());
    }
}

#[test]
fn the_offset_of_a_refusal_does_not_depend_on_the_splits() {
    for body in
        [&b"{\"a\":\"\xed\xa0\x80\"}"[..], b"{\"a\":\"\xe2\x82\"}", b"{\"a\":\"\xf0\x9f\x98x\"}", b"{\"a\":\"\n\"}"]
    {
        for split in 0..body.len() {
            let error = run(Filter::new(reserved(), String::new()), body, &[split]).unwrap_err();
            let RewriteError::Invalid(error) = error else { panic!("{error}") };
            assert_eq!(error.offset, 6, "{} at {split}", body.escape_ascii());
        }
    }
}

#[test]
fn nesting_is_limited_to_1024_containers() {
    let nested = |inner: usize| format!("{{\"a\":{}{}}}", "[".repeat(inner), "]".repeat(inner));
    assert!(run(Filter::new(reserved(), String::new()), nested(MAX_DEPTH - 1).as_bytes(), &[]).is_ok());
    let error = run(Filter::new(reserved(), String::new()), nested(MAX_DEPTH).as_bytes(), &[]).unwrap_err();
    assert_eq!(
        error,
        RewriteError::Invalid(JsonError { offset: 5 + MAX_DEPTH as u64 - 1, fault: JsonErrorKind::TooDeep })
    );
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 3 => "[ \t\r\n]{1,4}", 1 => Just(" ".repeat(5000))]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => proptest::sample::select(vec![
            "user", "User", "uſer", "\\u0075ser", "session_id", "SESSION_ID", "metadata", "m\\u0065tadata", "__proto__",
            "user\\u0000", "prompt_cache_key", "user\\u0000tail",
        ]).prop_map(str::to_owned),
        3 => proptest::sample::select(vec!["model", "messages", "users", "", "a\\\"b", "\\ud83d", "é", "\\\\"]).prop_map(str::to_owned),
        1 => "[a-z]{0,80}",
        1 => Just(format!("user{}", "x".repeat(300))),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![
        "1",
        "1.10",
        "12345678901234567890123",
        "1e400",
        "-0",
        "null",
        "true",
        "false",
        r#""""#,
        r#""x,}\"]{""#,
        r#""\ud83d""#,
        r#""é😀\n""#,
        r#""\\""#,
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec((space(), inner.clone()), 0..4)
                .prop_map(|items| format!("[{}]", join(items.into_iter().map(|(gap, value)| gap + &value)))),
            proptest::collection::vec((space(), key(), inner), 0..4).prop_map(|items| {
                format!("{{{}}}", join(items.into_iter().map(|(gap, key, value)| format!("{gap}\"{key}\":{value}"))))
            }),
        ]
    })
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

type Member = (String, String, String, String, String, String);

fn member() -> impl Strategy<Value = Member> {
    (space(), key(), space(), space(), value(), space())
}

/// Returns top-level members as (raw key, raw value), read by `serde_json`. Raw keys, because `serde_json` refuses lone
/// surrogates in decoded ones.
fn members_of(json: &str) -> Vec<(String, String)> {
    struct Members(Vec<(String, String)>);
    impl<'de> serde::Deserialize<'de> for Members {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Members;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                    let mut members = Vec::new();
                    while let Some((key, value)) =
                        map.next_entry::<&serde_json::value::RawValue, &serde_json::value::RawValue>()?
                    {
                        members.push((key.get().to_owned(), value.get().to_owned()));
                    }
                    Ok(Members(members))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    serde_json::from_str::<Members>(json).unwrap().0
}

fn is_reserved(raw_key: &str) -> bool {
    let name = super::super::decode::decode(raw_key.trim_matches('"').as_bytes());
    let name = String::from_utf8_lossy(&name).split('\0').next().unwrap_or_default().replace('ſ', "s").to_lowercase();
    NAMES.contains(&name.as_str()) || name == "prompt_cache_key"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn all_other_members_are_sent_byte_for_byte_and_then_the_appended_ones(
        members in proptest::collection::vec(member(), 0..7),
        outer in (space(), space()),
        append in proptest::sample::select(vec!["", r#""user":"u1""#, r#""user":"u1","metadata":{"user_id":"u1"}"#]),
        splits in proptest::collection::vec(0_usize..60, 0..12),
    ) {
        let inner = join(members.iter().map(|(a, key, b, c, value, d)| format!("{a}\"{key}\"{b}:{c}{value}{d}")));
        let body = format!("{}{{{inner}}}{}", outer.0, outer.1);
        let sent = run(Filter::new(reserved(), append.to_owned()), body.as_bytes(), &splits).unwrap();
        let mut expected: Vec<_> = members_of(&body).into_iter().filter(|(key, _)| !is_reserved(key)).collect();
        expected.extend(members_of(&format!("{{{append}}}")));
        prop_assert_eq!(members_of(&sent), expected);
    }

    #[test]
    fn accepts_exactly_what_serde_json_accepts(
        members in proptest::collection::vec(member(), 0..4),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            any::<u8>(), proptest::sample::select(br#"{}[],:"\ue0-.+123tfn"#.to_vec())
        ], 0_u8..3), 0..4),
        splits in proptest::collection::vec(0_usize..40, 0..8),
    ) {
        let inner = join(members.iter().map(|(a, key, b, c, value, d)| format!("{a}\"{key}\"{b}:{c}{value}{d}")));
        let mut body = format!("{{{inner}}}").into_bytes();
        for (index, byte, how) in edits {
            let at = index.index(body.len().max(1)).min(body.len());
            match how {
                0 => body.insert(at, byte),
                1 if at < body.len() => body[at] = byte,
                _ if at < body.len() => { body.remove(at); }
                _ => {}
            }
        }
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let is_object = body.iter().find(|byte| !blank(byte)) == Some(&b'{');
        let valid = std::str::from_utf8(&body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        let ours = run(Filter::new(reserved(), String::new()), &body, &splits);
        prop_assert_eq!(ours.is_ok(), valid && is_object, "{}", body.escape_ascii());
    }
}

#[test]
fn removed_members_are_not_inspected() {
    let asks = |body: &str| run(filter_of_tools(), body.as_bytes(), &[]).is_err();
    assert!(!asks(r#"{"metadata":{"container_id":"c1"},"user":[{"container_id":1,"tools":["shell"]}]}"#));
    assert!(asks(r#"{"metadata":{"container_id":"c1"},"a":{"container_id":1}}"#));
}

fn filter_of_tools() -> Filter {
    let mut filter = Filter::new(reserved(), r#""user":"u""#.into());
    filter.block_shared_tools(Arc::default(), false);
    filter
}

#[test]
fn shared_tool_detection_does_not_change_bodies_that_pass() {
    let body = r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"user":"m","type":"x"}"#;
    for split in 0..body.len() {
        let plain = run(Filter::new(reserved(), r#""user":"u""#.into()), body.as_bytes(), &[split]).unwrap();
        assert_eq!(run(filter_of_tools(), body.as_bytes(), &[split]).unwrap(), plain);
    }
}
