//! The usage reader over answers at arbitrary splits, against an independent reading by `serde_json`.
//!
//! Input: one byte of options (bits: 0 a JSON document instead of events, 1–2 the endpoint, 4–7 the number of splits),
//! that many bytes of split lengths, then the body. All splits must have the same result. If the body is JSON, the
//! result must match the independent reading.

use std::collections::{HashMap, HashSet};
use std::fmt;

use callsign_core::endpoint::INFERENCE;
use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::reader::{ResponseUsage, UsageReader};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

const MAX_TOKENS: u64 = 1_000_000_000;
const MAX_COST: i64 = 4_000_000_000_000;
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&options, rest)) = data.split_first() else { return };
    let Some((splits, body)) = rest.split_at_checked(usize::from(options >> 4)) else { return };
    let path = ["chat/completions", "responses", "messages", "images"][usize::from(options >> 1 & 3)];
    let document = options & 1 == 1;
    let see = |lengths: &mut dyn Iterator<Item = usize>| {
        let content_type = if document { "application/json" } else { "text/event-stream" };
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let endpoint = INFERENCE.iter().find(|endpoint| endpoint.path == path).expect("an endpoint");
        let (mut reader, mut rest) = (UsageReader::new(endpoint, &headers), body);
        let (mut outputs, mut final_at) = (0, None);
        for length in lengths.chain([usize::MAX]) {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            let seen = reader.see(piece);
            outputs += usize::from(seen.first_output);
            if let Some(at) = seen.final_at {
                assert_eq!(final_at.replace(body.len() - rest.len() + at), None);
            }
            rest = after;
        }
        let read = reader.finish();
        assert_eq!((outputs, final_at.is_some()), (usize::from(read.has_output), read.is_whole));
        (read, final_at)
    };
    let whole = see(&mut std::iter::empty());
    assert_eq!(whole, see(&mut std::iter::repeat_n(1, body.len())), "byte by byte: {}", body.escape_ascii());
    assert_eq!(whole, see(&mut splits.iter().map(|&length| length.into())), "{splits:?}: {}", body.escape_ascii());
    let whole = whole.0;
    check_limits(&whole);
    // The usage reader compares raw names; `serde_json` decodes escapes in them.
    if memchr::memmem::find(body, b"\\u").is_some() {
        return;
    }
    let told = if document { read_document(body) } else { read_events(body, path) };
    if let Some(told) = told {
        assert_eq!(told.into_seen(path == "messages"), whole, "{}", body.escape_ascii());
    }
}

fn check_limits(seen: &ResponseUsage) {
    let texts = [&seen.generation, &seen.model, &seen.provider];
    assert!(texts.into_iter().flatten().all(|text| (1..=256).contains(&text.len())));
    assert!(seen.generation.as_ref().is_none_or(|id| id.starts_with("gen-")));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    assert!(seen.error.as_ref().is_none_or(|name| (1..=64).contains(&name.len()) && name.bytes().all(plain)));
    let usage = seen.usage;
    for cost in [usage.cost, usage.provider_cost, usage.server_tool_cost].into_iter().flatten() {
        assert!((0..=MAX_COST).contains(&cost.0));
    }
    assert!(usage.prompt_tokens.is_none_or(|tokens| tokens <= MAX_TOKENS));
}

/// An object's members, duplicates included.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The result of the independent reading.
#[derive(Default)]
struct Accumulator {
    texts: HashMap<&'static str, String>,
    figures: HashMap<String, u64>,
    costs: HashMap<String, NanoUsd>,
    /// Error names by rank. The first of a rank counts.
    names: HashMap<u8, String>,
    /// The type of the event as it is written.
    event_type: Option<String>,
    /// The facts that were found: `byok`, `response`, `error`, `failed`, `usage`, `output`, `whole`.
    facts: HashSet<&'static str>,
}

/// Reads a document; `None` if it is not a JSON object.
fn read_document(body: &[u8]) -> Option<Accumulator> {
    let mut told = Accumulator::default();
    told.answer(&serde_json::from_slice(body.strip_prefix(MARK).unwrap_or(body)).ok()?, true);
    told.note("whole", true);
    Some(told)
}

