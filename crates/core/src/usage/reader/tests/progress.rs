//! The first output and the end of an answer, at every split.

use super::*;

/// Events that carry output, and those that do not. `false` is kept alive, announced or empty.
#[rstest]
#[case("chat/completions", r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, false)]
#[case("chat/completions", r#"{"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":[ ]}}]}"#, false)]
#[case("chat/completions", r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"cost":1}}"#, false)]
#[case("chat/completions", r#"{"choices":[{"delta":{"audio":{ }},"logprobs":{"content":[1]}}]}"#, false)]
#[case("chat/completions", r#"{"choices":[{"delta":{"content":"\""}}]}"#, true)]
#[case("chat/completions", r#"{"choices":[{"delta":{"content":"","reasoning":"x"}}]}"#, true)]
#[case("chat/completions", r#"{"choices":[{"delta":{"reasoning_details":[{}]}}]}"#, true)]
#[case("chat/completions", r#"{"choices":[{"delta":{"tool_calls": [ {"index":0}]}}]}"#, true)]
#[case("chat/completions", r#"{"choices":[{"delta":{"audio": {"data":"x"}}}]}"#, true)]
#[case("chat/completions", r#"{"choices":[{"delta":{"images":[1]}}]}"#, true)]
#[case("chat/completions", r#"{"choices":[{"delta":{}},{"delta":{"refusal":" "}}]}"#, true)]
#[case("completions", r#"{"choices":[{"text":""}]}"#, false)]
#[case("completions", r#"{"choices":[{"text":"x"}]}"#, true)]
#[case("responses", r#"{"type":"response.created","response":{"output":[],"text":{"format":{"type":"text"}},"reasoning":{"effort":"low"}}}"#, false)]
#[case("responses", r#"{"type":"response.output_item.added","item":{"type":"message","content":[]}}"#, false)]
#[case("responses", r#"{"type":"response.output_item.added","item":{"type":"reasoning","summary":[]}}"#, false)]
#[case(
    "responses",
    r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f","arguments":""}}"#,
    true
)]
#[case("responses", r#"{"type":"response.content_part.added","part":{"type":"output_text","text":""}}"#, false)]
#[case("responses", r#"{"type":"response.output_text.delta","delta":""}"#, false)]
#[case("responses", r#"{"type":"response.output_text.delta","delta":"x"}"#, true)]
#[case("responses", r#"{"delta":"x","type":"response.reasoning_summary_text.delta"}"#, true)]
#[case("responses", r#"{"type":"response.image_generation_call.partial_image","partial_image_b64":"x"}"#, true)]
#[case("responses", r#"{"type":"response.completed","response":{"output":[{}]}}"#, true)]
#[case("messages", r#"{"type":"message_start","message":{"content":[],"role":"assistant"}}"#, false)]
#[case("messages", r#"{"type":"ping"}"#, false)]
#[case("messages", r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#, false)]
#[case(
    "messages",
    r#"{"type":"content_block_start","content_block":{"type":"thinking","thinking":"","signature":"x"}}"#,
    false
)]
#[case("messages", r#"{"type":"content_block_start","content_block":{"type":"tool_use","name":"f","input":{}}}"#, true)]
#[case("messages", r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}"#, true)]
#[case("messages", r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"x"}}"#, true)]
#[case("messages", r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":""}}"#, false)]
#[case("messages", r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#, false)]
#[case("images", r#"{"type":"image_generation.partial_image","b64_json":"x"}"#, true)]
#[case("images", r#"{"type":"image_generation.text_chunk","text":"<svg"}"#, true)]
fn output_of_events(#[case] path: &str, #[case] event: &str, #[case] is_output: bool) {
    // Events before the output do not hide it, also after those in which a model is searched.
    for before in [0, 1, 12] {
        let quiet = ": OPENROUTER PROCESSING\n\ndata: {\"type\":\"ping\",\"model\":\"m\"}\n\n".repeat(before);
        let body = format!("{quiet}event: x\ndata: {event}\n\n");
        let read = read(path, SSE, &body);
        let end = quiet.len() + "event: x\ndata: ".len() + event.len();
        assert_eq!(read.first_output, is_output.then(|| end - 1..end), "{body}");
        let incomplete = &body[..end - 1];
        assert!(!super::read(path, SSE, incomplete).usage.has_output);
    }
}

#[rstest]
#[case("chat/completions", r#"{"choices":[{"message":{"role":"assistant","content":"H"#, true)]
#[case("chat/completions", r#"{"choices":[{"message":{"content":""}}]}"#, false)]
#[case("chat/completions", r#"{"choices":[{"message":{"content":null,"tool_calls":[{}"#, true)]
#[case("chat/completions", r#"{"error":{"code":502,"message":"x"}}"#, false)]
#[case("responses", r#"{"output":[],"text":{"format":{}},"reasoning":{"effort":"x"}}"#, false)]
#[case("responses", r#"{"output":[{"#, true)]
#[case("messages", r#"{"content":[]}"#, false)]
#[case("messages", r#"{"content":[{"#, true)]
#[case("messages/count_tokens", r#"{"input_tokens":1}"#, false)]
#[case("embeddings", r#"{"data":[{"#, true)]
#[case("rerank", r#"{"results":[]}"#, false)]
#[case("rerank", r#"{"results":[{"#, true)]
#[case("systemone", r#"{"answers":{}}"#, false)]
#[case("systemone", r#"{"answers":{"a"#, true)]
#[case("images", r#"{"created":1,"data":[{"b64"#, true)]
#[case("audio/transcriptions", r#"{"text":"h"#, true)]
fn output_of_documents(#[case] path: &str, #[case] body: &str, #[case] is_output: bool) {
    assert_eq!(read(path, JSON, body).first_output.is_some(), is_output, "{body}");
    // Output in other places of a document does not count.
    let nested = format!(r#"{{"x":[{body}"#);
    assert_eq!(read(path, JSON, &nested).first_output, None, "{nested}");
}

#[rstest]
#[case("audio/speech", "audio/mpeg", "identity")]
#[case("audio/transcriptions", "text/plain", "identity")]
#[case("chat/completions", SSE, "gzip")]
#[case("chat/completions", JSON, "gzip")]
fn the_first_byte_of_an_unreadable_answer_is_output(
    #[case] path: &str,
    #[case] content_type: &'static str,
    #[case] coding: &'static str,
) {
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CONTENT_ENCODING, HeaderValue::from_static(coding)),
    ]);
    let mut reader = UsageReader::new(INFERENCE.iter().find(|endpoint| endpoint.path == path).unwrap(), &headers);
    let seen = [&b""[..], b"{\"x\":1}", b"data: [DONE]\n\n"].map(|piece| reader.see(piece));
    assert_eq!(seen.map(|seen| (seen.first_output, seen.final_at)), [(false, None), (true, None), (false, None)]);
    let read = reader.finish();
    assert_eq!((read.has_output, read.is_whole, read.generation), (true, false, None));
}

