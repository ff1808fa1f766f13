//! The body filter at arbitrary splits, against `serde_json` and a short oracle.
//!
//! Input: one byte of options, one byte with the number of splits (its lower four bits), that many bytes of split
//! lengths, then the body, so the text `00` before a body is a valid input. Bits of options: 0–1 the appended members,
//! 2 `prompt_cache_key` is bound, 3 only `user_id` is reserved (as in redaction of an error body), 4 tools of the
//! shared account are blocked (`shared_tools.rs` checks the decision). In the body, the byte 0xfe (which UTF-8 does not use) repeats the `m` bytes before it
//! `n` more times; `m` and `n` are the two bytes after it. This gives deep nesting and long keys in few bytes.

use std::sync::Arc;

use bytes::Bytes;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::secret::{Binder, Purpose};
use callsign_core::rewrite::{
    Filter, Instructions, JsonError, JsonErrorKind, MAX_DEPTH, Output, ReservedFields, RewriteError,
};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

const NAMES: [&str; 8] =
    ["user", "session_id", "metadata", "safety_identifier", "trace", "client_metadata", "callback_url", "__proto__"];
const BOUND: &str = "prompt_cache_key";
const APPENDED: [&str; 4] = [
    "",
    r#""user":"u1""#,
    r#""user":"u\"1\u0000","metadata":{"user_id":"u1"}"#,
    r#""session_id":"s","user":"u","trace":{}"#,
];
/// The longest expanded body in bytes.
const LONGEST: usize = 1 << 18;
/// White space before a key keeps its place up to this length. Beyond it the comma may move
/// (`rewrite/pending_member.rs`).
const SPACE_CAP: usize = 4096;
/// A decoded input.
struct Case<'a> {
    append: &'static str,
    bind: bool,
    block_tools: bool,
    owned: Vec<&'static str>,
    splits: &'a [u8],
    body: Vec<u8>,
}

impl<'a> Case<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let (&options, rest) = data.split_first()?;
        let (&count, rest) = rest.split_first()?;
        let (splits, body) = rest.split_at_checked(usize::from(count & 0x0f))?;
        let redacting = options & 8 != 0;
        let append = if redacting { "" } else { APPENDED[usize::from(options & 3)] };
        let owned = if redacting { vec!["user_id"] } else { NAMES.to_vec() };
        Some(Self {
            append,
            bind: !redacting && options & 4 != 0,
            block_tools: options & 16 != 0,
            owned,
            splits,
            body: expand(body),
        })
    }

    fn filter(&self) -> Filter {
        let bound = (!self.owned.contains(&"user_id")).then_some(BOUND);
        let mut filter =
            Filter::new(Arc::new(ReservedFields::new(self.owned.iter().copied(), bound)), self.append.to_owned());
        if self.bind {
            filter.bind(binder());
        }
        if self.block_tools {
            filter.block_shared_tools(Arc::default(), false);
        }
        filter
    }

    fn reserves(&self, name: &[u16]) -> bool {
        self.owned.iter().any(|owned| is(name, owned)) || (self.owned.len() > 1 && is(name, BOUND))
    }

    /// Runs the filter on the body in pieces of these lengths; the rest is one piece.
    fn run(&self, lengths: impl Iterator<Item = usize>) -> Result<Vec<u8>, RewriteError> {
        self.run_with(Instructions::widest(), lengths)
    }

    /// Does the same with these vector instructions.
    fn run_with(
        &self,
        instructions: Instructions,
        lengths: impl Iterator<Item = usize>,
    ) -> Result<Vec<u8>, RewriteError> {
        let mut filter = self.filter().with_instructions(instructions);
        let (mut out, mut sent) = (Output::default(), Vec::new());
        let mut rest = Bytes::copy_from_slice(&self.body);
        for length in lengths {
            filter.feed(&rest.split_to(length.min(rest.len())), &mut out)?;
            while let Some(piece) = out.pop() {
                sent.extend_from_slice(&piece);
            }
            assert!(out.is_empty());
        }
        filter.feed(&rest, &mut out)?;
        filter.finish()?;
        assert!(filter.length_matches(&out));
        sent.extend(out.into_pieces().flatten());
        assert_eq!(sent.len(), self.body.len() + filter.reserve(), "announced length");
        Ok(sent)
    }
}

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let whole = case.run(std::iter::empty());
    let split = case.run(case.splits.iter().map(|&code| length_of(code)));
    same(&case, &whole, &split);
    for instructions in Instructions::all() {
        let lengths = || case.splits.iter().map(|&code| length_of(code));
        assert_eq!(case.run_with(instructions, std::iter::empty()), whole, "{instructions:?}");
        assert_eq!(case.run_with(instructions, lengths()), split, "{instructions:?}");
    }
    if case.body.len() <= 4096 {
        same(&case, &whole, &case.run(std::iter::repeat_n(1, case.body.len())));
    }
    let acceptable = is_acceptable(&case.body);
    let valid = !matches!(whole, Err(RewriteError::Invalid(_)));
    // A blocked tool ends the reading, so the bytes after it may be invalid.
    let blocked = matches!(whole, Err(RewriteError::SharedTool(_)));
    assert!(valid == acceptable || blocked, "{whole:?}: {}", case.body.escape_ascii());
    match whole {
        Ok(sent) => check_output(&case, &sent),
        Err(RewriteError::Invalid(invalid)) => check_offset(&case.body, invalid),
        Err(rejected) => assert!(case.block_tools, "{rejected:?}"),
    }
}

