use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::identity::longest::EXTERNAL_NAME;
use crate::rewrite::{Filter, Output, ReservedFields};

/// Returns the members that a filter captures from `body`, fed in pieces of these lengths and then the rest.
fn captured(body: &str, splits: &[usize]) -> OuterMembers {
    let mut filter = Filter::new(Arc::new(ReservedFields::new(["user"], None)), String::new());
    let mut rest = Bytes::copy_from_slice(body.as_bytes());
    let mut out = Output::default();
    for &split in splits {
        filter.feed(&rest.split_to(split.min(rest.len())), &mut out).unwrap();
    }
    filter.feed(&rest, &mut out).unwrap();
    filter.finish().unwrap();
    filter.outer().clone()
}

/// Returns the captured members and checks that no split changes them.
fn outer(body: &str) -> OuterMembers {
    let whole = captured(body, &[]);
    assert_eq!(captured(body, &vec![1; body.len()]), whole, "byte by byte: {body}");
    for split in (0..body.len()).take(2000) {
        assert_eq!(captured(body, &[split]), whole, "at {split}: {body}");
    }
    whole
}

fn models(outer: &OuterMembers) -> Vec<&str> {
    outer.models().collect()
}

#[test]
fn the_table_has_each_member_in_order() {
    for (number, row) in MEMBERS.iter().enumerate() {
        assert_eq!(row.member as usize, number, "{}", row.name);
        assert!(row.name.len() <= LONGEST, "{}", row.name);
    }
}

