//! What the finished requests of one batch add to the tables of people, identifiers, sums and speed.
//!
//! The increments are written in the transaction that writes the rows, so rows and sums never differ. Requests with
//! the same labels, model and end form one group, so the number of writes grows with callers, not with requests.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::digest;
use super::grain::Grain;
use super::record::{Name, RequestLabels, SentIds};
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

/// All increments, sorted by key. The fixed order prevents deadlocks between two writers.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Increments {
    pub(super) people: BTreeMap<i64, Person>,
    /// By digest, kind and person.
    pub(super) identifiers: BTreeMap<(i64, i64, i64), Carried>,
    pub(super) sums: BTreeMap<SumKey, Sums>,
    pub(super) speed: BTreeMap<SpeedKey, Speed>,
    /// The number of each person's tenant.
    tenants: BTreeMap<i64, i64>,
}

/// The requests of one group.
struct Group<'r> {
    row: &'r Row,
    person: i64,
    sums: Sums,
    seen: Seen,
}

/// A row as the key of its group: equal if everything but the message is equal.
struct Labelled<'r>(&'r Row);

impl<'r> Labelled<'r> {
    fn parts(&self) -> ([Option<&'r str>; 11], u16, i64) {
        let text = |name: &'r Option<Name>| name.as_deref();
        let RequestLabels { tenant, key, user, session, chat, message: _ } = &self.0.begun.labels;
        let SentIds { user: sent_user, session: sent_session, metadata_session, chat: sent_chat, message: _ } =
            &self.0.begun.sent;
        let ended = self.0.ended.as_ref();
        let texts = [
            text(tenant),
            Some(&**key),
            text(user),
            text(session),
            text(chat),
            text(sent_user),
            text(sent_session),
            text(metadata_session),
            text(sent_chat),
            ended.and_then(|ended| ended.model.as_deref()),
            ended.and_then(|ended| ended.provider.as_deref()),
        ];
        (texts, ended.map_or(0, |ended| ended.status), Grain::Hour.bucket(self.0.begun.began_us))
    }

    fn error(&self) -> Option<&'r str> {
        self.0.ended.as_ref().and_then(|ended| ended.error.as_deref())
    }
}

impl PartialEq for Labelled<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.error() == other.error() && self.parts() == other.parts()
    }
}

impl Eq for Labelled<'_> {}

impl Hash for Labelled<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.parts(), self.error()).hash(state);
    }
}

impl Increments {
    /// Returns what these rows add. Running requests add nothing.
    pub(super) fn of<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Self {
        let mut all = Self::default();
        let mut groups: HashMap<Labelled<'r>, Group<'r>, RandomState> = HashMap::default();
        for row in rows {
            let Some(sums) = Sums::of(row) else { continue };
            let began_us = row.begun.began_us;
            let seen = Seen { first_us: began_us, last_us: began_us, requests: row.count };
            let group = groups.entry(Labelled(row)).or_insert_with(|| Group {
                row,
                person: row.begun.labels.person_number(),
                sums: Sums::default(),
                seen: seen.none(),
            });
            group.sums.add(&sums);
            group.seen.add(seen);
            let (labels, sent) = (&row.begun.labels, &row.begun.sent);
            all.carry(group.person, MESSAGE, &[(INTERNAL, &labels.message), (SENT, &sent.message)], seen);
            all.add_speed(row);
        }
        for group in groups.values() {
            all.add_group(group);
        }
        all
    }

    /// Adds to the sums that contain a request.
    pub(super) fn shift(&mut self, row: &Row, sums: Sums) {
        self.add_sums(row, row.begun.labels.person_number(), &sums);
    }