/// Checks that two runs over differently split pieces of a body have the same result.
fn same(case: &Case<'_>, whole: &Result<Vec<u8>, RewriteError>, split: &Result<Vec<u8>, RewriteError>) {
    match (whole, split) {
        (Ok(whole), Ok(split)) if whole == split => {}
        (Ok(whole), Ok(split)) => {
            let squeeze = |text: &[u8]| text.iter().copied().filter(|byte| !is_blank(*byte)).collect::<Vec<_>>();
            assert_eq!(squeeze(whole).escape_ascii().to_string(), squeeze(split).escape_ascii().to_string());
            let longest = case.body.split(|&byte| !is_blank(byte) && byte != b',').map(<[u8]>::len).max();
            assert!(longest > Some(SPACE_CAP), "{}\n{}", whole.escape_ascii(), split.escape_ascii());
        }
        // The kind of fault at an invalid character may depend on the split; its offset may not.
        (Err(RewriteError::Invalid(whole)), Err(RewriteError::Invalid(split))) => {
            assert_eq!(whole.offset, split.offset, "{whole:?} {split:?}");
        }
        (Err(RewriteError::SharedTool(whole)), Err(RewriteError::SharedTool(split))) => assert_eq!(whole, split),
        _ => panic!("{whole:?} {split:?}"),
    }
}

