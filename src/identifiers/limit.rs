//! OpenRouter's limits on identifiers, in the unit that it counts in: UTF-16 code units (zod's `string().max()`).
//!
//! Over a limit a field is omitted, never cut: a cut identifier names somebody else (contract, section 3).

/// `CALLSIGN_MAX_ID_CHARS` unless the operator says otherwise. OpenRouter's schema says 256 since 2026-03-27; 128 is
/// what older write-ups and its Broadcast page say, and safe with both.
pub const DEFAULT_MAX_ID_CHARS: usize = 128;
/// What `CALLSIGN_MAX_ID_CHARS` may be at most: the `maxLength` of OpenRouter's schema.
pub const HIGHEST_MAX_ID_CHARS: usize = 256;
/// Pairs in `metadata` (OpenRouter's `RequestMetadata`).
pub const METADATA_PAIRS: usize = 16;
/// Length of a metadata key.
pub const METADATA_KEY_CHARS: usize = 64;
/// Length of a metadata value.
pub const METADATA_VALUE_CHARS: usize = 512;

/// Whether `text` has at most `max` UTF-16 code units.
pub fn fits(text: &str, max: usize) -> bool {
    // UTF-16 never needs more units than UTF-8 needs bytes.
    text.len() <= max || text.encode_utf16().count() <= max
}

/// Whether OpenRouter takes this name as a metadata key: not empty, at most 64 units, no bracket.
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
