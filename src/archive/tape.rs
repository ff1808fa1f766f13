//! What of a body has passed: its bytes, by reference where they are many, up to a cap.
//!
//! A small piece is copied, since a reference to it would keep the whole read buffer alive that it is a part of: an event of
//! a stream has a hundred bytes, the buffer behind it eight thousand. So what is counted is what is taken.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use super::budget::Share;

/// From this size on a piece is kept by reference: it then is the larger part of the buffer behind it.
const BY_REFERENCE: usize = 16 * 1024;
/// The copies of small pieces lie in blocks, each as large as all before it within these bounds.
const SMALLEST_BLOCK: usize = 512;
const LARGEST_BLOCK: usize = 64 * 1024;

/// Records one body. A clone records the same one.
#[derive(Clone, Debug)]
pub struct Tape(Arc<Mutex<Reel>>);

#[derive(Debug)]
struct Reel {
    share: Share,
    /// The most that is kept.
    most: usize,
    pieces: Vec<Bytes>,
    /// The block that small pieces are copied into.
    block: BytesMut,
    kept: usize,
    total: u64,
    /// There was no memory for all of it: nothing is kept.
    lost: bool,
}

/// What was on a tape.
#[derive(Debug)]
pub(super) struct Body {
    /// Its bytes in order, up to the cap.
    pub(super) pieces: Vec<Bytes>,
    /// How many passed.
    pub(super) total: u64,
    /// There was no memory for all of it.
    pub(super) lost: bool,
    /// What the pieces take, until they are dropped.
    _share: Share,
}

impl Body {
    /// How many bytes were kept.
    pub(super) fn kept(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Whether more passed than is kept.
    pub(super) fn is_cut(&self) -> bool {
        self.kept() < self.total
    }
}

impl Tape {
    /// An empty tape that keeps at most so many bytes.
    pub(super) fn new(share: Share, most: usize) -> Self {
        let reel = Reel { share, most, pieces: Vec::new(), block: BytesMut::new(), kept: 0, total: 0, lost: false };
        Self(Arc::new(Mutex::new(reel)))
    }

    /// Notes that these bytes pass. Never waits for more than another piece to be noted.
    pub fn push(&self, piece: &Bytes) {
        self.reel().push(piece);
    }

    /// Takes off what was recorded; the tape is empty then.
    pub(super) fn take(&self) -> Body {
        let mut reel = self.reel();
        reel.close_block();
        let empty = reel.share.sibling();
        let (pieces, share) = (mem::take(&mut reel.pieces), mem::replace(&mut reel.share, empty));
        Body { pieces, total: mem::take(&mut reel.total), lost: reel.lost, _share: share }
    }

    fn reel(&self) -> MutexGuard<'_, Reel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reel {
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
        // A block that large pieces close early would mostly hold nothing.
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
        fn what_passed_is_kept_in_order_up_to_the_cap(
            lengths in prop::collection::vec(prop_oneof![0..300_usize, 16_000..17_000_usize], 0..40),
            most in 0..120_000_usize,
        ) {
            let used = Gauge::default();
            let budget = Budget::new(usize::MAX, used.clone());
            let tape = Tape::new(budget.share(), most);
            let mut whole = Vec::new();
            for (number, length) in lengths.iter().enumerate() {
                let piece = Bytes::from(vec![u8::try_from(number).unwrap(); *length]);
                tape.push(&piece);
                whole.extend_from_slice(&piece);
            }
            let body = tape.take();
            prop_assert_eq!(body.total, whole.len() as u64);
            prop_assert_eq!(body.is_cut(), whole.len() > most);
            whole.truncate(most);
            prop_assert_eq!(joined(&body), whole.clone());
            let taken = usize::try_from(used.get()).unwrap();
            prop_assert!(taken >= whole.len(), "what is kept is counted");
            prop_assert!(taken <= 2 * whole.len());
            drop(body);
            prop_assert_eq!(used.get(), 0);
        }
    }

    #[test]
    fn a_small_piece_does_not_keep_its_buffer_and_a_large_one_is_not_copied() {
        let budget = Budget::new(1 << 20, Gauge::default());
        let tape = Tape::new(budget.share(), 1 << 20);
        let small = Bytes::from(vec![7; 100]);
        let large = Bytes::from(vec![8; BY_REFERENCE]);
        tape.push(&small);
        tape.push(&large);
        assert!(small.is_unique(), "nobody else holds it");
        let body = tape.take();
        assert_eq!(body.pieces[1].as_ptr(), large.as_ptr());
        assert_eq!((body.kept(), body.lost), (100 + BY_REFERENCE as u64, false));
    }

    #[test]
    fn without_memory_for_all_of_it_nothing_is_held() {
        let used = Gauge::default();
        let budget = Budget::new(50_000, used.clone());
        let tape = Tape::new(budget.share(), 1 << 20);
        tape.push(&Bytes::from(vec![1; 40_000]));
        assert_eq!(used.get(), 40_000);
        tape.push(&Bytes::from(vec![1; 40_000]));
        assert_eq!(used.get(), 0);
        tape.push(&Bytes::from(vec![1; 10]));
        let body = tape.take();
        assert!(body.lost && body.pieces.is_empty());
        assert_eq!((body.total, used.get()), (80_010, 0));
    }
}
