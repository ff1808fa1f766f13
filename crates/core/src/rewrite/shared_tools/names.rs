//! Compares keys as the most lenient reader would (docs/SPEC.md#name-comparison), and excludes most keys quickly.

use super::super::raw_name::RawName;
use super::table::{KEYS, KeyRow, LONGEST_KEY, Place, Role};
use super::type_name::{LONGEST_TYPE, folded};

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

/// Length of the longest key that [`LETTERS`] tells of: a long s is one byte longer than an s, a Kelvin sign two bytes
/// longer than a k.
const LONGEST_LETTERS: usize = LONGEST_KEY + 4;

/// For each length of a key: the first and the last bytes of the keys of this length that some reader takes for a name of
/// the table, as [`letter`]s.
static LETTERS: [(u32, u32); LONGEST_LETTERS + 1] = {
    let mut letters = [(0, 0); LONGEST_LETTERS + 1];
    let mut row = 0;
    while row < KEYS.len() {
        let name = KEYS[row].name.as_bytes();
        let (mut at, mut longer) = (0, 0);
        while at < name.len() {
            longer += match name[at] {
                b's' => 1,
                b'k' => 2,
                _ => 0,
            };
            at += 1;
        }
        let first = match name[0] {
            b's' => letter(b's') | letter(LONG_S),
            b'k' => letter(b'k') | letter(KELVIN),
            other => letter(other),
        };
        let mut length = name.len();
        while length <= name.len() + longer && length <= LONGEST_LETTERS {
            letters[length].0 |= first;
            letters[length].1 |= letter(name[name.len() - 1]);
            length += 1;
        }
        row += 1;
    }
    letters
};

/// The first bytes of U+017F (long s) and U+212A (Kelvin sign) in UTF-8.
const LONG_S: u8 = 0xc5;
const KELVIN: u8 = 0xe2;

/// For each length of a name: one bit for each row with a name of this length.
static ROWS: [u32; LONGEST_KEY + 1] = {
    let mut rows = [0; LONGEST_KEY + 1];
    let mut row = 0;
    while row < KEYS.len() {
        rows[KEYS[row].name.len()] |= 1_u32 << row;
        row += 1;
    }
    rows
};

/// The rows of [`KEYS`] whose nested members are exempt wherever they are.
const EXEMPT: u32 = {
    let (mut rows, mut row) = (0, 0);
    while row < KEYS.len() {
        if matches!(KEYS[row].role, Role::Exempt) && !matches!(KEYS[row].place, Place::Outer) {
            rows |= 1_u32 << row;
        }
        row += 1;
    }
    rows
};

/// Returns a bit for a byte; for an ASCII letter the same in both cases.
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
        // Longer than any name without a long s or a Kelvin sign, or ending in one.
        _ => !key.is_ascii(),
    }
}

/// Returns true if the value of a complete nested key without escapes is exempt wherever it is.
pub(in super::super) fn is_exempt(key: &[u8]) -> bool {
    let rows = ROWS.get(key.len()).map_or(0, |rows| rows & EXEMPT);
    rows_of(rows).any(|(_, row)| row.name.as_bytes() == key)
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

/// Returns the row, and its number, that some reader takes this key for.
pub(super) fn find_key(key: RawName<'_>, is_outer: bool) -> Option<(u8, &'static KeyRow)> {
    if key.is_plain {
        return if may_matter(key.text) { find_name(key.text, key.text, is_outer) } else { None };
    }
    find_name(&folded(key.text), key.text, is_outer)
}

/// Returns the first row whose name is `folded`, or exactly `text` if its role requires that.
fn find_name(folded: &[u8], text: &[u8], is_outer: bool) -> Option<(u8, &'static KeyRow)> {
    let is = |row: &KeyRow| match row.place {
        Place::Outer if !is_outer => false,
        Place::Nested if is_outer => false,
        _ if row.role.is_lenient() => row.name.as_bytes() == text,
        _ => folded.eq_ignore_ascii_case(row.name.as_bytes()),
    };
    rows_of(*ROWS.get(folded.len())?).find(|(_, row)| is(row))
}

/// Returns the rows of these bits, each with its number.
fn rows_of(mut bits: u32) -> impl Iterator<Item = (u8, &'static KeyRow)> {
    std::iter::from_fn(move || {
        let index = bits.trailing_zeros();
        let row = KEYS.get(index as usize)?;
        bits &= bits - 1;
        Some((u8::try_from(index).ok()?, row))
    })
}
