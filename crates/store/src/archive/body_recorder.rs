//! Records the bytes of a body up to a cap: large pieces by reference, small ones as copies.
//!
//! A reference to a small piece would keep its whole read buffer alive: an event of a stream has about 100 bytes, its
//! read buffer 8 KB. Copying small pieces keeps the counted bytes close to the memory in use.

use parking_lot::{Mutex, MutexGuard};
use std::mem;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::budget::Share;

/// Minimum size in bytes of a piece that is kept by reference. Such a piece is most of its read buffer.
const BY_REFERENCE: usize = 16 * 1024;
/// Minimum and maximum size in bytes of a block of copies. A new block is as large as all recorded bytes before it.
const SMALLEST_BLOCK: usize = 512;
const LARGEST_BLOCK: usize = 64 * 1024;

/// Records one body. Clones record into the same recorder.
#[derive(Clone, Debug)]
pub struct BodyRecorder(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    share: Share,
    /// Maximum number of recorded bytes.
    most: usize,
    pieces: Vec<Bytes>,
    /// The block that small pieces are copied into.
    block: BytesMut,
    kept: usize,
    total: u64,
    /// True if the memory budget ran out. Nothing is recorded then.
    lost: bool,
}

/// A recorded body.
#[derive(Debug)]
pub(super) struct Body {
    /// The recorded bytes in order, up to the cap.
    pub(super) pieces: Vec<Bytes>,
    /// The number of bytes of the whole body.
    pub(super) total: u64,
    /// True if the memory budget ran out. `pieces` is empty then.
    pub(super) lost: bool,
    /// The reserved memory of `pieces`.
    _share: Share,
}

impl Body {
    /// Returns the number of recorded bytes.
    pub(super) fn kept(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Returns true if the body has more bytes than were recorded.
    pub(super) fn is_cut(&self) -> bool {
        self.kept() < self.total
    }
}

impl BodyRecorder {
    /// Creates an empty recorder of at most `most` bytes.
    pub(super) fn new(share: Share, most: usize) -> Self {
        let state = State { share, most, pieces: Vec::new(), block: BytesMut::new(), kept: 0, total: 0, lost: false };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Records the next piece of the body.
    pub fn push(&self, piece: &Bytes) {
        self.state().push(piece);
    }

    /// Takes the recorded body and leaves the recorder empty.
    pub(super) fn take(&self) -> Body {
        let mut state = self.state();
        state.close_block();
        let empty = state.share.sibling();
        let (pieces, share) = (mem::take(&mut state.pieces), mem::replace(&mut state.share, empty));
        Body { pieces, total: mem::take(&mut state.total), lost: state.lost, _share: share }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl State {
    fn push(&mut self, piece: &Bytes) {
        self.total += piece.len() as u64;
        let length = piece.len().min(self.most - self.kept);
        if self.lost || length == 0 {
            return;
        }
        let fits = if length >= BY_REFERENCE { self.keep(piece.slice(..length)) } else { self.copy(piece, length) };
        if fits {
            self.kept += length;
        } else {
            self.lost = true;
            self.pieces = Vec::new();
            self.block = BytesMut::new();
            self.share.clear();
        }
    }

    fn keep(&mut self, piece: Bytes) -> bool {
        self.close_block();
        let fits = self.share.grow(piece.len());
        if fits {
            self.pieces.push(piece);
        }
        fits
    }

    fn copy(&mut self, piece: &Bytes, length: usize) -> bool {
        let piece = piece.get(..length).unwrap_or_default();
        if self.block.capacity() - self.block.len() < length {
            self.close_block();
            let size = self.kept.clamp(SMALLEST_BLOCK, LARGEST_BLOCK).max(length);
            if !self.share.grow(size) {
                return false;
            }
            self.block = BytesMut::with_capacity(size);
        }
        self.block.extend_from_slice(piece);
        true
    }

    fn close_block(&mut self) {
        let block = mem::take(&mut self.block);
        let free = block.capacity() - block.len();
        // A large piece closes a block early. A mostly empty block is copied to its size, and the rest is freed.
        if free > block.len() {
            self.share.shrink(free);
            if !block.is_empty() {
                self.pieces.push(Bytes::copy_from_slice(&block));
            }
        } else if !block.is_empty() {
            self.pieces.push(block.freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;
    use proptest::prelude::*;

    use super::super::budget::Budget;
    use super::*;

    fn joined(body: &Body) -> Vec<u8> {
        body.pieces.concat()
    }

    proptest! {
        #[test]
        fn bytes_are_recorded_in_order_up_to_the_cap(
            lengths in prop::collection::vec(prop_oneof![0..300_usize, 16_000..17_000_usize], 0..40),
            most in 0..120_000_usize,
        ) {
            let used = Gauge::default();
            let budget = Budget::new(usize::MAX, used.clone());
            let recorder = BodyRecorder::new(budget.share(()), most);
            let mut whole = Vec::new();
            for (number, length) in lengths.iter().enumerate() {
                let piece = Bytes::from(vec![u8::try_from(number).unwrap(); *length]);
                recorder.push(&piece);
                whole.extend_from_slice(&piece);
            }
            let body = recorder.take();
            prop_assert_eq!(body.total, whole.len() as u64);
            prop_assert_eq!(body.is_cut(), whole.len() > most);
            whole.truncate(most);
            prop_assert_eq!(joined(&body), whole.clone());
            let taken = usize::try_from(used.get()).unwrap();
            prop_assert!(taken >= whole.len(), "recorded bytes are counted");
            prop_assert!(taken <= 2 * whole.len());
            drop(body);
            prop_assert_eq!(used.get(), 0);
        }
    }

    #[test]
    fn a_small_piece_does_not_keep_its_buffer_and_a_large_one_is_not_copied() {
        let budget = Budget::new(1 << 20, Gauge::default());
        let recorder = BodyRecorder::new(budget.share(()), 1 << 20);
        let small = Bytes::from(vec![7; 100]);
        let large = Bytes::from(vec![8; BY_REFERENCE]);
        recorder.push(&small);
        recorder.push(&large);
        assert!(small.is_unique(), "the recorder has no reference to it");
        let body = recorder.take();
        assert_eq!(body.pieces[1].as_ptr(), large.as_ptr());
        assert_eq!((body.kept(), body.lost), (100 + BY_REFERENCE as u64, false));
    }

    #[test]
    fn nothing_is_recorded_when_the_budget_runs_out() {
        let used = Gauge::default();
        let budget = Budget::new(100_000, used.clone());
        let recorder = BodyRecorder::new(budget.share(()), 1 << 20);
        recorder.push(&Bytes::from(vec![1; 40_000]));
        assert_eq!(used.get(), 40_000);
        recorder.push(&Bytes::from(vec![1; 40_000]));
        assert_eq!(used.get(), 0);
        recorder.push(&Bytes::from(vec![1; 10]));
        let body = recorder.take();
        assert!(body.lost && body.pieces.is_empty());
        assert_eq!((body.total, used.get()), (80_010, 0));
    }
}
