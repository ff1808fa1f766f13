use proptest::prelude::*;

use super::*;

/// Returns the ends of consecutive texts as the kernel finds them. Each text begins after the end of the last one.
fn ends(bytes: &[u8], instructions: Instructions, escaped: bool, cut: Cut) -> Vec<usize> {
    let mut text = Text::new(bytes, instructions, escaped, cut);
    let (mut ends, mut at) = (Vec::new(), 0);
    loop {
        let end = text.end(at);
        ends.push(end);
        match bytes.get(end) {
            Some(byte) if *byte == b'"' || *byte < b' ' => at = end + 1,
            _ => return ends,
        }
    }
}

/// Returns the same, byte by byte: the portable form of the kernel.
fn portable(bytes: &[u8], escaped: bool, cut: Cut) -> Vec<usize> {
    let rest = cut.rest(bytes);
    let valid = first_invalid(&bytes[rest..]).map_or(bytes.len(), |invalid| rest + invalid);
    let (mut ends, mut at) = (Vec::new(), usize::from(escaped));
    while at < valid {
        match bytes[at] {
            b'"' | 0..0x20 => ends.push(at),
            b'\\' => {
                let after = bytes.get(at + 1..valid).unwrap_or_default();
                let length = match after {
                    [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 1,
                    [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => 5,
                    _ => {
                        ends.push(at);
                        return ends;
                    }
                };
                at += length;
            }
            _ => {}
        }
        at += 1;
    }
    ends.push(valid);
    ends
}

fn check(bytes: &[u8]) {
    let expected = portable(bytes, false, Cut::default());
    for instructions in Instructions::all() {
        let found = ends(bytes, instructions, false, Cut::default());
        let tail = &bytes[bytes.len().saturating_sub(200)..];
        assert_eq!(found, expected, "{instructions:?}: …{}", tail.escape_ascii());
    }
}

/// Escapes, malformed ones, and characters at the borders of what UTF-8 permits.
const PARTS: [&[u8]; 48] = [
    b"\\",
    b"\\\\",
    b"\"",
    b"\\\"",
    b"\\n",
    b"\\t",
    b"\\/",
    b"\\b",
    b"\\f",
    b"\\r",
    b"\\u00e9",
    b"\\uD83d",
    b"\\uABCDE",
    b"\\u12",
    b"\\u12g4",
    b"\\x",
    b"\\\n",
    b"u",
    b"n",
    b"0",
    b"F",
    b"\n",
    b"\0",
    b"\x1f",
    b" ",
    b"!",
    b"#",
    b"[",
    b"]",
    b"\x7f",
    b"\xc3\xa9",
    b"\xe2\x82\xac",
    b"\xf0\x9f\x98\x80",
    b"\xc1\xbf",
    b"\xc2",
    b"\xe0\x9f\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xed\xa0\x80",
    b"\xef\xbf\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\x80",
    b"\xbf",
    b"\xff",
];

#[test]
fn every_part_is_found_at_every_place_of_a_block_and_at_the_border_of_a_window() {
    let near_blocks = 0..2 * BLOCK + 3;
    let near_windows = (1..=2).flat_map(|window| window * WINDOW - 7..window * WINDOW + 3);
    for before in near_blocks.chain(near_windows) {
        for part in PARTS {
            for filler in [b'x', b'\\'] {
                // An even number of backslashes before the part.
                let mut bytes = vec![filler; before & !usize::from(filler == b'\\')];
                bytes.extend_from_slice(part);
                check(&bytes);
                bytes.extend_from_slice(b"\"tail\\n\"");
                check(&bytes);
                bytes.extend_from_slice(&[b'y'; BLOCK]);
                check(&bytes);
            }
        }
    }
}

#[test]
fn every_two_bytes_after_a_backslash_and_every_two_bytes_of_a_character() {
    for first in 0..=255_u8 {
        for second in 0..=255_u8 {
            let bytes = [b"x\\", [first, second].as_slice(), b"\""].concat();
            check(&bytes);
            check(&bytes[1..]);
            for third in [0x7f, 0x80, 0xbf, 0xc0] {
                check(&[first.max(0x80), second, third, 0x80, b'"']);
            }
        }
    }
}

#[test]
fn a_piece_may_begin_in_an_escape_or_in_a_character() {
    for (bytes, escaped, character) in [
        (b"\"abc\"".as_slice(), true, "".as_bytes()),
        (b"\\abc\\n\"", true, b""),
        (b"u00e9\"", true, b""),
        (b"u00\xc3\xa9\"", true, b""),
        (b"x\"", true, b""),
        (b"\x82\xac\"", false, b"\xe2"),
        (b"\xac\\\"\"\xe2", false, b"\xe2\x82"),
        (b"\x80", false, b"\xf0\x9f\x98"),
        (b"\x98", false, b"\xf0\x9f"),
        (b"\xac\x80\"", false, b"\xe2\x82"),
    ] {
        let mut cut = Cut::default();
        cut.carry(character);
        assert_eq!(cut.check(bytes), Ok(()));
        // The scanner itself reads what belongs to an escape of an earlier piece, and stops there if it is malformed.
        let malformed = escaped && matches!(bytes, [b'x', ..] | [b'u', _, _, 0xc3, ..]);
        for instructions in Instructions::all() {
            let found = ends(bytes, instructions, escaped, cut);
            if !malformed {
                assert_eq!(found, portable(bytes, escaped, cut), "{}", bytes.escape_ascii());
            }
        }
    }
}

#[test]
fn tells_texts_without_escapes() {
    for before in (0..130).chain(WINDOW - 70..WINDOW + 3) {
        for length in [0, 1, 5, 63, 64, 65, 200] {
            let plain = "x".repeat(length);
            let bytes = format!("{}\"{plain}\"\\n", "\\n".repeat(before / 2) + &"x".repeat(before % 2));
            let mut text = Text::new(bytes.as_bytes(), Instructions::widest(), false, Cut::default());
            assert_eq!(text.end(0), before);
            let end = text.end(before + 1);
            assert_eq!(end, before + 1 + length);
            let in_one_window = before / WINDOW == (end + 1) / WINDOW;
            assert!(!text.may_have_escapes(before + 1, end) || !in_one_window, "{before} {length}");
            let bytes = format!("{}\"{plain}\\n{plain}\"\\n", "x".repeat(before));
            let mut text = Text::new(bytes.as_bytes(), Instructions::widest(), false, Cut::default());
            text.end(0);
            let end = text.end(before + 1);
            assert!(text.may_have_escapes(before + 1, end), "{before} {length}");
        }
    }
}

#[test]
fn this_machine_has_more_than_one_set_of_instructions() {
    if cfg!(target_arch = "x86_64") && std::arch::is_x86_feature_detected!("sse4.2") {
        assert!(Instructions::all().len() > 1);
    }
}

proptest! {
    #[test]
    fn every_kernel_agrees_with_the_portable_one(
        parts in proptest::collection::vec((0..PARTS.len(), 0_usize..70), 0..40),
        filler in prop_oneof![Just(b"x".as_slice()), Just("é".as_bytes()), Just("€".as_bytes()), Just(b"\\n".as_slice())],
    ) {
        let mut bytes = Vec::new();
        for (part, fill) in parts {
            bytes.extend(filler.repeat(fill));
            bytes.extend_from_slice(PARTS[part]);
        }
        check(&bytes);
    }

    #[test]
    fn every_kernel_agrees_on_sound_texts(
        parts in proptest::collection::vec((0_usize..13, 0_usize..300), 0..60),
        cut in 0_usize..100,
    ) {
        let mut bytes = Vec::new();
        for (part, fill) in parts {
            bytes.extend("é€".repeat(fill % 7).into_bytes());
            bytes.extend(b"x".repeat(fill));
            if part != 0 {
                bytes.extend_from_slice(PARTS[part]);
            }
        }
        bytes.truncate(bytes.len().saturating_sub(cut % 9));
        check(&bytes);
    }
}
