//! An incremental, strict JSON scanner (RFC 8259): one object, depth ≤ 1024, in pieces of any size.
//!
//! The scanner's state is a few dozen bytes and one bit per open container; it copies no text. It stops where the
//! filter must act: at the borders of the outer object's members, and at keys, values and ends of containers that the
//! shared tool detector needs. It must not find the ends of strings or check UTF-8 (`text.rs` does), or decode anything
//! (`decode.rs` does).

mod error;
mod long_strings;
mod nested;
mod token;

use super::shared_tools::{Keys, Next, Watch, is_common_type, may_matter};
use super::text::Text;
pub use error::JsonErrorKind;
pub(super) use long_strings::LongStrings;
use token::{Literal, Number, is_space};

/// The deepest accepted nesting; the outer object counts as 1 (docs/SPEC.md#body-syntax).
pub const MAX_DEPTH: usize = 1024;

/// The place where the scanner stopped. Except for `More`, the named byte is the last one consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// At the end of the piece.
    More,
    /// After the outer `{`.
    Open,
    /// After the opening quote of a key of the outer object.
    KeyStart,
    /// After the closing quote of that key.
    KeyEnd,
    /// After the opening quote of a string that is the value of an outer member.
    StringStart,
    /// After the closing quote of that string.
    StringEnd,
    /// After a comma between members of the outer object.
    Comma,
    /// After the outer `}`.
    Close,
    /// After the closing quote of a nested key that may matter; [`Scanner::key_from`] is its beginning.
    InnerKey,
    /// After the first byte of the value that [`Scanner::treat_next`] requested.
    Value(u8),
    /// After the closing quote of that value, if it is a string.
    ValueEnd,
    /// After the first byte of a string or array directly in the array that [`Watch::elements`] names.
    Element,
    /// After the end of a container, at the depth that [`Watch::floor`] names.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the outer `{`.
    Start,
    /// After `{`: a key or `}` must follow.
    FirstKey,
    /// After a comma in an object.
    Key,
    /// After a key.
    Colon,
    /// After a colon, or after a comma in an array.
    Value,
    /// After `[`: a value or `]` must follow.
    FirstValue,
    /// After a value: a comma or the container's end must follow.
    After,
    /// Inside a key.
    KeyText,
    /// Inside a string value.
    StringText,
    /// After a backslash in a string.
    Escape { key: bool },
    /// After `\u`: `owed` hexadecimal digits must follow.
    Hex { key: bool, owed: u8 },
    /// Inside `true`, `false` or `null`, after this many letters.
    Literal(Literal, u8),
    /// Inside a number.
    Number(Number),
    /// After the outer `}`.
    End,
}

/// The scanner's state between two calls.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    depth: usize,
    /// One bit per open container: 1 for objects, 0 for arrays.
    objects: [u64; MAX_DEPTH / 64],
    /// The bit of the innermost open container.
    in_object: bool,
    /// The nested keys at which the scanner stops.
    keys: Keys,
    /// The depth at which the end of a container is a stop; 1 for none.
    floor: usize,
    /// The depth of the array whose strings and arrays are stops; 0 for none.
    elements: usize,
    /// `floor` and `keys` after the value that is being skipped.
    skipping: Option<(usize, Keys)>,
    /// True if the current key has escapes or is split between pieces, so that [`may_matter`] cannot exclude it.
    odd_key: bool,
    /// The beginning of the current key's text in the piece.
    key_from: usize,
    /// The end of a nested key that is a stop, which [`Scanner::run`] found.
    key_end: Option<usize>,
    /// Progress of the value that [`Scanner::treat_next`] requested.
    show: Show,
    /// Bytes so far of the current string value.
    string: usize,
    long_strings: LongStrings,
}

