//! The inner loop: finds the end of a string's text.
//!
//! Short texts are tested in blocks of 16 bytes, a vector width that every supported machine has. Long texts are
//! searched with `memchr`, which uses the widest vectors of the machine. This file knows neither the position in the
//! document nor the reason why an escape is invalid; the scanner reports errors.

use wide::u8x16;

/// Bytes in a vector.
const BLOCK: usize = 16;
/// Bytes that one branch tests: four vectors.
const WIDE: usize = 64;
/// Bytes of a `\u` escape.
const NUMBER: usize = 6;
/// Number of consecutive plain wide blocks after which a `memchr` search pays for its start.
const LONG: usize = 4;

/// Returns the end of the text that begins at `at`, and true if the text before that end has escapes. The text ends at
/// a quote, a control character, a malformed or incomplete escape, or the end of `bytes`.
#[inline]
pub(super) fn text_end(bytes: &[u8], at: usize) -> (usize, bool) {
    // Fast path without a call for short plain strings, which most strings are.
    let Some(start) = bytes.get(at..).and_then(|rest| rest.first_chunk::<{ 2 * BLOCK }>()) else {
        return long_text_end(bytes, at);
    };
    let (blocks, _) = start.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        let found = specials(*block);
        if found != 0 {
            let end = at + index * BLOCK + found.trailing_zeros() as usize;
            return if bytes.get(end) == Some(&b'\\') { long_text_end(bytes, end) } else { (end, false) };
        }
    }
    long_text_end(bytes, at + 2 * BLOCK)
}

fn long_text_end(bytes: &[u8], mut at: usize) -> (usize, bool) {
    let mut escaped = false;
    // Consecutive plain blocks.
    let mut plain = 0;
    while let Some(rest @ [_, ..]) = bytes.get(at..) {
        let (mut found, width) = match rest.first_chunk() {
            Some(block) => (wide_specials(block), WIDE),
            None => (wide_specials(&padded(rest)), rest.len()),
        };
        plain = if found == 0 { plain + 1 } else { 0 };
        // All escapes of a block are skipped without testing the block again.
        let mut end = width;
        while found != 0 {
            let inside = found.trailing_zeros() as usize;
            let Some(length) = rest.get(inside..).and_then(escapes) else { return (at + inside, escaped) };
            escaped = true;
            let after = inside + length;
            end = after.max(width);
            found = if after < WIDE { found & (u64::MAX << after) } else { 0 };
        }
        at += end;
        if plain == LONG {
            plain = 0;
            at += long_plain_prefix(bytes.get(at..).unwrap_or_default());
        }
    }
    (at, escaped)
}

/// Returns the last bytes of a piece as a block that is filled up with spaces.
fn padded(rest: &[u8]) -> [u8; WIDE] {
    let mut block = [b' '; WIDE];
    if let Some(start) = block.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    block
}

/// Returns the length of the well-formed escapes at the beginning of `bytes`: one letter escape, or a run of `\u`
/// escapes (some clients escape all non-ASCII text).
fn escapes(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\\', letter, ..] if is_escaped(*letter) => Some(2),
        [b'\\', b'u', ..] => {
            let (numbers, _) = bytes.as_chunks();
            let whole = numbers.iter().take_while(|escape| is_number(**escape)).count();
            (whole > 0).then_some(whole * NUMBER)
        }
        _ => None,
    }
}

/// Returns true for `\u` and four hexadecimal digits. Tests all digits without early exit, because they are rarely
/// invalid.
fn is_number([backslash, u, digits @ ..]: [u8; NUMBER]) -> bool {
    backslash == b'\\' && u == b'u' && digits.iter().fold(true, |all, digit| all & digit.is_ascii_hexdigit())
}

/// Returns true if a backslash and this letter are an escape. A table avoids unpredictable branches.
fn is_escaped(letter: u8) -> bool {
    const LETTERS: [bool; 256] = {
        let mut letters = [false; 256];
        let mut rest: &[u8] = b"\"\\/bfnrt";
        while let [letter, others @ ..] = rest {
            letters[*letter as usize] = true;
            rest = others;
        }
        letters
    };
    LETTERS.get(usize::from(letter)).is_some_and(|is| *is)
}

