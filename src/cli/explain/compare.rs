//! Finds out from the two bodies what happened to each member. The filter never moves a member that it keeps, and writes
//! its own behind the last byte of the client's: so a member whose name still stands in its place was kept.

use crate::json_members::{self, Member};
use crate::cli::labels;
use callsign_gateway::proxy::settings::PromptCacheKey;
use crate::config::printable;
use callsign_core::endpoint::Inference;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_gateway::proxy::snapshot::Snapshot;

/// Longer values are cut, but for those that are written: they are what one wants to see.
const SHOWN_CHARS: usize = 44;
/// Longer names are cut too.
const NAME_CHARS: usize = 32;

/// A quote and the beginning of a digest.
const DIGEST_CHARS: usize = 17;

/// What happened to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It went through.
    Kept,
    /// It was the client's and is gone.
    Removed,
    /// callsign wrote it.
    Written,
    /// callsign would have written it and could not.
    Omitted,
}

/// One line of the explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) mark: Mark,
    pub(super) name: String,
    pub(super) value: String,
    /// The reason, or the setting.
    pub(super) why: String,
}

impl Row {
    pub(super) fn new(mark: Mark, name: &str, value: &str, why: impl Into<String>) -> Self {
        Self { mark, name: one_line(name, NAME_CHARS), value: printable(value), why: why.into() }
    }
}

/// What became of each member of `before`, then what was written.
pub(super) fn rows(
    before: &str,
    after: &str,
    snapshot: &Snapshot,
    endpoint: &Inference,
    sources: &CallerIdentity<'_>,
) -> Result<Vec<Row>, serde_json::Error> {
    let end = before.trim_end().len().saturating_sub(1);
    let written: Vec<_> = json_members::read(after)?.into_iter().filter(|member| member.at >= end).collect();
    let bound = written.iter().any(|member| member.name() == "prompt_cache_key");
    let mut rows = Vec::new();
    for member in json_members::read(before)? {
        let kept = after.get(member.at..).is_some_and(|rest| rest.starts_with(member.key));
        let value = one_line(member.value, SHOWN_CHARS);
        if kept {
            rows.push(Row::new(Mark::Kept, spelling(&member), &value, ""));
        } else {
            rows.push(Row::new(Mark::Removed, spelling(&member), &value, reason(&member, snapshot, endpoint, bound)));
        }
    }
    let metadata = written.iter().find(|member| member.name() == "metadata").map(|member| member.value);
    for member in &written {
        write_rows(member, metadata, snapshot, sources, &mut rows)?;
    }
    Ok(rows)
}

/// One row for what was written, or one for each pair of a map.
fn write_rows(
    member: &Member<'_>,
    metadata: Option<&str>,
    snapshot: &Snapshot,
    sources: &CallerIdentity<'_>,
    rows: &mut Vec<Row>,
) -> Result<(), serde_json::Error> {
    let name = member.name();
    let why = labels::writer(&name, &snapshot.tenant(sources.tenant).policy, sources);
    if name == "prompt_cache_key" {
        // A digest says nothing, and the end of it no more.
        rows.push(Row::new(Mark::Written, &name, &one_line(member.value, DIGEST_CHARS), "bound to the caller"));
    } else if name == "trace" && metadata == Some(member.value) {
        rows.push(Row::new(Mark::Written, &name, "(as metadata)", why));
    } else if member.value.starts_with('{') {
        rows.push(Row::new(Mark::Written, &name, "", if name == "trace" { why } else { "" }));
        for pair in json_members::read(member.value)? {
            let name = pair.name();
            let why = match name.as_str() {
                "user_id" => labels::writer("user_id", &snapshot.tenant(sources.tenant).policy, sources),
                other => labels::pair_writer(other),
            };
            let row = Row::new(Mark::Written, &name, pair.value, why);
            rows.push(Row { name: format!("  {}", row.name), ..row });
        }
    } else {
        rows.push(Row::new(Mark::Written, &name, member.value, why));
    }
    Ok(())
}

/// Why a member was removed.
fn reason(member: &Member<'_>, snapshot: &Snapshot, endpoint: &Inference, bound: bool) -> String {
    let name = snapshot.owned.taken_for(member.key.as_bytes()).unwrap_or_default();
    let why = match name {
        "user" | "session_id" | "safety_identifier" => "client-supplied identifier",
        "metadata" | "trace" | "client_metadata" => "client-supplied, may hold identifiers",
        "callback_url" => "would send answers to an address of the client's",
        "__proto__" => "some readers would merge it into the request",
        "prompt_cache_key" => match snapshot.cache_key {
            PromptCacheKey::Bind if bound => "bound to the caller",
            PromptCacheKey::Bind if endpoint.cache_key => "no text that could be bound to the caller",
            PromptCacheKey::Bind => "means nothing on this endpoint",
            PromptCacheKey::Drop | PromptCacheKey::Keep => "CALLSIGN_PROMPT_CACHE_KEY=drop",
        },
        _ => "[body] remove",
    };
    if spelling(member) == name { why.to_owned() } else { format!("{why} (another spelling of {name})") }
}

/// The name as the client wrote it, without its quotes.
fn spelling<'a>(member: &Member<'a>) -> &'a str {
    member.key.trim_start_matches('"').strip_suffix('"').unwrap_or(member.key)
}

/// `text` with each run of white space as one blank, cut behind `chars` characters.
fn one_line(text: &str, chars: usize) -> String {
    let mut line = String::new();
    let mut left = chars;
    let mut blank = false;
    for character in text.chars() {
        let space = character.is_whitespace();
        if space && blank {
            continue;
        }
        if left == 0 {
            line.push('…');
            break;
        }
        blank = space;
        line.push(if space { ' ' } else { character });
        left -= 1;
    }
    printable(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_becomes_one_short_line() {
        assert_eq!(one_line("{\n  \"a\": 1\n}", 20), "{ \"a\": 1 }");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcdef…");
        assert_eq!(one_line("a\u{85}\u{9b}b", 6), "a \\u{9b}b");
    }
}
