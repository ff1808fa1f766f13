//! Requests as they end, and their judgement. The answers are read by the usage reader.

use http::{HeaderMap, HeaderValue};
use rstest::rstest;

use super::*;
use crate::endpoint::INFERENCE;
use crate::usage::reader::UsageReader;
use Bill::{Free, Known, Never, Pending};
use Outcome::{Blocked, ClientGone, Complete, Refused, UpstreamCut, UpstreamSilent};

const TEXT: &str = "data: {\"id\":\"gen-1\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
const ROLE: &str = "data: {\"id\":\"gen-1\",\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"cost\":0.001}}\n\n";
const ERROR: &str = "data: {\"error\":{\"code\":502,\"message\":\"x\"},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n";
const FINISHED: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const DELTA: &str = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n";
const PANEL: &str = "data: {\"type\":\"response.fusion_call.panel.failed\",\"error\":\"x\"}\n\n";
const COMPLETED: &str = "data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"cost\":0.001}}}\n\n";
const INCOMPLETE: &str = "data: {\"type\":\"response.incomplete\",\"response\":{\"usage\":{\"cost\":0.001}}}\n\n";
const FAILED: &str = "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\"}}}\n\n";
const STOP: &str = "data: {\"type\":\"message_stop\"}\n\n";
const OVERLOADED: &str = "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
const BLOCK: &str = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n";

/// Judges a request. `head` is a list of words: the status of OpenRouter's answer; `sse`, `mpeg`, `html`, `gzip` (JSON
/// otherwise); `gen` (a generation id in the head); and what sets a fact: `unsent`, `all` (bytes), `free`, `pass`, `=code`.
fn judge(path: &str, head: &'static str, body: &[&str], outcome: Outcome) -> Judgement {
    let has = |word: &str| head.split(' ').any(|other| other == word);
    let content_type = ["sse", "mpeg", "html"].into_iter().find(|word| has(word));
    let content_type = match content_type {
        Some("sse") => "text/event-stream",
        Some("mpeg") => "audio/mpeg",
        Some(_) => "text/html",
        None => "application/json",
    };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    if has("gzip") {
        headers.insert("content-encoding", HeaderValue::from_static("gzip"));
    }
    let mut reader = UsageReader::new(INFERENCE.iter().find(|endpoint| endpoint.path == path).unwrap(), &headers);
    for piece in body {
        reader.see(piece.as_bytes());
    }
    let mut answer = reader.finish();
    if has("gen") {
        answer.generation = Some("gen-head".to_owned());
    }
    Judgement::of(&Facts {
        outcome,
        upstream_status: head.split(' ').find_map(|word| word.parse().ok()),
        was_sent: !has("unsent"),
        is_delivered: has("all"),
        payer: if has("free") {
            Payer::Nobody
        } else if has("pass") {
            Payer::Caller
        } else {
            Payer::Operator
        },
        code: head.split(' ').find_map(|word| word.strip_prefix('=')),
        answer: &answer,
    })
}

const CHAT: &str = "chat/completions";

