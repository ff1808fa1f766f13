//! Reads one identity header, or decides that it says nothing (contract, section 3, "Source value").

use http::{HeaderMap, HeaderName};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// A header that tells whose request it is came twice, so that it tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity header `{0}` came more than once")]
pub struct AmbiguousIdentity(pub HeaderName);

/// The value of header `name`, if it is configured, present and means something.
///
/// # Errors
/// [`AmbiguousIdentity`] when it came more than once.
pub fn read<'a>(headers: &'a HeaderMap, name: Option<&HeaderName>) -> Result<Option<&'a str>, AmbiguousIdentity> {
    let Some(name) = name else { return Ok(None) };
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(AmbiguousIdentity(name.clone()));
    }
    Ok(first.and_then(|value| meaning(value.as_bytes())))
}

/// What a header's bytes say: nothing if they are empty, no UTF-8, hold control or format characters, are a template that
/// some app forgot to fill in, or JavaScript's or Python's word for nothing.
pub(crate) fn meaning(raw: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(raw).ok()?.trim_matches([' ', '\t']);
    let says_nothing = matches!(text, "" | "null" | "undefined" | "None")
        || text.contains("{{")
        || text.contains("}}")
        || text.chars().any(is_invisible);
    (!says_nothing).then_some(text)
}

/// Unicode Cc and Cf: two ids that look the same must be the same.
fn is_invisible(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    matches!(character.general_category(), GeneralCategory::Control | GeneralCategory::Format)
}
