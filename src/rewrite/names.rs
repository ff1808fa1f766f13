//! The member names that never pass, compared as the laxest reader behind us would compare them.
//!
//! Go folds case (with `ſ` and the Kelvin sign), .NET ignores it, C code ends a name at U+0000: a name is owned when any
//! of them could take it for one (contract, section 3, "Removal").

use super::decode::decode;
use super::tools::LONGEST_OUTER;

/// A set of owned names.
#[derive(Clone, Debug)]
pub struct OwnedNames {
    folded: Vec<Vec<u8>>,
    /// A name whose string value is bound and written back instead of dropped.
    bound: Option<Vec<u8>>,
    raw_cap: usize,
}

/// What becomes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It passes unchanged.
    Keep,
    /// It is overwritten with spaces.
    Blank,
    /// Likewise, and its value is hashed on the way.
    Bind,
}

impl OwnedNames {
    /// Owns `names`, and `bound` too if given.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>, bound: Option<&str>) -> Self {
        let folded: Vec<_> = names.into_iter().map(|name| fold(name.as_bytes())).collect();
        let bound = bound.map(|name| fold(name.as_bytes()));
        let longest = folded.iter().chain(&bound).map(Vec::len).max().unwrap_or(0);
        // A quote, then every character and the U+0000 behind them as a six-byte escape. Names that the watch
        // over tools looks for are never owned, but must be told as well.
        Self { folded, bound, raw_cap: 6 * (longest.max(LONGEST_OUTER) + 1) + 1 }
    }

    /// The longest raw form, in bytes from the opening quote on, that is needed to tell whether a name is owned.
    pub(super) fn raw_cap(&self) -> usize {
        self.raw_cap
    }

    /// The fate of the member with this raw key: from its opening quote on, to its closing quote or cut anywhere behind
    /// [`OwnedNames::raw_cap`] bytes.
    pub(super) fn fate(&self, raw: &[u8]) -> Fate {
        self.find(raw).map_or(Fate::Keep, |(fate, _)| fate)
    }

    /// The owned name, in lower case, that some reader would take this raw key for; `None` for a key that passes. For
    /// telling people why a member was removed.
    pub fn taken_for(&self, raw: &[u8]) -> Option<&str> {
        self.find(raw).and_then(|(_, name)| std::str::from_utf8(name).ok())
    }

    /// Whether some reader would take a member of this name, already decoded, for an owned one.
    pub fn owns(&self, name: &str) -> bool {
        self.holds(&fold(name.as_bytes()))
    }

    /// Whether some reader would take a form part of this name for an owned one: percent-encoded as a path would be, or
    /// with a way to a member behind it (`metadata[user_id]`, `metadata.user_id`).
    pub(super) fn owns_part(&self, name: &str) -> bool {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(name).collect();
        [name.as_bytes(), &decoded].into_iter().any(|name| {
            let outer = name.split(|byte| b"[.".contains(byte)).next().unwrap_or_default();
            self.holds(&fold(outer.trim_ascii()))
        })
    }

    fn holds(&self, folded: &[u8]) -> bool {
        self.folded.iter().chain(&self.bound).any(|owned| owned == folded)
    }

    fn find(&self, raw: &[u8]) -> Option<(Fate, &[u8])> {
        let text = unquoted(raw);
        let decoded;
        let name = if is_plain(text) {
            text
        } else {
            decoded = fold(&decode(text));
            decoded.as_slice()
        };
        let bound = self.bound.iter().map(|bound| (Fate::Bind, bound));
        let owned = bound.chain(self.folded.iter().map(|owned| (Fate::Blank, owned)));
        owned.map(|(fate, owned)| (fate, owned.as_slice())).find(|(_, owned)| owned.eq_ignore_ascii_case(name))
    }
}

/// Whether a raw text is written as it is meant: in ASCII, without escapes.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte.is_ascii() && byte != b'\\')
}

/// The text of a raw key, which may have been cut before its closing quote.
pub(super) fn unquoted(raw: &[u8]) -> &[u8] {
    let text = raw.strip_prefix(b"\"").unwrap_or(raw);
    text.strip_suffix(b"\"").unwrap_or(text)
}

/// Lower-cases ASCII, takes `ſ` (U+017F) for `s` and the Kelvin sign (U+212A) for `k`, and ends at U+0000.
pub(super) fn fold(name: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        if byte == 0 {
            break;
        } else if let Some(after) = rest.strip_prefix("\u{17f}".as_bytes()) {
            folded.push(b's');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\u{212a}".as_bytes()) {
            folded.push(b'k');
            rest = after;
        } else {
            folded.push(byte.to_ascii_lowercase());
            rest = after;
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_some_reader_takes_for_the_name() {
        let owned = OwnedNames::new(["user", "session_id", "__proto__"], Some("prompt_cache_key"));
        for key in [
            r#""user""#,
            r#""User""#,
            r#""USER""#,
            r#""\u0075ser""#,
            r#""\u0055\u0053\u0045\u0052""#,
            "\"u\u{17f}er\"",
            r#""u\u017fer""#,
            r#""user\u0000""#,
            r#""user\u0000anything""#,
            r#""ſeſſion_id""#,
            r#""__PROTO__""#,
        ] {
            assert_eq!(owned.fate(key.as_bytes()), Fate::Blank, "{key}");
        }
        for key in [r#""prompt_cache_key""#, "\"prompt_cache_\u{212a}ey\"", r#""prompt_cache_\u212aey""#] {
            assert_eq!(owned.fate(key.as_bytes()), Fate::Bind, "{key}");
        }
        for key in [r#""users""#, r#""use""#, r#""""#, r#"" user""#, r#""\u0000user""#, r#""us\ud83der""#, r#""üser""#]
        {
            assert_eq!(owned.fate(key.as_bytes()), Fate::Keep, "{key}");
        }
        assert_eq!(owned.taken_for("\"U\\u017fER\\u0000x\"".as_bytes()), Some("user"));
        assert_eq!(owned.taken_for(br#""users""#), None);
        for name in ["user", "USER", "u\u{17f}er", "user\0x", "Prompt_Cache_Key"] {
            assert!(owned.owns(name), "{name}");
        }
        for name in ["", "users", " user", "\0user"] {
            assert!(!owned.owns(name), "{name}");
        }
    }

    #[test]
    fn the_longest_spelling_of_the_longest_name_fits_under_the_cap() {
        let name = "abcdefghijklmnop";
        let owned = OwnedNames::new([name], None);
        let escaped = name.bytes().fold(String::new(), |escaped, byte| format!("{escaped}\\u{byte:04x}"));
        let raw = format!("\"{escaped}\\u0000");
        assert_eq!(raw.len(), owned.raw_cap());
        assert_eq!(owned.fate(raw.as_bytes()), Fate::Blank);
    }
}
