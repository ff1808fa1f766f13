//! Auto-block: counts refusals by providers per user and suspends a user after too many, so that one abuser does not
//! cost the operator the OpenRouter account (docs/SPEC.md#auto-block). Each process counts its own requests. A
//! suspension is an ordinary block.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};

use super::subject::Subject;
use crate::limits::settings::AutoBlock;

/// Maximum number of users with counted refusals. When it is reached, the counts are reset.
const MOST: usize = 10_000;

/// Refusals by user.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    of: Mutex<HashMap<Subject, VecDeque<i64>>>,
}

impl Refusals {
    /// Counts a refusal. Returns true if the user must be suspended, and then resets the user's count.
    pub(super) fn count(&self, auto_block: AutoBlock, subject: Subject, now_ms: i64) -> bool {
        let mut of = self.of.lock();
        let since = now_ms - i64::try_from(auto_block.within.as_millis()).unwrap_or(i64::MAX);
        if of.len() >= MOST {
            of.retain(|_, times| times.back().is_some_and(|last| *last > since));
            if of.len() >= MOST {
                of.clear();
            }
        }
        let times = of.entry(subject).or_default();
        times.retain(|at| *at > since);
        times.push_back(now_ms);
        let is_enough = times.len() >= auto_block.refusals as usize;
        if is_enough {
            of.remove(&subject);
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn enough_within_the_time_is_too_many() {
        let auto_block = AutoBlock { refusals: 3, within: Duration::from_secs(10), suspend: Duration::from_mins(1) };
        let refusals = Refusals::default();
        let (ada, bob) = (Subject::user(None, "ada"), Subject::user(None, "bob"));
        let at = |subject, seconds: i64| refusals.count(auto_block, subject, seconds * 1000);
        assert_eq!([at(ada, 0), at(ada, 5), at(bob, 5), at(ada, 10)], [false; 4], "the first is too long ago");
        assert!(at(ada, 11));
        assert_eq!([at(ada, 12), at(bob, 12)], [false; 2], "the count restarts");
    }
}