#[rstest]
// Complete answers of each endpoint.
#[case(CHAT, "200 sse gen", &[TEXT, USAGE, DONE], Complete, (Complete, None, Known))]
#[case(CHAT, "200 gen all", &[r#"{"choices":[{"message":{"content":"x"}}],"usage":{"cost":0.1}}"#], Complete, (Complete, None, Known))]
#[case("completions", "200 gen all", &[r#"{"choices":[{"text":"x"}],"usage":{"cost":0}}"#], Complete, (Complete, None, Known))]
#[case("responses", "200 sse gen", &[DELTA, COMPLETED, DONE], Complete, (Complete, None, Known))]
#[case("responses", "200 sse gen", &[DELTA, INCOMPLETE], Complete, (Complete, None, Known))]
#[case("responses", "200 sse gen", &[PANEL, DELTA, COMPLETED], Complete, (Complete, None, Known))]
#[case("messages", "200 sse gen", &[BLOCK, STOP], Complete, (Complete, None, Pending))]
#[case("messages", "200 gen all", &[r#"{"type":"message","content":[{}],"usage":{"cost":0.1}}"#], Complete, (Complete, None, Known))]
#[case("messages/count_tokens", "200 free all", &[r#"{"input_tokens":1}"#], Complete, (Complete, None, Free))]
#[case("embeddings", "200 gen all", &[r#"{"data":[{}],"usage":{"cost":0.1}}"#], Complete, (Complete, None, Known))]
#[case("rerank", "200 gen all", &[r#"{"results":[{}],"usage":{"cost":null}}"#], Complete, (Complete, None, Pending))]
#[case("images", "200 gen all", &[r#"{"data":[{}],"usage":{"cost":0.04}}"#], Complete, (Complete, None, Known))]
#[case("audio/speech", "200 mpeg gen all", &["ID3"], Complete, (Complete, None, Pending))]
#[case("audio/speech", "200 mpeg all", &["ID3"], Complete, (Complete, None, Never))]
#[case("audio/transcriptions", "200 gen all", &[r#"{"text":"x","usage":{"cost":0.1}}"#], Complete, (Complete, None, Known))]
// A provider bills: OpenRouter's charge is 0, and known.
#[case(CHAT, "200 gen", &[r#"{"usage":{"cost":0,"is_byok":true,"cost_details":{"upstream_inference_cost":0.03}}}"#], Complete, (Complete, None, Known))]
#[case(CHAT, "200 gen", &[r#"{"error":{"code":1},"usage":{"cost":0,"is_byok":true,"cost_details":{"upstream_inference_cost":0.03}}}"#], Complete, (Complete, Some("1"), Known))]
#[case(CHAT, "200 gen", &[r#"{"error":{"code":1},"usage":{"cost":0,"cost_details":{"upstream_inference_cost":0.03}}}"#], Complete, (Complete, Some("1"), Free))]
// Compressed answers are not read.
#[case(CHAT, "200 sse gzip gen", &["\x1f"], Complete, (Complete, None, Pending))]
#[case(CHAT, "200 gzip gen all", &["\x1f"], ClientGone, (Complete, None, Pending))]
#[case(CHAT, "200 gzip", &["\x1f"], ClientGone, (ClientGone, None, Never))]
#[case(CHAT, "502 gzip gen all", &["\x1f"], Complete, (Complete, Some("status_502"), Free))]
// Errors within a 200.
#[case(CHAT, "200 sse gen", &[ROLE, ERROR, DONE], Complete, (Complete, Some("502"), Free))]
#[case(CHAT, "200 sse gen", &[ROLE, FINISHED, DONE], Complete, (Complete, Some("error"), Free))]
#[case(CHAT, "200 sse gen", &[TEXT, ERROR, DONE], Complete, (Complete, Some("502"), Pending))]
#[case(CHAT, "200 sse pass gen", &[TEXT, ERROR, DONE], Complete, (Complete, Some("502"), Never))]
#[case(CHAT, "200 sse gen", &[TEXT, ERROR, USAGE, DONE], Complete, (Complete, Some("502"), Known))]
#[case(CHAT, "200 sse gen", &[ROLE, ERROR], ClientGone, (Complete, Some("502"), Free))]
#[case(CHAT, "200 gen all", &[r#"{"error":{"code":502,"message":"x"}}"#], Complete, (Complete, Some("502"), Free))]
#[case(CHAT, "200 gen all", &[r#"{"error":{"code":502},"choices":[{"message":{"content":"x"}}],"usage":{"cost":0}}"#], Complete, (Complete, Some("502"), Pending))]
#[case("responses", "200 sse gen", &[FAILED], Complete, (Complete, Some("server_error"), Free))]
#[case("responses", "200 sse gen", &[DELTA, FAILED], Complete, (Complete, Some("server_error"), Pending))]
#[case("messages", "200 sse gen", &[OVERLOADED], Complete, (Complete, Some("overloaded_error"), Free))]
#[case("messages", "200 sse gen", &[BLOCK, OVERLOADED], ClientGone, (Complete, Some("overloaded_error"), Pending))]
// Errors by status. What OpenRouter or a proxy in front of it writes into the body does not matter.
#[case(CHAT, "429 gen all", &[r#"{"error":{"code":429}}"#], Complete, (Complete, Some("429"), Free))]
#[case(CHAT, "503 html all", &["<html>"], Complete, (Complete, Some("status_503"), Free))]
#[case("audio/speech", "400 mpeg gen all", &["x"], Complete, (Complete, Some("status_400"), Free))]
#[case(CHAT, "308 all", &[], Complete, (Complete, None, Free))]
#[case(CHAT, "502 gen", &[r#"{"error":{"code":502}"#], UpstreamCut, (UpstreamCut, Some("502"), Free))]
// Answers without a body.
#[case(CHAT, "200 free all", &[], ClientGone, (Complete, None, Free))]
#[case(CHAT, "204 all gen", &[], ClientGone, (Complete, None, Pending))]
#[case(CHAT, "401 all", &[], ClientGone, (Complete, Some("status_401"), Free))]
// The client leaves.
#[case(CHAT, "200 sse gen", &[TEXT], ClientGone, (ClientGone, None, Pending))]
#[case(CHAT, "200 sse gen", &[TEXT, USAGE], ClientGone, (ClientGone, None, Known))]
#[case(CHAT, "200 sse gen", &[TEXT, USAGE, "data: [DONE]"], ClientGone, (ClientGone, None, Known))]
#[case(CHAT, "200 sse gen", &[TEXT, USAGE, "data: [DONE]\n"], ClientGone, (Complete, None, Known))]
#[case("responses", "200 sse gen", &[DELTA, COMPLETED], ClientGone, (Complete, None, Known))]
#[case("messages", "200 sse gen", &[BLOCK, STOP], ClientGone, (Complete, None, Pending))]
#[case(CHAT, "200 gen", &[r#"{"choices":[{"message":{"content":"x"#], ClientGone, (ClientGone, None, Pending))]
#[case("audio/speech", "200 mpeg gen", &["ID3"], ClientGone, (ClientGone, None, Pending))]
#[case("audio/speech", "200 mpeg gen all", &["ID3"], ClientGone, (Complete, None, Pending))]
#[case(CHAT, "", &[], ClientGone, (ClientGone, None, Never))]
#[case(CHAT, "unsent", &[], ClientGone, (ClientGone, None, Free))]
// OpenRouter cuts or stops.
#[case(CHAT, "200 sse gen", &[TEXT], UpstreamCut, (UpstreamCut, Some("upstream_cut"), Pending))]
#[case(CHAT, "200 sse pass gen", &[TEXT], UpstreamCut, (UpstreamCut, Some("upstream_cut"), Never))]
#[case(CHAT, "200 sse", &["data: {"], UpstreamCut, (UpstreamCut, Some("upstream_cut"), Never))]
#[case(CHAT, "200 sse gen", &[TEXT], UpstreamSilent, (UpstreamSilent, Some("upstream_cut"), Pending))]
#[case(CHAT, "200 sse gen", &[TEXT, USAGE, DONE], UpstreamCut, (Complete, None, Known))]
#[case(CHAT, "200 sse gen", &[TEXT, USAGE, DONE], UpstreamSilent, (Complete, None, Known))]
#[case(CHAT, "=upstream_timeout", &[], Refused, (Refused, Some("upstream_timeout"), Never))]
#[case(CHAT, "=upstream_unreachable unsent", &[], Refused, (Refused, Some("upstream_unreachable"), Free))]
// callsign refuses, or ends the request.
#[case(CHAT, "=rate_limited unsent", &[], Refused, (Refused, Some("rate_limited"), Free))]
#[case(CHAT, "=bad_request unsent", &[], Refused, (Refused, Some("bad_request"), Free))]
#[case(CHAT, "200 sse gen =user_blocked", &[TEXT], Blocked, (Blocked, Some("user_blocked"), Pending))]
#[case(CHAT, "200 sse gen =user_blocked", &[TEXT, USAGE, DONE], Blocked, (Blocked, Some("user_blocked"), Known))]
// A caller's own key.
#[case(CHAT, "200 sse pass gen", &[TEXT, USAGE, DONE], Complete, (Complete, None, Known))]
#[case("messages", "200 sse pass gen", &[BLOCK, STOP], Complete, (Complete, None, Never))]
#[case(CHAT, "402 pass all", &[r#"{"error":{"code":402}}"#], Complete, (Complete, Some("402"), Free))]
fn each_end_is_judged(
    #[case] path: &str,
    #[case] head: &'static str,
    #[case] body: &[&str],
    #[case] outcome: Outcome,
    #[case] expected: (Outcome, Option<&str>, Bill),
) {
    let judged = judge(path, head, body, outcome);
    assert_eq!((judged.outcome, judged.error.as_deref(), judged.bill), expected);
}
