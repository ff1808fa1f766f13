//! Identifier formats such as `acme_{hmac:32 user}` (`docs/SPEC.md#formats`).
//!
//! A [`Format`] is parsed once, when the configuration is read, and rendered for each request. It must not check valves
//! or limits; `identity` does.

pub mod read_back;

use std::fmt;

use super::secret::IdSecret;
use crate::identity::caller_identity::{CallerIdentity, Field};

/// The fewest advised hexadecimal digits of a hash. With fewer, two users may share an identifier (8 digits: 1 % odds
/// at 9,300 users).
const ADVISED_DIGITS: usize = 16;
/// Fewest digits of a hash.
const FEWEST_DIGITS: usize = 8;
/// OpenRouter derives the key of a container from so many characters at the end of the session id (OpenRouter docs,
/// "Containers").
const CONTAINER_KEY_CHARS: usize = 20;
/// The separator of several fields that are hashed or sealed together: U+001F, which source values cannot contain.
const UNIT_SEPARATOR: &str = "\u{1f}";

/// A parsed identifier format. Its `Display` is the text it was parsed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Value { function: Function, fields: Vec<Field> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Raw,
    Sha256 { digits: usize },
    Hmac { digits: usize },
    Seal,
}

/// The reason why a text is not a format. The message follows the name of the setting.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormatError {
    /// A brace without its counterpart, or nested braces.
    #[error("unbalanced brace; write a field as {{user}} or {{hmac:32 user}}")]
    Unbalanced,
    /// No field that differs between the callers of a tenant.
    #[error("names no field, so all callers would get the same identifier; add one, for example {{user}}")]
    NoField,
    /// A field that does not exist.
    #[error("unknown field `{0}`; use user, session, chat, message or tenant")]
    UnknownField(String),
    /// A function that does not exist.
    #[error("unknown function `{0}`; use sha256, hmac or seal")]
    UnknownFunction(String),
    /// The length after the colon is not a number from 8 to 64, or the function takes no length.
    #[error("invalid length in `{0}`; sha256 and hmac take 8 to 64 hexadecimal digits, seal takes no length")]
    BadLength(String),
    /// Several fields without a function.
    #[error("`{{{0}}}` joins several fields; use sha256, hmac or seal, or one pair of braces per field")]
    SeveralRawFields(String),
}

impl Format {
    /// Parses literal text that contains `{field}`, `{fn field…}` and `{fn:N field…}`.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let (literal, from_brace) = rest.split_at(brace);
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let inner = from_brace.strip_prefix('{').ok_or(FormatError::Unbalanced)?;
            let (value, after) = inner.split_once('}').ok_or(FormatError::Unbalanced)?;
            if value.contains('{') {
                return Err(FormatError::Unbalanced);
            }
            parts.push(parse_value(value)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        let format = Self { text: text.to_owned(), parts };
        if format.fields().any(|field| field != Field::Tenant) { Ok(format) } else { Err(FormatError::NoField) }
    }

