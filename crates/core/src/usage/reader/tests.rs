//! Each response is read at once, byte by byte and at every split into two pieces. All results must be equal.

use std::ops::Range;

use http::HeaderValue;
use proptest::prelude::*;
use rstest::rstest;

mod costs;
mod progress;

use super::*;
use crate::endpoint::INFERENCE;
use crate::usage::money::NanoUsd;
use crate::usage::{MAX_COST, MAX_TOKENS, Usage};

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";

fn reader_for(path: &str, content_type: &str) -> UsageReader {
    let endpoint = INFERENCE.iter().find(|endpoint| endpoint.path == path).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    UsageReader::new(endpoint, &headers)
}

/// The result of reading a response in pieces.
#[derive(Debug, PartialEq)]
struct Reading {
    usage: ResponseUsage,
    /// The bytes of the piece with the first output.
    first_output: Option<Range<usize>>,
    /// The position in the body of the byte that makes the answer whole.
    final_at: Option<usize>,
}

fn see<'a>(path: &str, content_type: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Reading {
    let mut reader = reader_for(path, content_type);
    let (mut at, mut first_output, mut final_at) = (0, None, None);
    for piece in pieces {
        let seen = reader.see(piece);
        if seen.first_output {
            assert_eq!(first_output.replace(at..at + piece.len()), None, "the first output comes once");
        }
        if let Some(in_piece) = seen.final_at {
            assert!(in_piece < piece.len());
            assert_eq!(final_at.replace(at + in_piece), None, "an answer ends once");
        }
        at += piece.len();
    }
    let usage = reader.finish();
    assert_eq!((usage.has_output, usage.is_whole), (first_output.is_some(), final_at.is_some()));
    Reading { usage, first_output, final_at }
}

/// Asserts that pieces have the same result as single bytes.
fn same<'a>(bytewise: &Reading, path: &str, content_type: &str, pieces: impl IntoIterator<Item = &'a [u8]>) {
    let other = see(path, content_type, pieces);
    assert_eq!((&bytewise.usage, bytewise.final_at), (&other.usage, other.final_at));
    if let (Some(byte), Some(piece)) = (&bytewise.first_output, &other.first_output) {
        assert!(piece.contains(&byte.start), "{byte:?} {piece:?}");
    }
}

/// Reads a body. Asserts that the result does not depend on the split.
fn read(path: &str, content_type: &str, body: &str) -> Reading {
    let body = body.as_bytes();
    let bytewise = see(path, content_type, body.chunks(1));
    for at in 0..body.len() {
        let (one, two) = body.split_at(at);
        same(&bytewise, path, content_type, [one, two]);
    }
    bytewise
}

/// Returns the names and figures read from a body.
fn seen(path: &str, content_type: &str, body: &str) -> ResponseUsage {
    ResponseUsage { has_output: false, is_whole: false, ..read(path, content_type, body).usage }
}

/// Creates a usage from `[prompt, completion, cached, reasoning]` tokens and the cost in nano-dollars.
fn usage(tokens: [Option<u64>; 4], cost: Option<i64>) -> Usage {
    let [prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens] = tokens;
    Usage {
        prompt_tokens,
        completion_tokens,
        cached_tokens,
        reasoning_tokens,
        cost: cost.map(NanoUsd),
        ..Usage::default()
    }
}

fn all(generation: &str, model: &str, provider: &str, usage: Usage) -> ResponseUsage {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ResponseUsage {
        generation: some(generation),
        model: some(model),
        provider: some(provider),
        usage,
        ..ResponseUsage::default()
    }
}

/// A recorded stream. Its usage comes with a repeated finish reason.
const CHAT: &str = r#": OPENROUTER PROCESSING

: OPENROUTER PROCESSING

data: {"id":"gen-1786-x","object":"chat.completion.chunk","created":1786,"model":"openai/m","provider":"OpenAI","choices":[{"index":0,"delta":{"role":"assistant","content":"the \"usage\":{\"cost\":9} and \"error\":{"},"finish_reason":null}]}