/// Asks `serde_json` if the body is valid, and applies the two further rules: one object, limited depth. `IgnoredAny`
/// is read without recursion at any depth.
fn is_acceptable(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let is_object = text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{');
    is_object && serde_json::from_str::<IgnoredAny>(text).is_ok() && depth(body) <= MAX_DEPTH
}

/// Returns the deepest nesting of a valid JSON text.
fn depth(body: &[u8]) -> usize {
    let (mut deepest, mut depth, mut in_string, mut escaped) = (0, 0, false, false);
    for byte in body {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Checks that the bytes before the offset are a prefix of some acceptable body.
fn check_offset(body: &[u8], invalid: JsonError) {
    let offset = usize::try_from(invalid.offset).expect("within the body");
    assert!(offset <= body.len());
    assert_eq!(invalid.fault == JsonErrorKind::Incomplete, offset == body.len(), "{invalid:?}");
    let before = &body[..offset];
    let text = std::str::from_utf8(before);
    // The text before the offset may end within a character only at the end of the body.
    assert!(text.is_ok() || offset == body.len());
    if let Ok(text) = text
        && let Err(error) = serde_json::from_str::<IgnoredAny>(text)
    {
        // `serde_json` does not report an unfinished number as an unexpected end.
        let may_go_on = error.is_eof() || text.ends_with(['-', '+', '.', 'e', 'E']);
        assert!(may_go_on, "{invalid:?}, but {error} before: {}", body.escape_ascii());
    }
}

/// Checks that the output has every kept member byte for byte and in order, then callsign's members, and no others.
fn check_output(case: &Case<'_>, sent: &[u8]) {
    let (before, after) = (members(&case.body), members(sent));
    let ours = members(format!("{{{}}}", case.append).as_bytes());
    let mut expected: Vec<_> = before.iter().filter(|(name, _)| !case.reserves(&decode(name))).cloned().collect();
    expected.extend(ours);
    let cache_key = before.iter().rfind(|(name, _)| is(&decode(name), BOUND)).and_then(|(_, value)| bound(value));
    if let Some(digest) = cache_key.filter(|_| case.bind) {
        expected.push((format!("\"{BOUND}\""), format!("\"{digest}\"")));
    }
    assert_eq!(after, expected, "{}\n{}", case.body.escape_ascii(), sent.escape_ascii());
    // Each reserved name occurs at most once, so that readers agree on its value.
    for owned in case.owned.iter().copied().chain((case.owned.len() > 1).then_some(BOUND)) {
        let seen: Vec<_> = after.iter().filter(|(name, _)| is(&decode(name), owned)).collect();
        assert!(seen.len() <= 1, "{seen:?}");
    }
}

/// Computes the bound `prompt_cache_key` for a raw value; `None` unless it is a non-empty string.
fn bound(raw: &str) -> Option<String> {
    let text = raw.strip_prefix('"')?;
    if text.len() <= 1 {
        return None;
    }
    let mut binder = binder();
    binder.update(&wide(&decode(raw)));
    Some(binder.finish())
}

fn binder() -> Binder {
    Binder::new(&CallerIdentity { key: "k", user: Some("alice"), ..CallerIdentity::default() }, None, Purpose::Cache)
}

/// Returns true if the most lenient reader takes this name for `owned`: it cuts at U+0000 and folds ASCII case, long s
/// and Kelvin sign.
fn is(name: &[u16], owned: &str) -> bool {
    let name = name.split(|&unit| unit == 0).next().unwrap_or_default();
    let folded = name.iter().map(|&unit| match unit {
        0x41..=0x5a => unit + 0x20,
        0x17f => u16::from(b's'),
        0x212a => u16::from(b'k'),
        _ => unit,
    });
    folded.eq(owned.encode_utf16())
}

/// Decodes a quoted JSON string to UTF-16, which can represent lone surrogates.
fn decode(raw: &str) -> Vec<u16> {
    let text = &raw[1..raw.len() - 1];
    let (mut units, mut rest) = (Vec::new(), text.chars());
    while let Some(character) = rest.next() {
        if character != '\\' {
            units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
            continue;
        }
        units.push(match rest.next() {
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                u16::from_str_radix(&digits, 16).expect("four digits")
            }
            Some('b') => 8,
            Some('f') => 12,
            Some('n') => 10,
            Some('r') => 13,
            Some('t') => 9,
            Some(other) => u16::try_from(u32::from(other)).expect("a quote, a slash or a backslash"),
            None => panic!("{raw}"),
        });
    }
    units
}

/// Encodes UTF-16 as UTF-8, and lone surrogates as three bytes each.
fn wide(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let [high, low] = lone.unpaired_surrogate().to_be_bytes();
                bytes.extend([0xe0 | high >> 4, 0x80 | (high & 0xf) << 2 | low >> 6, 0x80 | low & 0x3f]);
            }
        }
    }
    bytes
}

/// Returns the outer object's members as raw text.
fn members(json: &[u8]) -> Vec<(String, String)> {
    struct Members(Vec<(String, String)>);
    struct MembersVisitor;
    impl<'de> Visitor<'de> for MembersVisitor {
        type Value = Members;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                members.push((name.get().to_owned(), value.get().to_owned()));
            }
            Ok(Members(members))
        }
    }
    impl<'de> Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(MembersVisitor)
        }
    }
    let members: Members =
        serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", json.escape_ascii()));
    members.0
}

/// Decodes a split length: codes below 200 are lengths, larger ones exceed the buffer of a pending member.
fn length_of(code: u8) -> usize {
    let code = usize::from(code);
    if code < 200 { code } else { (code - 199) * 300 }
}

fn expand(packed: &[u8]) -> Vec<u8> {
    let (mut body, mut rest) = (Vec::new(), packed);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, rest) {
            (0xfe, [last, times, after @ ..]) => {
                let unit = body[body.len() - usize::from(*last).min(body.len())..].to_vec();
                rest = after;
                if body.len() + unit.len() * usize::from(*times) <= LONGEST {
                    body.extend(unit.repeat(usize::from(*times)));
                }
            }
            _ => body.push(byte),
        }
    }
    body
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
