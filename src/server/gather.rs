//! Joins small frames of a burst, so that they leave in one write instead of one write each.
//!
//! No byte waits for one that has not arrived. hyper hands the frames of an answer over one by one, from the task that reads
//! them to the one that writes them, although dozens of them came in one read: so behind a frame its reader looks a second
//! time, when the other task has had its turn, before it lets go of what it has. (A turn is one poll of the connection's
//! task: within one, hyper asks a body twice.) A stream that comes token by token, where such looks find nothing, is soon
//! looked at seldom.

use bytes::{Bytes, BytesMut};
use http_body::SizeHint;

/// Larger frames pass as they are: copying them would cost more than a write of their own.
const SMALL: usize = 4096;
/// What is held passes at this size.
const FULL: usize = 16 * 1024;
/// After so many looks in a row that found nothing, frames pass at once,
const FRUITLESS: u8 = 4;
/// but for one in so many, behind which there is a look again. Time is no measure here: on a busy machine, which has the
/// most to gain, a frame that is there may take long to come.
const SELDOM: u8 = 8;

/// The frames that are held, at most [`FULL`] and one more, and for one turn of the scheduler.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// What is held is to pass, in front of it what was held before.
    due: bool,
    before: Option<Bytes>,
    held: Held,
    /// The turn in which nothing more was there.
    nothing_in: Option<u64>,
    /// How many looks in a row found nothing.
    fruitless: u8,
    /// Frames that passed without a look since then.
    passed: u8,
}

/// What to do when there is nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Wait for the next frame, or for the turn that has been asked for.
    ForMore,
    /// Ask for another turn.
    ForATurn,
    /// Something is due.
    NoLonger,
}

#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    One(Bytes),
    Joined(BytesMut),
}

impl Gather {
    /// Takes the next frame in; `last` if none comes behind it.
    pub(super) fn take(&mut self, frame: Bytes, last: bool) {
        if frame.is_empty() {
            return;
        }
        if self.held.len() > 0 {
            self.fruitless = 0;
        }
        self.nothing_in = None;
        let passes = last || frame.len() >= SMALL || self.is_calm();
        if frame.len() >= SMALL {
            self.before = std::mem::take(&mut self.held).into_bytes();
            self.held = Held::One(frame);
        } else {
            self.held.join(frame);
        }
        self.due = passes || self.held.len() >= FULL;
    }

    /// Whether this frame needs no look behind it.
    fn is_calm(&mut self) -> bool {
        if self.fruitless < FRUITLESS {
            return false;
        }
        self.passed = (self.passed + 1) % SELDOM;
        self.passed != 0
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

    /// Nothing more is there in this turn. What is held is let go in the next one, for which the caller wakes itself.
    pub(super) fn wait(&mut self, turn: u64) -> Wait {
        match self.nothing_in {
            _ if self.is_empty() => Wait::ForMore,
            None => {
                self.nothing_in = Some(turn);
                Wait::ForATurn
            }
            Some(before) if before == turn => Wait::ForMore,
            Some(_) => {
                self.fruitless = self.fruitless.saturating_add(1);
                self.release();
                Wait::NoLonger
            }
        }
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

    fn passed(gather: &mut Gather) -> Vec<Bytes> {
        std::iter::from_fn(|| gather.due()).collect()
    }

    #[test]
    fn frames_of_a_burst_are_joined_until_a_turn_brings_none() {
        let mut gather = Gather::default();
        assert_eq!(gather.wait(0), Wait::ForMore);
        for (turn, frame) in ["a", "b", "c"].into_iter().enumerate() {
            gather.take(Bytes::from_static(frame.as_bytes()), false);
            gather.take(Bytes::new(), false);
            assert!(passed(&mut gather).is_empty(), "{frame}");
            assert_eq!(gather.wait(turn as u64), Wait::ForATurn);
            assert_eq!(gather.wait(turn as u64), Wait::ForMore, "the same turn says nothing new");
        }
        assert_eq!(gather.add_to(SizeHint::with_exact(5)).exact(), Some(8));
        assert_eq!(gather.wait(3), Wait::NoLonger);
        assert_eq!(passed(&mut gather), ["abc"]);
        assert!(gather.is_empty());
        gather.take(Bytes::from_static(b"d"), false);
        gather.take(Bytes::from_static(b"e"), true);
        assert_eq!(passed(&mut gather), ["de"], "nothing comes behind the last");
    }

    #[test]
    fn a_stream_that_comes_frame_by_frame_is_soon_looked_at_seldom() {
        let mut gather = Gather::default();
        let mut looks = 0;
        for turn in 0..u64::from(FRUITLESS) + 10 * u64::from(SELDOM) {
            gather.take(Bytes::from_static(b"token"), false);
            let mut tokens = passed(&mut gather);
            if gather.wait(2 * turn) == Wait::ForATurn {
                looks += 1;
                assert_eq!(gather.wait(2 * turn + 1), Wait::NoLonger);
                tokens = passed(&mut gather);
            }
            assert_eq!(tokens, ["token"]);
        }
        assert_eq!(looks, u32::from(FRUITLESS) + 10);
        // A burst is found out at the next look, and then joined like any other.
        let mut pieces = 0;
        for _ in 0..100 {
            gather.take(Bytes::from_static(b"token"), false);
            pieces += passed(&mut gather).len();
        }
        assert!(pieces < usize::from(SELDOM), "{pieces} passed by themselves");
    }

    #[test]
    fn a_large_frame_passes_uncopied_behind_what_was_held() {
        let mut gather = Gather::default();
        let large = Bytes::from(vec![b'x'; SMALL]);
        gather.take(Bytes::from_static(b"a"), false);
        gather.take(large.clone(), false);
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
            gather.take(frame.clone(), false);
            for bytes in passed(&mut gather) {
                assert!((FULL..FULL + SMALL).contains(&bytes.len()));
            }
            assert!(gather.len() < FULL);
        }
    }
}
