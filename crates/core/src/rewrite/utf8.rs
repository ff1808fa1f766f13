//! Validates UTF-8 (RFC 3629) in pieces that may split a character.

/// The beginning of a character that the end of the last piece split.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    cut: [u8; 4],
    cut_len: usize,
}

impl Utf8 {
    /// Checks the next piece and returns the length of its valid prefix. If an invalid character follows, the second
    /// value is the number of its bytes that came before that prefix's end, so that the reported offset does not depend
    /// on the splits. A character that the piece's end splits counts as valid so far.
    pub(super) fn check(&mut self, piece: &[u8]) -> (usize, Option<usize>) {
        let mut at = 0;
        while self.cut_len > 0 {
            let Some(&byte) = piece.get(at) else { return (at, None) };
            if let Some(slot) = self.cut.get_mut(self.cut_len) {
                *slot = byte;
            }
            self.cut_len += 1;
            match std::str::from_utf8(self.cut.get(..self.cut_len).unwrap_or_default()) {
                Ok(_) => self.cut_len = 0,
                // Still incomplete: at most three bytes, so a buffer of four is enough.
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return (at, Some(self.cut_len - 1)),
            }
            at += 1;
        }
        let rest = piece.get(at..).unwrap_or_default();
        match simdutf8::compat::from_utf8(rest) {
            Ok(_) => (piece.len(), None),
            Err(error) if error.error_len().is_some() => (at + error.valid_up_to(), Some(0)),
            Err(error) => {
                let cut = rest.get(error.valid_up_to()..).unwrap_or_default();
                if let Some(slots) = self.cut.get_mut(..cut.len()) {
                    slots.copy_from_slice(cut);
                    self.cut_len = cut.len();
                }
                (piece.len(), None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_standard_library_at_any_split(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f)], 0..24),
            split in 0_usize..24,
        ) {
            let split = split.min(bytes.len());
            let mut utf8 = Utf8::default();
            let (mut bad, mut before) = (None, 0);
            for piece in [&bytes[..split], &bytes[split..]] {
                if bad.is_none() {
                    let (valid, begun) = utf8.check(piece);
                    bad = begun.map(|begun| before + valid - begun);
                    before += piece.len();
                }
            }
            let expected = std::str::from_utf8(&bytes).err();
            let expected = expected.filter(|error| error.error_len().is_some()).map(|error| error.valid_up_to());
            prop_assert_eq!(bad, expected);
        }
    }
}
