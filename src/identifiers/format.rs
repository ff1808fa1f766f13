//! How an identifier is written: `acme_{hmac:32 user}` and its like (contract, section 3).
//!
//! A [`Format`] is parsed once, when the configuration is read, and rendered for every request. It must not know which
//! valve it stands behind, nor check limits: `identifiers.rs` and `limit.rs` do.

mod read_back;

use std::fmt;

pub use read_back::ReadBack;

use super::secret::IdSecret;
use super::sources::{Field, Sources};

/// Fewer hexadecimal digits than this collide among ordinary numbers of users (8 digits: 1 % odds at 9,300 users).
const ADVISED_DIGITS: usize = 16;
/// What joins several fields before they are hashed or sealed: U+001F, which no source value can hold.
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

/// Why a text is no format. The message says what to write instead.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormatError {
    /// A brace has no partner.
    #[error("unbalanced brace; write a field as {{user}} or {{hmac:32 user}}")]
    Unbalanced,
    /// Nothing in it differs from caller to caller.
    #[error("names no field, so that everybody would get the same identifier; add one, for instance {{user}}")]
    NoField,
    /// A field that does not exist.
    #[error("unknown field `{0}`; there are user, session, chat, message and tenant")]
    UnknownField(String),
    /// A function that does not exist.
    #[error("unknown function `{0}`; there are sha256, hmac and seal")]
    UnknownFunction(String),
    /// The number behind the colon is none, or out of range.
    #[error("`{0}`: sha256 and hmac take a length of 8 to 64 hexadecimal digits")]
    BadLength(String),
    /// Several fields without a function would run into each other.
    #[error("`{{{0}}}` joins several fields; only sha256, hmac and seal do that")]
    SeveralRawFields(String),
}

impl Format {
    /// Parses literal text with `{field}`, `{fn field…}` and `{fn:N field…}` in it.
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

    /// The identifier of these sources; `None` when a field that the format names is absent (never `p_` alone), or when
    /// it needs a secret that there is not (`serve` refuses such a configuration).
    pub fn render(&self, sources: &Sources<'_>, secret: Option<&IdSecret>) -> Option<String> {
        let mut out = String::with_capacity(self.text.len() + 64);
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Value { function, fields } => render_value(*function, fields, sources, secret, &mut out)?,
            }
        }
        Some(out)
    }

    /// Whether rendering needs `CALLSIGN_ID_SECRET`.
    pub fn needs_secret(&self) -> bool {
        self.values().any(|(function, _)| matches!(function, Function::Hmac { .. } | Function::Seal))
    }

    /// Every field that it names, repetitions included.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.values().flat_map(|(_, fields)| fields.iter().copied())
    }

    /// Whether a value of `field` can be told from the identifier of somebody else who claims the same value: true for
    /// formats that hash no field, and for hashes that take in the user.
    pub fn hashes_without_user(&self) -> bool {
        self.values().any(|(function, fields)| {
            matches!(function, Function::Sha256 { .. } | Function::Hmac { .. }) && !fields.contains(&Field::User)
        })
    }

    /// The fewest hexadecimal digits that one of its hashes keeps, if that is fewer than advised.
    pub fn short_digits(&self) -> Option<usize> {
        self.values()
            .filter_map(|(function, _)| match function {
                Function::Sha256 { digits } | Function::Hmac { digits } => Some(digits),
                Function::Raw | Function::Seal => None,
            })
            .filter(|digits| *digits < ADVISED_DIGITS)
            .min()
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

/// `word` is what stands where a function would; `value` the whole text between the braces, for the message.
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
            .filter(|digits| (8..=64).contains(digits) && !text.starts_with('+'))
            .ok_or_else(|| FormatError::BadLength(value.to_owned())),
    };
    match name {
        "sha256" => Ok(Function::Sha256 { digits: digits()? }),
        "hmac" => Ok(Function::Hmac { digits: digits()? }),
        "seal" if length.is_none() => Ok(Function::Seal),
        "seal" => Err(FormatError::BadLength(value.to_owned())),
        // `{usr}` is more likely a field with a slip than a function without arguments.
        _ if !value.trim().contains(' ') && length.is_none() => Err(FormatError::UnknownField(word.to_owned())),
        _ => Err(FormatError::UnknownFunction(name.to_owned())),
    }
}

fn render_value(
    function: Function,
    fields: &[Field],
    sources: &Sources<'_>,
    secret: Option<&IdSecret>,
    out: &mut String,
) -> Option<()> {
    let joined;
    let value = match fields {
        [field] => sources.get(*field)?,
        several => {
            joined = several.iter().map(|field| sources.get(*field)).collect::<Option<Vec<_>>>()?.join(UNIT_SEPARATOR);
            &joined
        }
    };
    match function {
        Function::Raw => out.push_str(value),
        Function::Sha256 { digits } => push_hex(out, &super::secret::sha256(value.as_bytes()), digits),
        Function::Hmac { digits } => push_hex(out, &secret?.hmac(value.as_bytes()), digits),
        Function::Seal => out.push_str(&secret?.seal(value)?),
    }
    Some(())
}

fn push_hex(out: &mut String, digest: &[u8; 32], digits: usize) {
    let start = out.len();
    data_encoding::HEXLOWER.encode_append(digest, out);
    out.truncate(start + digits);
}

#[cfg(test)]
#[path = "format/tests.rs"]
mod tests;