data: {"id":"gen-1786-x","model":"openai/m","provider":"OpenAI","choices":[{"index":0,"delta":{"content":"usage"},"usage":{"prompt_tokens":99},"finish_reason":null}]}

data: {"id":"gen-1786-x","model":"openai/m","provider":"OpenAI","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop","native_finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10,"cost":0.0001,"is_byok":false,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":0},"cost_details":{"upstream_inference_cost":0.5,"cost":7},"completion_tokens_details":{"reasoning_tokens":1,"image_tokens":0}}}

data: [DONE]

"#;

#[test]
fn a_chat_stream_is_seen() {
    let usage = usage([Some(8), Some(2), Some(3), Some(1)], Some(100_000));
    let expected = all("gen-1786-x", "openai/m", "OpenAI", Usage { cache_write_tokens: Some(0), ..usage });
    assert_eq!(seen("chat/completions", SSE, CHAT), expected);
    assert_eq!(seen("completions", "Text/Event-Stream; charset=utf-8", CHAT), expected);
    assert_eq!(seen("chat/completions", SSE, &CHAT.replace('\n', "\r\n")), expected, "CR LF");
    assert_eq!(seen("chat/completions", SSE, &CHAT.replace('\n', "\r")), expected, "CR");
    assert_eq!(seen("chat/completions", SSE, &CHAT.replace("\n\n", "\n")), expected, "no blank lines");
    assert_eq!(seen("chat/completions", SSE, &CHAT.replace("data: ", "data:")), expected, "no blank");
    assert_eq!(
        seen("chat/completions", SSE, &format!("\u{feff}{}", CHAT.trim_start_matches(": OPENROUTER PROCESSING\n\n"))),
        expected
    );
    assert_eq!(seen("chat/completions", SSE, &CHAT.replace(",\"", ",\ndata: \"")), expected, "many lines an event");
    assert_eq!(seen("chat/completions", SSE, CHAT.trim_end()), expected, "no end");
    let many = CHAT.replace(r#""finish_reason":null}]}"#, r#""finish_reason":null}],"usage":null,"error": null}"#);
    assert_eq!(seen("chat/completions", SSE, &many), expected, "nulls before");
    let empty = CHAT.replace(
        r#""choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop","native_finish_reason":"stop"}],"#,
        r#""choices":[],"#,
    );
    assert_ne!(empty, CHAT);
    assert_eq!(seen("chat/completions", SSE, &empty), expected, "no choices");
}

/// One response per endpoint and format, and unusual bodies.
#[rstest]
#[case::chat("chat/completions", JSON, "\n         \n\n  {\"id\":\"gen-1\",\"model\":\"m\",\"provider\":\"P\",\"choices\":[{\"message\":{\"content\":\"{\\\"usage\\\":{\\\"cost\\\":1}}\",\"usage\":{\"cost\":2}}}],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"cost\":4.2e-4}}",
    all("gen-1", "m", "P", usage([Some(11), Some(7), None, None], Some(420_000))))]
#[case::usage_first("chat/completions", JSON, "\u{feff}{\"usage\" : { \"cost\" : \"0.5\" , \"prompt_tokens\" : 1 } , \"choices\":[[{\"error\":{}}],\"x\",1],\"id\" :\"gen-1\"}\n",
    all("gen-1", "", "", usage([Some(1), None, None, None], Some(500_000_000))))]
#[case::responses("responses", JSON, r#"{"id":"gen-2","status":"completed","model":"m","error":null,"metadata":{"usage":"x","error_type":"y"},"usage":{"input_tokens":11,"input_tokens_details":{"cached_tokens":3},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":18,"cost":0}}"#,
    all("gen-2", "m", "", usage([Some(11), Some(7), Some(3), Some(5)], Some(0))))]
#[case::messages("messages", JSON, r#"{"id":"gen-3","type":"message","model":"m","provider":"P","content":[{"type":"error","error":{"type":"no"}}],"usage":{"input_tokens":8,"cache_creation_input_tokens":2,"cache_read_input_tokens":3,"cache_creation":{"input_tokens":99},"output_tokens":7}}"#,
    all("gen-3", "m", "P", Usage { cache_write_tokens: Some(2), ..usage([Some(13), Some(7), Some(3), None], None) }))]
