//! Detects requests for files and shells that all callers of one OpenRouter account share (docs/SPEC.md#blocked-tools).
//!
//! OpenRouter's server tools `openrouter:bash`, `openrouter:shell` and `openrouter:files` use containers and files of
//! the account, not of the caller, and a `container_id` reopens an existing container (OpenRouter docs, "Server
//! tools"). The detector looks at the members that pass for a string member `type` at any depth of the outer `tools`
//! that names such a tool, and for a member `container_id` at any depth of the body. Names are compared as the most
//! lenient reader would compare them. A `container_id` whose value is an object passes: it is a JSON Schema that
//! describes a parameter of that name.
//!
//! This file compares texts. The scanner finds where they begin and end.

use super::decode::decode;
use super::raw_name::{fold, is_plain, unquoted};

/// Tools that use the account's files and shells.
const SHARED: [&str; 3] = ["openrouter:bash", "openrouter:shell", "openrouter:files"];
/// The member of the outer object that lists tools.
const TOOLS: &str = "tools";
const TYPE: &str = "type";
const CONTAINER: &str = "container_id";
/// Length of the longest name that is compared in the outer object, in bytes.
pub(super) const LONGEST_OUTER: usize = CONTAINER.len();
/// The longest raw form of any of these texts, in bytes: at most 16 characters and a final U+0000, all written as
/// six-byte escapes. A longer text matches none of them unless U+0000 ends the name within this length.
const RAW_CAP: usize = 6 * (16 + 1);

/// The request uses something that all callers of the account share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} is blocked: it gives access to files or shells that all users of this OpenRouter account share; \
     to allow it, set CALLSIGN_SERVER_TOOLS=allow"
)]
pub struct SharedToolError {
    what: &'static str,
}

/// Returns true if a complete nested key without escapes may be `type` or `container_id`. A fast first check: length
/// and first letter exclude most keys. The first byte of the value, if it is among the bytes `after` the key, excludes
/// most `type` members of schemas.
pub(super) fn may_matter(key: &[u8], after: &[u8]) -> bool {
    match (key.len(), key.first()) {
        (4, Some(b't' | b'T')) => !matches!(after, [b':', b'"', first, ..] if !may_name_shared(*first)),
        (12, Some(b'c' | b'C')) => true,
        _ => false,
    }
}

/// Returns true if a raw text that begins with this byte may be one of [`SHARED`].
fn may_name_shared(first: u8) -> bool {
    matches!(first, b'o' | b'O' | b'\\') || !first.is_ascii()
}

/// The detector's state between two stops of the scanner.
#[derive(Debug, Default)]
pub(super) struct SharedToolDetector {
    in_tools: bool,
    /// The relevant member whose value comes next or is being read.
    member: Option<Member>,
    /// The beginning of a key or value that the end of an earlier piece split.
    cut: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Type,
    Container,
}

impl SharedToolDetector {
    /// Takes the raw key of an outer member, from its opening quote on. Returns true if the detector needs the value.
    pub(super) fn outer_key(&mut self, raw: &[u8]) -> bool {
        let name = names(unquoted(raw), &[TOOLS, CONTAINER]);
        self.in_tools = name == Some(TOOLS);
        self.member = (name == Some(CONTAINER)).then_some(Member::Container);
        self.member.is_some()
    }

    /// Takes a nested key; `text` continues what was carried. Returns true if the detector needs the value.
    pub(super) fn inner_key(&mut self, text: &[u8]) -> bool {
        let in_tools = self.in_tools;
        self.member = self.whole(text, |key| match names(key, &[TYPE, CONTAINER]) {
            Some(CONTAINER) => Some(Member::Container),
            Some(TYPE) if in_tools => Some(Member::Type),
            _ => None,
        });
        self.member.is_some()
    }

    /// Takes the first byte of the value.
    ///
    /// # Errors
    /// [`SharedToolError`] if the member is a `container_id` that is not an object.
    pub(super) fn value_begins(&mut self, byte: u8) -> Result<(), SharedToolError> {
        match self.member {
            Some(Member::Container) if byte != b'{' => Err(SharedToolError { what: "`container_id`" }),
            _ => Ok(()),
        }
    }

