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