#[case::count_tokens("messages/count_tokens", JSON, r#"{"input_tokens":11}"#, ResponseUsage::default())]
#[case::embeddings("embeddings", JSON, r#"{"id":"gen-4","object":"list","data":[{"embedding":[0.5,-0.25,[1]]},{"usage":{"cost":1}}],"model":"m","usage":{"prompt_tokens":11,"total_tokens":11,"cost":1E-9}}"#,
    all("gen-4", "m", "", usage([Some(11), None, None, None], Some(1))))]
#[case::rerank("rerank", JSON, r#"{"id":"gen-5","model":"m","provider":"P","results":[{"document":{"text":"}]"}}],"usage":{"total_tokens":11,"search_units":1,"cost":null}}"#,
    all("gen-5", "m", "P", usage([Some(11), None, None, None], None)))]
#[case::image("images", "application/json; charset=utf-8", r#"{"created":1,"data":[{"b64_json":"iVBO"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"cost":0.04}}"#,
    all("", "", "", usage([Some(11), Some(7), None, None], Some(40_000_000))))]
#[case::image_stream("images/generations", SSE, "data: {\"type\":\"image_generation.completed\",\"b64_json\":\"iVBO\",\"usage\":{\"cost\":0.04}}\n\n",
    all("", "", "", usage([None; 4], Some(40_000_000))))]
#[case::speech("audio/speech", "audio/mpeg", r#"{"id":"gen-1","usage":{"cost":1}}"#, ResponseUsage::default())]
#[case::transcription("audio/transcriptions", JSON, r#"{"text":"hi","usage":{"seconds":1.0,"input_tokens":11,"output_tokens":7,"cost":1}}"#,
    all("", "", "", usage([Some(11), Some(7), None, None], Some(1_000_000_000))))]
#[case::problem("rerank", "application/problem+json", r#"{"id":"gen-1"}"#, all("gen-1", "", "", Usage::default()))]
#[case::cut("chat/completions", JSON, r#"{"id":"gen-1","model":"m","usage":{"prompt_tokens":11,"completion_tokens":7"#,
    all("gen-1", "m", "", usage([Some(11), None, None, None], None)))]
#[case::other_ids(
    "responses",
    JSON,
    r#"{"id":"resp_1","model":null,"provider":{"name":"P"}}"#,
    ResponseUsage::default()
)]
#[case::escaped(
    "chat/completions",
    JSON,
    r#"{"id":"gen-\u0031","model":"a\/\"b\\","provider":"\ud800"}"#,
    all("gen-1", "a/\"b\\", "", Usage::default())
)]
#[case::odd_figures("chat/completions", JSON, r#"{"usage":{"prompt_tokens":-1,"completion_tokens":1.5,"cached_tokens":5,"cost":1e99,"total_tokens":"12","prompt_tokens_details":{"cached_tokens":99999999999999}}}"#,
    all("", "", "", usage([Some(12), None, None, None], None)))]
#[case::an_array("chat/completions", JSON, r#"[{"id":"gen-1"}]"#, ResponseUsage::default())]
#[case::html("chat/completions", JSON, "<!DOCTYPE html>{\"id\":\"gen-1\"}", ResponseUsage::default())]
fn bodies_are_seen(
    #[case] path: &str,
    #[case] content_type: &str,
    #[case] body: &str,
    #[case] expected: ResponseUsage,
) {
    assert_eq!(seen(path, content_type, body), expected);
}

