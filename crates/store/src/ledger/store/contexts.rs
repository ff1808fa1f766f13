//! Numbers the contexts of rows: what the requests of one person and chat share is stored once.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::{fast, quality};

use super::Store;
use super::columns::bind_sent;
use crate::ledger::engine::{Arguments, Engine};
use crate::ledger::grain::{DAY_US, now_us};
use crate::ledger::increments::{Person, Seen};
use crate::ledger::record::{Begun, RequestLabels};
use crate::ledger::row::Row;
use callsign_core::usage::markup::Markup;

/// Maximum number of remembered contexts, of about 50 bytes each. Then they are numbered again.
const REMEMBERED: usize = 50_000;
/// The factor of the milliseconds in a context's number.
const RANDOM: i64 = 1 << 22;
/// Age at which no remembered context is used any more: they are numbered again every day.
const UNUSED_US: i64 = 2 * DAY_US;

/// A row with the numbers of its context and its person.
#[derive(Clone, Copy, Debug)]
pub(in crate::ledger) struct Placed<'r> {
    pub(in crate::ledger) row: &'r Row,
    /// Rows with one context and one end form one group of [`crate::ledger::increments::Increments`].
    pub(in crate::ledger) context: i64,
    pub(in crate::ledger) person: i64,
}

impl<'r> Placed<'r> {
    /// Returns rows that need no context, each in a group of its own.
    pub(super) fn alone(rows: impl IntoIterator<Item = &'r Row>) -> Vec<Self> {
        let place = |(context, row): (i64, &'r Row)| Self { row, context, person: row.begun.labels.person_number() };
        (0..).zip(rows).map(place).collect()
    }
}

/// The contexts that a connection has written.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    /// The numbers of context and person, by a digest of 128 bits.
    known: HashMap<u128, (i64, i64), fast::RandomState>,
    /// The digests that the open transaction adds.
    fresh: Vec<u128>,
    hashers: [quality::RandomState; 2],
    day: i64,
    latest: i64,
}

impl Contexts {
    /// Forgets all contexts.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.fresh.clear();
    }

    /// Forgets the contexts of a transaction that was not committed.
    pub(super) fn undo(&mut self) {
        for digest in self.fresh.drain(..) {
            self.known.remove(&digest);
        }
    }

    /// Notes that the open transaction is committed.
    pub(super) fn keep(&mut self) {
        self.fresh.clear();
    }

    /// Returns a new number: times first, so that the table grows at its end.
    pub(super) fn number(&mut self) -> i64 {
        let [hasher, _] = &self.hashers;
        let random = (hasher.hash_one((self.latest, now_us())) >> 42).cast_signed();
        self.latest = first_at(now_us()) + random;
        self.latest
    }

    /// Returns the digest of everything that a context consists of.
    fn digest(&self, begun: &Begun) -> u128 {
        let Begun { id: _, began_us: _, labels, sent, endpoint, account, markup } = begun;
        let RequestLabels { tenant, key, user, session, chat, message: _ } = labels;
        let names = (tenant, key, user, session, chat);
        let sent = (&sent.user, &sent.session, &sent.metadata_session, &sent.chat);
        let all = (names, sent, endpoint, account, markup.millionths());
        let [high, low] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(all)));
        high << 64 | low
    }

    /// Returns the numbers of a row's context and person, and true if they are new.
    fn find(&mut self, begun: &Begun) -> (i64, i64, bool) {
        let digest = self.digest(begun);
        if let Some((context, person)) = self.known.get(&digest) {
            return (*context, *person, false);
        }
        let (context, person) = (self.number(), begun.labels.person_number());
        self.known.insert(digest, (context, person));
        self.fresh.push(digest);
        (context, person, true)
    }
}

/// Returns the smallest number of a context of this time.
fn first_at(us: i64) -> i64 {
    (us / 1000).saturating_mul(RANDOM)
}

/// Returns the number below which no retained row has its context.
pub(super) fn unused_before(from_us: i64) -> i64 {
    first_at(from_us.saturating_sub(UNUSED_US).max(0))
}

impl Store {
    /// Begins a transaction and numbers the contexts of rows in it. On PostgreSQL new contexts have a transaction of
    /// their own, because two nodes that write people twice in one transaction may wait for each other.
    pub(super) async fn begin_with<'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r Row> + Clone,
    ) -> Result<Vec<Placed<'r>>, sqlx::Error> {
        let is_new = |row: &Row| !self.contexts.known.contains_key(&self.contexts.digest(&row.begun));
        if self.connection.engine() == Engine::Postgres && rows.clone().into_iter().any(is_new) {
            self.begin().await?;
            self.place(rows.clone()).await?;
            self.commit().await?;
        }
        self.begin().await?;
        self.place(rows).await
    }

    /// Numbers the contexts of rows, and writes new ones and their people.
    pub(super) async fn place<'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r Row>,
    ) -> Result<Vec<Placed<'r>>, sqlx::Error> {
        let day = now_us() / DAY_US;
        if self.contexts.known.len() > REMEMBERED || self.contexts.day != day {
            self.contexts.clear();
            self.contexts.day = day;
        }
        let (mut placed, mut new) = (Vec::new(), Vec::new());
        for row in rows {
            let (context, person, is_new) = self.contexts.find(&row.begun);
            let one = Placed { row, context, person };
            placed.push(one);
            if is_new {
                new.push(one);
            }
        }
        if !new.is_empty() {
            let statements = std::sync::Arc::clone(&self.statements);
            let mut people: Vec<_> = new.iter().map(|placed| (placed.person, person_of(&placed.row.begun))).collect();
            people.sort_by_key(|(person, _)| *person);
            people.dedup_by_key(|(person, _)| *person);
            let people: Vec<_> = people.iter().map(|(number, person)| (number, person)).collect();
            statements.new_people.run(&mut self.connection, &people, super::statements::bind_person).await?;
            statements.contexts.run(&mut self.connection, &new, bind_context).await?;
        }
        Ok(placed)
    }
}

/// Returns the caller as a person without finished requests.
fn person_of(begun: &Begun) -> Person {
    let seen = Seen { first_us: begun.began_us, last_us: begun.began_us, requests: 0 };
    Person { labels: begun.labels.clone(), sent: begun.sent.user.clone(), seen }
}

/// Adds the arguments of a context.
fn bind_context(placed: &Placed<'_>, to: &mut Arguments) -> Result<(), sqlx::Error> {
    let Begun { labels, sent, endpoint, account, markup, .. } = &placed.row.begun;
    to.int(Some(placed.context))?;
    to.int(Some(placed.person))?;
    to.shared(labels.session.as_ref())?;
    to.shared(labels.chat.as_ref())?;
    bind_sent(sent.user.as_ref(), labels.user.as_ref(), to)?;
    bind_sent(sent.session.as_ref(), labels.session.as_ref(), to)?;
    bind_sent(sent.metadata_session.as_ref(), labels.session.as_ref(), to)?;
    bind_sent(sent.chat.as_ref(), labels.chat.as_ref(), to)?;
    to.shared(Some(endpoint))?;
    to.shared(account.as_ref())?;
    to.int(Some(markup.millionths()).filter(|_| *markup != Markup::ONE))
}
