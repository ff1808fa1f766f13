//! Finished requests, summed in memory until they are added to the tables of sums, identifiers and users.
//!
//! Requests with the same caller, identifiers, model and hour form one group. So the number of table updates grows
//! with callers, not with requests.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::context::Context;
use super::grain::Grain;
use super::names::{Name, Names};
use super::row::Row;
use super::sums::Sums;

/// A key of `sums`. Absent texts are `""`, because key columns do not permit NULL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SumKey {
    pub(super) grain: i64,
    pub(super) bucket_us: i64,
    pub(super) tenant: Name,
    pub(super) key: Name,
    pub(super) user: Name,
    pub(super) model: Name,
    pub(super) endpoint: Name,
}

/// A key of `errors`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ErrorKey {
    pub(super) bucket_us: i64,
    pub(super) tenant: Name,
    pub(super) key: Name,
    pub(super) user: Name,
    pub(super) kind: Name,
}

/// A key of `identifiers`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdentifierKey {
    pub(super) kind: i64,
    pub(super) identifier: Name,
    pub(super) tenant: Name,
    pub(super) user: Name,
    pub(super) key: Name,
}

/// First and last time, and number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) first_us: i64,
    pub(super) last_us: i64,
    pub(super) requests: i64,
}

/// The kind `user` of an identifier.
pub(super) const USER: i64 = 0;
/// The kind `session`.
pub(super) const SESSION: i64 = 1;
/// The kind `chat`.
pub(super) const CHAT: i64 = 2;
/// The form of an identifier as the caller states it.
pub(super) const INTERNAL: i64 = 1;
/// The form of an identifier as sent upstream.
pub(super) const SENT: i64 = 2;

/// All increments of the tables, sorted by key. The fixed order prevents deadlocks between two writers.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Folded {
    pub(super) sums: BTreeMap<SumKey, Sums>,
    pub(super) errors: BTreeMap<ErrorKey, i64>,
    pub(super) identifiers: BTreeMap<IdentifierKey, (i64, Seen)>,
    pub(super) users: BTreeMap<(Name, Name), (Option<Name>, Seen)>,
}

/// Requests of one group.
#[derive(Debug)]
struct Group {
    hour_us: i64,
    context: Arc<Context>,
    model: Option<Name>,
    error: Option<Name>,
    sums: Sums,
    seen: Seen,
}

/// The groups of requests that are not yet in the tables.
#[derive(Debug, Default)]
pub(super) struct Tally {
    hasher: RandomState,
    groups: HashMap<u64, Vec<Group>, RandomState>,
}

impl Tally {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the approximate number of groups, which determines the cost of adding them to the tables.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        self.groups.clear();
    }

    /// Counts a request if it has finished.
    pub(super) fn add(&mut self, row: &Row) {
        let (Some(ended), Some(sums)) = (&row.ended, Sums::of(row)) else { return };
        let hour_us = Grain::Hour.bucket(row.began_us);
        let error = ended.error_kind();
        let hash = self.hasher.hash_one((row.context.id, hour_us, &ended.model, &error));
        let alike = self.groups.entry(hash).or_default();
        let found = alike.iter_mut().find(|group| {
            group.context.id == row.context.id
                && group.hour_us == hour_us
                && group.model == ended.model
                && group.error == error
        });
        let seen = Seen { first_us: row.began_us, last_us: row.began_us, requests: 1 };
        if let Some(group) = found {
            group.sums.add(&sums);
            group.seen.add(seen);
        } else {
            let (context, model) = (Arc::clone(&row.context), ended.model.clone());
            alike.push(Group { hour_us, context, model, error, sums, seen });
        }
    }

    /// Returns the increments of the tables.
    pub(super) fn folded(&self) -> Folded {
        let mut folded = Folded::default();
        let empty: Name = "".into();
        for group in self.groups.values().flatten() {
            group.fold(&mut folded, &empty);
        }
        folded
    }
}

