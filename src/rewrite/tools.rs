//! Notices requests that reach what all callers of one OpenRouter account share: its files and its shells.
//!
//! OpenRouter's server tools `openrouter:bash`, `openrouter:shell` and `openrouter:files` work in containers and on files
//! that belong to the account, not to the caller, and a `container_id` opens somebody's container again (OpenRouter docs,
//! "Server tools"). So two things are looked for in the members that pass: a string member `type` anywhere within the
//! outer `tools` that names such a tool, and any member `container_id`, wherever it stands. Names are compared as the
//! laxest reader would. The one `container_id` that passes has an object as its value: that is a JSON Schema which
//! describes a parameter of that name, and no reader takes an object for an id.
//!
//! This file compares texts that it is given; where they begin and end is the scanner's business.

use super::decode::decode;
use super::names::{fold, is_plain, unquoted};

/// The tools that reach the account's files and shells.
const SHARED: [&str; 3] = ["openrouter:bash", "openrouter:shell", "openrouter:files"];
/// The member of the outer object that lists tools.
const TOOLS: &str = "tools";
const TYPE: &str = "type";
const CONTAINER: &str = "container_id";
/// The longer of the two names that are looked for in the outer object.
pub(super) const LONGEST_OUTER: usize = CONTAINER.len();
/// The longest raw form of any of these, with the U+0000 that may end it as an escape, every character a six-byte escape.
/// What is longer without an end is none of them.
const RAW_CAP: usize = 6 * (16 + 1);

/// A request for something that all callers of the account share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} is not allowed here: it reaches files or shells that all users of this OpenRouter account share; \
     CALLSIGN_SERVER_TOOLS=allow would let it pass"
)]
pub struct SharedTool {
    what: &'static str,
}

/// Whether a key deeper down, unescaped and whole, can be one that matters. Most are told apart by their length alone, and
/// most of the rest, `type` in a schema, by how their value begins, as far as that is in the bytes `behind` the key.
pub(super) fn may_matter(key: &[u8], behind: &[u8]) -> bool {
    match (key.len(), key.first()) {
        (4, Some(b't' | b'T')) => !matches!(behind, [b':', b'"', first, ..] if !may_name_shared(*first)),
        (12, Some(b'c' | b'C')) => true,
        _ => false,
    }
}

/// Whether a text that begins with this byte, still escaped, can be one of [`SHARED`].
fn may_name_shared(first: u8) -> bool {
    matches!(first, b'o' | b'O' | b'\\') || !first.is_ascii()
}

/// What it remembers from stop to stop.
#[derive(Debug, Default)]
pub(super) struct Watch {
    in_tools: bool,
    /// The member whose value comes next or is passing.
    member: Option<Member>,
    /// The beginning of a key or value that an earlier piece has cut.
    cut: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Type,
    Container,
}

impl Watch {
    /// A member of the outer object begins, with this raw key (from its quote on). Whether its value is to be shown.
    pub(super) fn outer_key(&mut self, raw: &[u8]) -> bool {
        let name = names(unquoted(raw), &[TOOLS, CONTAINER]);
        self.in_tools = name == Some(TOOLS);
        self.member = (name == Some(CONTAINER)).then_some(Member::Container);
        self.member.is_some()
    }

    /// A member deeper down begins; `text` is the end of its key, behind what was cut. Whether its value is to be shown.
    pub(super) fn inner_key(&mut self, text: &[u8]) -> bool {
        let in_tools = self.in_tools;
        self.member = self.whole(text, |key| match names(key, &[TYPE, CONTAINER]) {
            Some(CONTAINER) => Some(Member::Container),
            Some(TYPE) if in_tools => Some(Member::Type),
            _ => None,
        });
        self.member.is_some()
    }

    /// Its value begins with this byte.
    ///
    /// # Errors
    /// [`SharedTool`], if that alone tells.
    pub(super) fn value_begins(&mut self, byte: u8) -> Result<(), SharedTool> {
        match self.member {
            Some(Member::Container) if byte != b'{' => Err(SharedTool { what: "`container_id`" }),
            _ => Ok(()),
        }
    }

    /// Its value was a string and ends with `text`, behind what was cut.
    ///
    /// # Errors
    /// [`SharedTool`].
    pub(super) fn string_ends(&mut self, text: &[u8]) -> Result<(), SharedTool> {
        self.member = None;
        match self.whole(text, |kind| names(kind, &SHARED)) {
            Some(what) => Err(SharedTool { what }),
            None => Ok(()),
        }
    }

    /// The piece ends within a key or value: these bytes of it are in this piece.
    pub(super) fn carry(&mut self, text: &[u8]) {
        let room = RAW_CAP.saturating_sub(self.cut.len()).min(text.len());
        self.cut.extend_from_slice(text.get(..room).unwrap_or_default());
    }

    /// Looks at a text whose beginning may have been cut.
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

/// The one of `names` that some reader takes this raw text for.
fn names<'n>(text: &[u8], names: &[&'n str]) -> Option<&'n str> {
    let exact = names.iter().copied().find(|name| text.eq_ignore_ascii_case(name.as_bytes()));
    // Without an escape, letters that only fold to ASCII are the one other spelling.
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
    fn names_are_compared_as_the_laxest_reader_would() {
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
    fn a_short_look_misses_no_plain_spelling() {
        for name in [TYPE, CONTAINER] {
            for behind in ["", ":", ": \"x", ":\"", ":\"o", ":\"O", ":\"\\", ":\"\u{17f}", ":{", ":1"] {
                assert!(may_matter(name.as_bytes(), behind.as_bytes()), "{behind}");
                assert!(may_matter(name.to_uppercase().as_bytes(), behind.as_bytes()), "{behind}");
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
