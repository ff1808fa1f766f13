//! Records reads about single users in the audit log (docs/SPEC.md#audit-log): one row an hour for each token and user.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use callsign_store::limits::acts::{Act, Verb};
use callsign_store::limits::operator_state::OperatorState;

/// Time after which a read is recorded again.
const AGAIN: Duration = Duration::from_hours(1);
/// Maximum number of remembered reads. Then all are forgotten, and recorded again.
const MOST: usize = 1_000;
/// Maximum length of a subject in bytes, as everywhere in the state.
const LONGEST: usize = 1_024;

/// The latest time of each read, by token and user.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<HashMap<(String, String), Instant>>);

impl Reads {
    /// Records that the token `by` read about `subject`, which is empty for many users, at `path`.
    pub(crate) fn record(&self, state: &OperatorState, by: &str, subject: &str, path: &str) {
        let subject: String = subject.chars().take(LONGEST / 4).collect();
        let key = (by.to_owned(), if subject.is_empty() { path.to_owned() } else { subject.clone() });
        let now = Instant::now();
        {
            let mut seen = self.0.lock();
            if seen.get(&key).is_some_and(|at| now.duration_since(*at) < AGAIN) {
                return;
            }
            if seen.len() >= MOST {
                seen.clear();
            }
            seen.insert(key, now);
        }
        // A path may hold an id, which is the subject then.
        let detail = if subject.is_empty() { path.to_owned() } else { "about one user".to_owned() };
        state.record(&Act::new(Verb::Read, by, &subject, None, Some(detail)));
    }
}
