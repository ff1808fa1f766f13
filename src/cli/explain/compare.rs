//! Compares a body before and after the filter, member by member. The filter does not move a member that it keeps, and
//! appends its own after the client's last byte. So a member was kept if its name is still at the same offset.

use crate::cli::labels;
use crate::json_members::{self, Member};
use callsign_core::endpoint::Inference;
use callsign_core::endpoint::removed_fields::{RemovedField, Treatment};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::visible::printable;
use callsign_gateway::proxy::settings::PromptCacheKey;
use callsign_gateway::proxy::snapshot::Snapshot;

/// Maximum length of a client's value, in characters. Values that callsign writes are shown whole.
const SHOWN_CHARS: usize = 44;
/// Maximum length of a name, in characters.
const NAME_CHARS: usize = 32;

/// Number of characters shown of a bound cache key: a quote and 16 digits.
const DIGEST_CHARS: usize = 17;

/// The treatment of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Passed on unchanged.
    Kept,
    /// Removed from the client's body.
    Removed,
    /// Written by callsign.
    Written,
    /// Not written, because the identifier is not usable.
    Omitted,
}

impl Mark {
    /// The name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Removed => "removed",
            Self::Written => "written",
            Self::Omitted => "omitted",
        }
    }
}

/// One line of the explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) mark: Mark,
    pub(super) name: String,
    pub(super) value: String,
    /// The reason of a removal, or the setting that wrote it.
    pub(super) why: String,
}

impl Row {
    pub(super) fn new(mark: Mark, name: &str, value: &str, why: impl Into<String>) -> Self {
        Self { mark, name: one_line(name, NAME_CHARS), value: printable(value), why: why.into() }
    }
}

/// Returns a row for each member of `before`, then for each written member.
pub(super) fn rows(
    before: &str,
    after: &str,
    snapshot: &Snapshot,
    endpoint: &Inference,
    sources: &CallerIdentity<'_>,
) -> Result<Vec<Row>, serde_json::Error> {
    let end = before.trim_end().len().saturating_sub(1);
    let written: Vec<_> = json_members::read(after)?.into_iter().filter(|member| member.at >= end).collect();
    let bound = written.iter().any(|member| bound_field(&member.name()).is_some());
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

/// Adds the row of a written member. A map gets a row for each pair.
fn write_rows(
    member: &Member<'_>,
    metadata: Option<&str>,
    snapshot: &Snapshot,
    sources: &CallerIdentity<'_>,
    rows: &mut Vec<Row>,
) -> Result<(), serde_json::Error> {
    let name = member.name();
    let why = labels::writer(&name, &snapshot.tenant(sources.tenant).policy, sources);
    if let Some(field) = bound_field(&name) {
        // A digest needs no more than its beginning.
        rows.push(Row::new(Mark::Written, &name, &one_line(member.value, DIGEST_CHARS), field.reason));
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

/// Returns the row of a member whose value is bound to the caller.
fn bound_field(name: &str) -> Option<&'static RemovedField> {
    RemovedField::find(name).filter(|field| field.treatment == Treatment::Bind)
}

/// Returns the reason for which a member was removed.
fn reason(member: &Member<'_>, snapshot: &Snapshot, endpoint: &Inference, bound: bool) -> String {
    let name = snapshot.owned.matching_name(member.key.as_bytes()).unwrap_or_default();
    let why = match RemovedField::find(name) {
        None => "[body] remove",
        Some(RemovedField { treatment: Treatment::Drop, reason, .. }) => reason,
        Some(RemovedField { treatment: Treatment::Bind, reason, .. }) => match snapshot.cache_key {
            PromptCacheKey::Bind if bound => reason,
            PromptCacheKey::Bind if endpoint.cache_key => "not a string, so it cannot be bound to the caller",
            PromptCacheKey::Bind => "not used on this endpoint",
            PromptCacheKey::Drop | PromptCacheKey::Keep => "CALLSIGN_PROMPT_CACHE_KEY=drop",
        },
    };
    if spelling(member) == name { why.to_owned() } else { format!("{why} (another spelling of {name})") }
}

/// Returns the name as the client wrote it, without its quotes.
fn spelling<'a>(member: &Member<'a>) -> &'a str {
    member.key.trim_start_matches('"').strip_suffix('"').unwrap_or(member.key)
}

/// Returns `text` with each run of white space as one space, truncated to `chars` characters.
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
