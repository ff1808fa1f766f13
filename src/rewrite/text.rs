//! The inner loop: how far a string's text runs before a byte that means something.

/// The number of leading bytes that are neither a quote, a backslash nor a control character.
///
/// Whole blocks are tested without a branch per byte, in a shape that the compiler turns into vector instructions.
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let whole =
        blocks.iter().take_while(|block| !block.iter().fold(false, |any, &byte| any | is_special(byte))).count();
    let tail = bytes.get(whole * 32..).unwrap_or_default();
    whole * 32 + tail.iter().position(|&byte| is_special(byte)).unwrap_or(tail.len())
}

#[expect(clippy::needless_bitwise_bool, reason = "without branches it becomes vector instructions")]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_at_the_first_special_byte_wherever_it_is() {
        for length in 0..100 {
            for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                let mut text = vec![b'a'; 100];
                text[length] = special;
                assert_eq!(plain_prefix(&text), length);
            }
            assert_eq!(plain_prefix(&vec![0xff; length]), length, "other bytes are somebody else's business");
        }
    }
}
