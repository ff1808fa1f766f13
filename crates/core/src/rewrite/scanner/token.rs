//! The tokens of JSON that are not strings.

/// A literal name of JSON. [`State`] stores this enum and a count instead of the text, so that it fits in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    True,
    False,
    Null,
}

impl Literal {
    /// Returns the letters that must follow the first `letters`.
    pub(super) fn owed(self, letters: u8) -> &'static [u8] {
        let word: &[u8] = match self {
            Self::True => b"true",
            Self::False => b"false",
            Self::Null => b"null",
        };
        word.get(usize::from(letters)..).unwrap_or_default()
    }
}

/// The last part of a number that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
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
    /// Returns the state after `byte`; `None` if `byte` cannot continue the number.
    pub(super) fn step(self, byte: u8) -> Option<Self> {
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

    /// Returns true if a number may end here.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits)
    }
}

/// Returns the end of a number in state `seen`; `None` if it is invalid or `bytes` end first.
pub(super) fn number_end(mut seen: Number, bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(next) = seen.step(*bytes.get(at)?) {
        seen = next;
        at += 1;
    }
    seen.is_whole().then_some(at)
}

/// Returns the end of the literal name that begins at `at`; `None` if it is incomplete or invalid.
pub(super) fn word_end(word: Literal, bytes: &[u8], at: usize) -> Option<usize> {
    let letters = word.owed(0);
    bytes.get(at..)?.starts_with(letters).then_some(at + letters.len())
}

/// Returns true for the white space of RFC 8259, section 2.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
