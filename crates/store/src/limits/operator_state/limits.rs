//! Changes of run-time limits.

use super::{OperatorState, acts, lift_in};
use crate::limits::acts::{Act, Verb};
use crate::limits::overrides::{KIND, MOST_OVERRIDES, Override, OverridesFullError};
use crate::person::Person;
use callsign_core::allowance::Limit;

impl OperatorState {
    /// Changes limits of a person at once: sets values in place of earlier ones, and removes those of `removed`; `by` is the
    /// operator. Returns the number of removed values and the generation of the change.
    ///
    /// # Errors
    /// [`OverridesFullError`]. Nothing is changed then.
    pub fn set_limits(
        &self,
        person: &Person,
        set: &[Override],
        removed: &[Limit],
        by: &str,
    ) -> Result<(usize, u64), OverridesFullError> {
        let texts: Result<Vec<_>, _> = set.iter().map(serde_json::to_string).collect();
        let texts = texts.map_err(|_| OverridesFullError)?;
        let is_theirs = |one: &Override| one.is_of(person.tenant.as_deref(), &person.user);
        let is_set = |limit: Limit| set.iter().any(|new| new.limit == limit);
        self.change(|entries| {
            let (mut earlier, mut others) = (Vec::new(), 0);
            for entry in entries.of(KIND) {
                if Override::of_entry(entry).iter().any(|old| is_set(old.limit) && is_theirs(old)) {
                    earlier.push(entry.op);
                } else {
                    others += 1;
                }
            }
            if !set.is_empty() && others + set.len() > MOST_OVERRIDES {
                return Err(OverridesFullError);
            }
            for text in &texts {
                entries.add(KIND, text);
            }
            for op in earlier {
                entries.lift(KIND, op);
            }
            let is_removed = |one: &Override| removed.contains(&one.limit) && is_theirs(one);
            let count = lift_in(entries, KIND, |entry| Override::of_entry(entry).iter().any(is_removed));
            if !set.is_empty() || count > 0 {
                acts::add(entries, &act(person, set, removed, by));
            }
            Ok((count, entries.generation()))
        })
    }

    /// Removes all run-time limits that are meant, without an act.
    pub(super) fn lift_limits(&self, is_meant: impl Fn(&Override) -> bool) {
        self.lift_entries(KIND, |entry| Override::of_entry(entry).iter().any(&is_meant));
    }
}

/// Returns the act of a change.
fn act(person: &Person, set: &[Override], removed: &[Limit], by: &str) -> Act {
    let verb = if set.is_empty() { Verb::ResetLimits } else { Verb::SetLimits };
    let values = set.iter().map(|one| format!("{}={}", one.limit.name(), one.ceiling.shown(one.limit)));
    let reset = removed.iter().map(|limit| format!("{}=default", limit.name()));
    // All values of one change have the same end.
    let until = set.first().and_then(|one| one.until).map(|until| format!("until {until:.0}"));
    // A change of all limits needs no list of them.
    let detail = if removed.len() == Limit::ALL.len() {
        String::new()
    } else {
        values.chain(reset).chain(until).collect::<Vec<_>>().join(" ")
    };
    Act::about(verb, by, person, Some(detail))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use callsign_core::allowance::Ceiling;

    fn set(user: &str, limit: Limit, amount: i64) -> Override {
        let (since, ceiling) = (Timestamp::UNIX_EPOCH, Ceiling::At(amount));
        let (user, by) = (user.to_owned(), "admin".to_owned());
        Override { user, tenant: None, limit, ceiling, since, until: None, by, forgotten: false }
    }

    fn change(state: &OperatorState, set: &[Override]) -> Result<(usize, u64), OverridesFullError> {
        let person = Person { tenant: None, user: set[0].user.clone() };
        state.set_limits(&person, set, &[], "admin")
    }

    fn reset(state: &OperatorState, tenant: Option<&str>, user: &str, limits: &[Limit]) -> usize {
        let person = Person { tenant: tenant.map(str::to_owned), user: user.to_owned() };
        state.set_limits(&person, &[], limits, "admin").unwrap().0
    }

    fn held(state: &OperatorState) -> Vec<(String, Limit, Ceiling)> {
        let mut held: Vec<_> = state.overrides().iter().map(|one| (one.user.clone(), one.limit, one.ceiling)).collect();
        held.sort_by_key(|(user, limit, _)| (user.clone(), *limit as usize));
        held
    }

    #[test]
    fn a_later_word_replaces_an_earlier_one_and_a_reset_removes_it() {
        let state = OperatorState::default();
        change(&state, &[set("ada", Limit::Rpm, 5), set("ada", Limit::UsdDay, 7)]).unwrap();
        change(&state, &[set("bob", Limit::Rpm, 9)]).unwrap();
        change(&state, &[set("ada", Limit::Rpm, 6)]).unwrap();
        let (rpm, usd) = (|amount| Ceiling::At(amount), Ceiling::At(7));
        let bob = ("bob".to_owned(), Limit::Rpm, rpm(9));
        let ada = |limit, ceiling| ("ada".to_owned(), limit, ceiling);
        assert_eq!(held(&state), [ada(Limit::Rpm, rpm(6)), ada(Limit::UsdDay, usd), bob.clone()]);
        assert_eq!(reset(&state, None, "ada", &[Limit::Rpm]), 1);
        assert_eq!(held(&state), [ada(Limit::UsdDay, usd), bob.clone()]);
        assert_eq!(reset(&state, Some("acme"), "ada", &Limit::ALL), 0);
        assert_eq!(reset(&state, None, "ada", &Limit::ALL), 1);
        assert_eq!(held(&state), [bob]);
    }

    #[test]
    fn only_limits_that_ended_long_ago_are_removed() {
        let state = OperatorState::default();
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (user, ago) in [("long", 100_000), ("just", 10), ("never", -10)] {
            let until = Some(now - SignedDuration::from_secs(ago));
            change(&state, &[Override { until, ..set(user, Limit::Rpm, 1) }]).unwrap();
        }
        state.lift_ended(now, 30);
        let users: Vec<_> = held(&state).into_iter().map(|(user, ..)| user).collect();
        assert_eq!(users, ["just", "never"]);
    }

    #[test]
    fn the_list_is_bounded() {
        let state = OperatorState::default();
        for number in 0..MOST_OVERRIDES {
            let text = serde_json::to_string(&set(&number.to_string(), Limit::Rpm, 1)).unwrap();
            state.0.entries.lock().add(KIND, &text);
        }
        assert_eq!(change(&state, &[set("ada", Limit::Rpm, 1)]), Err(OverridesFullError));
        assert!(change(&state, &[set("7", Limit::Rpm, 2)]).is_ok(), "it replaces one");
        reset(&state, None, "8", &Limit::ALL);
        assert!(change(&state, &[set("ada", Limit::Rpm, 1)]).is_ok());
    }
}
