//! An incremental, strict JSON scanner (RFC 8259): one object, depth ≤ 1024, fed in pieces of any size.
//!
//! It keeps a state of a few dozen bytes plus one bit per open container, never a byte of the text, and stops only at
//! what the filter must know: the borders of the outer object's members. It does not check UTF-8 (`utf8.rs` does) and
//! does not decode anything.

use super::text::plain_prefix;
use super::tools::may_matter;

/// The deepest nesting that is accepted, the outer object counting as 1 (contract, section 3, "Body fidelity").
pub const MAX_DEPTH: usize = 1024;

/// Where the scanner stopped. Except for `More`, the byte that it names was the last one consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// At the end of the piece.
    More,
    /// Behind the outer `{`.
    Open,
    /// Behind the quote that opens a key of the outer object.
    KeyStart,
    /// Behind the quote that closes it.
    KeyEnd,
    /// Behind the quote that opens a string that is a member's whole value.
    StringStart,
    /// Behind the quote that closes it.
    StringEnd,
    /// Behind a comma between members of the outer object.
    Comma,
    /// Behind the outer `}`.
    Close,
    /// Behind the quote that closes a key deeper down which may matter; so many bytes of it are in this piece.
    InnerKey(usize),
    /// Behind the first byte of the value that [`Scanner::show_value`] asked for.
    Value(u8),
    /// Behind the quote that closes it, if it is a string.
    ValueEnd,
}

/// What is wrong with the byte that the scanner could not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The body does not begin with `{`.
    NotAnObject,
    /// Grammar.
    Syntax,
    /// More than [`MAX_DEPTH`] open containers.
    TooDeep,
    /// Bytes that are no UTF-8.
    Utf8,
    /// The body ended inside the object.
    Incomplete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the outer `{`.
    Start,
    /// Behind `{`: a key or `}`.
    FirstKey,
    /// Behind a comma in an object.
    Key,
    /// Behind a key.
    Colon,
    /// Behind a colon, or a comma in an array.
    Value,
    /// Behind `[`: a value or `]`.
    FirstValue,
    /// Behind a value: a comma or the container's end.
    After,
    /// Inside a key.
    KeyText,
    /// Inside a string value.
    StringText,
    /// Behind a backslash in a string.
    Escape { key: bool },
    /// Behind `\u`: this many hexadecimal digits are owed.
    Hex { key: bool, owed: u8 },
    /// Inside `true`, `false` or `null`: what is owed.
    Literal(&'static [u8]),
    /// Inside a number.
    Number(Number),
    /// Behind the outer `}`.
    End,
}

/// The last thing seen of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Number {
    /// What `byte` makes of the number; `None` if it is not part of one.
    fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => Some(Self::Integer),
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::ExponentSign),
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => Some(Self::ExponentDigits),
            _ => None,
        }
    }

    /// Whether a number may end here.
    fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits)
    }
}

/// The scanner's whole memory.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    depth: usize,
    /// One bit per open container: set for objects.
    objects: [u64; MAX_DEPTH / 64],
    /// Whether keys deeper down are looked at.
    inner_keys: bool,
    /// Whether the key that is passing is worth more than a short look: escaped, or cut by the end of a piece.
    odd_key: bool,
    /// Where its text begins in the bytes of the last call.
    key_from: usize,
    /// The value that is asked for.
    show: Show,
}

/// How far the value is that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Nothing,
    Next,
    Passing,
}

impl Scanner {
    pub(super) fn new() -> Self {
        let objects = [0; MAX_DEPTH / 64];
        Self {
            state: State::Start,
            depth: 0,
            objects,
            inner_keys: false,
            odd_key: false,
            key_from: 0,
            show: Show::Nothing,
        }
    }

    /// Whether to stop at keys deeper down that may matter, from here on.
    pub(super) fn look_at_inner_keys(&mut self, look: bool) {
        self.inner_keys = look;
    }

    /// Stop at the value of the key that has just ended.
    pub(super) fn show_value(&mut self) {
        self.show = Show::Next;
    }

    /// Where in the bytes of the last call a key deeper down begins that their end has cut.
    pub(super) fn cut_key(&self) -> Option<usize> {
        (self.inner_keys && self.depth > 1 && self.is_in_key()).then_some(self.key_from)
    }

    /// Whether they end inside the string that was asked for.
    pub(super) fn is_in_shown_string(&self) -> bool {
        self.show == Show::Passing
    }

    fn is_in_key(&self) -> bool {
        matches!(self.state, State::KeyText | State::Escape { key: true } | State::Hex { key: true, .. })
    }

