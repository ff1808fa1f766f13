//! The usage reader over answers at arbitrary splits, against an independent reading by `serde_json`.
//!
//! Input: one byte of options (bits: 0 a JSON document instead of events, 1–2 the endpoint, 4–7 the number of splits),
//! that many bytes of split lengths, then the body. All splits must have the same result. If the body is JSON, the
//! result must match the independent reading.

use std::collections::HashMap;
use std::fmt;

use callsign_core::endpoint::INFERENCE;
use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::reader::{ResponseUsage, UsageReader};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

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
        for length in lengths {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            reader.see(piece);
            rest = after;
        }
        reader.see(rest);
        reader.finish()
    };
    let whole = see(&mut std::iter::empty());
    assert_eq!(whole, see(&mut std::iter::repeat_n(1, body.len())), "byte by byte: {}", body.escape_ascii());
    assert_eq!(whole, see(&mut splits.iter().map(|&length| length.into())), "{splits:?}: {}", body.escape_ascii());
    check_limits(&whole);
    // The usage reader compares raw names; `serde_json` decodes escapes in them.
    if memchr::memmem::find(body, b"\\u").is_some() {
        return;
    }
    let told = if document { read_document(body) } else { read_events(body) };
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
    assert!(seen.usage.cost.is_none_or(|cost| (0..=1_000_000_000_000_000).contains(&cost.0)));
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
    cost: Option<NanoUsd>,
    /// Error names by rank. The first of a rank counts.
    names: HashMap<u8, String>,
    has_error: bool,
    has_usage: bool,
}

/// Reads a document; `None` if it is not a JSON object.
fn read_document(body: &[u8]) -> Option<Accumulator> {
    let mut told = Accumulator::default();
    told.answer(&serde_json::from_slice(body.strip_prefix(MARK).unwrap_or(body)).ok()?, true);
    Some(told)
}

/// Reads events; `None` if the data of one is neither a JSON object nor a single line that is clearly not JSON.
fn read_events(body: &[u8]) -> Option<Accumulator> {
    let body = body.strip_prefix(MARK).unwrap_or(body);
    if body.first() == MARK.first() {
        return None;
    }
    let mut told = Accumulator::default();
    let (mut first, mut event, mut data_lines) = (8, Vec::new(), 0);
    for line in lines(body).into_iter().chain([&b""[..]]) {
        if let Some(data) = line.strip_prefix(b"data:") {
            event.extend_from_slice(data);
            event.push(b'\n');
            data_lines += 1;
        }
        let text = event.trim_ascii_start();
        if !line.is_empty() {
            continue;
        }
        if text.first() == Some(&b'{') {
            let mut later = Accumulator::default();
            later.answer(&serde_json::from_slice(text).ok()?, true);
            if first > 0 || later.has_error || later.has_usage {
                first = if later.texts.contains_key("model") { 0_u8 } else { first.saturating_sub(1) };
                told.absorb(later);
            }
        } else if data_lines > 1 || text.first().is_some_and(|byte| !byte.is_ascii_graphic()) {
            return None;
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

impl Accumulator {
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
                ("error", _) => self.error(value),
                ("error_type", _) => self.name(4, text(value)),
                ("type", true) => self.has_error |= text(value).as_deref() == Some("error"),
                ("code", true) => self.name(2, scalar(value).filter(|code| code != "null")),
                ("response" | "message", true) if value.get().starts_with('{') => {
                    self.answer(&Object(object(value)), false);
                }
                ("choices", true) => {
                    let choices: Vec<Box<RawValue>> = serde_json::from_str(value.get()).unwrap_or_default();
                    let members = choices.iter().flat_map(|choice| object(choice));
                    members.filter(|(name, _)| name == "error").for_each(|(_, error)| self.error(&error));
                }
                _ => {}
            }
        }
    }

    fn usage(&mut self, value: &RawValue) {
        self.has_usage |= value.get().starts_with('{');
        for (name, value) in object(value) {
            match name.as_str() {
                "cost" => {
                    let cost = scalar(&value).and_then(|text| NanoUsd::parse(&text));
                    self.cost = self.cost.max(cost.filter(|cost| cost.0 <= 1_000_000_000_000_000));
                }
                "prompt_tokens_details"
                | "input_tokens_details"
                | "completion_tokens_details"
                | "output_tokens_details" => {
                    for (name, value) in object(&value) {
                        if ["cached_tokens", "reasoning_tokens"].contains(&&*name) {
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
        if let Some(count) =
            digits.and_then(|text| text.parse::<u64>().ok()).filter(|count| *count <= 1_000_000_000_000)
        {
            let known = self.figures.entry(name.to_owned()).or_default();
            *known = count.max(*known);
        }
    }

    fn error(&mut self, value: &RawValue) {
        let word: Option<String> = serde_json::from_str(value.get()).ok().filter(|_| value.get().len() <= 258);
        self.has_error |= value.get().starts_with('{') || word.is_some();
        self.name(1, word);
        for (name, value) in object(value) {
            match name.as_str() {
                "type" => self.name(3, text(&value)),
                "code" => self.name(2, scalar(&value).filter(|code| code != "null")),
                "error_type" => self.name(4, text(&value)),
                "metadata" => {
                    let members = object(&value).into_iter().filter(|(name, _)| name == "error_type");
                    members.for_each(|(_, value)| self.name(4, text(&value)));
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
        self.texts.extend(later.texts);
        for (name, count) in later.figures {
            let known = self.figures.entry(name).or_default();
            *known = count.max(*known);
        }
        self.cost = self.cost.max(later.cost);
        if later.has_error {
            (self.has_error, self.names) = (true, later.names);
        }
    }

    fn into_seen(mut self, cached_apart: bool) -> ResponseUsage {
        let figure = |name: &str| self.figures.get(name).copied();
        let (read, written) = (figure("cache_read_input_tokens"), figure("cache_creation_input_tokens"));
        let apart = if cached_apart { read.unwrap_or(0) + written.unwrap_or(0) } else { 0 };
        let output = figure("output");
        let prompt = figure("prompt_tokens").or(figure("input_tokens").map(|input| input + apart));
        let usage = Usage {
            prompt_tokens: prompt.or(figure("total_tokens").filter(|_| output.is_none())),
            completion_tokens: output,
            cached_tokens: figure("cached_tokens").or(read),
            reasoning_tokens: figure("reasoning_tokens"),
            cost: self.cost,
            ..Usage::default()
        };
        let best = (1..=4).rev().find_map(|rank| self.names.remove(&rank)).unwrap_or_else(|| "error".to_owned());
        ResponseUsage {
            generation: self.texts.remove("id"),
            model: self.texts.remove("model"),
            provider: self.texts.remove("provider"),
            usage,
            error: self.has_error.then_some(best),
            ..ResponseUsage::default()
        }
    }
}
