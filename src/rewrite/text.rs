//! The inner loop: how far a string's text runs before a byte that means something.
//!
//! Short runs are tested sixteen bytes at a time in a vector register that every machine has, long ones by searches that
//! use the widest one of the machine at hand. Nothing here knows where it is in a document; what is wrong with an escape
//! is for the scanner to say.

use wide::u8x16;

/// Bytes in a vector register.
const BLOCK: usize = 16;
/// Runs of this many blocks are worth the start of a search.
const LONG: usize = 8;

/// Where text that begins at `at` stops: at its quote, at a control character, at an escape that is malformed or that the
/// end cuts, or at the end. Also tells whether there were escapes before that.
#[inline]
pub(super) fn text_end(bytes: &[u8], at: usize) -> (usize, bool) {
    // Most strings are short and plain: for them this is all, and no call.
    if let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = specials(*block);
        let end = at + found.trailing_zeros() as usize;
        if found != 0 && bytes.get(end) != Some(&b'\\') {
            return (end, false);
        }
    }
    long_text_end(bytes, at)
}

fn long_text_end(bytes: &[u8], mut at: usize) -> (usize, bool) {
    let mut escaped = false;
    loop {
        at += plain_prefix(bytes.get(at..).unwrap_or_default());
        let first = at;
        while let Some(length) = bytes.get(at..).and_then(escape) {
            at += length;
        }
        if at == first {
            return (at, escaped);
        }
        escaped = true;
    }
}

/// The length of the whole, well-formed escape that `bytes` begin with.
fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\\', b'u', a, b, c, d, ..] => {
            // One test for all four: the digits of escaped text are rarely wrong.
            let all = [a, b, c, d].into_iter().fold(true, |all, digit| all & digit.is_ascii_hexdigit());
            all.then_some(6)
        }
        [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        _ => None,
    }
}

/// The number of leading bytes that are neither a quote, a backslash nor a control character.
fn plain_prefix(bytes: &[u8]) -> usize {
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        let found = specials(*block);
        if found != 0 {
            return index * BLOCK + found.trailing_zeros() as usize;
        }
        if index == LONG {
            let before = (LONG + 1) * BLOCK;
            return before + long_plain_prefix(bytes.get(before..).unwrap_or_default());
        }
    }
    blocks.len() * BLOCK + tail.iter().position(|&byte| is_special(byte)).unwrap_or(tail.len())
}

/// The same by two searches that are vector instructions each.
fn long_plain_prefix(bytes: &[u8]) -> usize {
    let end = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    let text = bytes.get(..end).unwrap_or_default();
    let (blocks, _) = text.as_chunks::<64>();
    let clean = blocks.iter().take_while(|block| block.iter().fold(u8::MAX, |least, &byte| least.min(byte)) >= 0x20);
    let clean = clean.count() * 64;
    let tail = text.get(clean..).unwrap_or_default();
    clean + tail.iter().position(|&byte| byte < 0x20).unwrap_or(tail.len())
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// One bit per special byte.
fn specials(block: [u8; BLOCK]) -> u32 {
    let block = u8x16::new(block);
    let control = block.min(u8x16::splat(0x1f)).simd_eq(block);
    (control | block.simd_eq(u8x16::splat(b'"')) | block.simd_eq(u8x16::splat(b'\\'))).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_at_the_first_special_byte_wherever_it_is() {
        for length in 0..300 {
            for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                for filler in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                    let mut text = vec![filler; 300];
                    text[length] = special;
                    // What follows it must not matter, whatever it is.
                    if let Some(next) = text.get_mut(length + 1) {
                        *next = b'"';
                    }
                    assert_eq!(plain_prefix(&text), length, "{special:#x} among {filler:#x}");
                    assert_eq!(plain_prefix(&text[..length]), length);
                }
            }
        }
    }

    #[test]
    fn goes_over_whole_escapes_and_stops_at_all_others() {
        for (text, end) in [
            (r#"ab\n\u00e9\"x"rest"#, 13),
            (r"\ud83d\uDE00", 12),
            (r"ab\", 2),
            (r"ab\u12", 2),
            (r"ab\u123", 2),
            (r"ab\u12g4", 2),
            (r"\\\x", 2),
            (r"\a", 0),
            ("a\\\u{1}", 1),
            ("a\u{1}", 1),
            ("", 0),
        ] {
            assert_eq!(text_end(text.as_bytes(), 0).0, end, "{text:?}");
            let shifted = format!("\"\"{text}");
            assert_eq!(text_end(shifted.as_bytes(), 2).0, end + 2, "{text:?}");
        }
        assert!(!text_end(br"ab\u12", 0).1 && !text_end(b"plain\"", 0).1);
        assert!(text_end(br#"a\t""#, 0).1 && text_end(br#"\t\"#, 0).1);
    }
}
