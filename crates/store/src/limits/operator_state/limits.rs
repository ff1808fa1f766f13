//! Changes of run-time limits.

use super::OperatorState;
use crate::limits::overrides::{KIND, MOST_OVERRIDES, Override, OverridesFullError};
use callsign_core::allowance::Limit;

impl OperatorState {
    /// Sets limits, in place of earlier values of the same person and limit. Returns the generation of the change.
    ///
    /// # Errors
    /// [`OverridesFullError`]. Nothing is changed then.
    pub fn set_limits(&self, wanted: &[Override]) -> Result<u64, OverridesFullError> {
        let texts: Result<Vec<_>, _> = wanted.iter().map(serde_json::to_string).collect();
        let texts = texts.map_err(|_| OverridesFullError)?;
        self.change(|entries| {
            let (mut earlier, mut others) = (Vec::new(), 0);
            for entry in entries.of(KIND) {
                let read = Override::read(entry);
                let is_replaced = read.is_some_and(|old| {
                    wanted.iter().any(|new| new.limit == old.limit && old.is_of(new.tenant.as_deref(), &new.user))
                });
                if is_replaced {
                    earlier.push(entry.op);
                } else {
                    others += 1;
                }
            }
            if others + wanted.len() > MOST_OVERRIDES {
                return Err(OverridesFullError);
            }
            for text in &texts {
                entries.add(KIND, text);
            }
            for op in earlier {
                entries.lift(KIND, op);
            }
            Ok(entries.generation())
        })
    }

    /// Removes run-time limits of a person, all of them or these. Returns their number and the generation of the change.
    pub fn reset_limits(&self, tenant: Option<&str>, user: &str, limits: &[Limit]) -> (usize, u64) {
        self.lift_limits(|one| one.is_of(tenant, user) && (limits.is_empty() || limits.contains(&one.limit)))
    }

    /// Lifts all run-time limits that are meant.
    pub(super) fn lift_limits(&self, is_meant: impl Fn(&Override) -> bool) -> (usize, u64) {
        self.lift_entries(KIND, |entry| Override::read(entry).is_some_and(|one| is_meant(&one)))
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use callsign_core::allowance::Ceiling;

    fn set(user: &str, limit: Limit, amount: i64) -> Override {
        let (since, ceiling) = (Timestamp::UNIX_EPOCH, Ceiling::At(amount));
        Override { user: user.to_owned(), tenant: None, limit, ceiling, since, until: None, by: "admin".to_owned() }
    }

    fn held(state: &OperatorState) -> Vec<(String, Limit, Ceiling)> {
        let mut held: Vec<_> = state.overrides().iter().map(|one| (one.user.clone(), one.limit, one.ceiling)).collect();
        held.sort_by_key(|(user, limit, _)| (user.clone(), *limit as usize));
        held
    }

    #[test]
    fn a_later_word_replaces_an_earlier_one_and_a_reset_removes_it() {
        let state = OperatorState::default();
        state
            .set_limits(&[set("ada", Limit::Rpm, 5), set("ada", Limit::UsdDay, 7), set("bob", Limit::Rpm, 9)])
            .unwrap();
        state.set_limits(&[set("ada", Limit::Rpm, 6)]).unwrap();
        let (rpm, usd) = (|amount| Ceiling::At(amount), Ceiling::At(7));
        let bob = ("bob".to_owned(), Limit::Rpm, rpm(9));
        let ada = |limit, ceiling| ("ada".to_owned(), limit, ceiling);
        assert_eq!(held(&state), [ada(Limit::Rpm, rpm(6)), ada(Limit::UsdDay, usd), bob.clone()]);
        assert_eq!(state.reset_limits(None, "ada", &[Limit::Rpm]).0, 1);
        assert_eq!(held(&state), [ada(Limit::UsdDay, usd), bob.clone()]);
        assert_eq!(state.reset_limits(Some("acme"), "ada", &[]).0, 0);
        assert_eq!(state.reset_limits(None, "ada", &[]).0, 1);
        assert_eq!(held(&state), [bob]);
    }

    #[test]
    fn only_limits_that_ended_long_ago_are_removed() {
        let state = OperatorState::default();
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (user, ago) in [("long", 100_000), ("just", 10), ("never", -10)] {
            let until = Some(now - SignedDuration::from_secs(ago));
            state.set_limits(&[Override { until, ..set(user, Limit::Rpm, 1) }]).unwrap();
        }
        state.lift_ended(now);
        let users: Vec<_> = held(&state).into_iter().map(|(user, ..)| user).collect();
        assert_eq!(users, ["just", "never"]);
    }

    #[test]
    fn the_list_is_bounded() {
        let state = OperatorState::default();
        let all: Vec<_> = (0..MOST_OVERRIDES).map(|number| set(&number.to_string(), Limit::Rpm, 1)).collect();
        state.set_limits(&all).unwrap();
        assert_eq!(state.set_limits(&[set("ada", Limit::Rpm, 1)]), Err(OverridesFullError));
        assert!(state.set_limits(&[set("7", Limit::Rpm, 2)]).is_ok(), "it replaces one");
        state.reset_limits(None, "8", &[]);
        assert!(state.set_limits(&[set("ada", Limit::Rpm, 1)]).is_ok());
    }
}
