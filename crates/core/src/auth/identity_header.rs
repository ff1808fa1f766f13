//! Reads identity headers. One rule decides which values name a user, session, chat or message
//! (`docs/SPEC.md#unusable-ids`).

use std::borrow::Cow;
use std::fmt;

use http::{HeaderMap, HeaderName};

use crate::identity::longest;
use crate::visible::is_invisible;

/// An identity header that was sent more than once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("identity header `{0}` was sent more than once; send it once")]
pub struct AmbiguousIdentityError(pub HeaderName);

/// The character set of a preset's headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// `utf-8`.
    #[default]
    Utf8,
    /// `latin-1` (ISO 8859-1).
    Latin1,
}

impl Charset {
    /// Parses the value of `presets.*.charset`.
    ///
    /// # Errors
    /// A message that states the accepted values.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "utf-8" => Ok(Self::Utf8),
            "latin-1" => Ok(Self::Latin1),
            _ => Err("expected utf-8 or latin-1"),
        }
    }

    fn decode(self, raw: &[u8]) -> Result<Cow<'_, str>, Unusable> {
        match (self, std::str::from_utf8(raw)) {
            (Self::Latin1, _) if !raw.is_ascii() => Ok(Cow::Owned(raw.iter().copied().map(char::from).collect())),
            (_, Ok(text)) => Ok(Cow::Borrowed(text)),
            (_, Err(_)) => Err(Unusable::Undecodable),
        }
    }
}

/// The reason for which a value names nobody although the app sent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// A null value that became text, or an unfilled template.
    Placeholder,
    /// Longer than [`longest::ID`].
    TooLong,
    /// Not in the preset's character set.
    Undecodable,
    /// Several values that a proxy joined by a comma.
    Joined,
    /// Contains invisible characters.
    Invisible,
}

impl Unusable {
    /// All values.
    pub const ALL: [Self; 5] = [Self::Placeholder, Self::TooLong, Self::Undecodable, Self::Joined, Self::Invisible];

    /// Returns the name in log lines and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Placeholder => "placeholder",
            Self::TooLong => "too_long",
            Self::Undecodable => "undecodable",
            Self::Joined => "joined",
            Self::Invisible => "invisible",
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placeholder => f.write_str("it is a placeholder such as `null`, `undefined` or `{{USER_ID}}`"),
            Self::TooLong => write!(f, "it is longer than {} bytes", longest::ID),
            Self::Undecodable => f.write_str("it is not in the character set of the preset (UTF-8 by default)"),
            Self::Joined => f.write_str("it contains a comma, as if a proxy had joined two headers"),
            Self::Invisible => f.write_str("it contains control or other invisible characters"),
        }
    }
}

/// The value of an identity header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<'a> {
    /// The header is not configured, not sent, or empty.
    Absent,
    /// A usable id.
    Id(Cow<'a, str>),
    /// The header was sent, but its value names nobody.
    Unusable(Unusable),
}

/// Reads header `name`, if it is configured.
///
/// # Errors
/// [`AmbiguousIdentityError`] if it was sent more than once.
pub fn read<'a>(
    headers: &'a HeaderMap,
    name: Option<&HeaderName>,
    charset: Charset,
) -> Result<Reading<'a>, AmbiguousIdentityError> {
    let Some(name) = name else { return Ok(Reading::Absent) };
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(AmbiguousIdentityError(name.clone()));
    }
    Ok(first.map_or(Reading::Absent, |value| read_value(value.as_bytes(), charset)))
}

/// Reads the value of an identity header.
pub fn read_value(raw: &[u8], charset: Charset) -> Reading<'_> {
    let id = match charset.decode(raw) {
        Ok(Cow::Borrowed(text)) => check(text).map(|id| id.map(Cow::Borrowed)),
        Ok(Cow::Owned(text)) => check(&text).map(|id| id.map(|id| Cow::Owned(id.to_owned()))),
        Err(unusable) => Err(unusable),
    };
    match id {
        Ok(Some(id)) => Reading::Id(id),
        Ok(None) => Reading::Absent,
        Err(unusable) => Reading::Unusable(unusable),
    }
}

/// Returns the usable id in a header value in UTF-8.
pub fn usable(raw: &[u8]) -> Option<&str> {
    check(std::str::from_utf8(raw).ok()?).ok().flatten()
}