/// Returns the number of leading bytes that are neither a quote, a backslash nor a control character. Makes two passes;
/// both compile to vector instructions.
fn long_plain_prefix(bytes: &[u8]) -> usize {
    let end = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    let text = bytes.get(..end).unwrap_or_default();
    let (blocks, _) = text.as_chunks::<64>();
    let clean = blocks.iter().take_while(|block| block.iter().fold(u8::MAX, |least, &byte| least.min(byte)) >= 0x20);
    let clean = clean.count() * 64;
    let tail = text.get(clean..).unwrap_or_default();
    clean + tail.iter().position(|&byte| byte < 0x20).unwrap_or(tail.len())
}

/// Returns one bit per special byte: quote, backslash or control character.
fn specials(block: [u8; BLOCK]) -> u32 {
    zero_where_special(block).simd_eq(u8x16::splat(0)).to_bitmask()
}

/// Returns one bit per special byte of a wide block, with a fast path for blocks without any.
fn wide_specials(block: &[u8; WIDE]) -> u64 {
    let (blocks, _) = block.as_chunks::<BLOCK>();
    let [a, b, c, d] = blocks else { return 0 };
    let [a, b, c, d] = [a, b, c, d].map(|block| zero_where_special(*block));
    if a.min(b).min(c.min(d)).simd_eq(u8x16::splat(0)).to_bitmask() == 0 {
        return 0;
    }
    let bits = |zeros: u8x16| u64::from(zeros.simd_eq(u8x16::splat(0)).to_bitmask());
    bits(a) | bits(b) << 16 | bits(c) << 32 | bits(d) << 48
}

/// Returns zero for every special byte and another value for all others. `b'"' ^ 2 == b' '` and control characters stay
/// below 0x20 under `^ 2`, so one saturating subtraction of `b' '` maps both to zero.
fn zero_where_special(block: [u8; BLOCK]) -> u8x16 {
    let block = u8x16::new(block);
    let control_or_quote = (block ^ u8x16::splat(2)).saturating_sub(u8x16::splat(b' '));
    control_or_quote.min(block ^ u8x16::splat(b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_at_the_first_special_byte_at_any_position() {
        for length in 0..300 {
            for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                for filler in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                    let mut text = vec![filler; 300];
                    text[length] = special;
                    // The next byte must not matter; after a backslash it must not form an escape.
                    if let Some(next) = text.get_mut(length + 1) {
                        *next = if special == b'\\' { filler.min(b'!') } else { b'"' };
                    }
                    assert_eq!(text_end(&text, 0), (length, false), "{special:#x} among {filler:#x}");
                    assert_eq!(text_end(&text[..length], 0), (length, false));
                    assert_eq!(long_plain_prefix(&text), length);
                }
            }
        }
    }

    #[test]
    fn skips_complete_escapes_and_stops_at_all_others() {
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
        // At every position in a block, and across two blocks.
        for before in 0..130 {
            let text = format!("{}{}", "x".repeat(before), r#"\n\u00e9\u00E9\\\"y\u00e9"#);
            assert_eq!(text_end(text.as_bytes(), 0), (text.len(), true), "{text:?}");
            for (end, wrong) in [("\"", 0), (r"\u12g4", 0), (r"\u00e9\x", 6), ("\\", 0), ("\n", 0)] {
                let bad = format!("{text}{end}{}", "z".repeat(70));
                let from = text.len() + wrong;
                assert_eq!(text_end(bad.as_bytes(), 0), (from, true), "{bad:?}");
                assert_eq!(text_end(&bad.as_bytes()[..=from], 0), (from, true), "{bad:?}");
            }
        }
        assert!(!text_end(br"ab\u12", 0).1 && !text_end(b"plain\"", 0).1);
        assert!(text_end(br#"a\t""#, 0).1 && text_end(br"\t\", 0).1);
    }
}
