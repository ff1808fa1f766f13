//! The fast path of the scanner: complete tokens inside the members of the outer object.

use super::super::shared_tools::is_exempt;
use super::super::text::Text;
use super::token::{Literal, Number, is_space, number_end, word_end};
use super::{Keys, Scanner, Show, State};

impl State {
    /// Returns the place between two nested tokens; `None` inside a token or outside of the object.
    fn place(self) -> Option<Place> {
        match self {
            Self::FirstKey => Some(Place::FirstKey),
            Self::Key => Some(Place::Key),
            Self::Colon => Some(Place::Colon),
            Self::Value => Some(Place::Value),
            Self::FirstValue => Some(Place::FirstValue),
            Self::After => Some(Place::After),
            _ => None,
        }
    }
}

/// A [`State`] in which white space or the beginning of a token may follow. It has one byte, so that it stays in a
/// register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    FirstKey,
    Key,
    Colon,
    Value,
    FirstValue,
    After,
}

impl From<Place> for State {
    fn from(place: Place) -> Self {
        match place {
            Place::FirstKey => Self::FirstKey,
            Place::Key => Self::Key,
            Place::Colon => Self::Colon,
            Place::Value => Self::Value,
            Place::FirstValue => Self::FirstValue,
            Place::After => Self::After,
        }
    }
}

impl Scanner {
    /// Skips complete nested tokens from `at` on. Stops before a token that is incomplete, invalid or possibly needed
    /// by the detector; [`Self::step`] handles those, except a key whose end is set. A fast path only: it keeps the
    /// state in registers.
    pub(super) fn run(&mut self, text: &mut Text<'_>, mut at: usize) -> usize {
        let bytes = text.bytes();
        if self.depth <= self.floor {
            return at;
        }
        let Some(mut place) = self.state.place() else { return at };
        match self.show {
            Show::Nothing => {}
            Show::Skip if place == Place::Colon => match self.skip(bytes, at) {
                Some(inside) => (place, at) = inside,
                None => return at,
            },
            Show::Skip | Show::Next | Show::Passing => return at,
        }
        while self.depth > self.floor
            && let Some(&byte) = bytes.get(at)
        {
            (place, at) = match place {
                Place::Key | Place::FirstKey if byte == b'"' => {
                    let end = text.end(at + 1);
                    let (Some(key), Some([b'"', rest @ ..])) = (bytes.get(at + 1..end), bytes.get(end..)) else {
                        break;
                    };
                    if self.keys != Keys::Off && (text.may_have_escapes(at + 1, end) || self.may_matter(key, rest)) {
                        if is_exempt(key) {
                            if let Some(inside) = self.skip(bytes, end + 1) {
                                (place, at) = inside;
                                continue;
                            }
                            self.show = Show::Skip;
                            (place, at) = (Place::Colon, end + 1);
                        } else {
                            self.key_end = Some(end);
                        }
                        break;
                    }
                    if rest.first() == Some(&b':') { (Place::Value, end + 2) } else { (Place::Colon, end + 1) }
                }
                Place::After if byte == b',' => (self.after_comma(), at + 1),
                // [`Self::pop`] handles an end at the floor.
                Place::After | Place::FirstKey | Place::FirstValue
                    if matches!(byte, b'}' | b']') && self.depth == self.floor + 1 =>
                {
                    // Only the end of a skipped value is no stop.
                    if self.skipping.is_none() || place != Place::After || (byte == b'}') != self.in_object {
                        break;
                    }
                    self.pop();
                    (Place::After, at + 1)
                }
                Place::After if byte == if self.in_object { b'}' } else { b']' } => self.pop_in_run(bytes, at),
                Place::FirstKey if byte == b'}' => self.pop_in_run(bytes, at),
                Place::FirstValue if byte == b']' => self.pop_in_run(bytes, at),
                Place::Colon if byte == b':' => (Place::Value, at + 1),
                _ if is_space(byte) => (place, at + 1),
                Place::Value | Place::FirstValue => (place, at),
                _ => break,
            };
            // A value follows most keys at once.
            if let Place::Value | Place::FirstValue = place
                && let Some(&byte) = bytes.get(at)
                && !is_space(byte)
            {
                match self.whole_value(byte, text, at) {
                    Some(ahead) => (place, at) = ahead,
                    None => break,
                }
            }
        }
        self.state = place.into();
        at
    }

