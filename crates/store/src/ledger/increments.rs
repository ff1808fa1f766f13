//! The increments of the tables of people, identifiers, sums and speed by the finished requests of one batch.
//!
//! The increments of a small batch are written in the transaction that writes its rows. Those of large batches are put
//! off together (`store/unsummed.rs`). Requests with the same context, model and end form one group, so the number of
//! writes grows with callers, not with requests.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use callsign_core::request_id::RequestId;
use foldhash::fast::RandomState;

use super::digest;
use super::grain::Grain;
use super::placed::Placed;
use super::record::{Begun, Name, RequestLabels};
use super::row::Row;
use super::speed::Speed;
use super::sums::Sums;

/// A key of `sums`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SumKey {
    pub(super) grain: i64,
    pub(super) bucket_us: i64,
    pub(super) person: i64,
    pub(super) model: Name,
    pub(super) provider: Name,
    pub(super) status: i64,
    pub(super) error: Name,
}

/// A key of `speed`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SpeedKey {
    pub(super) grain: i64,
    pub(super) bucket_us: i64,
    pub(super) model: Name,
    pub(super) provider: Name,
    pub(super) bin: i64,
}

/// First and last time, and number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) first_us: i64,
    pub(super) last_us: i64,
    pub(super) requests: i64,
}

/// A row of `people`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Person {
    pub(super) labels: RequestLabels,
    pub(super) sent: Option<Name>,
    pub(super) seen: Seen,
}

/// A row of `identifiers` without its key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Carried {
    /// [`INTERNAL`], [`SENT`], or both.
    pub(super) way: i64,
    /// The text of a user's identifier as sent.
    pub(super) text: Option<Name>,
    pub(super) seen: Seen,
}

/// The kind `user` of an identifier; then session, chat and message.
pub(super) const USER: i64 = 0;
pub(super) const SESSION: i64 = 1;
pub(super) const CHAT: i64 = 2;
pub(super) const MESSAGE: i64 = 3;
/// The form of an identifier as the caller states it.
pub(super) const INTERNAL: i64 = 1;
/// The form of an identifier as sent upstream.
pub(super) const SENT: i64 = 2;

/// The requests of one context.
#[derive(Debug, PartialEq)]
struct Shared {
    person: i64,
    /// The beginning of one of the requests.
    begun: Begun,
    seen: Seen,
}

/// All increments, sorted by key. The fixed order prevents deadlocks between two writers.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Increments {
    pub(super) people: BTreeMap<i64, Person>,
    /// By digest, kind and person.
    pub(super) identifiers: BTreeMap<(i64, i64, i64), Carried>,
    pub(super) sums: BTreeMap<SumKey, Sums>,
    pub(super) speed: BTreeMap<SpeedKey, Speed>,
    /// The requests of each person.
    pub(super) listed: Vec<(i64, RequestId)>,
    /// Requests by context, until [`Self::settled`] adds their people and identifiers: each once, not with each batch.
    contexts: HashMap<i64, Shared, RandomState>,
    /// The number of each person's tenant.
    tenants: BTreeMap<i64, i64>,
}

/// The requests of one group.
struct Group<'r> {
    row: &'r Row,
    person: i64,
    sums: Sums,
}

/// A row as the key of its group.
struct Grouped<'r>(Placed<'r>);

impl Grouped<'_> {
    fn parts(&self) -> (i64, i64, i64, [Option<&Name>; 3], u16) {
        let Placed { row, context, person } = self.0;
        let ended = row.ended.as_ref();
        let texts = ended.map(|ended| [ended.model.as_ref(), ended.provider.as_ref(), ended.error.as_ref()]);
        let hour = Grain::Hour.bucket(row.begun.began_us);
        (context, person, hour, texts.unwrap_or_default(), ended.map_or(0, |ended| ended.status))
    }
}

impl PartialEq for Grouped<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Grouped<'_> {}

