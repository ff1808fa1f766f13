//! Joins the small frames of a burst, so that they leave in one write instead of one write each.
//!
//! No byte waits for a byte that has not arrived yet. One read from the upstream can contain dozens of frames, but
//! hyper passes them one by one from the task that reads to the task that writes. So after each frame the body is
//! polled once more, one turn later, before the buffered bytes are released. A turn is one poll of the connection's
//! task; hyper can poll a body twice within one turn. In a stream that arrives token by token these extra polls find
//! nothing, so after [`MAX_EMPTY_CHECKS`] of them only one frame in [`CHECK_EVERY`] is followed by one.

use bytes::{Bytes, BytesMut};
use http_body::SizeHint;

/// Frames of at least this many bytes are not copied: the copy would cost more than a separate write.
const SMALL: usize = 4096;
/// Number of buffered bytes at which the buffer is released.
const FULL: usize = 16 * 1024;
/// After this many extra polls in a row that found nothing, frames are released without one.
const MAX_EMPTY_CHECKS: u8 = 4;
/// After that, one frame in this number is followed by an extra poll again. The rule counts frames, not time, because
/// on a busy machine, which gains most, a frame that has arrived may take long to be passed on.
const CHECK_EVERY: u8 = 8;

/// Buffers small frames for at most one turn: less than [`FULL`] bytes plus one frame.
#[derive(Debug, Default)]
pub(super) struct FrameCoalescer {
    /// True if `earlier` and then `buffered` are to be released.
    due: bool,
    earlier: Option<Bytes>,
    buffered: Buffered,
    /// The turn in which the body had no further frame.
    empty_turn: Option<u64>,
    /// Extra polls in a row that found nothing.
    empty_checks: u8,
    /// Frames released without an extra poll since the last one, modulo [`CHECK_EVERY`].
    passed: u8,
}

/// The next step when the body has no further frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Wait for the next frame or for the turn already requested.
    NextFrame,
    /// Request another turn.
    NextTurn,
    /// Take the bytes that are due.
    Due,
}

#[derive(Debug, Default)]
enum Buffered {
    #[default]
    Nothing,
    One(Bytes),
    Joined(BytesMut),
}

impl FrameCoalescer {
    /// Adds the next frame. `last` is true if no frame follows it.
    pub(super) fn take(&mut self, frame: Bytes, last: bool) {
        if frame.is_empty() {
            return;
        }
        if self.buffered.len() > 0 {
            self.empty_checks = 0;
        }
        self.empty_turn = None;
        let passes = last || frame.len() >= SMALL || self.skips_check();
        if frame.len() >= SMALL {
            self.earlier = std::mem::take(&mut self.buffered).into_bytes();
            self.buffered = Buffered::One(frame);
        } else {
            self.buffered.join(frame);
        }
        self.due = passes || self.buffered.len() >= FULL;
    }

    /// Returns true if this frame is released without an extra poll.
    fn skips_check(&mut self) -> bool {
        if self.empty_checks < MAX_EMPTY_CHECKS {
            return false;
        }
        self.passed = (self.passed + 1) % CHECK_EVERY;
        self.passed != 0
    }

    /// Returns the next bytes to send, if any are due.
    pub(super) fn due(&mut self) -> Option<Bytes> {
        if !self.due {
            return None;
        }
        if let Some(earlier) = self.earlier.take() {
            return Some(earlier);
        }
        self.due = false;
        std::mem::take(&mut self.buffered).into_bytes()
    }

    /// Marks all buffered bytes as due.
    pub(super) fn release(&mut self) {
        self.due = !self.is_empty();
    }

    /// Records that the body has no further frame in `turn`. The buffered bytes become due one turn later; on
    /// [`Wait::NextTurn`] the caller must wake its task.
    pub(super) fn wait(&mut self, turn: u64) -> Wait {
        match self.empty_turn {
            _ if self.is_empty() => Wait::NextFrame,
            None => {
                self.empty_turn = Some(turn);
                Wait::NextTurn
            }
            Some(earlier) if earlier == turn => Wait::NextFrame,
            Some(_) => {
                self.empty_checks = self.empty_checks.saturating_add(1);
                self.release();
                Wait::Due
            }
        }
    }

    /// Returns true if no bytes are buffered.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the buffered bytes to `rest`, the size of the unread part of the body.
    pub(super) fn add_to(&self, mut rest: SizeHint) -> SizeHint {
        let buffered = self.len() as u64;
        if let Some(upper) = rest.upper() {
            rest.set_upper(upper + buffered);
        }
        rest.set_lower(rest.lower() + buffered);
        rest
    }