    /// Whether one whole object has been read.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::End
    }

    /// Reads on in `bytes` up to the next stop; gives how many bytes it consumed.
    ///
    /// # Errors
    /// The index of the first byte that no JSON object could have there, and why.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<(usize, Stop), (usize, Fault)> {
        let mut at = 0;
        // Where the text of the current key begins in this piece.
        let mut key_from = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::KeyText | State::StringText => {
                    at += plain_prefix(bytes.get(at..).unwrap_or_default());
                    match bytes.get(at) {
                        None => break,
                        Some(b'"') => {
                            let stop = self.end_string(bytes.get(key_from..at).unwrap_or_default());
                            at += 1;
                            if let Some(stop) = stop {
                                return Ok((at, stop));
                            }
                        }
                        Some(b'\\') => {
                            let key = self.state == State::KeyText;
                            self.odd_key |= key;
                            self.state = State::Escape { key };
                            at += 1;
                        }
                        Some(_) => return Err((at, Fault::Syntax)),
                    }
                }
                State::Number(number) => match number.step(byte) {
                    Some(next) => {
                        self.state = State::Number(next);
                        at += 1;
                    }
                    None if number.is_whole() => self.state = State::After,
                    None => return Err((at, Fault::Syntax)),
                },
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') && self.between_tokens() => at += 1,
                _ => {
                    let stop = self.token(byte).map_err(|fault| (at, fault))?;
                    at += 1;
                    if let Some(stop) = stop {
                        return Ok((at, stop));
                    }
                    if byte == b'"' {
                        key_from = at;
                    }
                }
            }
        }
        self.odd_key |= self.is_in_key();
        self.key_from = key_from;
        Ok((at, Stop::More))
    }

    /// Whether white space may stand here.
    fn between_tokens(&self) -> bool {
        !matches!(self.state, State::Escape { .. } | State::Hex { .. } | State::Literal(_))
    }

    /// Takes one byte outside of plain string text and numbers.
    fn token(&mut self, byte: u8) -> Result<Option<Stop>, Fault> {
        match (self.state, byte) {
            (State::FirstKey | State::Key, b'"') => {
                self.state = State::KeyText;
                self.odd_key = false;
                return Ok(self.outer(Stop::KeyStart));
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::Value | State::FirstValue, _) if byte != b']' || self.state == State::Value => {
                return self.begin_value(byte);
            }
            (State::After, b',') => {
                self.state = if self.in_object() { State::Key } else { State::Value };
                return Ok(self.outer(Stop::Comma));
            }
            (State::FirstKey, b'}') | (State::FirstValue, b']') => return Ok(self.pop()),
            (State::After, b'}' | b']') if self.in_object() == (byte == b'}') => return Ok(self.pop()),
            (State::Escape { key }, b'u') => self.state = State::Hex { key, owed: 4 },
            (State::Escape { key }, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.back_to_text(key),
            (State::Hex { key, owed }, _) if byte.is_ascii_hexdigit() => match owed {
                1 => self.back_to_text(key),
                _ => self.state = State::Hex { key, owed: owed - 1 },
            },
            (State::Literal(owed), _) => match owed.split_first() {
                Some((first, rest)) if *first == byte => {
                    self.state = if rest.is_empty() { State::After } else { State::Literal(rest) };
                }
                _ => return Err(Fault::Syntax),
            },
            (State::Start, b'{') => {
                self.push(true)?;
                return Ok(Some(Stop::Open));
            }
            (State::Start, _) => return Err(Fault::NotAnObject),
            _ => return Err(Fault::Syntax),
        }
        Ok(None)
    }

    fn begin_value(&mut self, byte: u8) -> Result<Option<Stop>, Fault> {
        if self.show == Show::Next {
            self.show = if byte == b'"' { Show::Passing } else { Show::Nothing };
            return self.enter_value(byte).map(|_| Some(Stop::Value(byte)));
        }
        self.enter_value(byte)
    }

    fn enter_value(&mut self, byte: u8) -> Result<Option<Stop>, Fault> {
        self.state = match byte {
            b'"' => {
                self.state = State::StringText;
                return Ok(self.outer(Stop::StringStart));
            }
            b'{' => return self.push(true).map(|()| None),
            b'[' => return self.push(false).map(|()| None),
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Integer),
            b't' => State::Literal(b"rue"),
            b'f' => State::Literal(b"alse"),
            b'n' => State::Literal(b"ull"),
            _ => return Err(Fault::Syntax),
        };
        Ok(None)
    }

    /// Ends a key or a string value; `key` is what this piece has of it, if it is a key.
    fn end_string(&mut self, key: &[u8]) -> Option<Stop> {
        if self.state == State::KeyText {
            self.state = State::Colon;
            let inner = self.depth > 1 && self.inner_keys && (self.odd_key || may_matter(key));
            return if inner { Some(Stop::InnerKey(key.len())) } else { self.outer(Stop::KeyEnd) };
        }
        self.state = State::After;
        if self.show == Show::Passing {
            self.show = Show::Nothing;
            return Some(Stop::ValueEnd);
        }
        self.outer(Stop::StringEnd)
    }

    fn back_to_text(&mut self, key: bool) {
        self.state = if key { State::KeyText } else { State::StringText };
    }

    fn push(&mut self, object: bool) -> Result<(), Fault> {
        let word = self.objects.get_mut(self.depth / 64).ok_or(Fault::TooDeep)?;
        let bit = 1 << (self.depth % 64);
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
        self.state = if object { State::FirstKey } else { State::FirstValue };
        Ok(())
    }

    fn pop(&mut self) -> Option<Stop> {
        self.depth -= 1;
        self.state = if self.depth == 0 { State::End } else { State::After };
        (self.depth == 0).then_some(Stop::Close)
    }

    fn in_object(&self) -> bool {
        let top = self.depth.wrapping_sub(1);
        self.objects.get(top / 64).is_some_and(|word| word & (1 << (top % 64)) != 0)
    }

    /// `stop` if it happened in the outer object itself.
    fn outer(&self, stop: Stop) -> Option<Stop> {
        (self.depth == 1).then_some(stop)
    }
}
