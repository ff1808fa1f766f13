//! The detection of shared tools at arbitrary splits, against a reader that builds a tree and decides afterwards.
//!
//! Input: one byte of options (bit 0: the Responses API), one byte with the number of splits (its lower four bits),
//! that many bytes of split lengths, then the body. The body must be refused exactly if the tree says so, with the same
//! reason at every split, and pass unchanged otherwise.

use std::sync::Arc;

use bytes::Bytes;
use callsign_core::rewrite::{Filter, Output, ReservedFields, RewriteError};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The deepest nesting that the tree reader reads, which parses every level again.
const DEEPEST: usize = 64;

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&options, rest)) = data.split_first() else { return };
    let Some((&count, rest)) = rest.split_first() else { return };
    let Some((splits, body)) = rest.split_at_checked(usize::from(count & 0x0f)) else { return };
    let replays = options & 1 != 0;
    let whole = run(body, replays, std::iter::empty());
    let split = run(body, replays, splits.iter().map(|&length| length.into()));
    assert_eq!(decision(&whole), decision(&split), "{}", body.escape_ascii());
    if body.len() <= 2048 {
        let bytes = run(body, replays, std::iter::repeat_n(1, body.len()));
        assert_eq!(decision(&whole), decision(&bytes), "{}", body.escape_ascii());
    }
    match &whole {
        Ok(sent) => assert_eq!(sent.escape_ascii().to_string(), body.escape_ascii().to_string()),
        Err(RewriteError::SharedTool(_)) => {}
        Err(_) => return,
    }
    if let Some(asks) = asks(body, replays) {
        assert_eq!(whole.is_err(), asks, "{whole:?}: {}", body.escape_ascii());
    }
}

/// Returns what must not depend on the split. Of a byte that is neither UTF-8 nor JSON, either may be said.
fn decision(result: &Result<Vec<u8>, RewriteError>) -> Result<&[u8], Result<u64, &RewriteError>> {
    match result {
        Ok(sent) => Ok(sent),
        Err(RewriteError::Invalid(invalid)) => Err(Ok(invalid.offset)),
        Err(error) => Err(Err(error)),
    }
}

/// Passes a body through the detector in pieces of these lengths.
pub(crate) fn run(body: &[u8], replays: bool, lengths: impl Iterator<Item = usize>) -> Result<Vec<u8>, RewriteError> {
    let reserved = Arc::new(ReservedFields::new([], None));
    let mut filter = Filter::new(reserved, String::new());
    filter.block_shared_tools(Arc::default(), replays);
    let (mut out, mut rest) = (Output::default(), Bytes::copy_from_slice(body));
    for length in lengths {
        filter.feed(&rest.split_to(length.min(rest.len())), &mut out)?;
    }
    filter.feed(&rest, &mut out)?;
    filter.finish()?;
    Ok(out.into_pieces().flatten().collect())
}

/// Returns true if the body must be refused; `None` if it is no object or too deep.
pub(crate) fn asks(body: &[u8], replays: bool) -> Option<bool> {
    let text = std::str::from_utf8(body).ok()?;
    let outer @ Node::Object(_) = Node::parse(text.trim_matches([' ', '\t', '\n', '\r']), 1)? else { return None };
    let found = judge(&outer, &Place { replays, depth: 1, ..Place::default() });
    Some(found.refuse || found.id || (found.replayed && found.runs_container))
}

/// A parsed value. Names and texts are decoded; the second text is the raw one without quotes.
enum Node {
    Object(Vec<(String, String, Node)>),
    Array(Vec<Node>),
    Text(String, String),
    /// Null or false.
    Nothing,
    Null,
    Other,
}

impl Node {
    fn parse(raw: &str, depth: usize) -> Option<Self> {
        if depth > DEEPEST {
            return None;
        }
        Some(match raw.as_bytes().first()? {
            b'{' => {
                let members: Members<'_> = serde_json::from_str(raw).ok()?;
                let node = |(name, value): (&RawValue, &RawValue)| {
                    let raw = name.get();
                    Some((lenient(raw), raw[1..raw.len() - 1].to_owned(), Self::parse(value.get(), depth + 1)?))
                };
                Self::Object(members.0.into_iter().map(node).collect::<Option<_>>()?)
            }
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
                Self::Array(elements.into_iter().map(|node| Self::parse(node.get(), depth + 1)).collect::<Option<_>>()?)
            }
            b'"' => Self::Text(lenient(raw), raw[1..raw.len() - 1].to_owned()),
            b'n' => Self::Null,
            b'f' => Self::Nothing,
            _ => Self::Other,
        })
    }
}