#[rstest]
#[case::completed("completed")]
#[case::incomplete("incomplete")]
#[case::failed("failed")]
#[case::done("done")]
fn the_last_event_of_responses_is_seen(#[case] kind: &str) {
    let body = format!(
        "data: {{\"type\":\"response.created\",\"response\":{{\"id\":\"gen-1\",\"model\":\"openrouter/auto\",\"instructions\":\"usage\",\"tools\":[{{\"error\":1}}],\"error\":null,\"usage\":null}}}}\n\n\
         event: x\ndata: {{\"type\":\"response.output_text.delta\",\"delta\":\"{{\\\"usage\\\":{{\",\"item_id\":\"gen-2\"}}\n\n\
         data: {{\"type\":\"response.{kind}\",\"response\":{{\"id\":\"gen-1\",\"model\":\"openai/m\",\"output\":[{{\"usage\":{{\"cost\":1}}}}],\"usage\":{{\"input_tokens\":11,\"output_tokens\":7,\"cost\":0.00042}}}},\"sequence_number\":9}}\n\n\
         data: [DONE]\n\n"
    );
    let mut expected = all("gen-1", "openai/m", "", usage([Some(11), Some(7), None, None], Some(420_000)));
    expected.error = (kind == "failed").then(|| "error".to_owned());
    assert_eq!(seen("responses", SSE, &body), expected);
}

#[test]
fn a_messages_stream_adds_up() {
    let stream = |last: &str| {
        format!(
            "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"gen-1\",\"model\":\"m\",\"provider\":\"P\",\"usage\":{{\"input_tokens\":8,\"cache_creation_input_tokens\":1,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}}}}\n\n\
             event: ping\ndata: {{\"type\": \"ping\"}}\n\n\
             event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"delta\":{{\"text\":\"usage\",\"usage\":{{\"output_tokens\":99}}}}}}\n\n\
             event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{}},\"usage\":{last}}}\n\n\
             event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
        )
    };
    let expected = |prompt, cached| {
        let usage = usage([Some(prompt), Some(7), Some(cached), None], None);
        all("gen-1", "m", "P", Usage { cache_write_tokens: Some(1), ..usage })
    };
    assert_eq!(seen("messages", SSE, &stream(r#"{"output_tokens":7}"#)), expected(12, 3));
    let cumulative =
        r#"{"input_tokens":10,"cache_creation_input_tokens":1,"cache_read_input_tokens":4,"output_tokens":7}"#;
    assert_eq!(seen("messages", SSE, &stream(cumulative)), expected(15, 4));
    let nothing = r#"{"input_tokens":0,"cache_read_input_tokens":null,"output_tokens":7}"#;
    assert_eq!(seen("messages", SSE, &stream(nothing)), expected(12, 3));
}

/// Errors inside a response with status 200, and the name that is recorded.
#[rstest]
#[case(
    "chat/completions",
    r#"{"error":{"code":502,"message":"secret","metadata":{"error_type":"provider_unavailable"}}}"#,
    "provider_unavailable"
)]
#[case("chat/completions", r#"{"choices":[{"index":0},{"error":{"code":502,"message":"secret"}}]}"#, "502")]
#[case("chat/completions", r#"{"error":{"code":"server_error"}}"#, "server_error")]
#[case("chat/completions", r#"{"error":{"message":"secret"}}"#, "error")]
#[case("chat/completions", r#"{"error":{}}"#, "error")]
#[case("chat/completions", r#"{"error":"overloaded"}"#, "overloaded")]
#[case("chat/completions", r#"{"error":"Something secret"}"#, "error")]
#[case("chat/completions", r#"{"error":{"code":null,"type":"a\nb","error_type":""}}"#, "error")]
#[case("messages", r#"{"type":"error","error":{"type":"api_error","message":"secret","error_type":"provider_overloaded"},"request_id":"gen-1"}"#, "provider_overloaded")]
#[case("messages", r#"{"type":"error","error":{"type":"api_error"}}"#, "api_error")]
#[case(
    "chat/completions",
    r#"{"error":{"code":403,"message":"secret","metadata":{"reasons":["secret",{"a":1}],"flagged_input":"secret"}}}"#,
    "moderation"
)]
#[case("chat/completions", r#"{"choices":[{"error":{"code":1,"metadata":{"reasons":[]}}}]}"#, "moderation")]
#[case("chat/completions", r#"{"error":{"code":403,"metadata":{"reasons":null}}}"#, "403")]
#[case(
    "responses",
    r#"{"error":{"code":"server_error","message":"secret"},"error_type":"provider_unavailable"}"#,
    "provider_unavailable"
)]
#[case(
    "responses",
    r#"{"type":"response.failed","response":{"error":{"code":"server_error"},"error_type":null}}"#,
    "server_error"
)]
#[case("responses", r#"{"type":"error","code":"rate_limit_exceeded","message":"secret"}"#, "rate_limit_exceeded")]
#[case("responses", r#"{"response":{"error":{"code":"x"}},"type":"response.failed"}"#, "x")]
#[case("chat/completions", r#"{"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#, "error")]
#[case(
    "chat/completions",
    r#"{"error":{"code":502,"message":"secret"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
    "502"
)]
#[case("images", r#"{"type":"error","error":{"message":"secret","code":"overloaded","type":"t"}}"#, "t")]
fn errors_inside_a_200_are_named(#[case] path: &str, #[case] body: &str, #[case] name: &str) {
    assert_eq!(seen(path, JSON, body).error.as_deref(), Some(name));
    let first = r#"data: {"id":"gen-0","model":"m","choices":[]}"#;
    let streamed = format!("{first}\n\n{first}\n\nevent: error\ndata: {body}\n\ndata: [DONE]\n\n");
    let seen = seen(path, SSE, &streamed);
    assert_eq!(seen.error.as_deref(), Some(name));
    assert!(!format!("{seen:?}").contains("secret"));
}