/// Reads events; `None` if the data of one is neither a JSON object nor a single line that is clearly not JSON.
fn read_events(body: &[u8], path: &str) -> Option<Accumulator> {
    let body = body.strip_prefix(MARK).unwrap_or(body);
    if body.first() == MARK.first() {
        return None;
    }
    let mut told = Accumulator::default();
    let (mut first, mut event, mut data_lines) = (8, Vec::new(), 0);
    let lines = lines(body);
    // The line of the body's end is incomplete.
    let (unterminated, mut last_line) = (lines.len() - 1, 0);
    for (number, line) in lines.into_iter().chain([&b""[..]]).enumerate() {
        if let Some(data) = line.strip_prefix(b"data:") {
            event.extend_from_slice(data);
            event.push(b'\n');
            data_lines += 1;
            if !data.trim_ascii().is_empty() {
                last_line = number;
            }
        }
        let text = event.trim_ascii_start();
        if !line.is_empty() {
            continue;
        }
        if text.first() == Some(&b'{') {
            let mut later = Accumulator::default();
            later.answer(&serde_json::from_slice(text).ok()?, true);
            told.note("whole", later.ends_stream(path) && last_line < unterminated);
            told.note("output", later.facts.contains("output"));
            if first > 0 || later.is_error() || later.facts.contains("usage") {
                first = if later.texts.contains_key("model") { 0_u8 } else { first.saturating_sub(1) };
                told.absorb(later);
            }
        } else if data_lines > 1 || text.first().is_some_and(|byte| !byte.is_ascii_graphic()) {
            return None;
        } else if ["chat/completions", "images"].contains(&path) {
            let word = event.iter().position(|byte| !b" \t".contains(byte)).map_or(&b""[..], |at| &event[at..]);
            told.note("whole", word.starts_with(b"[DONE]") && last_line < unterminated);
        }
        event.clear();
        data_lines = 0;
    }
    Some(told)
}

/// Splits at CR LF, LF or CR.
fn lines(mut body: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = body.iter().position(|byte| b"\r\n".contains(byte)) {
        lines.push(&body[..end]);
        let length = if body[end..].starts_with(b"\r\n") { 2 } else { 1 };
        body = &body[end + length..];
    }
    lines.push(body);
    lines
}

fn object(value: &RawValue) -> Vec<(String, Box<RawValue>)> {
    serde_json::from_str(value.get()).map_or_else(|_| Vec::new(), |Object(members)| members)
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str::<String>(value.get()).ok().filter(|text| !text.is_empty() && value.get().len() <= 258)
}

/// Reads a string or number; `None` for other or too long values.
fn scalar(value: &RawValue) -> Option<String> {
    if value.get().starts_with('"') {
        return text(value);
    }
    (!value.get().starts_with(['{', '[']) && value.get().len() <= 256).then(|| value.get().to_owned())
}

/// The members of a piece of output that are output unless they are empty.
const OUTPUT: [&str; 15] = [
    "content",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "refusal",
    "tool_calls",
    "function_call",
    "audio",
    "images",
    "thinking",
    "partial_json",
    "summary",
    "result",
    "data",
    "encrypted_content",
];

/// Returns true for a text, array or object that is not empty.
fn is_filled(value: &RawValue) -> bool {
    let text = value.get();
    match text.as_bytes() {
        [b'"', inner @ .., b'"'] => !inner.is_empty(),
        [b'[', inner @ .., b']'] | [b'{', inner @ .., b'}'] => !inner.trim_ascii().is_empty(),
        _ => false,
    }
}

impl Accumulator {
    fn note(&mut self, fact: &'static str, is_found: bool) {
        if is_found {
            self.facts.insert(fact);
        }
    }

