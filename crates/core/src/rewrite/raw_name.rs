//! Reads names as written in a JSON text, as the most lenient reader upstream would (docs/SPEC.md#name-comparison).

/// Returns true if a raw text is ASCII without escapes.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte.is_ascii() && byte != b'\\')
}

/// Removes the quotes of a raw key. The closing quote may be missing.
pub(super) fn unquoted(raw: &[u8]) -> &[u8] {
    let text = raw.strip_prefix(b"\"").unwrap_or(raw);
    text.strip_suffix(b"\"").unwrap_or(text)
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
