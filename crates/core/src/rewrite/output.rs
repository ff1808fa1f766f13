//! Collects outgoing bytes: large parts as slices of the incoming pieces, small parts as copies.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

/// Parts of fewer bytes are copied and joined: a small copy costs less than one more piece to write.
const MIN_SLICE: usize = 4096;
/// Copied bytes become a piece at this size, so that the copy buffer stays bounded.
const MAX_COPIED: usize = 16 * 1024;

static SPACES: [u8; MAX_COPIED] = [b' '; MAX_COPIED];

/// Outgoing pieces in order.
#[derive(Debug, Default)]
pub struct Output {
    pieces: VecDeque<Bytes>,
    small: BytesMut,
    written: u64,
}

impl Output {
    /// Removes and returns the next outgoing piece.
    pub fn pop(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() { self.take_copied() } else { self.pieces.pop_front() }
    }

    /// Returns true if there is no outgoing piece.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.small.is_empty()
    }

    /// Returns the outgoing pieces in order, without removing them.
    pub fn pieces(&mut self) -> impl Iterator<Item = &Bytes> {
        self.flush();
        self.pieces.iter()
    }

    /// Returns all outgoing pieces in order.
    pub fn into_pieces(mut self) -> impl Iterator<Item = Bytes> {
        self.flush();
        self.pieces.into_iter()
    }

    /// Reserves buffer space once for a piece that is too small for slices, and for `more` bytes.
    pub(super) fn expect(&mut self, piece: usize, more: usize) {
        if piece < MIN_SLICE {
            self.small.reserve(piece + more);
        }
    }

    /// Total number of bytes that were added.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Adds a part of an incoming piece.
    pub(super) fn slice(&mut self, piece: &Bytes, from: usize, to: usize) {
        let Some(part) = piece.get(from..to) else { return };
        if part.len() < MIN_SLICE {
            self.copy(part);
        } else {
            self.written += part.len() as u64;
            self.flush();
            self.pieces.push_back(piece.slice(from..to));
        }
    }

    /// Adds a copy of `bytes`.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.written += bytes.len() as u64;
        self.small.put_slice(bytes);
        if self.small.len() >= MAX_COPIED {
            self.flush();
        }
    }

    /// Adds `count` spaces.
    pub(super) fn spaces(&mut self, mut count: usize) {
        while count > 0 {
            let now = count.min(SPACES.len());
            if now < MIN_SLICE {
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
        if let Some(copied) = self.take_copied() {
            self.pieces.push_back(copied);
        }
    }

    fn take_copied(&mut self) -> Option<Bytes> {
        (!self.small.is_empty()).then(|| self.small.split().freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_are_copied_and_large_parts_are_slices() {
        let piece = Bytes::from(vec![b'x'; 3 * MIN_SLICE]);
        let mut out = Output::default();
        assert!(out.is_empty() && out.pop().is_none());
        out.copy(b"ab");
        assert!(!out.is_empty());
        out.slice(&piece, 0, MIN_SLICE - 1);
        out.slice(&piece, 1, 1 + MIN_SLICE);
        out.spaces(3);
        out.slice(&piece, 5, 4);
        let first = out.pop().unwrap();
        assert_eq!(first.len(), 2 + MIN_SLICE - 1, "small parts are joined into one piece");
        let second = out.pop().unwrap();
        assert_eq!((second.as_ptr(), second.len()), (piece[1..].as_ptr(), MIN_SLICE), "not copied");
        assert!(!out.is_empty());
        assert_eq!(out.pop().unwrap(), "   ");
        assert!(out.is_empty() && out.pop().is_none());
        assert_eq!(out.written(), 2 + 2 * MIN_SLICE as u64 - 1 + 3);
    }

    #[test]
    fn the_copy_buffer_stays_bounded() {
        let mut out = Output::default();
        for _ in 0..5 * MAX_COPIED {
            out.copy(b"y");
            assert!(out.small.len() < MAX_COPIED);
        }
        let pieces: Vec<_> = out.into_pieces().collect();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [MAX_COPIED; 5]);
    }

    #[test]
    fn adds_the_requested_number_of_spaces() {
        for count in [0, 1, MIN_SLICE - 1, MIN_SLICE, MAX_COPIED, MAX_COPIED + 1, 3 * MAX_COPIED + 17] {
            let mut out = Output::default();
            out.spaces(count);
            assert_eq!(out.written(), count as u64);
            let copied = out.small.len();
            assert!(copied < MIN_SLICE, "{count}: {copied} are copied");
            let all: Vec<u8> = out.into_pieces().flatten().collect();
            assert_eq!(all, vec![b' '; count]);
        }
    }
}
