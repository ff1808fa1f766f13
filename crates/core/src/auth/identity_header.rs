//! Reads identity headers and discards unusable values (`docs/SPEC.md#source-values`).

use http::{HeaderMap, HeaderName};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

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

/// Returns the trimmed text of a header value. Returns `None` if it is empty, not UTF-8, contains control or format
/// characters, is an unfilled template (`{{…}}`), or is `null`, `undefined` or `None`.
pub fn meaning(raw: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(raw).ok()?.trim_matches([' ', '\t']);
    let is_unusable = matches!(text, "" | "null" | "undefined" | "None")
        || text.contains("{{")
        || text.contains("}}")
        || text.chars().any(is_invisible);
    (!is_unusable).then_some(text)
}

/// Returns true for control and format characters (Unicode Cc, Cf), with which different ids could look the same.
fn is_invisible(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    matches!(character.general_category(), GeneralCategory::Control | GeneralCategory::Format)
}
