//! Reads one captured JSON value in pieces and keeps a bounded part of it.
//!
//! The scanner has validated the bytes, so this reader only tells values apart.

use super::super::decode::Decoder;
use crate::identity::longest::EXTERNAL_NAME;

/// Maximum number of texts that are kept of a list.
const MAX_TEXTS: usize = 16;
/// Maximum length of a number or literal that is read, in bytes. Clients write at most 25 (`f64` with an exponent).
const MAX_SCALAR: usize = 64;

/// A text of at most [`EXTERNAL_NAME`] bytes; `None` if it is longer or not UTF-8 (a lone surrogate).
pub(super) type Text = Option<Box<str>>;

/// A captured value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Flag(bool),
    /// A number that is not negative, rounded up. One that is too large or has more than [`MAX_SCALAR`] bytes is
    /// `u64::MAX`, so that a price is not computed from a part of it.
    Number(u64),
    Text(Text),
    /// An array that begins with these texts. `more` is true if there are more than [`MAX_TEXTS`].
    List {
        texts: Vec<Text>,
        more: bool,
    },
    /// An object, an array with an element that is not a text, or a negative number.
    Other,
}

/// Collects a text up to its limit.
#[derive(Debug, Default)]
pub(super) struct TextBuffer(Vec<u8>);

impl TextBuffer {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // One byte over the limit is kept to recognise an over-long text.
        let room = (EXTERNAL_NAME + 1).saturating_sub(self.0.len()).min(bytes.len());
        self.0.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    /// Returns the text and empties the buffer.
    pub(super) fn take(&mut self) -> Text {
        bounded(&std::mem::take(&mut self.0))
    }
}

impl Value {
    /// Reads a value, with the colon and white space before it and the white space after it.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let from = bytes.iter().position(|byte| !is_between(*byte)).unwrap_or(bytes.len());
        let text = bytes.get(from..).unwrap_or_default();
        match text {
            [b'"', rest @ ..] => {
                let end = memchr::memchr2(b'"', b'\\', rest);
                if let Some((text, [b'"', ..])) = end.and_then(|end| rest.split_at_checked(end)) {
                    return Self::Text(bounded(text));
                }
            }
            [b'[' | b'{', ..] => {}
            _ => {
                let text = text.trim_ascii_end();
                return scalar(text.get(..=MAX_SCALAR).unwrap_or(text));
            }
        }
        let mut reader = ValueReader::default();
        reader.feed(text);
        reader.finish()
    }
}

/// Returns a text, unless it is too long or not UTF-8.
fn bounded(text: &[u8]) -> Text {
    if text.len() > EXTERNAL_NAME { None } else { std::str::from_utf8(text).ok().map(Box::from) }
}

/// Returns true for bytes that may stand between a key, a value and other values.
fn is_between(byte: u8) -> bool {
    matches!(byte, b':' | b',' | b' ' | b'\t' | b'\n' | b'\r')
}

/// Reads one value, with the colon and white space before it and the white space after it, in pieces.
#[derive(Debug, Default)]
pub(super) struct ValueReader {
    state: State,
    text: TextBuffer,
    decoder: Decoder,
    scalar: Vec<u8>,
    /// The complete texts of an array.
    list: Option<Vec<Text>>,
    value: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Before the value, or between the elements of an array.
    #[default]
    Between,
    /// Inside a string, after a backslash if `escaped`.
    String { escaped: bool },
    /// Inside a number or literal.
    Scalar,
    /// The value is known; the remaining bytes do not matter.
    Done,
}

impl ValueReader {
    /// Reads the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = match self.state {
                State::Done => return,
                State::Between => {
                    self.between(byte);
                    rest
                }
                State::Scalar => {
                    self.scalar(byte);
                    rest
                }
                State::String { escaped } => self.string(bytes, escaped),
            };
        }
    }

    /// Returns the value.
    pub(super) fn finish(self) -> Value {
        match self.value {
            Some(value) => value,
            None => scalar(&self.scalar),
        }
    }

    fn between(&mut self, byte: u8) {
        match byte {
            _ if is_between(byte) => {}
            b'"' => self.state = State::String { escaped: false },
            b'[' if self.list.is_none() => self.list = Some(Vec::new()),
            b']' => self.end_list(false),
            b'{' | b'[' => self.end(Value::Other),
            _ if self.list.is_some() => self.end(Value::Other),
            _ => {
                self.state = State::Scalar;
                self.scalar(byte);
            }
        }
    }

    /// Takes a byte of a number or literal, or of the white space after it.
    fn scalar(&mut self, byte: u8) {
        // One byte over the limit is kept to recognise an over-long number.
        if !byte.is_ascii_whitespace() && self.scalar.len() <= MAX_SCALAR {
            self.scalar.push(byte);
        }
    }

    /// Takes bytes inside a string; returns those after its closing quote.
    fn string<'b>(&mut self, bytes: &'b [u8], mut escaped: bool) -> &'b [u8] {
        let mut at = usize::from(escaped);
        let end = loop {
            let found = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()).map(|found| at + found);
            match found {
                Some(end) if bytes.get(end) == Some(&b'"') => break Some(end),
                Some(backslash) => {
                    at = backslash + 2;
                    escaped = at > bytes.len();
                }
                None => {
                    escaped &= at > bytes.len();
                    break None;
                }
            }
        };
        let text = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        self.decoder.feed(text, |decoded| self.text.push(decoded));
        if let Some(end) = end {
            self.end_string();
            bytes.get(end + 1..).unwrap_or_default()
        } else {
            self.state = State::String { escaped };
            &[]
        }
    }

    fn end_string(&mut self) {
        std::mem::take(&mut self.decoder).finish(|decoded| self.text.push(decoded));
        let text = self.text.take();
        self.state = State::Between;
        match &mut self.list {
            None => self.end(Value::Text(text)),
            Some(texts) if texts.len() < MAX_TEXTS => texts.push(text),
            Some(_) => self.end_list(true),
        }
    }

    fn end_list(&mut self, more: bool) {
        let texts = self.list.take().unwrap_or_default();
        self.end(Value::List { texts, more });
    }

    fn end(&mut self, value: Value) {
        self.value = Some(value);
        self.state = State::Done;
    }
}

/// Parses a number or literal.
fn scalar(text: &[u8]) -> Value {
    match text {
        b"null" => return Value::Null,
        b"true" => return Value::Flag(true),
        b"false" => return Value::Flag(false),
        [b'0'..=b'9', ..] if text.len() > MAX_SCALAR => return Value::Number(u64::MAX),
        _ => {}
    }
    let text = std::str::from_utf8(text).unwrap_or_default();
    let rounded = || {
        let number = text.parse::<f64>().ok().filter(|number| *number >= 0.0)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number is not negative, and the cast saturates"
        )]
        let whole = number.ceil() as u64;
        Some(whole)
    };
    text.parse().ok().or_else(rounded).map_or(Value::Other, Value::Number)
}
