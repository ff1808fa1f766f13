//! Limits how often an event about one subject is logged.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Maximum number of subjects that are remembered. Events about further ones are not logged until others expire.
pub const MOST: usize = 1000;

/// Lets one event of each subject pass per period.
#[derive(Debug)]
pub struct Throttle {
    period: Duration,
    /// The time of each subject's latest event that passed.
    passed: Mutex<HashMap<String, Instant>>,
}

impl Throttle {
    /// Creates a throttle.
    pub fn new(period: Duration) -> Self {
        Self { period, passed: Mutex::default() }
    }

    /// Returns true if no event about `subject` has passed within the period before `now`. The event then passes.
    pub fn passes(&self, subject: &str, now: Instant) -> bool {
        let mut passed = self.passed.lock();
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < self.period;
        if passed.get(subject).is_some_and(is_recent) {
            return false;
        }
        if passed.len() >= MOST && !passed.contains_key(subject) {
            passed.retain(|_, at| is_recent(at));
            if passed.len() >= MOST {
                return false;
            }
        }
        passed.insert(subject.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_of_each_subject_passes_per_period() {
        let (hour, start) = (Duration::from_hours(1), Instant::now());
        let throttle = Throttle::new(hour);
        assert!(throttle.passes("app", start));
        assert!(!throttle.passes("app", start + hour / 2));
        assert!(throttle.passes("other", start));
        assert!(throttle.passes("app", start + hour));
        assert!(!throttle.passes("app", start + hour), "a new period starts");
    }

    #[test]
    fn memory_is_bounded_and_expired_subjects_make_room() {
        let (hour, start) = (Duration::from_hours(1), Instant::now());
        let throttle = Throttle::new(hour);
        for number in 0..MOST {
            assert!(throttle.passes(&number.to_string(), start));
        }
        assert!(!throttle.passes("one more", start));
        assert_eq!(throttle.passed.lock().len(), MOST);
        assert!(throttle.passes("one more", start + hour));
        assert_eq!(throttle.passed.lock().len(), 1);
    }
}