    fn add_group(&mut self, group: &Group<'_>) {
        let (begun, seen) = (&group.row.begun, group.seen);
        let labels = &begun.labels;
        let entry = self.people.entry(group.person).or_insert_with(|| Person {
            labels: RequestLabels { session: None, chat: None, message: None, ..labels.clone() },
            sent: begun.sent.user.clone(),
            seen: seen.none(),
        });
        if seen.last_us >= entry.seen.last_us {
            entry.sent.clone_from(&begun.sent.user);
        }
        entry.seen.add(seen);
        self.carry(group.person, USER, &[(INTERNAL, &labels.user), (SENT, &begun.sent.user)], seen);
        let sessions = [(INTERNAL, &labels.session), (SENT, &begun.sent.session), (SENT, &begun.sent.metadata_session)];
        self.carry(group.person, SESSION, &sessions, seen);
        self.carry(group.person, CHAT, &[(INTERNAL, &labels.chat), (SENT, &begun.sent.chat)], seen);
        self.add_sums(group.row, group.person, &group.sums);
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
        self.tenants.insert(person, row.begun.labels.tenant_number());
        self.sums.entry(key).or_default().add(sums);
    }

    /// Adds the sums of hours before `folded_us` to the coarser sums, which hold these hours already. Removes sums
    /// before `from_us`, which retention has deleted, and those that change nothing.
    pub(super) fn spread(&mut self, folded_us: i64, from_us: i64) {
        let mut coarse: Vec<(SumKey, Sums)> = Vec::new();
        for (hour, sums) in self.sums.iter().filter(|(hour, _)| hour.bucket_us < folded_us) {
            for grain in [Grain::Day, Grain::Month] {
                coarse.push((
                    SumKey { grain: grain.code(), bucket_us: grain.bucket(hour.bucket_us), ..hour.clone() },
                    *sums,
                ));
            }
            let (empty, grain): (Name, _) = ("".into(), Grain::Curve);
            let curve = SumKey {
                grain: grain.code(),
                bucket_us: grain.bucket(hour.bucket_us),
                person: self.tenants.get(&hour.person).copied().unwrap_or_default(),
                model: Arc::clone(&hour.model),
                provider: Arc::clone(&empty),
                status: 0,
                error: empty,
            };
            coarse.push((curve, *sums));
        }
        for (key, sums) in coarse {
            self.sums.entry(key).or_default().add(&sums);
        }
        self.sums.retain(|key, sums| key.bucket_us >= from_us && !sums.is_nothing());
    }

    /// Removes and returns the people and identifiers that are in the tables already.
    pub(super) fn put_off(&mut self, mut is_known: impl FnMut((i64, i64, i64)) -> bool) -> Self {
        let mut off = Self::default();
        off.people.extend(self.people.extract_if(.., |person, _| is_known((*person, -1, 0))));
        off.identifiers.extend(self.identifiers.extract_if(.., |key, _| is_known(*key)));
        off
    }

    /// Adds the people and identifiers of later increments.
    pub(super) fn absorb(&mut self, later: Self) {
        for (number, new) in later.people {
            let entry = self.people.entry(number).or_insert_with(|| Person { seen: new.seen.none(), ..new.clone() });
            if new.seen.last_us >= entry.seen.last_us {
                entry.sent = new.sent;
            }
            entry.seen.add(new.seen);
        }
        for (key, new) in later.identifiers {
            let entry = self.identifiers.entry(key).or_insert_with(|| Carried { seen: new.seen.none(), ..new.clone() });
            entry.way |= new.way;
            entry.text = entry.text.take().or(new.text);
            entry.seen.add(new.seen);
        }
    }

    fn add_speed(&mut self, row: &Row) {
        let Some(((bin, speed), ended)) = Speed::of(row).zip(row.ended.as_ref()) else { return };
        let empty: Name = "".into();
        for grain in [Grain::Hour, Grain::Day] {
            let key = SpeedKey {
                grain: grain.code(),
                bucket_us: grain.bucket(row.begun.began_us),
                model: ended.model.clone().unwrap_or_else(|| Arc::clone(&empty)),
                provider: ended.provider.clone().unwrap_or_else(|| Arc::clone(&empty)),
                bin,
            };
            self.speed.entry(key).or_default().add(&speed);
        }
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
