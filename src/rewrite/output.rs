//! Where the filter puts what leaves: slices of what came in, and little copies of what is too small to be worth one.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

/// Pieces shorter than this are gathered into one: below it, copying is cheaper than one more piece to write.
const WORTH_A_SLICE: usize = 4096;
/// Gathered bytes leave at this size, so that what is held stays bounded.
const GATHER: usize = 16 * 1024;

static SPACES: [u8; GATHER] = [b' '; GATHER];

/// Outgoing pieces in order.
#[derive(Debug, Default)]
pub struct Output {
    pieces: VecDeque<Bytes>,
    small: BytesMut,
    written: u64,
}

impl Output {
    /// The next piece that is ready to leave, if any.
    pub fn pop(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() { self.gather() } else { self.pieces.pop_front() }
    }

    /// Whether nothing waits to leave.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.small.is_empty()
    }

    /// Everything that waits, in order.
    pub fn into_pieces(mut self) -> impl Iterator<Item = Bytes> {
        self.flush();
        self.pieces.into_iter()
    }

    /// Makes room at once for a piece that is so small that all of it will be copied, and for `more`.
    pub(super) fn expect(&mut self, piece: usize, more: usize) {
        if piece < WORTH_A_SLICE {
            self.small.reserve(piece + more);
        }
    }

    /// Bytes put in since the beginning.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Lets a part of an incoming piece out.
    pub(super) fn slice(&mut self, piece: &Bytes, from: usize, to: usize) {
        let Some(part) = piece.get(from..to) else { return };
        if part.len() < WORTH_A_SLICE {
            self.copy(part);
        } else {
            self.written += part.len() as u64;
            self.flush();
            self.pieces.push_back(piece.slice(from..to));
        }
    }

    /// Lets out bytes that belong to no incoming piece.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.written += bytes.len() as u64;
        self.small.put_slice(bytes);
        if self.small.len() >= GATHER {
            self.flush();
        }
    }

    /// Lets out `count` spaces.
    pub(super) fn spaces(&mut self, mut count: usize) {
        while count > 0 {
            let now = count.min(SPACES.len());
            if now < WORTH_A_SLICE {
                self.copy(SPACES.get(..now).unwrap_or_default());
            } else {
                self.written += now as u64;
                self.flush();
                self.pieces.push_back(Bytes::from_static(&SPACES).slice(..now));
            }
            count -= now;
        }
    }

    fn flush(&mut self) {
        if let Some(gathered) = self.gather() {
            self.pieces.push_back(gathered);
        }
    }

    fn gather(&mut self) -> Option<Bytes> {
        (!self.small.is_empty()).then(|| self.small.split().freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_gathered_and_much_is_passed_by_reference() {
        let piece = Bytes::from(vec![b'x'; 3 * WORTH_A_SLICE]);
        let mut out = Output::default();
        assert!(out.is_empty() && out.pop().is_none());
        out.copy(b"ab");
        assert!(!out.is_empty());
        out.slice(&piece, 0, WORTH_A_SLICE - 1);
        out.slice(&piece, 1, 1 + WORTH_A_SLICE);
        out.spaces(3);
        out.slice(&piece, 5, 4);
        let first = out.pop().unwrap();
        assert_eq!(first.len(), 2 + WORTH_A_SLICE - 1, "what is worth no slice of its own is one piece");
        let second = out.pop().unwrap();
        assert_eq!((second.as_ptr(), second.len()), (piece[1..].as_ptr(), WORTH_A_SLICE), "not copied");
        assert!(!out.is_empty());
        assert_eq!(out.pop().unwrap(), "   ");
        assert!(out.is_empty() && out.pop().is_none());
        assert_eq!(out.written(), 2 + 2 * WORTH_A_SLICE as u64 - 1 + 3);
    }

    #[test]
    fn what_is_gathered_stays_bounded() {
        let mut out = Output::default();
        for _ in 0..5 * GATHER {
            out.copy(b"y");
            assert!(out.small.len() < GATHER);
        }
        let pieces: Vec<_> = out.into_pieces().collect();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [GATHER; 5]);
    }

    #[test]
    fn spaces_are_as_many_as_were_asked_for() {
        for count in [0, 1, WORTH_A_SLICE - 1, WORTH_A_SLICE, GATHER, GATHER + 1, 3 * GATHER + 17] {
            let mut out = Output::default();
            out.spaces(count);
            assert_eq!(out.written(), count as u64);
            let gathered = out.small.len();
            assert!(gathered < WORTH_A_SLICE, "{count}: {gathered} are copied");
            let all: Vec<u8> = out.into_pieces().flatten().collect();
            assert_eq!(all, vec![b' '; count]);
        }
    }
}
