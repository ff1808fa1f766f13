//! Characters that the end of a piece splits. `text/utf8.rs` validates the others.

/// The first bytes of a character that the end of the last piece split; none if it ended with a whole character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    bytes: [u8; 4],
    len: usize,
}

impl Cut {
    /// Returns a block that ends with these bytes and is ASCII before.
    pub(super) fn block<const BLOCK: usize>(self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        if let Some(end) = block.last_chunk_mut::<3>() {
            for (slot, byte) in end.iter_mut().rev().zip(self.text().iter().rev()) {
                *slot = *byte;
            }
        }
        block
    }

    /// Returns the number of bytes at the beginning of `piece` that belong to this character.
    pub(super) fn rest(self, piece: &[u8]) -> usize {
        let mut cut = self;
        piece.iter().take_while(|byte| cut.len > 0 && cut.add(**byte).is_ok()).count()
    }

    /// Checks that `piece` continues this character.
    ///
    /// # Errors
    /// The index of the first byte that does not, and the number of the character's bytes in earlier pieces and before
    /// it, so that the reported offset does not depend on the splits.
    pub(super) fn check(mut self, piece: &[u8]) -> Result<(), (usize, usize)> {
        for (at, byte) in piece.iter().enumerate() {
            if self.len == 0 {
                break;
            }
            self.add(*byte).map_err(|()| (at, self.len))?;
        }
        Ok(())
    }

    /// Notes the character that the end of `piece` splits. The piece is valid so far.
    pub(super) fn carry(&mut self, piece: &[u8]) {
        let rest = self.rest(piece);
        let mut tail = piece;
        if rest < piece.len() {
            *self = Self::default();
            let near_end = piece.get(rest.max(piece.len().saturating_sub(3))..).unwrap_or_default();
            let begin = near_end.iter().rposition(|byte| *byte >= 0xc0);
            tail = begin.and_then(|begin| near_end.get(begin..)).unwrap_or_default();
        }
        for byte in tail {
            // The piece is valid, so there is no error.
            let _ = self.add(*byte);
        }
    }

    /// Adds a byte; a whole character leaves nothing. An error if the byte does not continue the character.
    fn add(&mut self, byte: u8) -> Result<(), ()> {
        let mut with = *self;
        *with.bytes.get_mut(self.len).ok_or(())? = byte;
        with.len += 1;
        *self = match std::str::from_utf8(with.text()) {
            Ok(_) => Self::default(),
            // Still incomplete: at most three bytes.
            Err(error) if error.error_len().is_none() => with,
            Err(_) => return Err(()),
        };
        Ok(())
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Returns the beginning of the first malformed character. One that the end splits is well-formed so far.
pub(super) fn first_invalid(bytes: &[u8]) -> Option<usize> {
    let error = std::str::from_utf8(bytes).err()?;
    error.error_len().map(|_| error.valid_up_to())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_standard_library_at_any_split(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f)], 0..24),
            splits in [0_usize..24, 0_usize..24],
        ) {
            let [first, second] = splits.map(|split| split.min(bytes.len()));
            let (first, second) = (first.min(second), first.max(second));
            let mut cut = Cut::default();
            let (mut bad, mut before) = (None, 0);
            for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                if bad.is_none() {
                    bad = if let Err((at, begun)) = cut.check(piece) {
                        Some(before + at - begun)
                    } else {
                        let rest = cut.rest(piece);
                        first_invalid(&piece[rest..]).map(|invalid| before + rest + invalid)
                    };
                    cut.carry(piece);
                    before += piece.len();
                }
            }
            let expected = std::str::from_utf8(&bytes).err();
            let expected = expected.filter(|error| error.error_len().is_some()).map(|error| error.valid_up_to());
            prop_assert_eq!(bad, expected);
        }
    }

    #[test]
    fn only_a_split_character_is_carried() {
        for whole in ["", "abc", "é", "é€😀"] {
            let mut cut = Cut::default();
            cut.carry(whole.as_bytes());
            assert_eq!(cut, Cut::default());
        }
        for character in ["é", "€", "😀"] {
            for length in 1..character.len() {
                let mut cut = Cut::default();
                cut.carry(&[b"abc", &character.as_bytes()[..length]].concat());
                assert_eq!(cut.text(), &character.as_bytes()[..length]);
                assert_eq!(cut.block::<8>()[8 - length..], character.as_bytes()[..length]);
                let mut whole = cut;
                whole.carry(&character.as_bytes()[length..]);
                assert_eq!(whole, Cut::default());
            }
        }
    }
}