    /// Renders the identifier of `sources`. Returns `None` if a field of the format is absent, so that a prefix is not
    /// sent alone, or if the format needs a secret and there is none (`serve` refuses such a configuration).
    pub fn render(&self, sources: &CallerIdentity<'_>, secret: Option<&IdSecret>) -> Option<String> {
        let mut out = String::with_capacity(self.text.len() + 64);
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Value { function, fields } => render_value(*function, fields, sources, secret, &mut out)?,
            }
        }
        Some(out)
    }

    /// Returns true if rendering needs `CALLSIGN_ID_SECRET`.
    pub fn needs_secret(&self) -> bool {
        self.values().any(|(function, _)| matches!(function, Function::Hmac { .. } | Function::Seal))
    }

    /// Returns the fields of the format, with repetitions.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.values().flat_map(|(_, fields)| fields.iter().copied())
    }

    /// Returns true if a hash in this format leaves out the user. Two users who send the same value, such as a chat id,
    /// then get the same identifier.
    pub fn hashes_without_user(&self) -> bool {
        self.values().any(|(function, fields)| {
            matches!(function, Function::Sha256 { .. } | Function::Hmac { .. }) && !fields.contains(&Field::User)
        })
    }

    /// Returns the length of the shortest hash in this format, if it has fewer digits than advised.
    pub fn short_digits(&self) -> Option<usize> {
        self.values()
            .filter_map(|(function, _)| match function {
                Function::Sha256 { digits } | Function::Hmac { digits } => Some(digits),
                Function::Raw | Function::Seal => None,
            })
            .filter(|digits| *digits < ADVISED_DIGITS)
            .min()
    }

    /// Returns true if a hash or seal of the user lies within the last characters, as far as OpenRouter derives the key
    /// of a container from them, and only characters follow that such a key may have.
    pub fn ends_with_user_digest(&self) -> bool {
        let mut left = CONTAINER_KEY_CHARS;
        for part in self.parts.iter().rev() {
            let length = match part {
                Part::Literal(text) if text.bytes().all(is_container_key) => text.len(),
                Part::Value { function: Function::Sha256 { digits } | Function::Hmac { digits }, fields } => {
                    if fields.contains(&Field::User) {
                        return left.min(*digits) >= FEWEST_DIGITS;
                    }
                    *digits
                }
                Part::Value { function: Function::Seal, fields } => {
                    return fields.contains(&Field::User) && left >= FEWEST_DIGITS;
                }
                Part::Literal(_) | Part::Value { function: Function::Raw, .. } => return false,
            };
            left = left.saturating_sub(length);
        }
        false
    }

    fn values(&self) -> impl Iterator<Item = (Function, &[Field])> + '_ {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Value { function, fields } => Some((*function, fields.as_slice())),
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_value(value: &str) -> Result<Part, FormatError> {
    let mut words = value.split_ascii_whitespace().peekable();
    let function = match words.peek() {
        Some(word) if Field::parse(word).is_none() => {
            let function = parse_function(word, value)?;
            words.next();
            function
        }
        _ => Function::Raw,
    };
    let fields = words
        .map(|word| Field::parse(word).ok_or_else(|| FormatError::UnknownField(word.to_owned())))
        .collect::<Result<Vec<_>, _>>()?;
    match (function, fields.len()) {
        (_, 0) => Err(FormatError::NoField),
        (Function::Raw, 2..) => Err(FormatError::SeveralRawFields(value.to_owned())),
        _ => Ok(Part::Value { function, fields }),
    }
}

/// Parses `word` as a function with an optional length. `value` is the whole text between the braces, for the message.
fn parse_function(word: &str, value: &str) -> Result<Function, FormatError> {
    let (name, length) = match word.split_once(':') {
        Some((name, length)) => (name, Some(length)),
        None => (word, None),
    };
    let digits = || match length {
        None => Ok(64),
        Some(text) => text
            .parse()
            .ok()
            .filter(|digits| (FEWEST_DIGITS..=64).contains(digits) && !text.starts_with('+'))
            .ok_or_else(|| FormatError::BadLength(value.to_owned())),
    };
    match name {
        "sha256" => Ok(Function::Sha256 { digits: digits()? }),
        "hmac" => Ok(Function::Hmac { digits: digits()? }),
        "seal" if length.is_none() => Ok(Function::Seal),
        "seal" => Err(FormatError::BadLength(value.to_owned())),
        // `{usr}` is more likely a misspelt field than a function without fields.
        _ if !value.trim().contains(' ') && length.is_none() => Err(FormatError::UnknownField(word.to_owned())),
        _ => Err(FormatError::UnknownFunction(name.to_owned())),
    }
}

fn render_value(
    function: Function,
    fields: &[Field],
    sources: &CallerIdentity<'_>,
    secret: Option<&IdSecret>,
    out: &mut String,
) -> Option<()> {
    if !fields.iter().all(|field| sources.get(*field).is_some()) {
        return None;
    }
    let values = || fields.iter().filter_map(|field| sources.get(*field)).enumerate();
    // The values, with separators between them.
    let pieces = || values().flat_map(|(at, value)| [if at == 0 { "" } else { UNIT_SEPARATOR }, value]);
    match function {
        Function::Raw => out.extend(pieces()),
        Function::Sha256 { digits } => push_hex(out, &super::secret::sha256(pieces()), digits),
        Function::Hmac { digits } => push_hex(out, &secret?.hmac(pieces()), digits),
        Function::Seal => out.push_str(&secret?.seal(&pieces().collect::<String>())?),
    }
    Some(())
}

/// Returns true for a character that the key of a container may have; OpenRouter ignores others.
fn is_container_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn push_hex(out: &mut String, digest: &[u8; 32], digits: usize) {
    let end = out.len() + digits;
    let bytes = digest.get(..digits.div_ceil(2)).unwrap_or(digest);
    data_encoding::HEXLOWER.encode_append(bytes, out);
    out.truncate(end);
}

#[cfg(test)]
#[path = "format/tests.rs"]
mod tests;
