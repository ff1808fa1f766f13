//! The inner loop: how far a string's text runs before a byte that means something.
//!
//! Short runs are tested sixteen bytes at a time in a vector register that every machine has, long ones by searches that
//! use the widest one of the machine at hand. Nothing here knows where it is in a document; what is wrong with an escape
//! is for the scanner to say.

use wide::u8x16;

/// Bytes in a vector register.
const BLOCK: usize = 16;
/// Four of them, which make one branch.
const WIDE: usize = 64;
/// Bytes of an escape by number.
const NUMBER: usize = 6;
/// Runs of this many wide blocks are worth the start of a search.
const LONG: usize = 4;

/// Where text that begins at `at` stops: at its quote, at a control character, at an escape that is malformed or that the
/// end cuts, or at the end. Also tells whether there were escapes before that.
#[inline]
pub(super) fn text_end(bytes: &[u8], at: usize) -> (usize, bool) {
    // Most strings are short and plain: for them this is all, and no call.
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
    // Blocks in a row that are plain.
    let mut plain = 0;
    while let Some(rest @ [_, ..]) = bytes.get(at..) {
        let (mut found, width) = match rest.first_chunk() {
            Some(block) => (wide_specials(block), WIDE),
            None => (wide_specials(&padded(rest)), rest.len()),
        };
        plain = if found == 0 { plain + 1 } else { 0 };
        // Escapes are gone over within the block, which is not looked at again behind each.
        let mut end = width;
        while found != 0 {
            let inside = found.trailing_zeros() as usize;
            let Some(length) = rest.get(inside..).and_then(escapes) else { return (at + inside, escaped) };
            escaped = true;
            let behind = inside + length;
            end = behind.max(width);
            found = if behind < WIDE { found & (u64::MAX << behind) } else { 0 };
        }
        at += end;
        if plain == LONG {
            plain = 0;
            at += long_plain_prefix(bytes.get(at..).unwrap_or_default());
        }
    }
    (at, escaped)
}

/// The last bytes of a piece as a block, behind them what is not special.
fn padded(rest: &[u8]) -> [u8; WIDE] {
    let mut block = [b' '; WIDE];
    if let Some(start) = block.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    block
}

/// The length of the whole, well-formed escapes that `bytes` begin with: one, or a run of those by number, of which some
/// texts consist.
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

/// Whether this is `\u` and four hexadecimal digits. One test for all four: the digits of escaped text are rarely wrong.
fn is_number([backslash, u, digits @ ..]: [u8; NUMBER]) -> bool {
    backslash == b'\\' && u == b'u' && digits.iter().fold(true, |all, digit| all & digit.is_ascii_hexdigit())
}

/// Whether a backslash and this letter are an escape. Without a branch for each letter, since the next one cannot be told.
fn is_escaped(letter: u8) -> bool {
    const LETTERS: [bool; 256] = {
        let mut letters = [false; 256];
        let mut rest: &[u8] = b"\"\\/bfnrt";
        while let [letter, behind @ ..] = rest {
            letters[*letter as usize] = true;
            rest = behind;
        }
        letters
    };
    LETTERS.get(usize::from(letter)).is_some_and(|is| *is)
}

/// The number of leading bytes that are neither a quote, a backslash nor a control character, by two searches that are
/// vector instructions each.
fn long_plain_prefix(bytes: &[u8]) -> usize {
    let end = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    let text = bytes.get(..end).unwrap_or_default();
    let (blocks, _) = text.as_chunks::<64>();
    let clean = blocks.iter().take_while(|block| block.iter().fold(u8::MAX, |least, &byte| least.min(byte)) >= 0x20);
    let clean = clean.count() * 64;
    let tail = text.get(clean..).unwrap_or_default();
    clean + tail.iter().position(|&byte| byte < 0x20).unwrap_or(tail.len())
}

/// One bit per special byte.
fn specials(block: [u8; BLOCK]) -> u32 {
    zero_where_special(block).simd_eq(u8x16::splat(0)).to_bitmask()
}

/// The same of a wide block; next to nothing where there is none.
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

/// Zero for every special byte, something else for all others. With its second bit turned a quote is a space, behind the
/// control characters, which stay among themselves: one comparison finds both.
fn zero_where_special(block: [u8; BLOCK]) -> u8x16 {
    let block = u8x16::new(block);
    let control_or_quote = (block ^ u8x16::splat(2)).saturating_sub(u8x16::splat(b' '));
    control_or_quote.min(block ^ u8x16::splat(b'\\'))
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
                    // What follows it must not matter; behind a backslash it is no escape.
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
        // Wherever they stand in a block, or over the border of two.
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
