//! Parses `Content-Disposition` of a part (RFC 7578, section 4.2) and writes its parameters again.

use std::borrow::Cow;

use super::head_error::HeadError;

/// The parameters of a part's `Content-Disposition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disposition<'a> {
    /// The name, without characters that a quoted string must escape.
    pub(super) name: &'a str,
    /// The file name, written for a quoted string.
    pub(super) filename: Option<String>,
}

/// The value of a parameter.
enum Value<'a> {
    Token(&'a [u8]),
    /// The text between the quotes, with its backslashes.
    Quoted(&'a [u8]),
}

impl<'a> Value<'a> {
    fn text(&self) -> &'a [u8] {
        match self {
            Self::Token(text) | Self::Quoted(text) => text,
        }
    }
}

impl<'a> Disposition<'a> {
    /// Parses the value of the header.
    ///
    /// # Errors
    /// [`HeadError`].
    pub(super) fn parse(value: &'a [u8]) -> Result<Self, HeadError> {
        let (kind, mut rest) = token(value);
        if !kind.eq_ignore_ascii_case(b"form-data") {
            return Err(HeadError::Disposition);
        }
        let (mut name, mut filename, mut extended) = (None, None, None);
        while let Some((parameter, value, after)) = next(rest)? {
            rest = after;
            let lower = parameter.to_ascii_lowercase();
            let (slot, label) = match lower.as_slice() {
                b"name" => (&mut name, "name"),
                b"filename" => (&mut filename, "filename"),
                b"filename*" => (&mut extended, "filename*"),
                _ if lower.starts_with(b"name*") => return Err(HeadError::ExtendedName),
                _ if lower.starts_with(b"filename*") => return Err(HeadError::ExtendedFilename),
                // RFC 7578, section 4.8: other parameters are ignored.
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(HeadError::RepeatedParameter(label));
            }
        }
        let name = checked_name(name.ok_or(HeadError::Disposition)?.text())?;
        let filename = match (filename, extended) {
            (Some(filename), _) => Some(written(&unquoted(&filename))),
            (None, Some(extended)) => Some(written(&decoded(extended.text())?)),
            (None, None) => None,
        };
        Ok(Self { name, filename })
    }
}

/// A parameter's name and value, and the text after it.
type Parameter<'a> = (&'a [u8], Value<'a>, &'a [u8]);

/// Returns the next parameter; `None` at the end. A trailing `;` is allowed.
fn next(text: &[u8]) -> Result<Option<Parameter<'_>>, HeadError> {
    let mut rest = text.trim_ascii_start();
    let mut separated = false;
    while let Some(after) = rest.strip_prefix(b";") {
        (rest, separated) = (after.trim_ascii_start(), true);
    }
    if rest.is_empty() {
        return Ok(None);
    }
    let (name, after) = token(rest);
    let Some(value) = after.strip_prefix(b"=").filter(|_| separated && !name.is_empty()) else {
        return Err(HeadError::Disposition);
    };
    if let Some(text) = value.strip_prefix(b"\"") {
        let end = end_of_quoted(text).ok_or(HeadError::Disposition)?;
        let (quoted, after) = text.split_at(end);
        return Ok(Some((name, Value::Quoted(quoted), after.get(1..).unwrap_or_default())));
    }
    let (value, after) = token(value);
    if value.is_empty() { Err(HeadError::Disposition) } else { Ok(Some((name, Value::Token(value), after))) }
}

/// Splits off a token (RFC 9110, section 5.6.2).
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
    text.split_at(end)
}

/// Returns true for the characters of a token.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Returns the offset of the quote that ends a quoted string. A quote after a backslash is part of the string.
fn end_of_quoted(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' if text.get(at + 1) == Some(&b'"') => at += 2,
            _ => at += 1,
        }
    }
}

/// Returns the name if every reader reads the same one.
fn checked_name(text: &[u8]) -> Result<&str, HeadError> {
    let name = std::str::from_utf8(text).map_err(|_| HeadError::Name)?;
    // `=?utf-8?Q?user?=` is an encoded word (RFC 2047).
    let is_encoded_word = name.split_once("=?").is_some_and(|(_, rest)| rest.contains("?="));
    if is_encoded_word || name.contains(|c: char| c == '\\' || c.is_control()) {
        return Err(HeadError::Name);
    }
    if name.trim_ascii().eq_ignore_ascii_case("_charset_") { Err(HeadError::Charset) } else { Ok(name) }
}

/// Returns the text of a file name. In a quoted string `\"` is a quote, and every other backslash is itself, as in
/// `C:\a.mp3`.
fn unquoted<'a>(value: &Value<'a>) -> Cow<'a, str> {
    let text = String::from_utf8_lossy(value.text());
    match value {
        Value::Quoted(_) if text.contains("\\\"") => Cow::Owned(text.replace("\\\"", "\"")),
        Value::Token(_) | Value::Quoted(_) => text,
    }
}

/// Decodes an extended value, such as `UTF-8''na%C3%AFve.mp3` (RFC 8187, section 3.2).
fn decoded(text: &[u8]) -> Result<Cow<'_, str>, HeadError> {
    let text = std::str::from_utf8(text).map_err(|_| HeadError::ExtendedFilename)?;
    let mut parts = text.splitn(3, '\'');
    let (Some(charset), Some(_language), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(HeadError::ExtendedFilename);
    };
    let bytes = percent_encoding::percent_decode_str(encoded);
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => Ok(bytes.decode_utf8_lossy()),
        "iso-8859-1" => Ok(bytes.map(char::from).collect::<String>().into()),
        _ => Err(HeadError::ExtendedFilename),
    }
}

/// Writes a file name for a quoted string, as browsers do: no reader finds a backslash, a quote or the end of a line.
fn written(filename: &str) -> String {
    let mut out = String::with_capacity(filename.len());
    for character in filename.chars() {
        match character {
            '"' => out.push_str("%22"),
            '\\' => out.push_str("%5C"),
            char::REPLACEMENT_CHARACTER => out.push('?'),
            control if control.is_control() => out.push('?'),
            other => out.push(other),
        }
    }
    out
}