/// Returns the trimmed text; `None` if it is empty.
///
/// # Errors
/// The reason for which it is unusable.
pub fn check(text: &str) -> Result<Option<&str>, Unusable> {
    let text = text.trim_matches([' ', '\t']);
    if text.len() > longest::ID {
        Err(Unusable::TooLong)
    } else if text.contains(is_invisible) {
        Err(Unusable::Invisible)
    } else if is_placeholder(text) {
        Err(Unusable::Placeholder)
    } else if text.contains(',') {
        Err(Unusable::Joined)
    } else {
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

/// Returns true if signed claims and the configuration may name this id: it is not empty, has an accepted length and no
/// invisible characters. Formats and bindings join fields with U+001F, so an id with that character could collide with
/// another user's.
pub fn is_id(text: &str) -> bool {
    (1..=longest::ID).contains(&text.len()) && !text.contains(is_invisible)
}

/// The texts of a null value, in lower case.
const NULLS: [&str; 6] = ["null", "(null)", "nil", "none", "undefined", "nan"];

/// The first and last characters of unfilled templates and of JavaScript objects that became text.
const TEMPLATES: [(&str, &str); 5] = [("${", "}"), ("{{", "}}"), ("<", ">"), ("%", "%"), ("[object ", "]")];

/// Returns true for the text of a null value or of an unfilled template.
fn is_placeholder(text: &str) -> bool {
    let enclosed = |(first, last): &(&str, &str)| {
        let start = text.get(..first.len()).filter(|start| start.eq_ignore_ascii_case(first));
        start.is_some() && text.len() >= first.len() + last.len() && text.ends_with(last)
    };
    NULLS.iter().any(|null| text.eq_ignore_ascii_case(null))
        || TEMPLATES.iter().any(enclosed)
        || text.contains("{{")
        || text.contains("}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_and_its_neighbours() {
        use Unusable::{Invisible, Joined, Placeholder, TooLong};
        let longest = "é".repeat(longest::ID / 2);
        for (text, expected) in [
            ("alice", Ok(Some("alice"))),
            (" alice\t", Ok(Some("alice"))),
            ("", Ok(None)),
            (" \t ", Ok(None)),
            ("José Müller", Ok(Some("José Müller"))),
            ("nullable", Ok(Some("nullable"))),
            ("none@example.com", Ok(Some("none@example.com"))),
            ("auth0|5f7c8ec7", Ok(Some("auth0|5f7c8ec7"))),
            ("100%", Ok(Some("100%"))),
            ("%", Ok(Some("%"))),
            ("<", Ok(Some("<"))),
            ("a<b>", Ok(Some("a<b>"))),
            ("object", Ok(Some("object"))),
            (&longest, Ok(Some(longest.as_str()))),
            ("null", Err(Placeholder)),
            ("NULL", Err(Placeholder)),
            ("(null)", Err(Placeholder)),
            ("None", Err(Placeholder)),
            ("none", Err(Placeholder)),
            ("nil", Err(Placeholder)),
            ("undefined", Err(Placeholder)),
            ("NaN", Err(Placeholder)),
            ("[object Object]", Err(Placeholder)),
            ("[Object Promise]", Err(Placeholder)),
            ("${USER_ID}", Err(Placeholder)),
            ("{{USER_ID}}", Err(Placeholder)),
            ("user-{{USER_ID}}", Err(Placeholder)),
            ("{{a,b}}", Err(Placeholder)),
            ("<no value>", Err(Placeholder)),
            ("<nil>", Err(Placeholder)),
            ("%USER%", Err(Placeholder)),
            ("alice, bob", Err(Joined)),
            ("alice,bob", Err(Joined)),
            ("null, alice", Err(Joined)),
            (",", Err(Joined)),
            ("al\u{200b}ice", Err(Invisible)),
            ("al\u{202e}ice", Err(Invisible)),
            ("al\u{9b}ice", Err(Invisible)),
            ("al\tice", Err(Invisible)),
            (&(longest.clone() + "x"), Err(TooLong)),
        ] {
            assert_eq!(check(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_header_is_read_in_one_character_set_only() {
        let id = |id: &'static str| Reading::Id(Cow::Borrowed(id));
        for (raw, utf8, latin1) in [
            (&b"jose"[..], id("jose"), id("jose")),
            ("José".as_bytes(), id("José"), id("JosÃ©")),
            (b"Jos\xe9", Reading::Unusable(Unusable::Undecodable), id("José")),
            // In Latin-1 the bytes 0x80 to 0x9f are control characters.
            (b"Jos\x80", Reading::Unusable(Unusable::Undecodable), Reading::Unusable(Unusable::Invisible)),
            (b"", Reading::Absent, Reading::Absent),
            (b"null", Reading::Unusable(Unusable::Placeholder), Reading::Unusable(Unusable::Placeholder)),
        ] {
            assert_eq!(read_value(raw, Charset::Utf8), utf8, "{raw:?}");
            assert_eq!(read_value(raw, Charset::Latin1), latin1, "{raw:?}");
        }
    }

    proptest::proptest! {
        /// The rule depends neither on case, as far as placeholders go, nor on blanks around the value.
        #[test]
        fn blanks_and_case_do_not_make_a_placeholder_an_id(
            null in proptest::sample::select(&NULLS[..]), upper in proptest::bits::u32::ANY, blanks in "[ \t]{0,3}",
        ) {
            let spelt: String = null
                .chars()
                .enumerate()
                .map(|(at, c)| if upper & (1 << at) == 0 { c } else { c.to_ascii_uppercase() })
                .collect();
            let text = format!("{blanks}{spelt}{blanks}");
            proptest::prop_assert_eq!(check(&text), Err(Unusable::Placeholder));
        }

        #[test]
        fn an_id_is_visible_bounded_and_one_value(raw in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            for charset in [Charset::Utf8, Charset::Latin1] {
                if let Reading::Id(id) = read_value(&raw, charset) {
                    proptest::prop_assert!(is_id(&id) && !id.contains(',') && id.trim_matches([' ', '\t']) == id);
                }
            }
        }
    }
}