/// A stream up to and after `|`, which stands before the byte that makes the answer whole.
#[rstest]
#[case::done("chat/completions", "data: {\"usage\":{\"cost\":1}}\n\ndata: [DONE]|\n\n")]
#[case::no_blank("completions", "data:[DONE]|\n\n")]
#[case::crlf("images", "data: {\"model\":\"m\"}\r\n\r\ndata:  \t[DONE]|\r\n\r\n")]
#[case::cr("chat/completions", "data: {\"x\":1}\r\rdata: [DONE] |\r\r")]
#[case::once("chat/completions", "data: [DONE]|\n\ndata: [DONE]\n\ndata: {\"error\":{}}\n\n")]
#[case::marked("chat/completions", "\u{feff}event: x\ndata: [DONE]|\nid: 1\n\n")]
#[case::error("chat/completions", "data: {\"error\":{\"code\":502},\"choices\":[]}|\n\ndata: [DONE]\n\n")]
#[case::lines("chat/completions", "data: {\"error\":\ndata: \"x\"}|\ndata: \n\n")]
#[case::completed(
    "responses",
    "data: {\"type\":\"response.completed\",\"response\":{\"error\":null}}|\n\ndata: [DONE]\n\n"
)]
#[case::incomplete("responses", "data: {\"response\":{},\"type\":\"response.incomplete\"}|\n\n")]
#[case::failed("responses", "data: {\"type\":\"response.failed\",\"response\":{}}  |\n\n")]
#[case::response_error("responses", "event: error\ndata: {\"type\":\"error\",\"code\":\"x\"}|\n\n")]
#[case::message("messages", "event: message_stop\ndata: {\"type\":\"message_stop\"}|\n\n")]
#[case::message_error("messages", "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"x\"}}|\n\n")]
#[case::cut_line("chat/completions", "data: [DONE]")]
#[case::no_data("chat/completions", "[DONE]\n: [DONE]\nevent: [DONE]\ndata : [DONE]\n\n")]
#[case::text("chat/completions", "data: {\"x\":\"[DONE]\"}\n\ndata: x[DONE]\n\ndata: [DON]\n\ndata: [ DONE]\n\n")]
#[case::within("chat/completions", "data: {\"x\":\ndata: [DONE]}\n\n")]
#[case::usage("chat/completions", "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"cost\":1}}\n\n")]
#[case::choice("chat/completions", "data: {\"choices\":[{\"error\":{\"code\":1},\"finish_reason\":\"error\"}]}\n\n")]
#[case::fusion("responses", "data: {\"type\":\"response.fusion_call.panel.failed\",\"error\":\"x\"}\n\n")]
#[case::other_dialect("chat/completions", "data: {\"type\":\"message_stop\"}\n\n")]
#[case::no_response("responses", "data: {\"type\":\"response.completed\",\"message\":{}}\n\n")]
#[case::created("responses", "data: {\"type\":\"response.created\",\"response\":{\"usage\":null}}\n\n")]
fn the_last_event_makes_a_stream_whole(#[case] path: &str, #[case] body: &str) {
    // Before and after the events that are read completely.
    let event = "data: {\"model\":\"m\",\"delta\":\"x\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    for before in [String::new(), event.repeat(2)] {
        let marked = if before.is_empty() { body } else { body.trim_start_matches('\u{feff}') };
        let end = marked.find('|').map(|end| before.len() + end);
        let read = read(path, SSE, &format!("{before}{}", marked.replace('|', "")));
        assert_eq!((read.final_at, read.usage.is_whole), (end, end.is_some()), "{before}{body}");
    }
}

#[rstest]
#[case(" \n{\"x\":{\"y\":[1,{}]},\"z\":\"}\"|}\n")]
#[case("{|}{}")]
#[case("{\"x\":{\"y\":1}")]
#[case("[{}]")]
#[case("")]
#[case("<html>{}</html>")]
fn the_closing_brace_makes_a_document_whole(#[case] body: &str) {
    let read = read("chat/completions", JSON, &body.replace('|', ""));
    assert_eq!((read.final_at, read.usage.is_whole), (body.find('|'), body.contains('|')), "{body}");
}

#[test]
fn values_after_the_last_event_still_count() {
    let body = "data: {\"error\":{\"code\":502}}\n\ndata: {\"usage\":{\"cost\":1}}\n\ndata: [DONE]\n\n";
    assert_eq!(seen("chat/completions", SSE, body).usage.cost, Some(NanoUsd(1_000_000_000)));
}
