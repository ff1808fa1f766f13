//! Compares keys and types as the most lenient reader would (docs/SPEC.md#name-comparison), and excludes most keys
//! quickly.

use std::borrow::Cow;

use super::super::decode::decode;
use super::super::raw_name::{fold, is_plain};
use super::table::{KEYS, KeyRow, LONGEST_KEY, Place};

/// The longest type that can equal one of the table or of `server_tools_allowed`, in bytes.
pub(super) const LONGEST_TYPE: usize = 64;
/// The longest raw form of any compared text, in bytes: [`LONGEST_TYPE`] characters and a final U+0000, all written as
/// six-byte escapes. A longer text equals none of them unless U+0000 ends the name within this length.
pub(super) const RAW_CAP: usize = 6 * (LONGEST_TYPE + 1);
const _: () = assert!(LONGEST_KEY <= LONGEST_TYPE);

/// Types without a role that occur often. Their objects need no frame.
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

/// For each length of a name: the first and the last letters that names of this length have.
static LETTERS: [(u32, u32); LONGEST_KEY + 1] = {
    let mut letters = [(0, 0); LONGEST_KEY + 1];
    let mut row = 0;
    while row < KEYS.len() {
        let name = KEYS[row].name.as_bytes();
        letters[name.len()].0 |= letter(name[0]);
        letters[name.len()].1 |= letter(name[name.len() - 1]);
        row += 1;
    }
    letters
};

/// Returns a bit for an ASCII letter, the same for both cases.
const fn letter(byte: u8) -> u32 {
    1 << (byte & 31)
}

/// Returns true if a complete nested key without escapes may be one of [`KEYS`]. A fast first check.
#[inline]
pub(in super::super) fn may_matter(key: &[u8]) -> bool {
    match (LETTERS.get(key.len()), key.first(), key.last()) {
        (Some((first, last)), Some(&begin), Some(&end)) if end.is_ascii() => {
            first & letter(begin) != 0 && last & letter(end) != 0
        }
        // ſ is two bytes and the Kelvin sign three. In the names of the table an s is the last letter, or the name is
        // the longest one.
        _ => !key.is_ascii(),
    }
}

/// Returns true if the bytes after the key `type` are a colon, at most one space and a frequent type without a role.
pub(in super::super) fn is_common_type(after: &[u8]) -> bool {
    let Some(value) = after.strip_prefix(b":") else { return false };
    let Some(text) = value.strip_prefix(b" ").unwrap_or(value).strip_prefix(b"\"") else { return false };
    COMMON.iter().any(|common| text.strip_prefix(common.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'"')))
}

/// Returns true if this raw text is a frequent type without a role.
pub(super) fn is_common(text: &[u8]) -> bool {
    COMMON.iter().any(|common| common.as_bytes() == text)
}

/// Returns the row, and its number, that some reader takes this raw key for.
pub(super) fn find_key(text: &[u8], is_outer: bool) -> Option<(u8, &'static KeyRow)> {
    let folded = if is_plain(text) { Cow::Borrowed(text) } else { Cow::Owned(folded(text)) };
    let is = |row: &KeyRow| match row.place {
        Place::Outer if !is_outer => false,
        Place::Nested if is_outer => false,
        _ if row.role.is_lenient() => row.name.as_bytes() == text,
        _ => folded.eq_ignore_ascii_case(row.name.as_bytes()),
    };
    let (index, row) = KEYS.iter().enumerate().find(|(_, row)| is(row))?;
    Some((u8::try_from(index).ok()?, row))
}

/// Decodes and folds a raw text, or the beginning of a long one.
fn folded(text: &[u8]) -> Vec<u8> {
    fold(&decode(text.get(..RAW_CAP.min(text.len())).unwrap_or_default()))
}

/// A type, folded.
#[derive(Debug)]
pub(super) struct TypeName<'t> {
    folded: Cow<'t, [u8]>,
    /// True if only its beginning is kept.
    is_cut: bool,
}

impl<'t> TypeName<'t> {
    /// Reads a raw text without quotes.
    pub(super) fn of(text: &'t [u8]) -> Self {
        if text.len() <= RAW_CAP && text.iter().all(|byte| byte.is_ascii() && !matches!(byte, b'\\' | b'A'..=b'Z')) {
            return Self { folded: Cow::Borrowed(text), is_cut: false };
        }
        let decoded = decode(text.get(..RAW_CAP.min(text.len())).unwrap_or_default());
        let is_cut = text.len() > RAW_CAP && !decoded.contains(&0);
        Self { folded: Cow::Owned(fold(&decoded)), is_cut }
    }

    /// Returns the type; `None` if it is too long.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        Some(&*self.folded).filter(|folded| !self.is_cut && folded.len() <= LONGEST_TYPE)
    }

    /// Returns true if the type is `name`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.whole() == Some(name.as_bytes())
    }

    /// Returns true if the type ends with `suffix`.
    pub(super) fn ends_with(&self, suffix: &str) -> bool {
        self.whole().is_some_and(|name| name.ends_with(suffix.as_bytes()))
    }

    /// Returns true if the type, however long, begins with `openrouter:`.
    pub(super) fn is_openrouter(&self) -> bool {
        self.folded.starts_with(b"openrouter:")
    }
}
