//! Sets and resets run-time limits (docs/SPEC.md#run-time-limits).

use std::time::Duration;

use jiff::Timestamp;

use super::{Knowledge, OrderError, Resolved, Unchecked, Wanted};
use crate::limits::operator_state::OperatorState;
use crate::limits::overrides::Override;
use crate::limits::rules::Rules;
use crate::person::Person;
use callsign_core::allowance::{Ceiling, Limit};
use callsign_core::identity::caller_identity::CallerIdentity;

/// A value for one limit: `None` returns it to what is configured.
pub type Value = (Limit, Option<Ceiling>);

/// Parses a value: `off`, `default`, dollars for a limit on money, else a whole number.
///
/// # Errors
/// A message that states the accepted names or values.
pub fn value(name: &str, text: &str) -> Result<Value, String> {
    let Some(limit) = Limit::named(name) else {
        let names = Limit::ALL.map(Limit::name).join(", ");
        return Err(format!("unknown limit; the limits are {names}"));
    };
    if text.trim() == "default" {
        return Ok((limit, None));
    }
    let parsed = Ceiling::parse(limit, text).map_err(|accepted| format!("{name} {accepted}, or default"))?;
    Ok((limit, Some(parsed)))
}

/// A request to change the limits of a person.
#[derive(Clone, Debug)]
pub struct Order {
    /// The user's id, or an identifier of any kind.
    pub id: String,
    /// The tenant: absent for any, empty for none.
    pub tenant: Option<String>,
    /// The new values.
    pub values: Vec<Value>,
    /// The time for which they hold; unlimited if absent.
    pub time: Option<Duration>,
    /// The operator, for the list and the audit log.
    pub by: String,
    /// True if the id may be one that was never seen.
    pub unseen: bool,
    /// True if only user ids are searched.
    pub user_id: bool,
}

/// A change of a person's limits.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The person.
    pub person: Person,
    /// The values that were set.
    pub set: Vec<Override>,
    /// The number of values that were removed.
    pub removed: usize,
    /// The generation of the state that has the change.
    pub generation: u64,
    /// Set if the id was used as written without a look-up.
    pub unchecked: Option<Unchecked>,
}

/// Changes a person's limits in this process. The exchange with other processes follows.
///
/// # Errors
/// [`OrderError`]. Nothing is changed then.
pub async fn set(
    state: &OperatorState,
    rules: &Rules,
    knowledge: Knowledge<'_>,
    order: Order,
) -> Result<Changed, OrderError> {
    let Order { id, tenant, values, time, by, unseen, user_id } = order;
    if let Some((limit, _)) =
        values.iter().enumerate().find_map(|(at, value)| values.iter().take(at).find(|earlier| earlier.0 == value.0))
    {
        return Err(OrderError::Twice(limit.name()));
    }
    let wanted = Wanted { id: &id, tenant: tenant.as_deref(), unseen, user_id };
    let (person, unchecked) = person(state, knowledge, wanted).await?;
    let since = Timestamp::now();
    let until = time.map(|time| since.saturating_add(time).unwrap_or(Timestamp::MAX));
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    for (limit, ceiling) in values {
        let Person { tenant, user } = person.clone();
        match ceiling {
            Some(ceiling) => {
                let by = by.clone();
                set.push(Override { user, tenant, limit, ceiling, since, until, by, forgotten: false });
            }
            None => removed.push(limit),
        }
    }
    if state.overrides().only_tightens()
        && let Some(looser) = set.iter().find(|one| is_looser(rules, one))
    {
        return Err(OrderError::Looser(looser.limit.name()));
    }
    let (count, generation) = state.set_limits(&person, &set, &removed, &by)?;
    Ok(Changed { person, set, removed: count, generation, unchecked })
}

/// Returns all limits of a person to what is configured, in this process; `by` is the operator. The exchange with other
/// processes follows.
///
/// # Errors
/// [`OrderError`]. Nothing is changed then.
pub async fn reset(
    state: &OperatorState,
    knowledge: Knowledge<'_>,
    id: &str,
    tenant: Option<&str>,
    by: &str,
) -> Result<Changed, OrderError> {
    // Somebody with a run-time limit counts as seen.
    let wanted = Wanted { id, tenant, unseen: true, user_id: false };
    let (person, unchecked) = person(state, knowledge, wanted).await?;
    let (removed, generation) = state.set_limits(&person, &[], &Limit::ALL, by)?;
    Ok(Changed { person, set: Vec::new(), removed, generation, unchecked })
}

/// Finds the person. A run-time limit is of exactly one: an id that is used as written is of the named tenant, or of none.
async fn person(
    state: &OperatorState,
    knowledge: Knowledge<'_>,
    wanted: Wanted<'_>,
) -> Result<(Person, Option<Unchecked>), OrderError> {
    Ok(match knowledge.resolve(state, wanted).await? {
        Resolved::Person(person) => (person, None),
        Resolved::AsWritten(tenant, unchecked) => {
            let tenant = tenant.filter(|tenant| !tenant.is_empty());
            (Person { tenant, user: wanted.id.to_owned() }, unchecked)
        }
    })
}

/// Returns true if the value exceeds what the configuration says of the person. Limits of keys are not known here.
fn is_looser(rules: &Rules, one: &Override) -> bool {
    let caller = CallerIdentity { tenant: one.tenant.as_deref(), user: Some(&one.user), ..CallerIdentity::default() };
    let Some(configured) = rules.configured(&caller).of(one.limit) else { return false };
    match one.ceiling {
        Ceiling::Off => true,
        Ceiling::At(amount) => amount > configured,
    }
}