    /// Enters the container to be skipped whose colon is at `at`. Returns the place after its opening bracket, and its
    /// index.
    fn skip(&mut self, bytes: &[u8], at: usize) -> Option<(Place, usize)> {
        let (length, is_object) = match bytes.get(at..)? {
            [b':', bracket @ (b'{' | b'['), ..] => (2, *bracket == b'{'),
            [b':', b' ', bracket @ (b'{' | b'['), ..] => (3, *bracket == b'{'),
            _ => return None,
        };
        let around = self.depth;
        self.push(is_object).ok()?;
        self.skip_to(around);
        Some((if is_object { Place::FirstKey } else { Place::FirstValue }, at + length))
    }

    /// Stops at nothing until the depth is `around` again.
    pub(super) fn skip_to(&mut self, around: usize) {
        self.show = Show::Nothing;
        self.skipping = Some((self.floor, self.keys));
        (self.floor, self.keys) = (around, Keys::Off);
    }

    fn pop_in_run(&mut self, bytes: &[u8], at: usize) -> (Place, usize) {
        self.pop();
        self.after_value(bytes, at + 1)
    }

    fn after_comma(&self) -> Place {
        if self.in_object { Place::Key } else { Place::Value }
    }

    /// Returns the place after a value that ends at `end`, or after the comma if that is the next byte, and its index.
    fn after_value(&self, bytes: &[u8], end: usize) -> (Place, usize) {
        if bytes.get(end) == Some(&b',') { (self.after_comma(), end + 1) } else { (Place::After, end) }
    }

    /// Returns the place after the value or opening bracket that begins at `at` with `byte`, and its index; `None` if
    /// the value is incomplete or invalid.
    fn whole_value(&mut self, byte: u8, text: &mut Text<'_>, at: usize) -> Option<(Place, usize)> {
        let bytes = text.bytes();
        let end = match byte {
            b'"' | b'[' if self.depth == self.elements && !self.in_object => return None,
            b'"' => {
                let end = text.end(at + 1);
                let after = (bytes.get(end) == Some(&b'"')).then_some(end + 1)?;
                self.long_strings.add(end - at - 1);
                after
            }
            b'{' | b'[' => {
                self.push(byte == b'{').ok()?;
                return Some((if byte == b'{' { Place::FirstKey } else { Place::FirstValue }, at + 1));
            }
            b't' => word_end(Literal::True, bytes, at)?,
            b'f' => word_end(Literal::False, bytes, at)?,
            b'n' => word_end(Literal::Null, bytes, at)?,
            b'-' => number_end(Number::Minus, bytes, at + 1)?,
            b'0' => number_end(Number::Zero, bytes, at + 1)?,
            b'1'..=b'9' => number_end(Number::Integer, bytes, at + 1)?,
            _ => return None,
        };
        Some(self.after_value(bytes, end))
    }

    /// Consumes the requested value if it is a string that is complete in the piece; its key ends at `at`. Returns its
    /// text and the end of the value. A fast path only.
    pub(in super::super) fn requested_text<'b>(&mut self, text: &mut Text<'b>, at: usize) -> Option<(&'b [u8], usize)> {
        if self.show != Show::Next {
            return None;
        }
        let bytes = text.bytes();
        let from = match bytes.get(at..)? {
            [b':', b'"', ..] => at + 2,
            [b':', b' ', b'"', ..] => at + 3,
            _ => return None,
        };
        let end = text.end(from);
        let value = bytes.get(from..end).filter(|_| bytes.get(end) == Some(&b'"'))?;
        self.show = Show::Nothing;
        self.state = State::After;
        self.long_strings.add(value.len());
        Some((value, end + 1))
    }
}