    /// Takes the end of a string value; `text` continues what was carried.
    ///
    /// # Errors
    /// [`SharedToolError`] if the value names one of [`SHARED`].
    pub(super) fn string_ends(&mut self, text: &[u8]) -> Result<(), SharedToolError> {
        self.member = None;
        match self.whole(text, |kind| names(kind, &SHARED)) {
            Some(what) => Err(SharedToolError { what }),
            None => Ok(()),
        }
    }

    /// Buffers `text`, the part of a key or value that the end of the piece split off, up to [`RAW_CAP`] bytes.
    pub(super) fn carry(&mut self, text: &[u8]) {
        let room = RAW_CAP.saturating_sub(self.cut.len()).min(text.len());
        self.cut.extend_from_slice(text.get(..room).unwrap_or_default());
    }

    /// Calls `look` with `text`, joined to the carried bytes if there are any.
    fn whole<T>(&mut self, text: &[u8], look: impl FnOnce(&[u8]) -> T) -> T {
        if self.cut.is_empty() {
            return look(text);
        }
        self.carry(text);
        let found = look(&self.cut);
        self.cut.clear();
        found
    }
}

/// Returns the one of `names` that some reader takes this raw text for.
fn names<'n>(text: &[u8], names: &[&'n str]) -> Option<&'n str> {
    let exact = names.iter().copied().find(|name| text.eq_ignore_ascii_case(name.as_bytes()));
    // Only escapes and non-ASCII letters that fold to ASCII allow other spellings.
    if exact.is_some() || is_plain(text) {
        return exact;
    }
    let folded = fold(&decode(text.get(..RAW_CAP.min(text.len())).unwrap_or_default()));
    names.iter().copied().find(|name| folded == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_the_most_lenient_reader_would() {
        for text in ["type", "TYPE", r"\u0074ype", r"type\u0000", r"type\u0000more", r"\u0054\u0059\u0050\u0045\u0000"]
        {
            assert_eq!(names(text.as_bytes(), &[CONTAINER, TYPE]), Some(TYPE), "{text}");
        }
        for tool in ["openrouter:\u{17f}hell", "OpenRouter:Shell", r"openrouter\u003ashell", r"openrouter:\u017Fhell"] {
            assert_eq!(names(tool.as_bytes(), &SHARED), Some("openrouter:shell"), "{tool}");
        }
        for text in ["", "types", "typ", r"\u0000type", r"typ\u00e9", "t\u{ff59}pe"] {
            assert_eq!(names(text.as_bytes(), &[TYPE]), None, "{text}");
        }
        let longest = "\\u006f".repeat(16);
        assert!(longest.len() + 6 <= RAW_CAP);
        assert!(SHARED.iter().chain([&CONTAINER, &TYPE, &TOOLS]).all(|name| 6 * (name.len() + 1) <= RAW_CAP));
    }

    #[test]
    fn the_first_check_misses_no_plain_spelling() {
        for name in [TYPE, CONTAINER] {
            for after in ["", ":", ": \"x", ":\"", ":\"o", ":\"O", ":\"\\", ":\"\u{17f}", ":{", ":1"] {
                assert!(may_matter(name.as_bytes(), after.as_bytes()), "{after}");
                assert!(may_matter(name.to_uppercase().as_bytes(), after.as_bytes()), "{after}");
            }
        }
        assert!(!may_matter(TYPE.as_bytes(), b":\"string") && may_matter(CONTAINER.as_bytes(), b":\"string"));
        for other in ["role", "", "content"] {
            assert!(!may_matter(other.as_bytes(), b""), "{other}");
        }
        for tool in SHARED {
            assert!(may_name_shared(tool.as_bytes()[0]) && may_name_shared(tool.to_uppercase().as_bytes()[0]));
        }
        assert!(may_name_shared(b'\\') && may_name_shared(0xc5) && !may_name_shared(b's') && !may_name_shared(b'"'));
    }
}
