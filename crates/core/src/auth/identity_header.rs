//! Reads identity headers and discards unusable values (`docs/SPEC.md#source-values`).

use http::{HeaderMap, HeaderName};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::identity::longest;

/// An identity header that was sent more than once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("identity header `{0}` was sent more than once; send it once")]
pub struct AmbiguousIdentityError(pub HeaderName);

/// Returns the value of header `name`, if it is configured, present and usable.
///
/// # Errors
/// [`AmbiguousIdentityError`] if it was sent more than once.
pub fn read<'a>(headers: &'a HeaderMap, name: Option<&HeaderName>) -> Result<Option<&'a str>, AmbiguousIdentityError> {
    let Some(name) = name else { return Ok(None) };
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(AmbiguousIdentityError(name.clone()));
    }
    Ok(first.and_then(|value| meaning(value.as_bytes())))
}

/// Returns the trimmed text of a header value. Returns `None` if it is empty, longer than [`longest::ID`], not UTF-8,
/// contains invisible characters, is an unfilled template (`{{…}}`), or is `null`, `undefined` or `None`.
pub fn meaning(raw: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(raw).ok()?.trim_matches([' ', '\t']);
    let is_unusable = matches!(text, "" | "null" | "undefined" | "None")
        || text.len() > longest::ID
        || text.contains("{{")
        || text.contains("}}")
        || text.chars().any(is_invisible);
    (!is_unusable).then_some(text)
}

/// Returns true for characters that are not drawn, with which different ids could look the same: control and format
/// characters (Unicode Cc, Cf), line and paragraph separators, and letters, marks and symbols without a glyph.
pub(super) fn is_invisible(character: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    matches!(character.general_category(), Control | Format | LineSeparator | ParagraphSeparator)
        || has_no_glyph(character)
}

/// Returns true for the code points with the Unicode property `Default_Ignorable_Code_Point` that are not of category
/// Cf (Unicode 16, `DerivedCoreProperties.txt`), and for the empty Braille pattern.
fn has_no_glyph(character: char) -> bool {
    matches!(
        character,
        '\u{34f}' // Combining grapheme joiner.
            | '\u{115f}'..='\u{1160}' // Hangul fillers.
            | '\u{17b4}'..='\u{17b5}' // Khmer inherent vowels.
            | '\u{180b}'..='\u{180f}' // Mongolian variation selectors.
            | '\u{2065}'
            | '\u{2800}' // Empty Braille pattern.
            | '\u{3164}' // Hangul filler.
            | '\u{fe00}'..='\u{fe0f}' // Variation selectors.
            | '\u{ffa0}' // Halfwidth Hangul filler.
            | '\u{fff0}'..='\u{fff8}'
            | '\u{e0000}'..='\u{e0fff}' // Tags and variation selectors.
    )
}
