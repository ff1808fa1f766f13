//! Decodes the text of a JSON string in pieces, for names that are compared and values that are hashed.
//!
//! The output is UTF-8 with one exception: a lone surrogate (which RFC 8259 allows and Node sends) becomes the three
//! bytes that the UTF-8 scheme gives its code point. Two different strings therefore decode to different bytes.

/// Decoder state between two pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoder {
    escape: Escape,
    /// A high surrogate whose low surrogate may follow.
    high: Option<u16>,
}

#[derive(Clone, Debug, Default)]
enum Escape {
    #[default]
    None,
    /// After a backslash.
    Begun,
    /// After `\u`: the value of the digits so far and their number.
    Hex { value: u16, digits: u8 },
}

impl Decoder {
    /// Decodes the next piece of the text between the quotes into `sink`. The scanner must have validated the piece.
    pub(super) fn feed(&mut self, mut piece: &[u8], mut sink: impl FnMut(&[u8])) {
        while let Some((&byte, rest)) = piece.split_first() {
            match &mut self.escape {
                Escape::None if byte == b'\\' => {
                    self.escape = Escape::Begun;
                    piece = rest;
                }
                Escape::None => {
                    let plain = memchr::memchr(b'\\', piece).unwrap_or(piece.len());
                    self.flush_lone_surrogate(&mut sink);
                    let (text, after) = piece.split_at(plain);
                    sink(text);
                    piece = after;
                }
                Escape::Begun if byte == b'u' => {
                    self.escape = Escape::Hex { value: 0, digits: 0 };
                    piece = rest;
                }
                Escape::Begun => {
                    self.escape = Escape::None;
                    self.flush_lone_surrogate(&mut sink);
                    sink(&[simple_escape(byte)]);
                    piece = rest;
                }
                Escape::Hex { value, digits } => {
                    *value = *value << 4 | hex_digit(byte);
                    *digits += 1;
                    if *digits == 4 {
                        let unit = *value;
                        self.escape = Escape::None;
                        self.code_unit(unit, &mut sink);
                    }
                    piece = rest;
                }
            }
        }
    }

    /// Ends the string and writes a pending lone surrogate.
    pub(super) fn finish(mut self, mut sink: impl FnMut(&[u8])) {
        self.flush_lone_surrogate(&mut sink);
    }

    fn code_unit(&mut self, unit: u16, sink: &mut impl FnMut(&[u8])) {
        match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let scalar = 0x1_0000 + (u32::from(high - 0xd800) << 10) + u32::from(unit - 0xdc00);
                encode(scalar, sink);
            }
            (high, _) => {
                if let Some(high) = high {
                    encode(u32::from(high), sink);
                }
                match unit {
                    0xd800..=0xdbff => self.high = Some(unit),
                    _ => encode(u32::from(unit), sink),
                }
            }
        }
    }

    fn flush_lone_surrogate(&mut self, sink: &mut impl FnMut(&[u8])) {
        if let Some(high) = self.high.take() {
            encode(u32::from(high), sink);
        }
    }
}

/// Decodes a complete text.
pub(super) fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut decoder = Decoder::default();
    decoder.feed(text, |piece| out.extend_from_slice(piece));
    decoder.finish(|piece| out.extend_from_slice(piece));
    out
}

fn encode(code: u32, sink: &mut impl FnMut(&[u8])) {
    if let Some(scalar) = char::from_u32(code) {
        sink(scalar.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let low_byte = |shift: u32| u8::try_from(code >> shift & 0x3f).unwrap_or_default() | 0x80;
        sink(&[0xed, low_byte(6), low_byte(0)]);
    }
}

fn simple_escape(byte: u8) -> u8 {
    match byte {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

fn hex_digit(byte: u8) -> u16 {
    u16::from(match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes() {
        assert_eq!(decode(br#"\u0075s\u00e9\n\/\"\\"#), "usé\n/\"\\".as_bytes());
        assert_eq!(decode(br"\ud83d\ude00"), "😀".as_bytes());
        assert_eq!(decode(br"\ud83dx"), b"\xed\xa0\xbdx");
        assert_eq!(decode(br"\ud83d\ud83d\ude00"), [b"\xed\xa0\xbd".as_slice(), "😀".as_bytes()].concat());
        assert_eq!(decode(br"\ude00"), b"\xed\xb8\x80");
        assert_eq!(decode(br"x\ud83d"), b"x\xed\xa0\xbd", "a high surrogate at the end is kept");
    }

    proptest! {
        #[test]
        fn decodes_what_serde_json_decodes_at_any_split(text in ".{0,20}", split in 0_usize..200) {
            let escaped: String =
                text.encode_utf16().flat_map(|unit| format!("\\u{unit:04X}").into_bytes()).map(char::from).collect();
            for json in [serde_json::to_string(&text).unwrap(), format!("\"{escaped}\"")] {
                let inner = json.as_bytes()[1..json.len() - 1].to_vec();
                let (a, b) = inner.split_at(split.min(inner.len()));
                let mut out = Vec::new();
                let mut decoder = Decoder::default();
                decoder.feed(a, |piece| out.extend_from_slice(piece));
                decoder.feed(b, |piece| out.extend_from_slice(piece));
                decoder.finish(|piece| out.extend_from_slice(piece));
                prop_assert_eq!(out, text.as_bytes());
            }
        }
    }
}
