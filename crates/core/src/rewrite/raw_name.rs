//! Reads names as written in a JSON text, as the most lenient reader upstream would (docs/SPEC.md#name-comparison).

/// A name as written, without quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawName<'t> {
    pub(super) text: &'t [u8],
    /// True if the text is ASCII without escapes.
    pub(super) is_plain: bool,
}

impl<'t> RawName<'t> {
    /// Takes a text without quotes.
    pub(super) fn of_text(text: &'t [u8]) -> Self {
        Self { text, is_plain: text.is_ascii() && !text.contains(&b'\\') }
    }

    /// Takes a raw key, from its opening quote on. The closing quote may be missing.
    pub(super) fn of_key(raw: &'t [u8]) -> Self {
        let text = raw.strip_prefix(b"\"").unwrap_or(raw);
        Self::of_text(text.strip_suffix(b"\"").unwrap_or(text))
    }
}

/// Lower-cases ASCII, replaces `ſ` (U+017F) by `s` and the Kelvin sign (U+212A) by `k`, and cuts at U+0000.
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