    fn len(&self) -> usize {
        self.earlier.as_ref().map_or(0, Bytes::len) + self.buffered.len()
    }
}

impl Buffered {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(frame) => frame.len(),
            Self::Joined(frames) => frames.len(),
        }
    }

    fn join(&mut self, frame: Bytes) {
        match self {
            Self::Nothing => *self = Self::One(frame),
            Self::One(first) => {
                let mut frames = BytesMut::with_capacity(SMALL);
                frames.extend_from_slice(first);
                frames.extend_from_slice(&frame);
                *self = Self::Joined(frames);
            }
            Self::Joined(frames) => frames.extend_from_slice(&frame),
        }
    }

    fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Nothing => None,
            Self::One(frame) => Some(frame),
            Self::Joined(frames) => Some(frames.freeze()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(coalesce: &mut FrameCoalescer) -> Vec<Bytes> {
        std::iter::from_fn(|| coalesce.due()).collect()
    }

    #[test]
    fn frames_of_a_burst_are_joined_until_a_turn_without_a_frame() {
        let mut coalesce = FrameCoalescer::default();
        assert_eq!(coalesce.wait(0), Wait::NextFrame);
        for (turn, frame) in ["a", "b", "c"].into_iter().enumerate() {
            coalesce.take(Bytes::from_static(frame.as_bytes()), false);
            coalesce.take(Bytes::new(), false);
            assert!(passed(&mut coalesce).is_empty(), "{frame}");
            assert_eq!(coalesce.wait(turn as u64), Wait::NextTurn);
            assert_eq!(coalesce.wait(turn as u64), Wait::NextFrame, "no second request within a turn");
        }
        assert_eq!(coalesce.add_to(SizeHint::with_exact(5)).exact(), Some(8));
        assert_eq!(coalesce.wait(3), Wait::Due);
        assert_eq!(passed(&mut coalesce), ["abc"]);
        assert!(coalesce.is_empty());
        coalesce.take(Bytes::from_static(b"d"), false);
        coalesce.take(Bytes::from_static(b"e"), true);
        assert_eq!(passed(&mut coalesce), ["de"], "no wait after the last frame");
    }

    #[test]
    fn a_stream_that_comes_frame_by_frame_is_rarely_polled_again() {
        let mut coalesce = FrameCoalescer::default();
        let mut checks = 0;
        for turn in 0..u64::from(MAX_EMPTY_CHECKS) + 10 * u64::from(CHECK_EVERY) {
            coalesce.take(Bytes::from_static(b"token"), false);
            let mut tokens = passed(&mut coalesce);
            if coalesce.wait(2 * turn) == Wait::NextTurn {
                checks += 1;
                assert_eq!(coalesce.wait(2 * turn + 1), Wait::Due);
                tokens = passed(&mut coalesce);
            }
            assert_eq!(tokens, ["token"]);
        }
        assert_eq!(checks, u32::from(MAX_EMPTY_CHECKS) + 10);
        // The next check finds the burst; its frames are then joined.
        let mut pieces = 0;
        for _ in 0..100 {
            coalesce.take(Bytes::from_static(b"token"), false);
            pieces += passed(&mut coalesce).len();
        }
        assert!(pieces < usize::from(CHECK_EVERY), "{pieces} frames were not joined");
    }

    #[test]
    fn a_large_frame_follows_the_buffered_bytes_uncopied() {
        let mut coalesce = FrameCoalescer::default();
        let large = Bytes::from(vec![b'x'; SMALL]);
        coalesce.take(Bytes::from_static(b"a"), false);
        coalesce.take(large.clone(), false);
        assert_eq!(coalesce.add_to(SizeHint::default()).lower(), 1 + SMALL as u64);
        let passed = passed(&mut coalesce);
        assert_eq!(passed, [Bytes::from_static(b"a"), large.clone()]);
        assert_eq!(passed[1].as_ptr(), large.as_ptr());
    }

    #[test]
    fn the_buffer_is_bounded() {
        let mut coalesce = FrameCoalescer::default();
        let frame = Bytes::from(vec![b'x'; SMALL - 1]);
        for _ in 0..100 {
            coalesce.take(frame.clone(), false);
            for bytes in passed(&mut coalesce) {
                assert!((FULL..FULL + SMALL).contains(&bytes.len()));
            }
            assert!(coalesce.len() < FULL);
        }
    }
}