impl Hash for Grouped<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl Increments {
    /// Returns what these rows add. Running requests add nothing.
    pub(super) fn of(rows: &[Placed<'_>]) -> Self {
        let mut all = Self::default();
        all.add(rows);
        all.settled()
    }

    /// Adds rows with the numbers of contexts in the tables. Running requests add nothing. Returns the bytes that the
    /// increments keep in memory for new contexts.
    pub(super) fn add(&mut self, rows: &[Placed<'_>]) -> usize {
        let mut bytes = 0;
        let mut groups: HashMap<Grouped<'_>, Group<'_>, RandomState> = HashMap::default();
        for placed in rows {
            let Placed { row, person, context } = *placed;
            let Some(sums) = Sums::of(row) else { continue };
            let began_us = row.begun.began_us;
            let seen = Seen { first_us: began_us, last_us: began_us, requests: row.count };
            let group = groups.entry(Grouped(*placed)).or_insert_with(|| Group { row, person, sums: Sums::default() });
            group.sums.add(&sums);
            let shared = self.contexts.entry(context).or_insert_with(|| {
                bytes += row.begun.bytes();
                Shared { person, begun: row.begun.clone(), seen: seen.none() }
            });
            shared.seen.add(seen);
            let (labels, sent) = (&row.begun.labels, &row.begun.sent);
            self.carry(person, MESSAGE, &[(INTERNAL, &labels.message), (SENT, &sent.message)], seen);
            self.add_speed(row);
            self.listed.push((person, row.begun.id));
        }
        for group in groups.values() {
            self.add_sums(group.row, group.person, &group.sums);
        }
        bytes
    }

    /// Adds people and identifiers of the contexts, and the speed of days.
    pub(super) fn settled(mut self) -> Self {
        for Shared { person, begun, seen } in std::mem::take(&mut self.contexts).into_values() {
            self.identify(person, &begun, seen);
        }
        let hours = std::mem::take(&mut self.speed);
        for (hour, speed) in hours {
            let day =
                SpeedKey { grain: Grain::Day.code(), bucket_us: Grain::Day.bucket(hour.bucket_us), ..hour.clone() };
            self.speed.entry(day).or_default().add(&speed);
            self.speed.insert(hour, speed);
        }
        self.listed.sort_unstable();
        self
    }

    /// Adds to the sums that contain a request.
    pub(super) fn shift(&mut self, row: &Row, sums: Sums) {
        self.add_sums(row, row.begun.labels.person_number(), &sums);
    }

    /// Adds the person and the identifiers of a context.
    fn identify(&mut self, person: i64, begun: &Begun, seen: Seen) {
        let labels = &begun.labels;
        let entry = self.people.entry(person).or_insert_with(|| Person {
            labels: RequestLabels { session: None, chat: None, message: None, ..labels.clone() },
            sent: begun.sent.user.clone(),
            seen: seen.none(),
        });
        if seen.last_us >= entry.seen.last_us {
            entry.sent.clone_from(&begun.sent.user);
        }
        entry.seen.add(seen);
        self.carry(person, USER, &[(INTERNAL, &labels.user), (SENT, &begun.sent.user)], seen);
        let sessions = [(INTERNAL, &labels.session), (SENT, &begun.sent.session), (SENT, &begun.sent.metadata_session)];
        self.carry(person, SESSION, &sessions, seen);
        self.carry(person, CHAT, &[(INTERNAL, &labels.chat), (SENT, &begun.sent.chat)], seen);
    }

    /// Adds identifiers of one kind. A text that is both the stated and the sent identifier counts once.
    fn carry(&mut self, person: i64, kind: i64, carried: &[(i64, &Option<Name>)], seen: Seen) {
        for (index, (way, text)) in carried.iter().enumerate() {
            let Some(text) = text else { continue };
            let is_again = carried.iter().take(index).any(|(_, earlier)| earlier.as_ref() == Some(text));
            let seen = if is_again { seen.none() } else { seen };
            let none = Carried { way: 0, text: None, seen: seen.none() };
            let entry = self.identifiers.entry((digest::identifier(text), kind, person)).or_insert(none);
            entry.way |= way;
            if kind == USER && *way == SENT {
                entry.text = Some(Arc::clone(text));
            }
            entry.seen.add(seen);
        }
    }

    fn add_sums(&mut self, row: &Row, person: i64, sums: &Sums) {
        let Some(ended) = &row.ended else { return };
        let empty: Name = "".into();
        let name = |name: &Option<Name>| name.clone().unwrap_or_else(|| Arc::clone(&empty));
        let key = SumKey {
            grain: Grain::Hour.code(),
            bucket_us: Grain::Hour.bucket(row.begun.began_us),
            person,
            model: name(&ended.model),
            provider: name(&ended.provider),
            status: i64::from(ended.status),
            error: name(&ended.error),
        };
        self.tenants.entry(person).or_insert_with(|| row.begun.labels.tenant_number());
        self.sums.entry(key).or_default().add(sums);
    }

    /// Adds the sums of hours before `folded_us` to the coarser sums, which hold these hours already. Removes sums
    /// before `from_us`, which retention has deleted, and those that change nothing.
    pub(super) fn spread(&mut self, folded_us: i64, from_us: i64) {
        let mut coarse: Vec<(SumKey, Sums)> = Vec::new();
        for (hour, sums) in self.sums.iter().filter(|(hour, _)| hour.bucket_us < folded_us) {
            for grain in Grain::COARSE {
                let person = match grain {
                    Grain::Curve => self.tenants.get(&hour.person).copied().unwrap_or_default(),
                    _ => hour.person,
                };
                let bucket_us = grain.bucket(hour.bucket_us);
                coarse.push((SumKey { grain: grain.code(), bucket_us, person, ..hour.clone() }, *sums));
            }
        }
        for (key, sums) in coarse {
            self.sums.entry(key).or_default().add(&sums);
        }
        self.sums.retain(|key, sums| key.bucket_us >= from_us && !sums.is_nothing());
    }

    fn add_speed(&mut self, row: &Row) {
        let Some(((bin, speed), ended)) = Speed::of(row).zip(row.ended.as_ref()) else { return };
        let empty: Name = "".into();
        let key = SpeedKey {
            grain: Grain::Hour.code(),
            bucket_us: Grain::Hour.bucket(row.begun.began_us),
            model: ended.model.clone().unwrap_or_else(|| Arc::clone(&empty)),
            provider: ended.provider.clone().unwrap_or_else(|| Arc::clone(&empty)),
            bin,
        };
        self.speed.entry(key).or_default().add(&speed);
    }
}

impl Seen {
    fn none(self) -> Self {
        Self { requests: 0, ..self }
    }

    fn add(&mut self, other: Self) {
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
        self.requests += other.requests;
    }
}