    fn answer(&mut self, Object(members): &Object, top: bool) {
        for (name, value) in members {
            match (name.as_str(), top) {
                ("id" | "request_id", _) => {
                    if let Some(id) = text(value).filter(|id| id.starts_with("gen-")) {
                        self.texts.insert("id", id);
                    }
                }
                ("model", _) => self.texts.extend(text(value).map(|model| ("model", model))),
                ("provider", _) => self.texts.extend(text(value).map(|provider| ("provider", provider))),
                ("usage", _) => self.usage(value),
                ("error", _) => self.error("error", value),
                ("output" | "content" | "data" | "results" | "answers", _) => self.note("output", is_filled(value)),
                ("text", _) | ("delta" | "b64_json" | "partial_image_b64", true) if value.get().starts_with('"') => {
                    self.note("output", is_filled(value));
                }
                ("delta" | "item" | "part" | "content_block", true) => self.piece(value),
                ("error_type", _) => self.name(4, text(value)),
                ("type", true) => {
                    let raw = value.get().strip_prefix('"').filter(|raw| raw.len() <= 257);
                    self.event_type = raw.map(|raw| raw[..raw.len() - 1].to_owned()).or(self.event_type.take());
                }
                ("code", true) => self.name(2, scalar(value).filter(|code| code != "null")),
                ("response" | "message", true) if value.get().starts_with('{') => {
                    self.note("response", name == "response");
                    self.answer(&Object(object(value)), false);
                }
                ("choices", true) => {
                    let choices: Vec<Box<RawValue>> = serde_json::from_str(value.get()).unwrap_or_default();
                    choices
                        .iter()
                        .flat_map(|choice| object(choice))
                        .for_each(|(name, value)| self.choice(&name, &value));
                }
                _ => {}
            }
        }
    }

    fn choice(&mut self, name: &str, value: &RawValue) {
        match name {
            "error" => self.error("failed", value),
            "finish_reason" => self.note("failed", value.get() == "\"error\""),
            "text" => self.note("output", value.get().starts_with('"') && is_filled(value)),
            "delta" | "message" => self.piece(value),
            _ => {}
        }
    }

    fn piece(&mut self, value: &RawValue) {
        for (name, value) in object(value) {
            let texts = ["text", "name"].contains(&&*name) && value.get().starts_with('"');
            self.note("output", (texts || OUTPUT.contains(&&*name)) && is_filled(&value));
        }
    }

    fn is_error(&self) -> bool {
        let is_own = self.event_type.as_deref().is_none_or(|name| name == "response.failed");
        self.facts.contains("failed")
            || self.event_type.as_deref() == Some("error")
            || (self.facts.contains("error") && is_own)
    }

    fn ends_stream(&mut self, path: &str) -> bool {
        match self.event_type.as_deref() {
            None => self.facts.contains("error"),
            Some("error") => true,
            Some("message_stop") => path == "messages",
            Some("response.completed" | "response.incomplete" | "response.done") => {
                path == "responses" && self.facts.contains("response")
            }
            Some("response.failed") if path == "responses" => {
                self.note("failed", self.facts.contains("response"));
                self.facts.contains("response")
            }
            Some(_) => false,
        }
    }

    fn usage(&mut self, value: &RawValue) {
        self.note("usage", value.get().starts_with('{'));
        for (name, value) in object(value) {
            match name.as_str() {
                "cost" => self.cost("cost", &value),
                "is_byok" => self.note("byok", value.get() == "true"),
                "cost_details" => {
                    for (name, value) in object(&value) {
                        let part = name.strip_prefix("upstream_inference_");
                        match part.unwrap_or(&name) {
                            "cost" if part.is_some() => self.cost("upstream", &value),
                            "prompt_cost" | "input_cost" if part.is_some() => self.cost("upstream input", &value),
                            "completions_cost" | "output_cost" if part.is_some() => {
                                self.cost("upstream output", &value);
                            }
                            "server_tool_cost" if part.is_none() => self.cost("tool", &value),
                            _ => {}
                        }
                    }
                }
                "prompt_tokens_details"
                | "input_tokens_details"
                | "completion_tokens_details"
                | "output_tokens_details" => {
                    for (name, value) in object(&value) {
                        if ["cached_tokens", "cache_write_tokens", "reasoning_tokens"].contains(&&*name) {
                            self.figure(&name, &value);
                        }
                    }
                }
                "prompt_tokens"
                | "input_tokens"
                | "total_tokens"
                | "cache_read_input_tokens"
                | "cache_creation_input_tokens" => self.figure(&name, &value),
                "completion_tokens" | "output_tokens" => self.figure("output", &value),
                _ => {}
            }
        }
    }