impl Folded {
    /// Adds to the sum that contains a request.
    pub(super) fn shift(&mut self, grain: Grain, row: &Row, sums: Option<Sums>) {
        let Some((ended, sums)) = row.ended.as_ref().zip(sums) else { return };
        let empty: Name = "".into();
        let names = SumNames::of(&row.context.names, ended.model.as_ref(), &empty);
        self.sums.entry(names.sum_key(grain, row.began_us, &empty)).or_default().add(&sums);
    }
}

/// The dimensions of a sum.
struct SumNames<'n> {
    tenant: &'n Name,
    key: &'n Name,
    user: &'n Name,
    model: &'n Name,
    endpoint: &'n Name,
}

impl<'n> SumNames<'n> {
    fn of(names: &'n Names, model: Option<&'n Name>, empty: &'n Name) -> Self {
        Self {
            tenant: names.tenant.as_ref().unwrap_or(empty),
            key: &names.key,
            user: names.user.as_ref().unwrap_or(empty),
            model: model.unwrap_or(empty),
            endpoint: &names.endpoint,
        }
    }

    fn sum_key(&self, grain: Grain, us: i64, empty: &Name) -> SumKey {
        let full = |name: &Name| Arc::clone(if grain == Grain::Curve { empty } else { name });
        SumKey {
            grain: grain.code(),
            bucket_us: grain.bucket(us),
            tenant: Arc::clone(self.tenant),
            key: full(self.key),
            user: full(self.user),
            model: Arc::clone(self.model),
            endpoint: full(self.endpoint),
        }
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
        self.requests += other.requests;
    }
}

impl Group {
    fn fold(&self, folded: &mut Folded, empty: &Name) {
        let names = &self.context.names;
        let keys = SumNames::of(names, self.model.as_ref(), empty);
        for grain in Grain::ALL {
            folded.sums.entry(keys.sum_key(grain, self.hour_us, empty)).or_default().add(&self.sums);
        }
        let SumNames { tenant, key, user, .. } = keys;
        let (tenant, key, user) = (Arc::clone(tenant), Arc::clone(key), Arc::clone(user));
        if names.user.is_some() {
            let entry = folded.users.entry((Arc::clone(&tenant), Arc::clone(&user)));
            let (sent, seen) = entry.or_insert_with(|| (names.sent_user.clone(), Seen { requests: 0, ..self.seen }));
            if self.seen.last_us >= seen.last_us {
                sent.clone_from(&names.sent_user);
            }
            seen.add(self.seen);
        }
        self.fold_identifiers(folded, (&tenant, &key, &user));
        if let Some(kind) = &self.error {
            let key = ErrorKey { bucket_us: self.hour_us, tenant, key, user, kind: Arc::clone(kind) };
            *folded.errors.entry(key).or_default() += self.seen.requests;
        }
    }

    fn fold_identifiers(&self, folded: &mut Folded, (tenant, key, user): (&Name, &Name, &Name)) {
        let names = &self.context.names;
        let carried = [
            (USER, INTERNAL, &names.user),
            (USER, SENT, &names.sent_user),
            (SESSION, INTERNAL, &names.session),
            (SESSION, SENT, &names.sent_session),
            (SESSION, SENT, &names.sent_metadata_session),
            (CHAT, INTERNAL, &names.chat),
            (CHAT, SENT, &names.sent_chat),
        ];
        for (index, (kind, way, identifier)) in carried.iter().enumerate() {
            let Some(identifier) = identifier else { continue };
            let key = IdentifierKey {
                kind: *kind,
                identifier: Arc::clone(identifier),
                tenant: Arc::clone(tenant),
                user: Arc::clone(user),
                key: Arc::clone(key),
            };
            // A text that is both the stated and the sent identifier counts once.
            let mut earlier = carried.iter().take(index);
            let again = earlier.any(|(other, _, text)| other == kind && text.as_ref() == Some(identifier));
            let seen = if again { Seen { requests: 0, ..self.seen } } else { self.seen };
            let (ways, all) = folded.identifiers.entry(key).or_insert((0, Seen { requests: 0, ..seen }));
            *ways |= way;
            all.add(seen);
        }
    }
}
