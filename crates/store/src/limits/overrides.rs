//! Limits of persons that operators set while callsign runs (docs/SPEC.md#run-time-limits). No I/O.
//!
//! An override is for one limit of one person. It wins over what the configuration says of that person.

use std::collections::HashMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{damaged, forgotten};
use crate::state::Entry;
use callsign_core::allowance::{Ceiling, Ceilings, Limit};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::visible::printable;

/// The kind of the entries in the state.
pub const KIND: &str = "limit";
/// Maximum number of overrides.
pub const MOST_OVERRIDES: usize = 10_000;

/// The list has no room for another override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list of run-time limits is full ({MOST_OVERRIDES}): reset those of somebody first")]
pub struct OverridesFullError;

/// One limit of one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Override {
    /// The user id.
    pub user: String,
    /// The tenant, if any.
    pub tenant: Option<String>,
    /// The limit.
    pub limit: Limit,
    /// Its value.
    pub ceiling: Ceiling,
    /// The time at which it was set.
    pub since: Timestamp,
    /// Its end; absent if unlimited.
    pub until: Option<Timestamp>,
    /// The operator who set it: `cli:USER`, or `admin` for the admin API.
    pub by: String,
    /// True if `user` is a digest, because the user was forgotten. The limit stays in force.
    pub forgotten: bool,
}

/// The text of an override in the state.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    limit: String,
    value: String,
    since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    by: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    forgotten: bool,
}

impl From<Override> for Stored {
    fn from(from: Override) -> Self {
        let Override { user, tenant, limit, ceiling, since, until, by, forgotten } = from;
        let value = ceiling.shown(limit);
        Self { user, tenant, limit: limit.name().to_owned(), value, since, until, by, forgotten }
    }
}

impl TryFrom<Stored> for Override {
    type Error = &'static str;

    fn try_from(from: Stored) -> Result<Self, Self::Error> {
        let Stored { user, tenant, limit, value, since, until, by, forgotten } = from;
        let limit = Limit::named(&limit).ok_or("unknown limit")?;
        Ok(Self { user, tenant, limit, ceiling: Ceiling::parse(limit, &value)?, since, until, by, forgotten })
    }
}

impl Override {
    /// Reads an entry of the state.
    pub(super) fn read(entry: &Entry) -> Option<Self> {
        serde_json::from_str(&entry.body).ok()
    }

    /// Returns the limits that hold for an entry. A damaged one whose person, limit and number can be read holds without an
    /// end. A damaged `off` does not hold.
    pub(super) fn of_entry(entry: &Entry) -> Vec<Self> {
        Self::read(entry).map_or_else(|| Self::of_damaged(&entry.body), |whole| vec![whole])
    }

    fn of_damaged(text: &str) -> Vec<Self> {
        let (members, is_whole) = damaged::members(text);
        let text = |member| members.get(member).and_then(Value::as_str).map(str::to_owned);
        let tenant = match members.get("tenant") {
            Some(Value::String(tenant)) => Some(tenant.clone()),
            Some(Value::Null) | None => None,
            Some(_) => return Vec::new(),
        };
        let (Some(user), Some(limit), Some(value)) = (text("user"), text("limit"), text("value")) else {
            return Vec::new();
        };
        let stored = |forgotten| Stored {
            user: user.clone(),
            tenant: tenant.clone(),
            limit: limit.clone(),
            value: value.clone(),
            since: Timestamp::UNIX_EPOCH,
            until: None,
            by: text("by").unwrap_or_default(),
            forgotten,
        };
        let readings = damaged::forgotten(&members, is_whole, &user);
        let limits = readings.filter_map(|forgotten| Self::try_from(stored(forgotten)).ok());
        limits.filter(|one| one.ceiling != Ceiling::Off).collect()
    }

    /// Returns true if its time is not over.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Returns true if it is of this person.
    pub fn is_of(&self, tenant: Option<&str>, user: &str) -> bool {
        forgotten::is_same(&self.user, self.forgotten, user) && self.tenant.as_deref() == tenant
    }
}

/// Names the value, its end and its operator, without the person.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, ceiling, since, until, by, .. } = self;
        write!(f, "{}={} ", limit.name(), ceiling.shown(*limit))?;
        match until {
            Some(until) => write!(f, "until {until:.0}")?,
            None => f.write_str("without an end")?,
        }
        write!(f, ", set by {} at {since:.0}", printable(by))
    }
}