/// Progress of a requested value: not requested, comes next, a string that is being read, or to be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Nothing,
    Next,
    Passing,
    Skip,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            depth: 0,
            objects: [0; MAX_DEPTH / 64],
            in_object: false,
            keys: Keys::Off,
            floor: 1,
            elements: 0,
            skipping: None,
            odd_key: false,
            key_from: 0,
            key_end: None,
            show: Show::Nothing,
            string: 0,
            long_strings: LongStrings::default(),
        }
    }

    /// Returns the long string values so far.
    pub(super) fn long_strings(&self) -> LongStrings {
        self.long_strings
    }

    /// Stops at nothing within the next outer member.
    pub(super) fn unwatch(&mut self) {
        (self.keys, self.floor, self.elements) = (Keys::Off, 1, 0);
    }

    /// Sets the next stops.
    pub(super) fn watch(&mut self, watch: Watch) {
        (self.keys, self.floor, self.elements) = (watch.keys, watch.floor, watch.elements);
    }

    /// Sets the treatment of the value that comes next.
    pub(super) fn treat_next(&mut self, next: Next) {
        match next {
            Next::Pass => {}
            Next::Show => self.show = Show::Next,
            Next::Skip => self.show = Show::Skip,
        }
    }

    /// Returns the number of open containers.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Returns the beginning of the last key's text in the piece, or of the last call if it began before that.
    pub(super) fn key_from(&self) -> usize {
        self.key_from
    }

    /// Returns the beginning, in the piece, of a nested key that the piece's end split.
    pub(super) fn cut_key(&self) -> Option<usize> {
        (self.keys != Keys::Off && self.depth > 1 && self.is_in_key()).then_some(self.key_from)
    }

    /// Returns true if the piece ends inside the requested string value.
    pub(super) fn is_in_shown_string(&self) -> bool {
        self.show == Show::Passing
    }

    fn is_in_key(&self) -> bool {
        matches!(self.state, State::KeyText | State::Escape { key: true } | State::Hex { key: true, .. })
    }

    /// Returns true between a backslash and its letter.
    pub(super) fn is_escaped(&self) -> bool {
        matches!(self.state, State::Escape { .. })
    }

    /// Returns true if one complete object was read.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::End
    }

    /// Scans the piece from `at` up to the next stop; returns the end of what was consumed and the stop.
    ///
    /// # Errors
    /// The index of the first byte that cannot continue a JSON object, and the reason.
    pub(super) fn next(&mut self, text: &mut Text<'_>, mut at: usize) -> Result<(usize, Stop), (usize, JsonErrorKind)> {
        let bytes = text.bytes();
        // The beginning of the current key's text in this call.
        let mut key_from = at;
        loop {
            at = self.run(text, at);
            if let Some(end) = self.key_end.take() {
                self.state = State::Colon;
                self.key_from = at + 1;
                return Ok((end + 1, Stop::InnerKey));
            }
            let Some(&byte) = bytes.get(at) else { break };
            let stop = if let State::KeyText | State::StringText = self.state {
                let end = text.end(at);
                self.odd_key |= self.state == State::KeyText && text.may_have_escapes(at, end);
                self.string += end - at;
                at = end;
                match bytes.get(at) {
                    None => break,
                    Some(b'"') => self.end_string(bytes.get(key_from..at).unwrap_or_default()),
                    Some(b'\\') => self.begin_escape(),
                    Some(_) => return Err((at, JsonErrorKind::Syntax)),
                }
            } else {
                self.step(byte).map_err(|fault| (at, fault))?
            };
            at += 1;
            if let Some(stop) = stop {
                self.key_from = key_from;
                return Ok((at, stop));
            }
            if byte == b'"' {
                key_from = at;
            }
        }
        self.odd_key |= self.is_in_key();
        self.key_from = key_from;
        Ok((at, Stop::More))
    }

    /// Takes one byte outside the plain text of a string.
    fn step(&mut self, byte: u8) -> Result<Option<Stop>, JsonErrorKind> {
        match self.state {
            State::After => return self.after(byte),
            State::FirstValue if byte == b']' => return Ok(self.pop()),
            State::Value | State::FirstValue => return self.value(byte),
            State::Key | State::FirstKey if byte == b'"' => {
                self.state = State::KeyText;
                self.odd_key = false;
                return Ok(self.outer(Stop::KeyStart));
            }
            State::FirstKey if byte == b'}' => return Ok(self.pop()),
            State::Colon if byte == b':' => self.state = State::Value,
            State::Number(number) => match number.step(byte) {
                Some(next) => self.state = State::Number(next),
                None if number.is_whole() => {
                    self.state = State::After;
                    return self.after(byte);
                }
                None => return Err(JsonErrorKind::Syntax),
            },
            State::Literal(literal, letters) => match literal.owed(letters) {
                [last] if *last == byte => self.state = State::After,
                [next, ..] if *next == byte => self.state = State::Literal(literal, letters + 1),
                _ => return Err(JsonErrorKind::Syntax),
            },
            State::Escape { key } => match byte {
                b'u' => self.state = State::Hex { key, owed: 4 },
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.back_to_text(key),
                _ => return Err(JsonErrorKind::Syntax),
            },
            State::Hex { key, owed } if byte.is_ascii_hexdigit() => match owed {
                1 => self.back_to_text(key),
                _ => self.state = State::Hex { key, owed: owed - 1 },
            },
            State::Hex { .. } => return Err(JsonErrorKind::Syntax),
            State::Start if byte == b'{' => {
                self.push(true)?;
                return Ok(Some(Stop::Open));
            }
            _ if is_space(byte) => {}
            State::Start => return Err(JsonErrorKind::NotAnObject),
            _ => return Err(JsonErrorKind::Syntax),
        }
        Ok(None)
    }

    /// Takes a byte after a value.
    fn after(&mut self, byte: u8) -> Result<Option<Stop>, JsonErrorKind> {
        match byte {
            b',' => {
                self.state = if self.in_object { State::Key } else { State::Value };
                Ok(self.outer(Stop::Comma))
            }
            b'}' if self.in_object => Ok(self.pop()),
            b']' if !self.in_object => Ok(self.pop()),
            _ if is_space(byte) => Ok(None),
            _ => Err(JsonErrorKind::Syntax),
        }
    }

    /// Returns true if a nested key may matter; `after` are the bytes after it.
    fn may_matter(&self, key: &[u8], after: &[u8]) -> bool {
        match self.keys {
            Keys::Off => false,
            Keys::All => true,
            Keys::Strict => may_matter(key),
            // In items a common type may contradict another one.
            Keys::Common => may_matter(key) && !(self.depth > 3 && key.len() == 4 && is_common_type(after)),
        }
    }

    /// Takes a byte where a value must begin.
    fn value(&mut self, byte: u8) -> Result<Option<Stop>, JsonErrorKind> {
        let (depth, in_array) = (self.depth, !self.in_object);
        let stop = match byte {
            b'"' => {
                self.state = State::StringText;
                self.string = 0;
                self.outer(Stop::StringStart)
            }
            b'{' | b'[' => {
                self.push(byte == b'{')?;
                None
            }
            b'-' => self.begin(State::Number(Number::Minus)),
            b'0' => self.begin(State::Number(Number::Zero)),
            b'1'..=b'9' => self.begin(State::Number(Number::Integer)),
            b't' => self.begin(State::Literal(Literal::True, 1)),
            b'f' => self.begin(State::Literal(Literal::False, 1)),
            b'n' => self.begin(State::Literal(Literal::Null, 1)),
            _ if is_space(byte) => return Ok(None),
            _ => return Err(JsonErrorKind::Syntax),
        };
        match self.show {
            Show::Next => {
                self.show = if byte == b'"' { Show::Passing } else { Show::Nothing };
                return Ok(Some(Stop::Value(byte)));
            }
            Show::Skip if self.depth > depth => self.skip_to(depth),
            Show::Skip => self.show = Show::Nothing,
            _ if in_array && depth == self.elements && matches!(byte, b'"' | b'[') => return Ok(Some(Stop::Element)),
            Show::Nothing | Show::Passing => {}
        }
        Ok(stop)
    }

    fn begin(&mut self, state: State) -> Option<Stop> {
        self.state = state;
        None
    }

    fn begin_escape(&mut self) -> Option<Stop> {
        let key = self.state == State::KeyText;
        self.odd_key |= key;
        self.begin(State::Escape { key })
    }

    /// Ends a key or a string value. For a key, `key` is the part of its text in this piece.
    fn end_string(&mut self, key: &[u8]) -> Option<Stop> {
        if self.state == State::KeyText {
            self.state = State::Colon;
            let inner = self.depth > 1 && self.keys != Keys::Off && (self.odd_key || self.may_matter(key, &[]));
            return if inner { Some(Stop::InnerKey) } else { self.outer(Stop::KeyEnd) };
        }
        self.state = State::After;
        self.long_strings.add(self.string);
        if self.show == Show::Passing {
            self.show = Show::Nothing;
            return Some(Stop::ValueEnd);
        }
        self.outer(Stop::StringEnd)
    }

    fn back_to_text(&mut self, key: bool) {
        self.state = if key { State::KeyText } else { State::StringText };
    }

    fn push(&mut self, object: bool) -> Result<(), JsonErrorKind> {
        let word = self.objects.get_mut(self.depth / 64).ok_or(JsonErrorKind::TooDeep)?;
        let bit = 1 << (self.depth % 64);
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
        self.in_object = object;
        self.state = if object { State::FirstKey } else { State::FirstValue };
        Ok(())
    }

    fn pop(&mut self) -> Option<Stop> {
        self.depth -= 1;
        let top = self.depth.wrapping_sub(1);
        self.in_object = self.objects.get(top / 64).is_some_and(|word| word & (1 << (top % 64)) != 0);
        self.state = if self.depth == 0 { State::End } else { State::After };
        // A requested element does not come.
        self.show = Show::Nothing;
        match self.depth {
            0 => return Some(Stop::Close),
            depth if depth > self.floor => {}
            _ => match self.skipping.take() {
                Some((floor, keys)) => (self.floor, self.keys) = (floor, keys),
                None if self.keys != Keys::Off => return Some(Stop::Closed),
                None => {}
            },
        }
        None
    }

    /// Returns `stop` if the outer object is the innermost open container.
    fn outer(&self, stop: Stop) -> Option<Stop> {
        (self.depth == 1).then_some(stop)
    }
}