#[rstest]
fn members_that_resemble_an_error_are_not_one(
    #[values(
        r#"{"error":null}"#,
        r#"{"choices":[{"message":{"error":{"code":1}}}]}"#,
        r#"{"choices":{"error":{"code":1}}}"#,
        r#"{"text":"\"error\":{}","type":"errors"}"#,
        r#"{"detail":{"type":"error"},"x":["error",{"error":{}}]}"#,
        r#"{"error_type":"x","code":"y"}"#,
        r#"{"type":"response.fusion_call.panel.failed","error":"secret"}"#,
        r#"{"error":{"code":502},"type":"response.fusion_call.panel.failed"}"#,
        r#"{"type":"response.incomplete","response":{"error":null,"incomplete_details":{"reason":"max_output_tokens"}}}"#,
        r#"{"type":"\u0065rror"}"#,
        r#"{"choices":[{"finish_reason":"stop","native_finish_reason":"error"}]}"#
    )]
    body: &str,
) {
    assert_eq!(seen("chat/completions", JSON, body), ResponseUsage::default());
    assert_eq!(seen("chat/completions", SSE, &format!("data: {body}\n\n")), ResponseUsage::default());
}

#[test]
fn an_error_does_not_hide_the_usage_of_its_event() {
    let body = CHAT.replace(r#""usage":{"prompt_tokens":8"#, r#""error":{"code":502},"usage":{"prompt_tokens":8"#);
    let seen = seen("chat/completions", SSE, &body);
    assert_eq!(
        (seen.error.as_deref(), seen.usage.prompt_tokens, seen.usage.cost),
        (Some("502"), Some(8), Some(NanoUsd(100_000)))
    );
}

#[test]
fn later_events_without_usage_change_nothing() {
    let event = |id: &str, rest: &str| format!("data: {{\"id\":\"{id}\",\"model\":\"{id}\"{rest}}}\n\n");
    let body =
        [event("gen-1", ""), event("gen-2", ""), event("gen-3", ",\"usage\":{}"), event("gen-4", ",\"usage\":null")]
            .concat();
    assert_eq!(seen("chat/completions", SSE, &body).generation.as_deref(), Some("gen-3"));
    // The search for a model ends.
    let body = "data: {\"x\":1}\n\n".repeat(8) + &event("gen-1", "");
    assert_eq!(seen("chat/completions", SSE, &body), ResponseUsage::default());
}

#[test]
fn long_names_are_absent_and_long_texts_pass() {
    let long = "x".repeat(257);
    let body = format!(r#"{{"{long}":1,"model":"{long}","provider":"{}","id":"gen-1"}}"#, &long[1..]);
    assert_eq!(seen("chat/completions", JSON, &body), all("gen-1", "", &long[1..], Usage::default()));
}

#[test]
fn memory_does_not_grow_with_the_response() {
    for content_type in [JSON, SSE] {
        let mut reader = reader_for("images", content_type);
        if content_type == SSE {
            reader.see(b"data: ");
        }
        reader.see(br#"{"id":"gen-1","usage":{"cost":0.04},"data":[{"b64_json":""#);
        let piece = vec![b'A'; 1 << 16];
        let see_much = |reader: &mut UsageReader| {
            for _ in 0..256 {
                reader.see(&piece);
            }
        };
        see_much(&mut reader);
        reader.see(br#""}],"provider":""#);
        see_much(&mut reader);
        reader.see(b"\"}\n\n");
        let memory = match &reader.reading {
            super::Reading::Document(document) => document.members.memory() + document.found.memory(),
            super::Reading::Events(stream) => stream.memory(),
            super::Reading::Bytes(_) => 0,
        };
        assert!((1..2048).contains(&memory), "{memory}");
        let read = reader.finish();
        assert_eq!((read.generation.as_deref(), read.usage.cost), (Some("gen-1"), Some(NanoUsd(40_000_000))));
        assert_eq!((read.has_output, read.is_whole), (true, content_type == JSON));
    }
}

#[test]
fn other_types_and_compressed_responses_are_not_read() {
    let endpoint = &INFERENCE[0];
    let see = |headers: &[(&'static str, &'static str)]| {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let mut reader = UsageReader::new(endpoint, &map);
        reader.see(br#"{"id":"gen-1"}"#);
        reader.finish().generation.is_some()
    };
    let json = ("content-type", JSON);
    assert!(see(&[json]));
    assert!(see(&[json, ("content-encoding", "Identity")]));
    for coding in ["gzip", "br", "zstd", "identity, gzip", ""] {
        assert!(!see(&[json, ("content-encoding", coding)]), "{coding}");
    }
    assert!(!see(&[json, ("content-encoding", "identity"), ("content-encoding", "gzip")]));
    assert!(!see(&[]));
    for other in ["text/html", "json", "application/jsonl", "application/x-ndjson", "audio/mpeg"] {
        assert!(!see(&[("content-type", other)]), "{other}");
    }
}

proptest! {
    /// Reads texts made of relevant pieces in any order, at any split.
    #[test]
    fn no_split_matters(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "data: ", "data:", "event: x", "\n", "\n\n", "\r", "\r\n", "\r\n\r\n", ": c", "{", "}", "[", "]", ",", ":", "\"", "\\",
            "\"usage\"", "\"error\"", "\"usage\":{\"cost\":1", "\"choices\":[", "\"response\":", "\"message\":", "\"type\":",
            "\"model\":\"m\"", "\"id\":\"gen-1\"", "\"id\":\"gen-2\"", "{\"model\":\"m\"}", "{\"usage\":{\"prompt_tokens\":2}}",
            "{\"error\":\"x\"}", "[DONE]", "data: [DONE]\n\n", "\"type\":\"error\"", "\"type\":\"response.failed\"", "\"message_stop\"",
            "\"type\":\"response.completed\"", "{\"type\":\"message_stop\"}", "\"response\":{", "\"finish_reason\":\"error\"",
            "\"delta\":", "\"delta\":{\"content\":", "{\"delta\":\"x\"}", "\"\"", "\"data\":[", "\"is_byok\":true", "null", "12", "1.5", " ", "\t", "x", "\u{feff}", "\"prompt_tokens\":", "\"cost\":",
        ]), 0..40),
        cuts in prop::collection::vec(0_usize..400, 0..6),
    ) {
        let body = pieces.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
        for path in ["chat/completions", "messages", "responses"] {
            for content_type in [JSON, SSE] {
                let bytewise = see(path, content_type, body.chunks(1));
                same(&bytewise, path, content_type, [&body[..]]);
                same(&bytewise, path, content_type, parts.iter().copied());
            }
        }
    }
}
