//! The audit log in the state, and the digests of forgotten users (docs/SPEC.md#audit-log, docs/SPEC.md#forget).

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::OperatorState;
use crate::limits::acts::{Act, KIND, MOST_ACTS, MOST_READS, Verb};
use crate::limits::blocks::content;
use crate::limits::forgotten::digest;
use crate::limits::keys::changes;
use crate::limits::overrides::{self, Override};
use crate::state::entries::LONGEST_BODY;
use crate::state::{Entries, Entry};

/// The names of a user who is to be forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The user id, and the identifiers that were sent for the user.
    pub all: &'a [String],
    /// The tenant, if any.
    pub tenant: Option<&'a str>,
}

impl Names<'_> {
    /// Returns true if a stored id is the user's. A stored tenant is absent for any, and empty for none.
    fn has(&self, id: &str, tenant: Option<&str>) -> bool {
        let is_theirs = tenant.is_none_or(|tenant| tenant == self.tenant.unwrap_or_default());
        is_theirs && self.all.iter().any(|name| name == id)
    }
}

impl OperatorState {
    /// Returns the acts since a time and of an operator, or all, latest first.
    pub fn acts(&self, since: Option<Timestamp>, by: Option<&str>) -> Vec<Act> {
        let is_meant = |act: &Act| since.is_none_or(|since| act.at >= since) && by.is_none_or(|by| by == act.by);
        let entries = self.0.entries.lock();
        let acts = entries.of(KIND).filter_map(|entry| Some((entry.op, Act::read(entry).filter(is_meant)?)));
        let mut acts: Vec<_> = acts.collect();
        acts.sort_by_key(|(op, act)| std::cmp::Reverse((act.at, *op)));
        acts.into_iter().map(|(_, act)| act).collect()
    }

    /// Adds an act that changes nothing else here. Returns the generation of the change.
    pub fn record(&self, act: &Act) -> u64 {
        self.change(|entries| {
            add(entries, act);
            entries.generation()
        })
    }

    /// Replaces a user's names by digests, in blocks, run-time limits and the audit log, and removes the texts about the
    /// user. Blocks and limits stay in force. The user's keys are revoked. Returns the number of entries and the generation of the change.
    pub fn forget(&self, names: Names<'_>, act: &Act) -> (usize, u64) {
        let seal = self.keys().seal();
        self.change(|entries| {
            let is_of = |user: &str, tenant: &str| names.has(user, Some(tenant));
            let of_keys = changes::forget(entries, seal.as_deref(), names.all, is_of);
            let mut renamed = Vec::new();
            for kind in [content::KIND, overrides::KIND, KIND] {
                renamed.extend(entries.of(kind).filter_map(|entry| {
                    let body = without_names(entry, names)?;
                    Some((kind, entry.op, body))
                }));
            }
            for (kind, op, body) in &renamed {
                entries.add(kind, body);
                entries.lift(kind, *op);
            }
            let subject = digest(&act.subject);
            add(entries, &Act { subject, forgotten: true, ..act.clone() });
            (renamed.len() + of_keys, entries.generation())
        })
    }

    /// Removes acts that are older than this many days.
    pub(super) fn lift_old_acts(&self, now: Timestamp, days: u32) {
        let age = SignedDuration::from_hours(24 * i64::from(days));
        self.lift_entries(KIND, |entry| Act::read(entry).is_some_and(|act| now.duration_since(act.at) > age));
    }
}

/// Adds an act. Removes the oldest if there are too many.
pub(super) fn add(entries: &mut Entries, act: &Act) {
    let text = text(act).filter(|text| text.len() <= LONGEST_BODY);
    // A long detail may consist of characters that need six bytes.
    let Some(text) = text.or_else(|| text_without_detail(act)) else { return };
    entries.add(KIND, &text);
    if act.act == Verb::Read.name() {
        lift_oldest(entries, MOST_READS, Act::is_read);
    }
    lift_oldest(entries, MOST_ACTS, |_| true);
}

/// Removes the oldest acts of a kind if there are more than `most`.
fn lift_oldest(entries: &mut Entries, most: usize, is_meant: impl Fn(&Entry) -> bool) {
    let mut ops: Vec<_> = entries.of(KIND).filter(|entry| is_meant(entry)).map(|entry| entry.op).collect();
    if ops.len() > most {
        // Ids sort by time.
        ops.sort_unstable();
        for op in ops.iter().take(ops.len() - most) {
            entries.lift(KIND, *op);
        }
    }
}

fn text(value: &impl Serialize) -> Option<String> {
    // Cannot fail: the types are texts, numbers and times.
    serde_json::to_string(value).ok()
}

fn text_without_detail(act: &Act) -> Option<String> {
    text(&Act { detail: None, ..act.clone() })
}

/// Returns the text of an entry of the user with a digest instead of the name; `None` if it is not the user's.
fn without_names(entry: &Entry, names: Names<'_>) -> Option<String> {
    match &*entry.kind {
        content::KIND => {
            let mut block = content::block(entry)?;
            let is_theirs = !block.forgotten && names.has(&block.id, block.tenant.as_deref());
            (block.id, block.forgotten, block.reason) = (digest(&block.id), true, None);
            text(&block).filter(|_| is_theirs)
        }
        overrides::KIND => {
            let mut one = Override::read(entry)?;
            let is_theirs = !one.forgotten && names.has(&one.user, Some(one.tenant.as_deref().unwrap_or_default()));
            (one.user, one.forgotten) = (digest(&one.user), true);
            text(&one).filter(|_| is_theirs)
        }
        _ => {
            let mut act = Act::read(entry)?;
            let is_theirs = !act.forgotten && names.has(&act.subject, act.tenant.as_deref());
            (act.subject, act.forgotten, act.detail) = (digest(&act.subject), true, None);
            text(&act).filter(|_| is_theirs)
        }
    }
}

#[cfg(test)]
mod tests;