/// The overrides in force, by user id.
#[derive(Clone, Debug, Default)]
pub struct OverrideList {
    by_user: HashMap<String, Vec<Override>>,
    /// The overrides of forgotten users, by digest.
    forgotten: HashMap<String, Vec<Override>>,
    only_tighten: bool,
}

impl OverrideList {
    /// Creates the list. If `only_tighten` is true, no value exceeds what is configured (the list may come from Redis,
    /// which others can write to).
    pub fn new(overrides: impl IntoIterator<Item = Override>, only_tighten: bool) -> Self {
        let mut list = Self { only_tighten, ..Self::default() };
        for one in overrides {
            let map = if one.forgotten { &mut list.forgotten } else { &mut list.by_user };
            map.entry(one.user.clone()).or_default().push(one);
        }
        // They come in any order, and are shown in the order of limits.
        for own in list.by_user.values_mut().chain(list.forgotten.values_mut()) {
            own.sort_by_key(|one| (one.limit as usize, one.since));
        }
        list
    }

    /// Returns true if there is no override.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty() && self.forgotten.is_empty()
    }

    /// Returns true if no value can exceed what is configured.
    pub fn only_tightens(&self) -> bool {
        self.only_tighten
    }

    /// Iterates over all overrides.
    pub fn iter(&self) -> impl Iterator<Item = &Override> {
        self.by_user.values().chain(self.forgotten.values()).flatten()
    }

    /// Returns true if any override is a limit of this kind.
    pub fn any(&self, is_meant: impl Fn(Limit) -> bool) -> bool {
        self.iter().any(|one| one.ceiling != Ceiling::Off && is_meant(one.limit))
    }

    /// Describes the overrides that hold now, up to `most` of them, with their persons.
    pub fn described(&self, most: usize) -> Vec<String> {
        let now = Timestamp::now();
        let mut all: Vec<_> = self.iter().filter(|one| one.holds(now)).collect();
        all.sort_by_key(|one| (&one.user, &one.tenant, one.limit as usize));
        let of = |one: &Override| {
            let tenant = one.tenant.as_ref().map(|tenant| format!(" of tenant {}", printable(tenant)));
            format!("{}{}: {one}", printable(&one.user), tenant.unwrap_or_default())
        };
        let more = all.len().saturating_sub(most);
        let mut lines: Vec<_> = all.into_iter().take(most).map(of).collect();
        if more > 0 {
            lines.push(format!("… and {more} more"));
        }
        lines
    }

    /// Returns the overrides of a person that hold now.
    pub fn of<'l>(&'l self, tenant: Option<&'l str>, user: &str) -> impl Iterator<Item = &'l Override> {
        let own = self.by_user.get(user).into_iter();
        let digest = (!self.forgotten.is_empty()).then(|| forgotten::digest(user));
        let forgotten = digest.and_then(|digest| self.forgotten.get(&digest));
        let now = Timestamp::now();
        own.chain(forgotten).flatten().filter(move |one| one.tenant.as_deref() == tenant && one.holds(now))
    }

    /// Returns the limits of a caller whose configured limits are these. If two nodes set one limit while they were apart,
    /// the lower value holds.
    pub fn over(&self, caller: &CallerIdentity<'_>, configured: Ceilings) -> Ceilings {
        let Some(user) = caller.user.filter(|_| !self.is_empty()) else { return configured };
        let mut set = [None; Limit::ALL.len()];
        for one in self.of(caller.tenant, user) {
            let amount = match one.ceiling {
                Ceiling::Off => i64::MAX,
                Ceiling::At(amount) => amount,
            };
            let lowest: &mut Option<i64> = &mut set[one.limit as usize];
            *lowest = Some(lowest.map_or(amount, |lowest| lowest.min(amount)));
        }
        let mut ceilings = configured;
        for (ceiling, set) in ceilings.0.iter_mut().zip(set) {
            let Some(amount) = set else { continue };
            let amount = if self.only_tighten { amount.min(ceiling.unwrap_or(i64::MAX)) } else { amount };
            *ceiling = Some(amount).filter(|amount| *amount != i64::MAX);
        }
        ceilings
    }
}

#[cfg(test)]
mod tests;
