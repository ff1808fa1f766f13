//! OpenRouter's limits on identifiers, counted as OpenRouter counts: in UTF-16 code units (zod's `string().max()`).
//!
//! An identifier over a limit is omitted, not truncated: a truncated identifier could be another user's
//! (`docs/SPEC.md#id-limits`).

/// The default of `CALLSIGN_MAX_ID_CHARS`. OpenRouter's schema allows 256 since 2026-03-27; older documentation and the
/// Broadcast page say 128, which is safe with both.
pub const DEFAULT_MAX_ID_CHARS: usize = 128;
/// The maximum of `CALLSIGN_MAX_ID_CHARS`: the `maxLength` in OpenRouter's schema.
pub const HIGHEST_MAX_ID_CHARS: usize = 256;
/// Maximum number of pairs in `metadata` (OpenRouter's `RequestMetadata`).
pub const METADATA_PAIRS: usize = 16;
/// Maximum length of a metadata key, in UTF-16 code units.
pub const METADATA_KEY_CHARS: usize = 64;
/// Maximum length of a metadata value, in UTF-16 code units.
pub const METADATA_VALUE_CHARS: usize = 512;

/// Returns true if `text` has at most `max` UTF-16 code units.
pub fn fits(text: &str, max: usize) -> bool {
    // Fast path: a text has at most as many UTF-16 units as UTF-8 bytes.
    text.len() <= max || text.encode_utf16().count() <= max
}

/// Returns true if OpenRouter accepts `key` as a metadata key: not empty, at most 64 units, no square bracket.
pub fn is_metadata_key(key: &str) -> bool {
    !key.is_empty() && fits(key, METADATA_KEY_CHARS) && !key.contains(['[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_utf16_code_units() {
        assert!(fits(&"é".repeat(128), 128), "two bytes, one unit");
        assert!(!fits(&"é".repeat(129), 128));
        assert!(fits(&"😀".repeat(64), 128), "four bytes, two units");
        assert!(!fits(&"😀".repeat(65), 128));
    }

    #[test]
    fn metadata_keys_have_no_brackets_and_at_most_64_units() {
        assert!(is_metadata_key("deployment"));
        assert!(is_metadata_key(&"k".repeat(64)));
        for key in ["", "a[0]", "a]", &"k".repeat(65)] {
            assert!(!is_metadata_key(key), "{key}");
        }
    }
}