/// The place of a value.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a place")]
struct Place {
    replays: bool,
    depth: usize,
    /// A direct element of the outer `input`.
    item: bool,
    in_tools: bool,
    /// The value is a tool.
    tool: bool,
    in_output: bool,
    /// The value is a content part of an output.
    part: bool,
    in_annotations: bool,
    in_container: bool,
    /// The value is a container.
    container: bool,
}

impl Place {
    fn inside(self) -> Self {
        Self { depth: self.depth + 1, item: false, tool: false, part: false, container: false, ..self }
    }
}

#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings")]
struct Found {
    refuse: bool,
    /// A stored id whose item decides.
    id: bool,
    replayed: bool,
    runs_container: bool,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.refuse |= other.refuse;
        self.id |= other.id;
        self.replayed |= other.replayed;
        self.runs_container |= other.runs_container;
    }
}

fn judge(node: &Node, place: &Place) -> Found {
    let mut found = Found::default();
    match node {
        Node::Object(members) => found = judge_object(members, place),
        Node::Array(elements) => {
            for element in elements {
                found.add(judge(element, &place.inside()));
            }
            if place.item && found.id {
                (found.id, found.refuse) = (false, true);
            }
        }
        _ => {}
    }
    found
}

#[expect(clippy::too_many_lines, reason = "all rules in one list, written a second time")]
fn judge_object(members: &[(String, String, Node)], place: &Place) -> Found {
    let mut found = Found::default();
    // The types so far, the members skipped because of them, and file ids that a type decides about.
    let mut types: Vec<&str> = Vec::new();
    let (mut skipped_input, mut skipped_parameters, mut part_id) = (false, false, false);
    let (mut held_input, mut held_parameters) = (Found::default(), Found::default());
    let mut any_part = false;
    for (name, raw_name, value) in members {
        let nested = place.depth > 1;
        let plain = place.inside();
        let mut within = judge(value, &plain);
        let mut stored = false;
        match (name.as_str(), raw_name.as_str()) {
            ("type", _) => {
                if let Node::Text(kind, raw) = value {
                    if !place.in_output {
                        within.add(judge_type(kind, place));
                    }
                    any_part |= is_part(kind);
                    let strict = place.in_tools || place.in_output || place.in_container;
                    if strict || place.depth <= 3 || !COMMON.contains(&raw.as_str()) {
                        types.push(kind);
                        within.refuse |= !place.in_output
                            && ((skipped_input && !is_tool_use(kind)) || (skipped_parameters && !is_client(kind)));
                    }
                } else if place.tool && !matches!(value, Node::Null) {
                    within.refuse |= !place.in_output;
                }
            }
            ("tools" | "additional_tools" | "tool_definition", _) if !place.in_output => {
                let tools = Place { in_tools: true, ..plain };
                let tool = |node: &Node, place: Place| match node {
                    Node::Object(_) => judge(node, &Place { tool: true, ..place }),
                    Node::Text(..) => Found { refuse: true, ..Found::default() },
                    _ => judge(node, &place),
                };
                within = tool(value, tools);
                if let Node::Array(elements) = value {
                    within = Found::default();
                    for element in elements {
                        within.add(tool(element, tools.inside()));
                        within.refuse |= matches!(element, Node::Array(_));
                    }
                }
            }
            ("container", _) if matches!(value, Node::Object(_)) => {
                within = judge(value, &Place { in_container: true, container: true, ..plain });
            }
            ("conversation" | "prompt", _) if !nested && matches!(value, Node::Object(_)) => {
                within = judge(value, &Place { in_container: true, container: true, ..plain });
            }
            ("container_id" | "container" | "file_ids" | "file_id" | "vector_store_ids" | "skill_id", _) => {
                stored = true;
            }
            ("conversation" | "previous_response_id", _) if !nested => stored = true,
            ("id", _) if place.container => stored = true,
            (_, "function" | "input_schema" | "output_schema" | "schema" | "arguments") => continue,
            (_, "functions" | "documents" | "state" | "questions") if !nested => continue,
            (_, "input_examples") if nested => continue,
            (_, "input") if !nested => {
                if let Node::Array(elements) = value {
                    within = Found::default();
                    for element in elements {
                        within.add(judge(element, &Place { item: true, ..plain.inside() }));
                    }
                }
            }
            (_, "input") if !place.in_tools && !place.in_output => {
                if !types.is_empty() && types.iter().all(|kind| is_tool_use(kind)) {
                    skipped_input = true;
                } else {
                    held_input.add(within);
                }
                continue;
            }
            (_, "parameters") if place.tool && !place.in_output => {
                if !types.is_empty() && types.iter().all(|kind| is_client(kind)) {
                    skipped_parameters = true;
                } else {
                    held_parameters.add(within);
                }
                continue;
            }
            (_, "output") if nested && !place.in_tools && !place.in_output => {
                let output = Place { in_output: true, ..plain };
                within = match value {
                    Node::Array(elements) => {
                        let mut all = Found::default();
                        for element in elements {
                            all.add(judge(element, &Place { part: true, ..output.inside() }));
                        }
                        all
                    }
                    _ => judge(value, &Place { part: true, ..output }),
                };
            }
            (_, "annotations") if nested && !place.in_tools && !place.in_output => {
                within = judge(value, &Place { in_annotations: true, ..plain });
            }
            _ => {}
        }
        let is_set = match value {
            Node::Text(_, raw) => !raw.is_empty(),
            Node::Array(elements) => !elements.is_empty(),
            Node::Other => true,
            _ => false,
        };
        if stored && is_set {
            if place.in_output {
                part_id |= place.part && name == "file_id";
            } else if place.in_tools {
                within.refuse = true;
            } else if place.in_annotations {
                within.replayed = true;
            } else {
                within.id = true;
            }
        }
        found.add(within);
    }
    if types.is_empty() || !types.iter().all(|kind| is_tool_use(kind)) {
        found.add(held_input);
    }
    if types.is_empty() || !types.iter().all(|kind| is_client(kind)) {
        found.add(held_parameters);
    }
    found.refuse |= part_id && any_part;
    if place.item && found.id {
        found.id = false;
        if !types.is_empty() && types.iter().all(|kind| kind.ends_with("_call") && kind.len() <= 64) {
            found.replayed = true;
        } else {
            found.refuse = true;
        }
    }
    found
}

