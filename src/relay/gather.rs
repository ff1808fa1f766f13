//! Joins small frames of a burst, so that they leave in one write instead of one write each.
//!
//! No byte waits for one that has not arrived. hyper hands the frames of an answer over one by one, from one task to
//! another, although dozens of them came in one read: so behind a frame that came at once its reader looks a second time,
//! when the other task has had its turn, before it lets go of what it has. A frame that was waited for, as the tokens of a
//! model mostly are, passes at once.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::SizeHint;

/// Larger frames pass as they are: copying them would cost more than a write of their own.
const SMALL: usize = 4096;
/// What is held passes at this size.
const FULL: usize = 16 * 1024;
/// A frame that came sooner than this after the last is taken for a part of a burst. Models make a token in milliseconds;
/// a frame that has arrived already takes microseconds.
const BURST: Duration = Duration::from_micros(200);

/// The frames that are held, at most [`FULL`] and one more, and for one turn of the scheduler.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// What is held is to pass, in front of it what was held before.
    due: bool,
    before: Option<Bytes>,
    held: Held,
    /// Whether the second look has been taken since the last frame came.
    looked: bool,
}

#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    One(Bytes),
    Joined(BytesMut),
}

impl Gather {
    /// Takes the next frame in, which was waited for so long; `last` if none comes behind it.
    pub(super) fn take(&mut self, frame: Bytes, waited: Duration, last: bool) {
        if frame.is_empty() {
            return;
        }
        self.looked = false;
        let passes = last || frame.len() >= SMALL || (self.held.len() == 0 && waited > BURST);
        if frame.len() >= SMALL {
            self.before = std::mem::take(&mut self.held).into_bytes();
            self.held = Held::One(frame);
        } else {
            self.held.join(frame);
        }
        self.due = passes || self.held.len() >= FULL;
    }

    /// The next bytes that are to pass.
    pub(super) fn due(&mut self) -> Option<Bytes> {
        if !self.due {
            return None;
        }
        if let Some(before) = self.before.take() {
            return Some(before);
        }
        self.due = false;
        std::mem::take(&mut self.held).into_bytes()
    }

    /// Lets go of all that is held.
    pub(super) fn release(&mut self) {
        self.due = !self.is_empty();
    }

    /// Whether to look once more before that; tells yes once behind every frame.
    pub(super) fn looks_again(&mut self) -> bool {
        !self.is_empty() && !std::mem::replace(&mut self.looked, true)
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of a body of which this holds a part.
    pub(super) fn add_to(&self, mut rest: SizeHint) -> SizeHint {
        let held = self.len() as u64;
        if let Some(upper) = rest.upper() {
            rest.set_upper(upper + held);
        }
        rest.set_lower(rest.lower() + held);
        rest
    }

    fn len(&self) -> usize {
        self.before.as_ref().map_or(0, Bytes::len) + self.held.len()
    }
}

impl Held {
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

    const AT_ONCE: Duration = Duration::ZERO;
    const WAITED: Duration = Duration::from_millis(1);

    fn passed(gather: &mut Gather) -> Vec<Bytes> {
        std::iter::from_fn(|| gather.due()).collect()
    }

    #[test]
    fn a_frame_that_was_waited_for_passes_at_once() {
        let mut gather = Gather::default();
        for _ in 0..3 {
            gather.take(Bytes::from_static(b"token"), WAITED, false);
            assert_eq!(passed(&mut gather), ["token"]);
            assert!(gather.is_empty() && !gather.looks_again());
        }
    }

    #[test]
    fn frames_of_a_burst_are_joined_until_a_second_look_finds_none() {
        let mut gather = Gather::default();
        for frame in ["a", "b", "", "c"] {
            gather.take(Bytes::from_static(frame.as_bytes()), AT_ONCE, false);
            assert!(passed(&mut gather).is_empty(), "{frame}");
            assert_eq!(gather.looks_again(), !frame.is_empty(), "one more look behind every frame");
        }
        assert!(!gather.looks_again(), "and no further");
        assert_eq!(gather.add_to(SizeHint::with_exact(5)).exact(), Some(8));
        gather.release();
        assert_eq!(passed(&mut gather), ["abc"]);
        assert!(gather.is_empty());
        // What is held has begun a burst: how long the next was waited for says nothing any more.
        gather.take(Bytes::from_static(b"d"), AT_ONCE, false);
        gather.take(Bytes::from_static(b"e"), WAITED, false);
        assert!(passed(&mut gather).is_empty());
        gather.take(Bytes::from_static(b"f"), AT_ONCE, true);
        assert_eq!(passed(&mut gather), ["def"], "nothing comes behind the last");
    }

    #[test]
    fn a_large_frame_passes_uncopied_behind_what_was_held() {
        let mut gather = Gather::default();
        let large = Bytes::from(vec![b'x'; SMALL]);
        gather.take(Bytes::from_static(b"a"), AT_ONCE, false);
        gather.take(large.clone(), AT_ONCE, false);
        assert_eq!(gather.add_to(SizeHint::default()).lower(), 1 + SMALL as u64);
        let passed = passed(&mut gather);
        assert_eq!(passed, [Bytes::from_static(b"a"), large.clone()]);
        assert_eq!(passed[1].as_ptr(), large.as_ptr());
    }

    #[test]
    fn what_is_held_stays_bounded() {
        let mut gather = Gather::default();
        let frame = Bytes::from(vec![b'x'; SMALL - 1]);
        for _ in 0..100 {
            gather.take(frame.clone(), AT_ONCE, false);
            for bytes in passed(&mut gather) {
                assert!((FULL..FULL + SMALL).contains(&bytes.len()));
            }
            assert!(gather.len() < FULL);
        }
    }
}
