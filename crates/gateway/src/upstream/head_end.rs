//! Finds the end of a head in the pieces that were written.

const HEAD_END: &[u8; 4] = b"\r\n\r\n";

/// The search for the empty line that ends a head.
#[derive(Debug, Default)]
pub(super) struct HeadEnd {
    /// Bytes of [`HEAD_END`] that end the earlier pieces.
    matched: usize,
}

impl HeadEnd {
    /// Returns true if the head ends in `piece`, which follows the earlier ones. Then the search begins again.
    pub(super) fn is_in(&mut self, piece: &[u8]) -> bool {
        // hyper writes a head as one piece, which usually leaves whole.
        if piece.ends_with(HEAD_END) || piece.iter().any(|byte| self.ends_at(*byte)) {
            self.matched = 0;
            return true;
        }
        false
    }

    fn ends_at(&mut self, byte: u8) -> bool {
        self.matched = match (self.matched, byte) {
            (0 | 2, b'\r') | (1 | 3, b'\n') => self.matched + 1,
            (_, b'\r') => 1,
            _ => 0,
        };
        self.matched == HEAD_END.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_in_pieces_of_any_size() {
        let whole = b"POST / HTTP/1.1\r\r\nx: y\r\n\r\nbody\r\n";
        let end = whole.len() - b"body\r\n".len();
        for size in 1..=whole.len() {
            let mut search = HeadEnd::default();
            let piece = whole.chunks(size).position(|piece| search.is_in(piece));
            assert_eq!(piece, Some((end - 1) / size), "{size}");
        }
        let mut search = HeadEnd::default();
        assert!(!whole[..end - 1].chunks(3).any(|piece| search.is_in(piece)));
        assert!(search.is_in(b"\n"));
        assert!(!search.is_in(b"\n"), "the search begins again");
    }
}