fn judge_type(kind: &str, place: &Place) -> Found {
    let (allowed, runs_container) = (is_allowed(kind), kind == "code_interpreter");
    let refuse = if place.replays && place.item && kind == "item_reference" {
        true
    } else if place.tool {
        !allowed
    } else {
        kind.starts_with("openrouter:") && !allowed && !(place.replays && place.item)
    };
    Found { refuse, runs_container: place.tool && runs_container, ..Found::default() }
}

/// Types without a role, whose objects are not remembered.
const COMMON: [&str; 12] = [
    "text",
    "input_text",
    "output_text",
    "tool_result",
    "image_url",
    "thinking",
    "ephemeral",
    "string",
    "object",
    "array",
    "integer",
    "boolean",
];

fn is_tool_use(kind: &str) -> bool {
    kind.ends_with("tool_use") && kind.len() <= 64
}

fn is_client(kind: &str) -> bool {
    kind == "function" || kind == "custom"
}

fn is_part(kind: &str) -> bool {
    ["input_file", "input_image", "computer_screenshot", "file", "image", "document"].contains(&kind)
}

fn is_allowed(kind: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let date = |text: &str| text.len() == 8 && digits(text);
    let after = |name: &str| kind.strip_prefix(name).and_then(|rest| rest.strip_prefix('_'));
    let bare = kind.strip_prefix("openrouter:").unwrap_or(kind);
    let server = |name: &str| {
        let suffix = bare.strip_prefix(name).and_then(|rest| rest.strip_prefix('_'));
        bare == name || suffix.is_some_and(|rest| date(rest) || rest.strip_prefix('v').is_some_and(digits))
    };
    let family = |name: &str| {
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let suffix = bare.strip_prefix(name).and_then(|rest| rest.strip_prefix('_'));
        bare == name || suffix.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(word))
    };
    kind.len() <= 64
        && (["function", "custom", "namespace", "mcp", "file_search", "code_interpreter"].contains(&kind)
            || ["bash", "text_editor", "computer"].iter().any(|name| after(name).is_some_and(date))
            || ["datetime", "image_generation", "apply_patch", "fusion", "advisor", "subagent"].into_iter().any(server)
            || server("experimental__search_models")
            || ["web_search", "web_fetch", "tool_search"].into_iter().any(family))
}

/// Decodes a quoted text as the most lenient reader does: cut at U+0000, ASCII case, long s and Kelvin sign folded. Lone
/// surrogates become U+FFFD, which occurs in no name.
fn lenient(raw: &str) -> String {
    let mut units = Vec::new();
    let mut rest = raw[1..raw.len() - 1].chars();
    while let Some(character) = rest.next() {
        let escaped = if character == '\\' { rest.next() } else { None };
        match escaped {
            None => units.extend_from_slice(character.encode_utf16(&mut [0; 2])),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&digits, 16).expect("four digits"));
            }
            Some('b') => units.push(8),
            Some('f') => units.push(12),
            Some('n') => units.push(10),
            Some('r') => units.push(13),
            Some('t') => units.push(9),
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut [0; 2])),
        }
    }
    let text = String::from_utf16_lossy(&units);
    let text = text.split('\0').next().unwrap_or_default();
    text.chars()
        .map(|character| match character {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}