    fn figure(&mut self, name: &str, value: &RawValue) {
        let digits = scalar(value).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(count) = digits.and_then(|text| text.parse::<u64>().ok()).filter(|count| *count <= MAX_TOKENS) {
            let known = self.figures.entry(name.to_owned()).or_default();
            *known = count.max(*known);
        }
    }

    fn cost(&mut self, name: &str, value: &RawValue) {
        let cost = scalar(value).and_then(|text| NanoUsd::parse(&text)).filter(|cost| cost.0 <= MAX_COST);
        if let Some(cost) = cost {
            let known = self.costs.entry(name.to_owned()).or_default();
            *known = cost.max(*known);
        }
    }

    /// Reads an error, which notes `fact`.
    fn error(&mut self, fact: &'static str, value: &RawValue) {
        let word: Option<String> = serde_json::from_str(value.get()).ok().filter(|_| value.get().len() <= 258);
        self.note(fact, value.get().starts_with('{') || word.is_some());
        self.name(1, word);
        for (name, value) in object(value) {
            match name.as_str() {
                "type" => self.name(3, text(&value)),
                "code" => self.name(2, scalar(&value).filter(|code| code != "null")),
                "error_type" => self.name(4, text(&value)),
                "metadata" => {
                    for (name, value) in object(&value) {
                        match name.as_str() {
                            "error_type" => self.name(4, text(&value)),
                            "reasons" if value.get().starts_with('[') => self.name(5, Some("moderation".to_owned())),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn name(&mut self, rank: u8, name: Option<String>) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if let Some(name) = name.filter(|name| (1..=64).contains(&name.len()) && name.bytes().all(plain)) {
            self.names.entry(rank).or_insert(name);
        }
    }

    fn absorb(&mut self, later: Self) {
        let is_error = later.is_error();
        self.texts.extend(later.texts);
        for (name, count) in later.figures {
            let known = self.figures.entry(name).or_default();
            *known = count.max(*known);
        }
        for (name, cost) in later.costs {
            let known = self.costs.entry(name).or_default();
            *known = cost.max(*known);
        }
        self.note("byok", later.facts.contains("byok"));
        if is_error {
            if !later.names.is_empty() || !self.facts.contains("failed") {
                self.names = later.names;
            }
            self.note("failed", true);
        }
    }

    fn into_seen(mut self, cached_apart: bool) -> ResponseUsage {
        let figure = |name: &str| self.figures.get(name).copied();
        let (read, written) = (figure("cache_read_input_tokens"), figure("cache_creation_input_tokens"));
        let apart = if cached_apart { read.unwrap_or(0) + written.unwrap_or(0) } else { 0 };
        let output = figure("output");
        let prompt = figure("prompt_tokens").or(figure("input_tokens").map(|input| input + apart));
        let cost = |name: &str| self.costs.get(name).copied();
        let parts: Vec<_> = ["upstream input", "upstream output"].into_iter().filter_map(cost).collect();
        let billed = cost("upstream").or((!parts.is_empty()).then(|| parts.into_iter().sum()));
        let usage = Usage {
            prompt_tokens: prompt
                .or(figure("total_tokens").filter(|_| output.is_none()))
                .filter(|tokens| *tokens <= MAX_TOKENS),
            completion_tokens: output,
            cached_tokens: figure("cached_tokens").or(read),
            cache_write_tokens: figure("cache_write_tokens").or(written),
            reasoning_tokens: figure("reasoning_tokens"),
            cost: cost("cost"),
            provider_cost: billed.filter(|billed| self.facts.contains("byok") && billed.0 <= MAX_COST),
            server_tool_cost: cost("tool"),
        };
        let is_error = self.is_error();
        let best = (1..=5).rev().find_map(|rank| self.names.remove(&rank)).unwrap_or_else(|| "error".to_owned());
        ResponseUsage {
            generation: self.texts.remove("id"),
            model: self.texts.remove("model"),
            provider: self.texts.remove("provider"),
            usage,
            has_output: self.facts.contains("output"),
            is_whole: self.facts.contains("whole"),
            error: is_error.then_some(best),
        }
    }
}
