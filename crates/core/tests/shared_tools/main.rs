//! Requests for things of the shared account are refused however they are written, and requests of real agents pass
//! (docs/SPEC.md#shared-account-tools).

#![expect(clippy::expect_used, reason = "a check fails by panicking")]

use callsign_core::rewrite::RewriteError;
use proptest::prelude::*;

#[path = "../../../../fuzz/checks/shared_tools.rs"]
mod shared_tools;

use shared_tools::{asks, check, run};

/// Types of tools that are refused.
const TOOLS: [&str; 16] = [
    "openrouter:bash",
    "openrouter:shell",
    "openrouter:files",
    "openrouter:shell_v2",
    "openrouter:memory",
    "openrouter:browser_use",
    "openrouter:code_interpreter",
    "openrouter:mcp",
    "openrouter:something_new",
    "shell",
    "local_shell",
    "computer_use_preview",
    "code_execution_20250825",
    "memory_20250818",
    "something_new",
    "",
];

/// Members that name stored things.
const IDS: [(&str, &str); 9] = [
    ("container_id", r#""c1""#),
    ("container", r#""c1""#),
    ("container", r#"{"a":{},"id":"c1"}"#),
    ("file_id", r#""f1""#),
    ("file_ids", r#"["f1"]"#),
    ("file_ids", r#"[ {"x":1} ]"#),
    ("vector_store_ids", r#"["v1"]"#),
    ("container_id", "17"),
    ("skill_id", r#""s1""#),
];

/// Outer members that name stored things.
const OUTER_IDS: [(&str, &str); 5] = [
    ("previous_response_id", r#""r1""#),
    ("conversation", r#""c1""#),
    ("conversation", r#"{"id":"c1"}"#),
    ("prompt", r#"{"variables":{"a":1},"id":"p1"}"#),
    ("prompt", r#"{"i\u0064":"p1"}"#),
];

/// Places of a tool: `@` is the tool.
const TOOL_PLACES: [&str; 9] = [
    r#"{"tools":[@]}"#,
    r#"{"model":"m","tools":[{"type":"function","function":{"name":"f"}}, @ ],"n":1}"#,
    r#"{"tools":@}"#,
    r#"{"input":[{"type":"additional_tools","tools":[@]}]}"#,
    r#"{"input":[{"tools":[@],"type":"tool_search_output"}]}"#,
    r#"{"plugins":[{"id":"fusion","tools":[@]}]}"#,
    r#"{"messages":[{"role":"user","content":[{"type":"tool_addition","tool_definition":@}]}]}"#,
    r#"{"tools":[{"type":"openrouter:fusion","parameters":{"tools":[@]}}]}"#,
    r#"{"tools":[{"parameters":{"tools":[@]},"type":"openrouter:subagent"}]}"#,
];

/// Places of an id: `@` is a member.
const ID_PLACES: [&str; 12] = [
    r"{@}",
    r#"{"tools":[{"type":"code_interpreter",@}]}"#,
    r#"{"tools":[{@,"type":"file_search"}]}"#,
    r#"{"tools":[{"type":"mcp","environment":{"type":"auto",@}}]}"#,
    r#"{"tools":[{"type":"openrouter:web_search","parameters":{@}}]}"#,
    r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_file",@}]}]}"#,
    r#"{"input":[{@,"type":"message"}]}"#,
    r#"{"input":[{"type":"some_call","type":"message",@}]}"#,
    r#"{"messages":[{"role":"user","content":[{"type":"file","file":{@}}]}]}"#,
    r#"{"messages":[{"content":[{"type":"document","source":{"type":"file",@}}]}]}"#,
    r#"{"messages":[{"content":[{"type":"tool_result","content":[{"type":"document","source":{@}}]}]}]}"#,
    r#"{"messages":[{"content":[{"type":"text","input":{@}}]}]}"#,
];

/// Returns spellings of a text, without quotes, that some JSON reader takes for it.
fn spellings(text: &str) -> Vec<String> {
    let escaped = |text: &str| text.encode_utf16().fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"));
    vec![
        text.to_owned(),
        text.to_uppercase(),
        escaped(text),
        escaped(&text.to_uppercase()),
        format!("{text}\\u0000"),
        format!("{text}\\u0000{}", "x".repeat(500)),
        text.replace('s', "\u{17f}").replace('k', "\u{212a}"),
        text.replace('s', "\\u017F").replace('k', "\\u212a"),
        text.replace('_', "\\u005f"),
    ]
}

/// Asserts that a body is refused at every split, on every kind of endpoint.
fn assert_refused(body: &str) {
    for replays in [false, true] {
        let whole = run(body.as_bytes(), replays, std::iter::empty());
        assert!(matches!(whole, Err(RewriteError::SharedTool(_))), "{whole:?}: {body}");
        assert_eq!(asks(body.as_bytes(), replays), Some(true), "{body}");
        assert_eq!(whole, run(body.as_bytes(), replays, std::iter::repeat_n(1, body.len())), "{body}");
        for split in (0..body.len()).step_by(1 + body.len() / 40) {
            assert_eq!(whole, run(body.as_bytes(), replays, std::iter::once(split)), "{body} at {split}");
        }
    }
}

#[test]
fn every_tool_is_refused_in_every_place_spelling_and_order() {
    for place in TOOL_PLACES {
        for tool in TOOLS {
            let spellings = if place == TOOL_PLACES[0] { spellings(tool) } else { vec![tool.to_owned()] };
            for kind in spellings {
                for key in ["type", "TYPE", "t\\u0079pe", "type\\u0000x"] {
                    for members in [
                        format!(r#""{key}":"{kind}""#),
                        format!(r#""name":"n","parameters":{{"type":"object"}}, "{key}" : "{kind}""#),
                        format!(r#""{key}":"{kind}","type":"function","parameters":{{}}"#),
                        format!(r#""type":"function","parameters":{{}},"{key}":"{kind}""#),
                    ] {
                        assert_refused(&place.replace('@', &format!("{{{members}}}")));
                    }
                }
            }
        }
        for tool in [r#"{"type":["function"]}"#, r#"{"type":{}}"#, r#"{"type":1}"#, r#"{"type":true}"#] {
            assert_refused(&place.replace('@', tool));
        }
        assert_refused(&place.replace('@', r#""openrouter:bash""#));
    }
    for key in spellings("tools").into_iter().chain(spellings("additional_tools")).chain(spellings("tool_definition")) {
        assert_refused(&format!(r#"{{"{key}":[{{"type":"shell"}}]}}"#));
        assert_refused(&format!(r#"{{"a":{{"{key}":[{{"type":"shell"}}]}}}}"#));
    }
    assert_refused(r#"{"tools":[["openrouter:bash"]]}"#);
    assert_refused(r#"{"a":{"b":[{"type":"openrouter:bash"}]}}"#);
    assert_refused(&format!(r#"{{"a":{{"type":"openrouter:{}"}}}}"#, "x".repeat(500)));
    assert_refused(&format!(r#"{{"tools":[{{"type":"{}"}}]}}"#, "x".repeat(500)));
}

#[test]
fn every_id_is_refused_in_every_place_spelling_and_order() {
    for place in ID_PLACES {
        for (name, value) in IDS {
            let names = if place.len() < 30 || place == ID_PLACES[8] { spellings(name) } else { vec![name.to_owned()] };
            for name in names {
                assert_refused(&place.replace('@', &format!(r#""{name}":{value}"#)));
                assert_refused(&place.replace('@', &format!(r#""{name}" : {value} ,"{name}":null"#)));
            }
        }
    }
    for (name, value) in OUTER_IDS {
        for name in spellings(name) {
            assert_refused(&format!(r#"{{"model":"m","{name}":{value}}}"#));
            assert_refused(&format!(r#"{{"{name}":null,"{name}" : {value},"input":"x"}}"#));
        }
    }
    for kind in spellings("item_reference") {
        let body = format!(r#"{{"input":[{{"id":"msg_1","type":"{kind}"}}]}}"#);
        assert_eq!(asks(body.as_bytes(), true), Some(true), "{body}");
        for lengths in [body.len(), 1] {
            let run = run(body.as_bytes(), true, std::iter::repeat_n(lengths, body.len()));
            assert!(matches!(run, Err(RewriteError::SharedTool(_))), "{run:?}: {body}");
        }
    }
    for body in [
        r#"{"input":[{"type":"code_interpreter_call","container_id":"c"}],"tools":[{"type":"code_interpreter"}]}"#,
        r#"{"tools":[{"type":"code_interpreter"}],"input":[{"container_id":"c","type":"code_interpreter_call"}]}"#,
        r#"{"input":[{"output":[{"file_id":"f","type":"input_file"}]}]}"#,
        r#"{"input":[{"output":{"file_id":"f","type":"computer_screenshot"}}]}"#,
        r#"{"messages":[{"type":"tool_use","input":{},"type":"document"}]}"#,
        r#"{"messages":[{"input":{"file_id":"f"},"type":"tool_use","type":"document"}]}"#,
        r#"{"messages":[{"Input":{"file_id":"f"},"type":"tool_use"}]}"#,
    ] {
        assert_refused(body);
    }
}

#[test]
fn texts_and_nested_members_of_these_names_pass() {
    for body in [
        r#"{"prompt":"a cat","previous_response_id":null,"conversation":null}"#,
        r#"{"prompt":["a","b"],"n":1}"#,
        r#"{"prompt":{"variables":{"id":"x"}}}"#,
        r#"{"prompt":[{"id":"x"}]}"#,
        r#"{"messages":[{"content":[{"conversation":"c1","prompt":{"id":"p"},"previous_response_id":"r"}]}]}"#,
        r#"{"messages":[{"type":"item_reference","id":"msg_1"}]}"#,
        r#"{"mcp_servers":[{"type":"url","url":"https://tools.example","name":"n"}]}"#,
    ] {
        for replays in [false, true] {
            let sent = run(body.as_bytes(), replays, std::iter::empty());
            assert_eq!(sent.as_deref(), Ok(body.as_bytes()), "{body}");
            assert_eq!(asks(body.as_bytes(), replays), Some(false), "{body}");
        }
    }
}

#[test]
fn requests_of_real_agents_pass_unchanged() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora");
    let mut read = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let request: serde_json::Value = serde_json::from_str(&text).unwrap();
        let replays = request["endpoint"] == "responses";
        let pretty = serde_json::to_string_pretty(&request["body"]).unwrap();
        for body in [request["body"].to_string(), pretty] {
            let body = body.as_bytes();
            let lengths = [body.len(), 1, 7, 64];
            for length in lengths {
                let sent = run(body, replays, std::iter::repeat_n(length, body.len().div_ceil(length)));
                let sent = sent.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert_eq!(sent, body, "{}", path.display());
            }
            assert_eq!(asks(body, replays), Some(false), "{}", path.display());
        }
        read += 1;
    }
    assert!(read >= 14, "{read} files");
}

#[test]
fn a_message_names_the_thing_and_the_setting() {
    let message = |body: &str| run(body.as_bytes(), false, std::iter::empty()).unwrap_err().to_string();
    let told = message(r#"{"tools":[{"type":"openrouter:bash"}]}"#);
    assert!(told.contains("`openrouter:bash`") && told.contains("server_tools_allowed"), "{told}");
    let told = message(r#"{"tools":[{"type":"a-secret"}]}"#);
    assert!(told.contains("server_tools_allowed") && !told.contains("a-secret"), "{told}");
    let told = message(r#"{"x":{"file_id":"f-1"}}"#);
    assert!(
        told.contains("`file_id`") && told.contains("CALLSIGN_SERVER_TOOLS=allow") && !told.contains("f-1"),
        "{told}"
    );
}

fn key() -> impl Strategy<Value = &'static str> + Clone {
    proptest::sample::select(vec![
        "type",
        "type",
        "type",
        "TYPE",
        "tools",
        "tools",
        "tool_definition",
        "container_id",
        "container",
        "file_id",
        "file_ids",
        "skill_id",
        "conversation",
        "id",
        "input",
        "input",
        "parameters",
        "function",
        "schema",
        "output",
        "annotations",
        "content",
        "text",
        "arguments",
        "a",
    ])
}

fn outer_key() -> impl Strategy<Value = &'static str> {
    let ids = proptest::sample::select(vec!["prompt", "conversation", "previous_response_id"]);
    prop_oneof![3 => Just("input"), 2 => Just("tools"), 1 => Just("messages"), 3 => key(), 1 => ids]
}

fn text() -> impl Strategy<Value = &'static str> + Clone {
    proptest::sample::select(vec![
        "function",
        "custom",
        "tool_use",
        "text",
        "message",
        "code_interpreter",
        "some_call",
        "some_call",
        "item_reference",
        "input_file",
        "shell",
        "openrouter:bash",
        "openrouter:web_search",
        "openrouter:fusion",
        "x",
        "",
        "file",
        "tex\\u0074",
    ])
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => text().prop_map(|text| format!("\"{text}\"")),
        1 => proptest::sample::select(vec!["null", "1", "true", "false", "{}", "[]"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(7, 40, 5, |inner| {
        let colon = proptest::sample::select(vec![":", ": ", " : "]);
        let member =
            (key(), colon, inner.clone()).prop_map(|(key, colon, value)| format!("\"{key}\"{colon}{value}")).boxed();
        let typed =
            (text(), proptest::collection::vec(member.clone(), 0..4), any::<bool>()).prop_map(|(kind, rest, last)| {
                let kind = format!("\"type\":\"{kind}\"");
                let members = if last { [rest, vec![kind]].concat() } else { [vec![kind], rest].concat() };
                format!("{{{}}}", members.join(","))
            });
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(|elements| format!("[{}]", elements.join(","))),
            proptest::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
            typed,
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn decides_as_a_reader_of_trees(
        members in proptest::collection::vec((outer_key(), value()), 0..4),
        options in 0_u8..2,
        splits in proptest::collection::vec(any::<u8>(), 0..15),
    ) {
        let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let count = u8::try_from(splits.len()).unwrap();
        let body = format!("{{{}}}", members.join(","));
        check(&[&[options, count], splits.as_slice(), body.as_bytes()].concat());
    }
}