#[test]
fn the_last_requested_model_is_recorded_if_it_is_a_name() {
    let requested =
        |members: &str| outer(&format!("{{{members}}}")).requested_model().map(|model| model.as_str().to_owned());
    let (fits, long) = ("m".repeat(EXTERNAL_NAME), "m".repeat(EXTERNAL_NAME + 1));
    for (members, expected) in [
        ("", None),
        (r#""a":{"model":"x"},"b":["model"]"#, None),
        (r#""Model":"x","model\u0000":"x","mod":"x","models":"x""#, None),
        (r#""model":null"#, None),
        (r#""model":"openai/gpt-4o:free""#, Some("openai/gpt-4o:free")),
        (r#""m\u006fdel" : "a\u002Fb" "#, Some("a/b")),
        (r#""\u006d\u006f\u0064\u0065\u006c":"~a@b+c_1.2-3""#, Some("~a@b+c_1.2-3")),
        (r#""model":"a","x":[{"model":"c"}],"model":"b""#, Some("b")),
        (r#""model":"a","model":null"#, None),
        (r#""model":"a","model":7"#, Some("invalid")),
        (r#""model":"""#, Some("invalid")),
        (r#""model":"a b""#, Some("invalid")),
        (r#""model":"ä""#, Some("invalid")),
        (r#""model":"a\n""#, Some("invalid")),
        (r#""model":"\ud83d""#, Some("invalid")),
        (r#""model":["a"]"#, Some("invalid")),
        (r#""model":{"model":"a"}"#, Some("invalid")),
        (&format!(r#""model":"{fits}""#), Some(&fits)),
        (&format!(r#""model":"{long}""#), Some("invalid")),
        (&format!(r#""user":"x","model":"a","{long}":1,"model{long}":2"#), Some("a")),
    ] {
        assert_eq!(requested(members).as_deref(), expected, "{members}");
    }
}

#[test]
fn a_removed_member_does_not_count() {
    let reserved = Arc::new(ReservedFields::new(["model"], None));
    let mut filter = Filter::new(reserved, String::new());
    filter.feed(&Bytes::from_static(br#"{"model":"a","n":2}"#), &mut Output::default()).unwrap();
    assert_eq!((filter.outer().requested_model(), filter.outer().n()), (None, Some(2)));
}

#[test]
fn all_models_are_candidates_and_their_number_is_bounded() {
    let members = outer(r#"{"model":"a","models":["c" , "d\u002f1"],"model":"b"}"#);
    assert_eq!((models(&members), members.has_unknown_models()), (vec!["a", "b", "c", "d/1"], false));
    let four = outer(r#"{"model":"a","model":"b","model":"c","model":"d"}"#);
    assert_eq!((models(&four), four.has_unknown_models()), (vec!["a", "b", "c", "d"], false));
    let five = outer(r#"{"model":"a","model":"b","model":"c","model":"d","model":"e"}"#);
    assert_eq!((models(&five), five.has_unknown_models()), (vec!["a", "b", "c", "e"], true));
    let list = |count: usize| format!(r#"{{"models":[{}]}}"#, vec![r#""m""#; count].join(","));
    for (count, kept, unknown) in [(0, 0, false), (16, 16, false), (17, 16, true), (400, 16, true)] {
        let members = outer(&list(count));
        assert_eq!((models(&members).len(), members.has_unknown_models()), (kept, unknown), "{count}");
    }
}

#[test]
fn a_value_that_is_no_model_leaves_unknown_candidates() {
    let long = "m".repeat(EXTERNAL_NAME + 1);
    for (members, expected) in [
        (r#""model":"a b","model":"b""#, vec!["b"]),
        (r#""model":"b","model":7"#, vec!["b"]),
        (r#""models":["a"],"models":["b"]"#, vec!["b"]),
        (r#""models":"a""#, vec![]),
        (r#""models":["a",{"models":["c"]},"b"]"#, vec![]),
        (r#""models":["a",["c"],"b"]"#, vec![]),
        (r#""models":["a",null]"#, vec![]),
        (r#""models":[1]"#, vec![]),
        (r#""models":["a","b c","d"]"#, vec!["a", "d"]),
        (&format!(r#""models":["a","{long}","d"]"#), vec!["a", "d"]),
    ] {
        let captured = outer(&format!("{{{members}}}"));
        assert_eq!((models(&captured), captured.has_unknown_models()), (expected, true), "{members}");
    }
    for absent in ["", r#""model":null,"models":null"#, r#""models":[]"#, r#""model":null,"model":"a""#] {
        assert!(!outer(&format!("{{{absent}}}")).has_unknown_models(), "{absent}");
    }
}

#[test]
fn numbers_are_whole_and_saturate() {
    let zeros = "0".repeat(100);
    for (value, expected) in [
        ("0", Some(0)),
        ("4096", Some(4096)),
        ("-0", Some(0)),
        ("1e3", Some(1000)),
        ("4096.0", Some(4096)),
        ("0.5", Some(1)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", Some(u64::MAX)),
        ("1e400", Some(u64::MAX)),
        (&format!("1000.{zeros}"), Some(u64::MAX)),
        (&format!("0.{zeros}1e120"), Some(u64::MAX)),
        ("-1", None),
        (&format!("-1{zeros}"), None),
        ("\"5\"", None),
        ("true", None),
        ("null", None),
        ("[5]", None),
        ("{\"n\":5}", None),
    ] {
        let body = format!(r#"{{"n" : {value} ,"max_tokens":{value}}}"#);
        let members = outer(&body);
        assert_eq!((members.n(), members.max_output_tokens()), (expected, expected), "{value}");
    }
    for (body, expected) in [
        (r#"{"n":5,"n":1}"#, (Some(5), None)),
        (r#"{"n":5,"n":"x"}"#, (Some(5), None)),
        (r#"{"max_tokens":9,"max_tokens":5}"#, (None, Some(9))),
        (r#"{"max_tokens":5,"max_tokens":null}"#, (None, Some(DEFAULT_OUTPUT))),
        (r#"{"max_tokens":"x","max_tokens":null}"#, (None, None)),
    ] {
        let members = outer(body);
        assert_eq!((members.n(), members.max_output_tokens()), expected, "the largest counts: {body}");
    }
}

#[test]
fn the_largest_output_limit_counts() {
    for name in ["max_tokens", "max_completion_tokens", "max_output_tokens"] {
        let body = format!(r#"{{"max_tokens":1,"max_completion_tokens":1,"max_output_tokens":1,"{name}":9}}"#);
        assert_eq!(outer(&body).max_output_tokens(), Some(9), "{name}");
    }
    let name = "max_completion_tokens";
    let escaped = name.bytes().fold(String::new(), |escaped, byte| format!("{escaped}\\u{byte:04x}"));
    assert_eq!(outer(&format!(r#"{{"{escaped}":7}}"#)).max_output_tokens(), Some(7), "the longest name, escaped");
    assert_eq!(outer("{}").max_output_tokens(), None);
}

#[test]
fn stream_and_previous_job() {
    for (value, expected) in
        [("true", Some(true)), ("false", Some(false)), ("1", None), ("\"true\"", None), ("null", None)]
    {
        assert_eq!(outer(&format!(r#"{{"stream":{value}}}"#)).stream(), expected, "{value}");
    }
    let (fits, long) = ("j".repeat(EXTERNAL_NAME), "j".repeat(EXTERNAL_NAME + 1));
    for (members, expected) in [
        ("", None),
        (r#""previous_job_id":null"#, None),
        (r#""previous_job_id":"job_\u0031é""#, Some(PreviousJob::Id("job_1é"))),
        (r#""previous_job_id":7"#, Some(PreviousJob::Unusable)),
        (r#""previous_job_id":["a"]"#, Some(PreviousJob::Unusable)),
        (r#""previous_job_id":"\ud83d""#, Some(PreviousJob::Unusable)),
        (r#""previous_job_id":"a","previous_job_id":"a""#, Some(PreviousJob::Unusable)),
        (r#""previous_job_id":"a","previous_job_id":null"#, Some(PreviousJob::Unusable)),
        (&format!(r#""previous_job_id":"{fits}""#), Some(PreviousJob::Id(&fits))),
        (&format!(r#""previous_job_id":"{long}""#), Some(PreviousJob::Unusable)),
    ] {
        assert_eq!(outer(&format!("{{{members}}}")).previous_job(), expected, "{members}");
    }
}

#[test]
fn hostile_values_are_bounded() {
    let mut reader = ValueReader::default();
    reader.feed(b": [\"");
    for _ in 0..1000 {
        reader.feed(&[b'x'; 1000]);
        assert!(format!("{reader:?}").len() < 4096, "a text over the limit is not kept");
    }
    let mut reader = ValueReader::default();
    for _ in 0..100_000 {
        reader.feed(b"1");
    }
    assert!(format!("{reader:?}").len() < 1024);
    assert_eq!(reader.finish(), Value::Number(u64::MAX));
    let mut members = OuterMembers::default();
    for _ in 0..1000 {
        members.set(Member::Model, Value::Text(Some("m".repeat(EXTERNAL_NAME).into())));
    }
    assert_eq!(members.models().count(), MAX_MODELS);
}

#[test]
fn a_form_part_is_captured_at_any_split() {
    use crate::rewrite::multipart::{Boundary, Form};
    let boundary =
        |name| Boundary::of_content_type(format!("multipart/form-data; boundary={name}").as_bytes()).unwrap();
    let part = |name: &str, content: &str| {
        format!("--a\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    let long = "x".repeat(EXTERNAL_NAME + 1);
    for (parts, expected, candidates) in [
        (part("file", "model") + &part("n", "3"), None, 0),
        (part("model", "openai/whisper-1") + &part("file", "x"), Some("openai/whisper-1"), 1),
        (part("model", "a") + &part("model", "b"), Some("b"), 2),
        (part("model", "a\r\n--x"), Some("invalid"), 0),
        (part("model", ""), Some("invalid"), 0),
        (part("model", "--"), Some("--"), 1),
        (part("model", &long), Some("invalid"), 0),
        (part("user", "a") + &part("Model", "a"), None, 0),
    ] {
        let body = parts + "--a--\r\n";
        let splits = (0..body.len()).map(|split| vec![split]).chain([vec![1; body.len()]]);
        for split in splits {
            let reserved = Arc::new(ReservedFields::new(["user"], None));
            let mut form = Form::new(reserved, &boundary("a"), boundary("ours"));
            let (mut rest, mut out) = (Bytes::from(body.clone()), Output::default());
            for length in &split {
                form.feed(&rest.split_to(*length), &mut out).unwrap();
            }
            form.feed(&rest, &mut out).unwrap();
            form.finish().unwrap();
            assert_eq!(form.outer().requested_model().map(RequestedModel::as_str), expected, "{body} at {split:?}");
            assert_eq!(form.outer().models().count(), candidates, "{body}");
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    let names = MEMBERS.iter().map(|row| row.name.to_owned());
    let escaped = MEMBERS.iter().map(|row| format!("\\u{:04x}{}", row.name.as_bytes()[0], &row.name[1..]));
    let others = ["user", "Model", "mode", "modelx", "tools", "", "previous_job_id\\u0000"].map(str::to_owned);
    proptest::sample::select(names.chain(escaped).chain(others).collect::<Vec<_>>())
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let text =
        prop_oneof!["[a-c/:\"\\\\é😀 \n]{0,6}", Just("x".repeat(EXTERNAL_NAME)), Just("x".repeat(EXTERNAL_NAME + 1))];
    let leaf = prop_oneof![
        text.prop_map(serde_json::Value::from),
        any::<u64>().prop_map(serde_json::Value::from),
        any::<i16>().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        (-1e6_f64..1e6).prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    leaf.prop_recursive(2, 24, 20, |inner| {
        prop_oneof![
            proptest::collection::vec("[a-z]{1,3}".prop_map(serde_json::Value::from), 0..20)
                .prop_map(serde_json::Value::Array),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            proptest::collection::hash_map("model|n", inner, 0..2)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Writes a value with white space, and texts with every character escaped if `escape`.
fn write(value: &serde_json::Value, escape: bool) -> String {
    match value {
        serde_json::Value::String(text) if escape => {
            text.encode_utf16().fold("\"".to_owned(), |all, unit| format!("{all}\\u{unit:04X}")) + "\""
        }
        serde_json::Value::Array(all) => {
            let all: Vec<_> = all.iter().map(|one| write(one, escape)).collect();
            format!("[ {}\t]", all.join(" ,\n"))
        }
        other => other.to_string(),
    }
}

/// Returns the value of a text that is kept.
fn kept(value: &serde_json::Value) -> Option<&str> {
    value.as_str().filter(|text| text.len() <= EXTERNAL_NAME)
}

/// Returns the value that the capture of `member` must have for `value`.
fn expected(member: Member, value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(on) => Value::Flag(*on),
        serde_json::Value::String(_) => Value::Text(kept(value).map(Into::into)),
        serde_json::Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => Value::Number(whole),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at most a million, not negative"
            )]
            (None, Some(number)) if number >= 0.0 => Value::Number(number.ceil() as u64),
            _ => Value::Other,
        },
        // The capture stops at the seventeenth text, so it does not see what follows.
        serde_json::Value::Array(all)
            if member == Member::Models && all.iter().take(17).all(serde_json::Value::is_string) =>
        {
            let texts = all.iter().take(16).map(|text| kept(text).map(Into::into)).collect();
            Value::List { texts, more: all.len() > 16 }
        }
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Value::Other,
    }
}

/// Returns the value that the capture must have for the values of all members of one name.
fn expected_of_all(member: Member, values: &[Value]) -> Option<Value> {
    let last = values.last()?.clone();
    let default = match member {
        Member::MaxTokens | Member::MaxCompletionTokens | Member::MaxOutputTokens => DEFAULT_OUTPUT,
        Member::N => 1,
        _ => return Some(last),
    };
    let numbers =
        || values.iter().filter_map(|value| if let Value::Number(number) = value { Some(*number) } else { None });
    let floor = if numbers().count() < values.len() { default } else { 0 };
    Some(numbers().max().map_or(last, |largest| Value::Number(largest.max(floor))))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_capture_is_what_serde_json_reads_at_any_split(
        members in proptest::collection::vec((name(), json(), any::<bool>()), 0..8),
        splits in proptest::collection::vec(0_usize..60, 0..12),
    ) {
        let text = |(name, value, escape): &(String, serde_json::Value, bool)| format!("\"{name}\" : {}", write(value, *escape));
        let texts: Vec<_> = members.iter().map(text).collect();
        let body = format!("{{{}}}", texts.join(","));
        let members = captured(&body, &splits);
        prop_assert_eq!(&captured(&body, &[]), &members);
        let read = |text: &str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&format!("{{{text}}}")).unwrap();
        for row in &MEMBERS {
            let values: Vec<_> = texts.iter().filter_map(|text| Some(expected(row.member, read(text).get(row.name)?))).collect();
            prop_assert_eq!(members.get(row.member).cloned(), expected_of_all(row.member, &values), "{}: {}", row.name, body);
        }
    }
}
