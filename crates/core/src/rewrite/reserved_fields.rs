//! The set of reserved names, compared as the most lenient JSON reader upstream would compare them.
//!
//! Go folds case (and takes `ſ` for `s` and the Kelvin sign for `k`), .NET ignores case, and C code ends a name at
//! U+0000. A name is reserved if any of these readers could take it for a reserved one (docs/SPEC.md#name-comparison).

use super::decode::decode;
use super::outer;
use super::raw_name::{RawName, fold};
use super::shared_tools::LONGEST_OUTER;

/// A set of reserved names.
#[derive(Clone, Debug)]
pub struct ReservedFields {
    folded: Vec<Vec<u8>>,
    /// The name of the field whose string value is bound and appended instead of dropped (docs/SPEC.md#binding).
    bound: Option<Vec<u8>>,
    /// For each length of a name, one bit; the last bit stands for all longer ones.
    lengths: u64,
    raw_cap: usize,
}

/// The filter's action on a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// The member passes unchanged.
    Keep,
    /// The member is overwritten with spaces.
    Blank,
    /// The member is overwritten with spaces and its value is hashed.
    Bind,
}

impl ReservedFields {
    /// Reserves `names`, and `bound` if given.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>, bound: Option<&str>) -> Self {
        let folded: Vec<_> = names.into_iter().map(|name| fold(name.as_bytes())).collect();
        let bound = bound.map(|name| fold(name.as_bytes()));
        let longest = folded.iter().chain(&bound).map(Vec::len).max().unwrap_or(0);
        let lengths = folded.iter().chain(&bound).fold(0, |lengths, name| lengths | length_bit(name));
        // A quote, then every character and a final U+0000 as six-byte escapes. The names of the shared tool detector
        // and of the captured members are not reserved, but must be recognised within the cap too.
        let longest = longest.max(LONGEST_OUTER).max(outer::LONGEST);
        Self { folded, bound, lengths, raw_cap: 6 * (longest + 1) + 1 }
    }

    /// The number of raw key bytes, from the opening quote on, that suffices to decide about a name.
    pub(super) fn raw_cap(&self) -> usize {
        self.raw_cap
    }

    /// Returns the action on the member with this key, which may end anywhere after [`ReservedFields::raw_cap`] bytes.
    pub(super) fn disposition(&self, key: RawName<'_>) -> Disposition {
        self.find(key).map_or(Disposition::Keep, |(disposition, _)| disposition)
    }

    /// Returns the reserved name, in lower case, that some reader would take this raw key for; `None` for a key that
    /// passes. Used to explain why a member is removed.
    pub fn matching_name(&self, raw: &[u8]) -> Option<&str> {
        self.find(RawName::of_key(raw)).and_then(|(_, name)| std::str::from_utf8(name).ok())
    }

    /// Returns true if some reader would take this decoded name for a reserved one.
    pub fn contains(&self, name: &str) -> bool {
        self.contains_folded(&fold(name.as_bytes()))
    }

    /// Returns true if some reader would take this form part name for a reserved one, percent-decoded or not. A path to
    /// a nested member (`metadata[user_id]`, `metadata.user_id`) is reserved if its first segment is.
    pub(super) fn contains_part(&self, name: &str) -> bool {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(name).collect();
        [name.as_bytes(), &decoded].into_iter().any(|name| {
            let outer = name.split(|byte| b"[.".contains(byte)).next().unwrap_or_default();
            self.contains_folded(&fold(outer.trim_ascii()))
        })
    }

    fn contains_folded(&self, folded: &[u8]) -> bool {
        self.folded.iter().chain(&self.bound).any(|reserved| reserved == folded)
    }

    fn find(&self, key: RawName<'_>) -> Option<(Disposition, &[u8])> {
        let decoded;
        let name = if key.is_plain {
            key.text
        } else {
            decoded = fold(&decode(key.text));
            decoded.as_slice()
        };
        if self.lengths & length_bit(name) == 0 {
            return None;
        }
        let bound = self.bound.iter().map(|bound| (Disposition::Bind, bound));
        let all = bound.chain(self.folded.iter().map(|reserved| (Disposition::Blank, reserved)));
        all.map(|(disposition, reserved)| (disposition, reserved.as_slice()))
            .find(|(_, reserved)| reserved.eq_ignore_ascii_case(name))
    }
}

fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disposition(reserved: &ReservedFields, key: &str) -> Disposition {
        reserved.disposition(RawName::of_key(key.as_bytes()))
    }

    #[test]
    fn names_of_every_length_are_compared() {
        for length in 0..200 {
            let name = "n".repeat(length);
            let reserved = ReservedFields::new([name.as_str()], Some("m"));
            for other in 0..200 {
                let action = if other == length { Disposition::Blank } else { Disposition::Keep };
                assert_eq!(disposition(&reserved, &format!("\"{}\"", "n".repeat(other))), action, "{length}, {other}");
            }
        }
    }

    #[test]
    fn lenient_spellings_of_a_reserved_name_are_reserved() {
        let reserved = ReservedFields::new(["user", "session_id", "__proto__"], Some("prompt_cache_key"));
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
            assert_eq!(disposition(&reserved, key), Disposition::Blank, "{key}");
        }
        for key in [r#""prompt_cache_key""#, "\"prompt_cache_\u{212a}ey\"", r#""prompt_cache_\u212aey""#] {
            assert_eq!(disposition(&reserved, key), Disposition::Bind, "{key}");
        }
        for key in [r#""users""#, r#""use""#, r#""""#, r#"" user""#, r#""\u0000user""#, r#""us\ud83der""#, r#""üser""#]
        {
            assert_eq!(disposition(&reserved, key), Disposition::Keep, "{key}");
        }
        assert_eq!(reserved.matching_name("\"U\\u017fER\\u0000x\"".as_bytes()), Some("user"));
        assert_eq!(reserved.matching_name(br#""users""#), None);
        for name in ["user", "USER", "u\u{17f}er", "user\0x", "Prompt_Cache_Key"] {
            assert!(reserved.contains(name), "{name}");
        }
        for name in ["", "users", " user", "\0user"] {
            assert!(!reserved.contains(name), "{name}");
        }
    }

    #[test]
    fn the_longest_spelling_of_the_longest_name_fits_under_the_cap() {
        let name = "abcdefghijklmnopqrstuvwxyz";
        let reserved = ReservedFields::new([name], None);
        let escaped = name.bytes().fold(String::new(), |escaped, byte| format!("{escaped}\\u{byte:04x}"));
        let raw = format!("\"{escaped}\\u0000");
        assert_eq!(raw.len(), reserved.raw_cap());
        assert_eq!(disposition(&reserved, &raw), Disposition::Blank);
    }
}
